"""A trajectory and its protocol, through a file and back."""

import dataclasses
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.io import load_trajectory, save_trajectory

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
PROTOCOLS = [
    nl.mri.Protocol(SCANNER, fov=0.24, shape=(256, 256)),
    nl.mri.Protocol(SCANNER, fov=(0.1 + 0.2, 1 / 3), shape=(5, 6), dwell=2.1e-6, rest=None),
    nl.mri.Protocol(
        nl.mri.Scanner(gmax=1 / 30, smax=1e3 / 7, raster=4e-6, gamma=10.7084e6, norm="max"),
        fov=(0.24, 0.18, 0.1),
        shape=(64, 48, 32),
        rest="end",
    ),
]


def points(protocol, dtype="float64", shots=(3,)):
    return np.random.default_rng(0).random((*shots, 7, protocol.ndim)).astype(dtype)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shots", [(), (3,), (2, 3)])
def test_every_bit_comes_back(tmp_path, protocol, dtype, shots):
    k = points(protocol, dtype, shots)
    save_trajectory(tmp_path / "a.npz", k, protocol)
    k2, protocol2 = load_trajectory(tmp_path / "a.npz")
    assert k2.dtype == k.dtype
    assert k2.tobytes() == k.tobytes()
    assert k2.shape == k.shape
    assert protocol2 == protocol
    assert dataclasses.astuple(protocol2) == dataclasses.astuple(protocol)


def test_an_array_of_any_library_is_written(tmp_path, row):
    k = points(PROTOCOLS[0])
    save_trajectory(tmp_path / "a.npz", row.array(k, "float64"), PROTOCOLS[0])
    np.testing.assert_array_equal(load_trajectory(tmp_path / "a.npz")[0], k)


def test_the_file_says_its_units_and_what_wrote_it(tmp_path):
    save_trajectory(tmp_path / "a.npz", points(PROTOCOLS[0]), PROTOCOLS[0])
    with np.load(tmp_path / "a.npz") as file:
        about = json.loads(str(file["about"]))
    numbers = [*about["protocol"], *about["protocol"]["scanner"]]
    without = {"scanner", "shape", "rest", "norm"}
    assert set(about["units"]) - {"k"} == set(numbers) - without
    assert about["versions"]["numpy"] == np.__version__


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def changed(**changes):
    """Return the content of a file whose description is changed."""
    about = {
        "format": "nufftlib trajectory",
        "version": 1,
        "protocol": dataclasses.asdict(PROTOCOLS[0]),
    }
    return archive(k=points(PROTOCOLS[0]), about=np.asarray(json.dumps(about | changes)))


def test_a_file_made_by_hand_is_read(tmp_path):
    (tmp_path / "a.npz").write_bytes(changed())
    assert load_trajectory(tmp_path / "a.npz")[1] == PROTOCOLS[0]


OTHERS = {
    "empty": (b"", "no archive"),
    "text": (b"k = 1", "no archive"),
    "pickle": (pickle.dumps([1]), "no archive"),
    "other arrays": (archive(a=np.zeros(3)), "k is not a file in the archive"),
    "no description": (archive(k=np.zeros(3), about=np.zeros(3)), "cannot be read"),
    "a list": (archive(k=np.zeros(3), about=np.asarray("[]")), "cannot be read"),
    "cut off": (changed()[:-30], "no archive"),
    "another format": (changed(format="npz of others"), "format 'npz of others', version 1"),
    "a later version": (changed(version=2), "version 2, and not 1"),
    "no protocol": (changed(protocol={}), "scanner"),
    "a negative fov": (
        changed(protocol=dataclasses.asdict(PROTOCOLS[0]) | {"fov": [-1.0, 1.0]}),
        "fov is -1.0; want a positive, finite number",
    ),
    "three axes": (changed(protocol=dataclasses.asdict(PROTOCOLS[2])), "samples, 3"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, kind):
    content, said = OTHERS[kind]
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz: cannot be read: .*want a file that") as caught:
        load_trajectory(path)
    assert said in str(caught.value)


def test_nothing_in_a_file_is_executed(tmp_path):
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    for content in (
        archive(k=trap, about=np.asarray("{}")),
        archive(k=np.zeros(3), about=trap),
        pickle.dumps(trap[0]),
    ):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read"):
            load_trajectory(tmp_path / "a.npz")
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(trap[0]))
    assert (tmp_path / "sprung").exists()  # it does what it is for


def test_a_missing_file_is_called_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_trajectory(tmp_path / "a.npz")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    save_trajectory(path, points(PROTOCOLS[0]), PROTOCOLS[0])
    old = path.read_bytes()

    def fails(path, **_):
        path.write_bytes(b"half")
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fails)
        with pytest.raises(InterruptedError):
            save_trajectory(path, points(PROTOCOLS[1]), PROTOCOLS[1])
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    assert path.read_bytes() == old
    save_trajectory(path, points(PROTOCOLS[1]), PROTOCOLS[1])
    assert load_trajectory(path)[1] == PROTOCOLS[1]


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [("a.npy", ValueError, r"want a name that ends with \.npz"), ("b/a.npz", OSError, "no folder")],
)
def test_a_place_that_cannot_be_is_refused(tmp_path, path, error, said):
    with pytest.raises(error, match=said):
        save_trajectory(tmp_path / path, points(PROTOCOLS[0]), PROTOCOLS[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("k", "protocol", "error"),
    [
        (points(PROTOCOLS[2]), PROTOCOLS[0], ValueError),
        (points(PROTOCOLS[0]).astype(int), PROTOCOLS[0], TypeError),
        (points(PROTOCOLS[0]), SCANNER, TypeError),
    ],
)
def test_what_is_no_trajectory_is_not_written(tmp_path, k, protocol, error):
    with pytest.raises(error, match=r"save_trajectory\("):
        save_trajectory(tmp_path / "a.npz", k, protocol)
    assert not list(tmp_path.iterdir())
