import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scans import violation

from nufftlib import io, mri, workflows
from nufftlib.cli import app, learn_image, learning
from nufftlib.data import brain
from nufftlib.plots import animation

OUT = Path("out/trajectory")
PAGE = {"learning.npz", "report.html"}
LIMITS = ("--gmax", "40", "--smax", "180")
UNIT = ("--unit", "cycles per voxel")
ARRAYS = {
    "trajectory",
    "trajectory_start",
    "losses",
    "reconstruction",
    "reconstruction_start",
    "image",
}


def result(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


def interrupt(monkeypatch, step):
    """Press Ctrl-C during the evaluation after a number of steps."""
    value_and_grad = workflows.TrajectoryObjective.value_and_grad
    calls = []

    def pressed(self, k):
        calls.append(None)
        if len(calls) == step + 1:
            raise KeyboardInterrupt
        return value_and_grad(self, k)

    monkeypatch.setattr(workflows.TrajectoryObjective, "value_and_grad", pressed)


def test_files_say_the_same_as_each_other_and_as_the_table(learn):
    output = learn().output
    names = {"result.npz", "figure.png", "learning.gif", *PAGE, "result.json"}
    assert {path.name for path in OUT.iterdir()} == names
    assert all(str(OUT / name) in output for name in names)
    record, arrays = result()
    assert set(arrays) == ARRAYS
    losses = arrays["losses"]
    assert (record["loss_start"], record["loss_final"]) == (losses[0], losses[-1])
    assert record["steps"] == record["step_best"] == len(losses) - 1 == 3
    assert "Learning on the CPU: 3 steps, maps estimated\n" in output
    assert "\nFigures and files: " in output
    assert losses[-1] < losses[0]
    assert record["seconds"] > 0
    assert record["interrupted"] is False
    assert f"{losses[0]:.4g}" in output
    assert f"{losses[-1]:.4g}" in output
    libraries = {"nufftlib", "numpy", "scipy", "numba", "finufft", "python"}
    assert set(record["versions"]) == libraries
    assert record["versions"]["numpy"] == np.__version__
    assert str(Path.cwd()) not in (OUT / "result.json").read_text()


def test_arrays_are_those_of_the_workflow(learn):
    learn("--no-figures", "--maps", "true")
    record, arrays = result()
    image = np.load("brain.npy")
    np.testing.assert_array_equal(arrays["image"], image / image.max())
    expected = workflows.learn_trajectory(
        arrays["image"],
        mri.birdcage_maps(3, (48, 48)),
        mri.trajectories.radial(8, 24),
        maps="true",
        steps=3,
    )
    assert record["settings"]["maps"] == "true"
    assert record["settings"]["image"] == "brain.npy"
    assert record["settings"]["volume"] is record["settings"]["coil_maps"] is None
    described = {name: record["settings"][name] for name in ("coils", "start", "shots", "samples")}
    assert described == {"coils": 3, "start": "radial", "shots": 8, "samples": 24}
    np.testing.assert_array_equal(arrays["trajectory_start"], expected.trajectory_start)
    np.testing.assert_allclose(arrays["trajectory"], expected.trajectory, atol=1e-4)
    np.testing.assert_allclose(arrays["losses"], expected.losses, rtol=1e-3)
    np.testing.assert_allclose(arrays["reconstruction"], expected.reconstruction, atol=1e-2)


def test_recipe_and_loss_are_those_of_the_workflow(learn):
    learn("--no-figures", "--maps", "true", "--reconstruction", "adjoint", "--loss", "mae")
    record, arrays = result()
    expected = workflows.learn_trajectory(
        arrays["image"],
        mri.birdcage_maps(3, (48, 48)),
        mri.trajectories.radial(8, 24),
        maps="true",
        loss="mae",
        steps=3,
    )
    assert (record["settings"]["reconstruction"], record["settings"]["loss"]) == ("adjoint", "mae")
    np.testing.assert_allclose(arrays["losses"], expected.losses, rtol=1e-3)


def test_the_default_image_is_the_brain(monkeypatch):
    monkeypatch.setattr(learn_image.data, "brain", lambda: brain()[::4, ::4])
    app.cli(["learn-trajectory", "--steps", "1", "--no-figures"], standalone_mode=False)
    record, arrays = result()
    assert record["settings"]["image"] == "brain"
    np.testing.assert_array_equal(arrays["image"], brain()[::4, ::4])


def test_seed_turns_all_spokes_by_one_angle(learn):
    learn("--no-figures", "--steps", "1", "--seed", "5", "--out", "turned")
    learn("--no-figures", "--steps", "1", "--seed", "5", "--out", "again")
    learn("--no-figures", "--steps", "1")
    (record, turned), (_, again), (straight, plain) = (
        result(Path(folder)) for folder in ("turned", "again", OUT)
    )
    k, k0 = turned["trajectory_start"], plain["trajectory_start"]
    np.testing.assert_array_equal(again["trajectory_start"], k)
    assert k.dtype == k0.dtype == np.float32
    turn = np.exp(1j * record["settings"]["turn_radians"])
    np.testing.assert_allclose(k @ [1, 1j], turn * (k0 @ [1, 1j]), atol=1e-6)
    assert abs(turn - 1) > 0.1
    assert straight["settings"]["turn_radians"] is straight["settings"]["seed"] is None
    np.testing.assert_array_equal(k0[0, :, 1], 0)


def test_no_figures_writes_no_pictures_and_leaves_no_old_ones(learn):
    learn()
    learn("--no-figures", "--force")
    assert {path.name for path in OUT.iterdir()} == {"result.npz", "result.json"}


def test_animation_shows_the_start_and_the_end(learn, monkeypatch):
    monkeypatch.setattr(learn_image, "FRAMES", 3)
    learn("--steps", "8")
    with Image.open(OUT / "learning.gif") as gif:
        assert gif.n_frames == 3
        frames = []
        for i in range(3):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("RGB")))
    white = np.asarray(frames[0][0, 0])
    np.testing.assert_array_equal(white, 255)
    # The caption, and below it trajectory, reconstruction and loss.
    caption, below = slice(30), slice(30, None)
    for before, after in pairwise(frames):
        assert (before[caption] != after[caption]).any()
        for third in np.array_split((before != after)[below], 3, axis=1):
            assert third[:, 80:-80].any()
    with Image.open(OUT / "figure.png") as figure:
        assert figure.size == (2080, 988)


