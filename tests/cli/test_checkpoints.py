"""Commands that are killed without a word: no file is half there, and --resume ends alike."""

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
RENAME, DRAW = ("os.rename", ".npz"), ("open", ".figure.png")
PLACED = "os.rename", ".figure.png"


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
    ],
    ids=["step", "drawing", "result", "volume", "set", "calibration"],
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
