"""Commands that are killed without a word: no file is half there, and --resume ends alike."""

import gzip
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import nufftlib
from nufftlib import workflows
from nufftlib.cli import app
from nufftlib.cli.interrupts import Interrupts
from nufftlib.mri.reconstruct import curve

OUT = Path("out/trajectory")
ROOT = Path(nufftlib.__file__).parents[1]
DIES = f"""
import os, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}, {str(ROOT / "tests" / "cli")!r}]
event, what, number, *arguments = sys.argv[1:]
from nufftlib.cli import app, calibrated_psf, jobs, scans
from nufftlib.nufft.engines.grid.cpu import engine
engine.COILS = 2  # as of all tests
jobs.SIZE, calibrated_psf.PSF_SIZE = 48, (9, 9)
scans.COILS, scans.SHOTS, scans.SAMPLES = {{2: 3, 3: 4}}, {{2: 8, 3: 6}}, 24
seen = 0

def hook(name, about):
    global seen
    if name == event and what in str(about[:1]):
        seen += 1
        if seen == int(number):
            os.kill(os.getpid(), 9)

sys.addaudithook(hook)
app.cli(arguments)
"""
LEARN = ("learn-trajectory", "--image", "brain.npy", "--steps", "3")
VOLUME = ("learn-trajectory", "--volume", "head.npy", "--steps", "2", "--no-figures")
SET = ("learn-trajectory", "--images", "set.npz", "--epochs", "2", "--batch", "2", "--no-figures")
CALIBRATE = ("calibrate-psf", "--image", "astronaut.npy", "--steps", "4", "--no-figures")
DEBLUR = ("deblur", "blurred.npy", "--psf", "psf.npy", "--steps", "4", "--no-figures")
PAIR = ("calibrate-pair", "--sharp", "astronaut.npy", "--blurred", "blurred.npy", "--size", "5")
FRAMES = ("reconstruct", "scan.npz", "--steps", "3", "--l-curve", "--no-figures")
RENAME, DRAW = ("os.rename", ".npz"), ("open", ".figure.png")
PLACED = "os.rename", ".figure.png"


@pytest.fixture(autouse=True)
def files():
    """Write what the commands read besides."""
    psf, blurred = workflows.simulate_blur(np.load("astronaut.npy"), size=5, noise=0.01, seed=0)
    np.save("psf.npy", psf)
    np.save("blurred.npy", blurred)
    k, shape = nufftlib.mri.trajectories.radial(14, 24), (16, 16)
    maps = nufftlib.mri.birdcage_maps(2, shape)
    x = np.load("set.npz")["images"][:2, 4:20, 4:20]
    noise = np.random.default_rng(0).standard_normal((2, 2, *k.shape[:-1])).astype("float32")
    data = [nufftlib.NUFFT(k, shape)(maps * each.astype("complex64")) for each in x]
    np.savez("scan.npz", data=data + 30 * noise, trajectory=k, shape=shape)


def run(command, *more):
    result = CliRunner().invoke(app.cli, [*command, *more])
    assert result.exit_code == 0, result.output


def readable(folder):
    """Read every file of a folder that is not a temporary one, and return their names."""
    names = {path.name for path in folder.glob("[!.]*")}
    for name in names:
        if name.endswith(".npz"):
            with np.load(folder / name) as arrays:
                assert all(arrays[key] is not None for key in arrays)
        elif name.endswith(".json"):
            assert json.loads((folder / name).read_text())
        elif name.endswith(".gz"):
            gzip.decompress((folder / name).read_bytes())
        elif name.endswith(".html"):
            assert (folder / name).read_text(encoding="utf-8").rstrip().endswith("</html>")
        else:
            Image.open(folder / name).verify()
    return names


@pytest.mark.parametrize(
    ("command", "event", "number", "left"),
    [
        (LEARN, RENAME, 2, {"checkpoint.npz"}),  # before the second state is in its place
        (LEARN, DRAW, 1, {"checkpoint.npz"}),
        (LEARN, PLACED, 1, {"checkpoint.npz", "result.npz"}),
        (VOLUME, RENAME, 3, {"checkpoint.npz"}),
        (SET, RENAME, 4, {"checkpoint.npz"}),  # in the middle of an epoch
        (CALIBRATE, RENAME, 8, {"checkpoint.npz"}),  # in the second method
        (DEBLUR, RENAME, 9, {"checkpoint.npz"}),
        ((*PAIR, "--no-figures"), RENAME, 2, {"checkpoint.npz"}),
        (FRAMES, RENAME, 15, {"checkpoint.npz"}),  # in the L-curve, after two frames
    ],
    ids=[
        "step",
        "drawing",
        "result",
        "volume",
        "set",
        "calibration",
        "deblurring",
        "pair",
        "frames",
    ],
)
def test_a_killed_run_goes_on_to_the_same_bits(command, event, number, left):
    arguments = [*event, str(number), *command, "--out", "killed", "--checkpoint-every", "0"]
    done = subprocess.run(
        [sys.executable, "-c", DIES, *arguments], capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr
    assert readable(Path("killed")) == left
    run(command, "--out", "killed", "--resume")
    run(command, "--out", "whole")
    assert readable(Path("killed")) == readable(Path("whole"))
    assert not list(Path("killed").glob(".*"))
    timed = {"result.json", "figure.png", "report.html"}  # they say how long it took
    for name in readable(Path("whole")) - timed:
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes(), name


@pytest.fixture
def ended(learn, monkeypatch):
    """Return the command, after a run that an interrupt has ended."""
    calls = itertools.count()

    def press(*_, **__):
        if next(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as pressed:
        pressed.setattr(Interrupts, "step_done", press)
        said = learn("--no-figures", code=130).output
    assert "after 2 of 3 steps; " in said
    assert "The same command goes on with --resume." in said
    assert readable(OUT) == {"checkpoint.npz", "result.npz", "result.json"}
    return learn


def test_an_interrupted_run_goes_on(ended):
    ended("--no-figures", "--resume")
    assert readable(OUT) == {"result.npz", "result.json"}
    assert json.loads((OUT / "result.json").read_text())["interrupted"] is False
    ended("--no-figures", "--out", "whole")
    assert (OUT / "result.npz").read_bytes() == Path("whole/result.npz").read_bytes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--steps", "5"), "--steps was 3 and is 5"),
        (("--loss", "mae"), "--loss was 'mse' and is 'mae'"),
        (("--gmax", "40", "--smax", "100"), "--gmax is 40.0 and was not there"),
        (("--image", "astronaut.npy"), "the image was 'numpy float32 of shape (48, 48) with the"),
    ],
)
def test_other_options_are_refused_by_name(ended, more, said):
    output = ended("--resume", "--no-figures", *more, code=1).output
    assert f"Error: --resume: out/trajectory/checkpoint.npz is of another run: {said}" in output
    assert "want the settings of the checkpoint" in output