def test_frames_are_reconstructions_of_the_steps_they_name(learn, monkeypatch):
    shown = []
    monkeypatch.setattr(animation, "animate_learning", lambda frames, *_: shown.extend(frames))
    learn("--steps", "2")
    _, arrays = result()
    assert [frame.step for frame in shown] == [0, 1, 2]
    for frame, end in ((shown[0], "_start"), (shown[-1], "")):
        np.testing.assert_array_equal(frame.trajectory, arrays[f"trajectory{end}"])
        np.testing.assert_allclose(frame.reconstruction, arrays[f"reconstruction{end}"], atol=1e-3)


def test_best_is_told_from_the_last(learn, monkeypatch):
    monkeypatch.setattr(learning, "LEARNING_RATE", (0.3, 0.3))  # too large
    frames = []
    monkeypatch.setattr(animation, "animate_learning", lambda movie, *_: frames.extend(movie))
    output = learn("--maps", "ones", "--steps", "4").output
    record, arrays = result()
    losses = arrays["losses"]
    best = int(losses.argmin())
    assert best < 4
    assert (record["loss_final"], record["step_best"], record["steps"]) == (losses[best], best, 4)
    assert "first loss  best loss  at step\n" in output
    assert f"{losses[0]:.4g}  {losses[best]:9.4g}  {best:7}\n" in output
    assert frames[-1].step == best
    np.testing.assert_array_equal(frames[-1].trajectory, arrays["trajectory"])
    assert [frame.step for frame in frames[:-1]] == [0, 1, 2, 3]


def test_interrupted_run_writes_what_it_has(learn, monkeypatch):
    interrupt(monkeypatch, step=3)
    output = learn("--steps", "6", code=130).output
    assert "Interrupted after 2 of 6 steps" in output
    record, arrays = result()
    assert set(arrays) == ARRAYS
    assert record["interrupted"] is True
    assert record["steps"] == len(arrays["losses"]) - 1 == 2
    assert (OUT / "figure.png").exists()
    assert (OUT / "learning.gif").exists()


def test_interrupt_before_the_first_step_is_drawn_too(learn, monkeypatch):
    interrupt(monkeypatch, step=1)
    learn(code=130)
    record, _ = result()
    assert record["steps"] == 0
    assert record["loss_start"] == record["loss_final"]
    assert (OUT / "learning.gif").exists()


def test_interrupt_before_the_first_loss_leaves_no_result(learn, monkeypatch):
    interrupt(monkeypatch, step=0)
    assert "not complete" in learn(code=130).output
    assert not (OUT / "result.json").exists()


def test_interrupt_outside_of_the_loop_has_the_same_exit_code(learn, monkeypatch):
    def pressed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflows, "learn_trajectory", pressed)
    assert "not complete" in learn(code=130).output
    assert not (OUT / "result.json").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.linspace(-2, -1, 64).reshape(8, 8), "the largest value is -1"),
        (np.linspace(-2, 1, 64).reshape(8, 8), "the mean -0.5"),
    ],
)
def test_image_without_signal_is_refused(learn, values, message):
    np.save("dark.npy", values)
    assert message in learn("--image", "dark.npy", code=2).output
    assert not Path("out").exists()


# --- another start, and other coils


def refused(done, *words):
    assert all(word in done.output for word in words), done.output
    assert not OUT.exists()


def test_shots_and_coils_can_be_chosen(learn):
    learn("--no-figures", "--shots", "5", "--samples", "30", "--coils", "2")
    record, arrays = result()
    expected = workflows.learn_trajectory(
        arrays["image"], mri.birdcage_maps(2, (48, 48)), mri.trajectories.radial(5, 30), steps=3
    )
    np.testing.assert_array_equal(arrays["trajectory_start"], expected.trajectory_start)
    np.testing.assert_allclose(arrays["losses"], expected.losses, rtol=1e-3)
    assert [record["settings"][name] for name in ("shots", "samples", "coils")] == [5, 30, 2]


@pytest.mark.parametrize("name", sorted(mri.trajectories.patterns(2)))
def test_every_pattern_is_a_start(learn, name):
    learn("--no-figures", "--steps", "1", "--start", name, "--maps", "ones", *LIMITS)
    record, arrays = result()
    assert record["settings"]["start"] == name
    k = mri.trajectories.patterns(2)[name](8, 24)
    protocol = mri.Protocol(mri.Scanner(40e-3, 180.0, 10e-6), 0.24, (48, 48))
    centred = np.flatnonzero(np.abs(k).max(axis=(0, 2)) < 1e-6)
    fixed = {int(centred[0]): (0.0, 0.0)} if len(centred) else None
    want = mri.project_trajectory(k, protocol, fixed=fixed).trajectory
    np.testing.assert_allclose(arrays["trajectory_start"], want, atol=1e-3)