def test_a_damaged_checkpoint_is_refused(ended):
    path = OUT / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    said = ended("--resume", code=1).output
    assert "Error: --resume: out/trajectory/checkpoint.npz cannot be read (" in said
    assert "want a checkpoint that is whole" in said


def test_a_checkpoint_is_not_lost_by_accident(ended):
    assert (
        "give --resume to go on with it, another folder, or --force to begin anew"
        in ended(code=1).output
    )
    ended("--force", "--no-figures")
    assert readable(OUT) == {"result.npz", "result.json"}


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(learn):
    assert (
        "--resume: there is no checkpoint.npz in out/trajectory; want"
        in learn("--resume", code=1).output
    )


def test_states_are_saved_as_often_as_is_asked(learn, monkeypatch):
    written = []
    monkeypatch.setattr("optim._checkpoint.replace", lambda path, _: written.append(path.name))
    learn("--no-figures", "--checkpoint-every", "0")
    assert written == ["checkpoint.npz"] * 4  # the start and three steps
    written.clear()
    learn("--no-figures", "--force", "--checkpoint-every", "3600")
    assert written == ["checkpoint.npz"]  # at the end, in case that the drawing is killed


def test_every_method_of_a_calibration_is_run_once(calibrate, monkeypatch):
    solved, plain = [], workflows.calibrate_psf

    def counted(*arguments, callback, **settings):
        def follow(step, *at):
            solved.append((settings["method"], step))
            return callback(step, *at)

        return plain(*arguments, callback=follow, **settings)

    def press(_, *, last):
        if solved[-1] == ("adamw", 2):
            raise KeyboardInterrupt

    monkeypatch.setattr(workflows, "calibrate_psf", counted)
    with monkeypatch.context() as pressed:
        pressed.setattr(Interrupts, "step_done", press)
        calibrate("--no-figures", code=130)
    calibrate("--no-figures", "--resume")
    assert len(solved) == 5 * 6 + 1  # the step that was interrupted counts twice


def test_frames_that_are_complete_are_not_reconstructed_again(monkeypatch):
    solved, plain = [], workflows.reconstruct

    def counted(*arguments, callback, **settings):
        def follow(step, *at):
            solved.append(step)
            return callback(step, *at)

        return plain(*arguments, callback=follow, **settings)

    def press(_, *, last):
        if len(solved) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(workflows, "reconstruct", counted)
    with monkeypatch.context() as pressed:
        pressed.setattr(Interrupts, "step_done", press)
        assert CliRunner().invoke(app.cli, FRAMES).exit_code == 130
    folder = Path("out/reconstruct")
    with np.load(folder / "checkpoint.npz") as arrays:
        parts = json.loads(arrays["checkpoint"].tobytes())["parts"]
    assert {*parts} == {"", "/frame 1", "/frame 1/loop"}
    run(FRAMES, "--resume")
    assert solved == [0, 1, 2, 3, 0, 1, 1, 2, 3]  # the step that was interrupted counts twice
    with np.load(folder / "result.npz") as arrays:
        assert len(arrays["image"]) == 2


def test_an_l_curve_that_is_interrupted_goes_on(monkeypatch):
    run(FRAMES, "--out", "whole")
    calls, plain = itertools.count(), curve.prepared

    def press(*arguments):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return plain(*arguments)

    with monkeypatch.context() as pressed:
        pressed.setattr(curve, "prepared", press)
        said = CliRunner().invoke(app.cli, FRAMES)
    assert said.exit_code == 130
    assert "in the L-curve, which is left out" in said.output
    assert "The same command goes on with --resume." in said.output
    left = []
    monkeypatch.setattr(curve, "prepared", lambda *of: left.append(of) or plain(*of))
    run(FRAMES, "--resume")
    assert len(left) == 9 - 4
    found, whole = (Path(out, "result.npz").read_bytes() for out in ("out/reconstruct", "whole"))
    assert found == whole