def test_a_result_is_a_start(learn):
    learn("--no-figures", *LIMITS, "--samples", "32")
    _, arrays = result()
    np.save("own.npy", arrays["trajectory"].astype(np.float64))
    for i, path in enumerate((OUT / "result.npz", OUT / "trajectory.npz", Path("own.npy"))):
        unit = UNIT if path.suffix == ".npy" else ()
        learn("--no-figures", "--steps", "1", "--start", str(path), *unit, "--out", f"again{i}")
        record, again = result(Path(f"again{i}"))
        np.testing.assert_array_equal(again["trajectory_start"], arrays["trajectory"])
        assert record["settings"]["start"] == str(path)
        assert record["settings"]["shots"] == 8


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.ones((4, 20, 3)), "the points of own.npy have 3 axes"),
        (np.zeros((20, 2), int), "the array is int64 of the shape (20, 2)"),
        (np.zeros((4, 1, 2)), "at least 2 samples"),
        (np.full((4, 20, 2), np.nan), "80 points are not finite"),
        (np.full((4, 20, 2), 3.0), "is 3; want at most 0.5 cycles per voxel"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(learn, array, words):
    np.save("own.npy", array)
    refused(learn("--start", "own.npy", *UNIT, code=2), "'--start'", "own.npy", words)


def test_the_unit_of_a_start_is_asked_for(learn):
    k = mri.trajectories.radial(5, 24)
    np.save("own.npy", 48 * k)
    refused(learn("--start", "own.npy", code=2), "own.npy does not say it", "up to 24", "'1/fov'")
    refused(learn("--unit", "1/fov", code=2), "--unit: the pattern radial has cycles per voxel")
    learn("--no-figures", "--steps", "1", "--start", "own.npy", "--unit", "1/fov")
    np.testing.assert_allclose(result()[1]["trajectory_start"], k, atol=1e-7)
    io.write_bart("own.cfl", k, (48, 48))
    learn("--no-figures", "--steps", "1", "--start", "own.cfl", "--force")
    np.testing.assert_allclose(result()[1]["trajectory_start"], k, atol=1e-7)
    np.save("own.npy", k * (48 / 0.12))
    learn(
        "--no-figures", "--start", "own.npy", "--unit", "1/m", *LIMITS, "--fov", "0.12", "--force"
    )
    fixed = {0: (0.0, 0.0)}
    protocol = mri.Protocol(mri.Scanner(40e-3, 180.0, 10e-6), 0.12, (48, 48))
    want = mri.project_trajectory(k, protocol, fixed=fixed).trajectory
    np.testing.assert_allclose(result()[1]["trajectory_start"], want, atol=1e-3)


def test_a_start_that_is_none_is_refused(learn):
    Path("own.npy").write_bytes(b"nothing")
    refused(learn("--start", "own.npy", code=2), "own.npy: cannot be read")
    refused(learn("--start", "radical", code=2), "radical is none of ", "radial", "no such file")
    np.save("own.npy", np.zeros((4, 20, 2)))
    for option in ("--shots", "--samples"):
        refused(learn("--start", "own.npy", option, "8", code=2), f"{option}: the trajectory own")


def test_a_start_that_is_turned_out_of_the_band_is_refused(learn):
    np.save("own.npy", np.full((4, 20, 2), 0.5))
    own = ("--start", "own.npy", *UNIT)
    refused(learn(*own, "--seed", "3", code=2), "turned by", "want at most 0.5")
    refused(learn(*own, code=2), "than 0.707107 cycles per voxel; want some within")
    learn(*own, "--steps", "1", "--no-figures", "--maps", "ones")


@pytest.mark.parametrize("limits", [(), ("--control-points", "16")])
def test_in_out_shots_keep_their_echo_at_the_centre(learn, limits):
    k = mri.trajectories.radial(5, 33, in_out=True, dtype=np.float64)
    np.save("own.npy", k)
    learn("--no-figures", "--start", "own.npy", *UNIT, *LIMITS, *limits)
    _, arrays = result()
    echo = np.abs(arrays["trajectory"][:, 16]).max()
    assert echo > 1e-4 if limits else echo < 1e-9


def test_own_coil_maps_are_taken(learn):
    maps = mri.birdcage_maps(2, (48, 48), radius=1.2, dtype=np.complex128)
    np.savez("maps.npz", coil_maps=maps, other=np.zeros(3))
    learn("--no-figures", "--coil-maps", "maps.npz", "--maps", "true")
    record, arrays = result()
    expected = workflows.learn_trajectory(
        arrays["image"],
        maps.astype("c8"),
        mri.trajectories.radial(8, 24),
        maps="true",
        steps=3,
    )
    np.testing.assert_allclose(arrays["losses"], expected.losses, rtol=1e-3)
    assert (record["settings"]["coils"], record["settings"]["coil_maps"]) == (2, "maps.npz")


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (np.ones((2, 47, 48), complex), "complex128 of shape (2, 47, 48); want complex maps"),
        (np.ones((2, 48, 48)), "float64 of shape (2, 48, 48)"),
        (np.ones((0, 48, 48), complex), "(0, 48, 48)"),
        (np.zeros((2, 48, 48), complex), "not all zero"),
        (np.full((2, 48, 48), np.inf + 0j), "finite"),
    ],
)
def test_coil_maps_that_do_not_fit_are_refused(learn, maps, words):
    np.save("maps.npy", maps)
    refused(learn("--coil-maps", "maps.npy", code=2), "'--coil-maps'", "maps.npy", words)


def test_coil_maps_that_are_none_are_refused(learn):
    refused(learn("--coil-maps", "maps.npy", code=2), "there is no such file")
    np.savez("maps.npz", a=np.ones(3), b=np.ones(3))
    refused(learn("--coil-maps", "maps.npz", code=2), "a, b; want one named coil_maps")
    np.save("maps.npy", np.ones((2, 48, 48), complex))
    refused(learn("--coil-maps", "maps.npy", "--coils", "2", code=2), "--coils: the maps maps.npy")


# --- volumes


def test_a_volume_is_learned_and_drawn(learn_volume):
    output = learn_volume(*LIMITS, "--samples", "40").output
    names = {"result.npz", "figure.png", "learning.gif", *PAGE, "waveforms.png", "trajectory.npz"}
    assert {path.name for path in OUT.iterdir()} == names | {"result.json"}
    assert "duality gap" in output
    record, arrays = result()
    volume = np.load("head.npy")
    np.testing.assert_allclose(arrays["image"], volume / volume.max(), rtol=1e-6)
    assert arrays["reconstruction"].shape == (18, 16, 14)
    protocol = mri.Protocol(mri.Scanner(40e-3, 180.0, 10e-6), 0.24, (18, 16, 14))
    for name in ("trajectory", "trajectory_start"):
        assert arrays[name].shape == (6, 40, 3)
        assert violation(arrays[name], protocol) <= 1e-12
        np.testing.assert_allclose(arrays[name][:, 0], 0, atol=1e-9)
    settings = record["settings"]
    assert (settings["image"], settings["volume"]) == (None, "head.npy")
    assert settings["shape"] == [18, 16, 14]
    assert settings["start"] == "golden-means-radial"
    assert [settings[name] for name in ("coils", "shots", "samples")] == [4, 6, 40]
    assert arrays["losses"][-1] < arrays["losses"][0]
    with Image.open(OUT / "learning.gif") as gif:
        assert gif.n_frames == 4


def test_a_volume_is_that_of_the_workflow(learn_volume):
    learn_volume("--no-figures", "--coils", "3", "--maps", "ones")
    record, arrays = result()
    rates = record["settings"]["learning_rate"]
    np.testing.assert_allclose(rates, [1e-3 * 48 / 18, 1e-4 * 48 / 18])  # as a part of 1 / N
    expected = workflows.learn_trajectory(
        arrays["image"],
        mri.birdcage_maps(3, (18, 16, 14)),
        arrays["trajectory_start"],
        maps="ones",
        steps=3,
        learning_rate=tuple(rates),
    )
    np.testing.assert_allclose(arrays["losses"], expected.losses, rtol=1e-3)


@pytest.mark.parametrize("name", sorted(mri.trajectories.patterns(3)))
def test_every_pattern_of_a_volume_is_a_start(learn_volume, name):
    learn_volume("--no-figures", "--steps", "1", "--start", name, "--maps", "ones", *LIMITS)
    record, arrays = result()
    assert record["settings"]["start"] == name
    assert arrays["trajectory_start"].shape == (6, 24, 3)


def test_seed_turns_a_volume_about_its_bore(learn_volume):
    learn_volume("--no-figures", "--steps", "1", "--seed", "5", "--out", "turned")
    learn_volume("--no-figures", "--steps", "1")
    (record, turned), (_, plain) = result(Path("turned")), result()
    k, k0 = turned["trajectory_start"], plain["trajectory_start"]
    turn = np.exp(1j * record["settings"]["turn_radians"])
    np.testing.assert_allclose(k[..., :2] @ [1, 1j], turn * (k0[..., :2] @ [1, 1j]), atol=1e-6)
    np.testing.assert_allclose(k[..., 2], k0[..., 2], atol=1e-7)


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1e-3), ("micron", 1e-6), ("unknown", None)])
def test_a_nifti_volume_has_its_field_of_view(learn_volume, unit, scale):
    nibabel = pytest.importorskip("nibabel")
    # Axis 0 of the file goes to the back, axis 1 up, axis 2 to the left.
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = -2.0, 3.0, -1.5, 1.0
    image = nibabel.Nifti1Image(np.load("head.npy").astype(np.float32), affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, "head.nii.gz")
    steps = ("--no-figures", "--steps", "1", "--maps", "ones")
    learn_volume(*steps, "--volume", "head.nii.gz", *LIMITS)
    protocol = result()[0]["settings"]["protocol"]
    back, up, left = image.shape
    own = [scale * length for length in (2.0 * back, 1.5 * left, 3.0 * up)] if scale else [0.24] * 3
    assert protocol["shape"] == [back, left, up]
    np.testing.assert_allclose(protocol["fov"], own)
    learn_volume(*steps, "--volume", "head.nii.gz", *LIMITS, "--fov", "0.2", "--force")
    assert result()[0]["settings"]["protocol"]["fov"] == [0.2] * 3


def test_limits_of_each_axis_and_a_field_of_view_for_each(learn_volume):
    fov = (0.24, 0.2, 0.16)
    learn_volume("--no-figures", *LIMITS, "--norm", "max", "--fov", ",".join(map(str, fov)))
    record, arrays = result()
    scanner = mri.Scanner(40e-3, 180.0, 10e-6, norm="max")
    protocol = mri.Protocol(scanner, fov, (18, 16, 14))
    assert violation(arrays["trajectory"], protocol) <= 1e-12
    l2 = mri.Protocol(mri.Scanner(40e-3, 180.0, 10e-6), fov, (18, 16, 14))
    assert violation(arrays["trajectory"], l2) > 0.01
    kept = record["settings"]["protocol"]
    assert (kept["fov"], kept["scanner"]["norm"]) == (list(fov), "max")


def test_a_volume_can_be_played(learn_volume):
    pytest.importorskip("pypulseq")
    learn_volume("--no-figures", *LIMITS, "--pulseq")
    assert (OUT / "trajectory.seq").read_text().startswith("# Pulseq sequence file")


def test_a_volume_is_resized(learn_volume):
    learn_volume("--no-figures", "--size", "36")
    record, arrays = result()
    assert record["settings"]["shape"] == [36, 32, 28]
    assert arrays["image"].shape == (36, 32, 28)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (np.ones((16, 16)), "want (rows, columns, slices)"),
        (np.ones((16, 16, 16)), "every voxel is 1"),
        (np.arange(16.0 * 16 * 13).reshape(16, 16, 13), "want at least 14 voxels along each axis"),
        (-np.arange(14.0**3).reshape(14, 14, 14), "want both positive"),
    ],
)
def test_a_volume_that_does_not_fit_is_refused(learn_volume, volume, words):
    np.save("head.npy", volume)
    refused(learn_volume(code=2), "'--volume'", "head.npy", words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--image", "brain.npy"), "--image and --volume are given; want one of them"),
        (("--size", "13"), "--size"),
        (("--start", "radical"), "the patterns with 3 axes"),
        ((*LIMITS, "--fov", "0.2,0.2"), "2 lengths; want one, or one for each of the 3 axes"),
    ],
)
def test_options_of_a_volume_that_do_not_fit_are_refused(learn_volume, options, words):
    refused(learn_volume(*options, code=2), words)


# --- within the limits of a scanner


@pytest.mark.parametrize("more", [(), ("--control-points", "6,12"), ("--seed", "3")])
def test_limits_are_kept_and_recorded(learn, more):
    done = learn("--no-figures", "--samples", "32", "--raster", "8", "--fov", "0.2", *LIMITS, *more)
    record, arrays = result()
    scanner = mri.Scanner(40e-3, 180.0, 8e-6)
    protocol = mri.Protocol(scanner, 0.2, (48, 48))
    for name in ("trajectory", "trajectory_start"):
        k = arrays[name]
        assert k.shape == (8, 32, 2)
        assert violation(k, protocol) <= 1e-12
        np.testing.assert_allclose(k[:, 0], 0, atol=1e-9)  # centre-out, at rest
    certificate = record["certificate"]
    assert set(certificate) == {"gap", "violation", "distance", "iterations"}
    assert certificate["violation"] == 0
    slew = mri.check_trajectory(arrays["trajectory"], protocol).slew.ratio
    assert f"slew rate {slew:.3f}; exceeded by 0; duality gap" in done.stdout
    kept = record["settings"]["protocol"]
    assert kept["scanner"]["gmax"] == 40e-3
    assert kept["scanner"]["raster"] == pytest.approx(8e-6)
    assert (kept["fov"], kept["shape"], kept["rest"]) == ([0.2, 0.2], [48, 48], "both")
    assert record["settings"]["control_points"] == ([6, 12] if "6,12" in more else None)


def test_without_limits_there_is_no_certificate(learn):
    learn("--no-figures")
    record, _ = result()
    assert record["certificate"] is record["settings"]["protocol"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gmax", "40"), "--gmax is given; want --gmax and --smax with it"),
        (("--smax", "180"), "--smax is given"),
        (("--raster", "10"), "--raster is given"),
        (("--fov", "0.2"), "--fov is given"),
        (("--norm", "max"), "--norm is given"),
        ((*LIMITS, "--fov", "0.2,0.2,0.2"), "3 lengths; want one, or one for each of the 2 axes"),
        ((*LIMITS, "--fov", "0.2,x"), "'x' is not a valid number"),
        ((*LIMITS, "--fov", "240"), "at most 10"),
        (("--gmax", "40000", "--smax", "180"), "gmax is 40.0; want"),
        (("--size", "64"), "--size is given; want --volume with it"),
        (("--control-points", "8"), "--control-points is given"),
        ((*LIMITS, "--control-points", "8,x"), "'x' is not a valid int"),
        (("--gmax", "0", "--smax", "180"), "--gmax"),
        (("--gmax", "40", "--smax", "-1"), "--smax"),
        (("--samples", "1"), "--samples"),
    ],
)
def test_limits_that_do_not_fit_are_refused_before_the_folder_is_made(learn, options, message):
    done = learn("--no-figures", *options, code=2)
    assert message in done.output
    assert not OUT.exists()
