"""Signals, raised for real: whenever one falls, no completed step is lost."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nufftlib import workflows
from nufftlib.cli.interrupts import ENDING, Interrupts
from nufftlib.plots import animation, learned

OUT = Path("out/trajectory")
FILES = {"result.npz", "result.json", "checkpoint.npz"}
LATER = "learning.gif, learning.npz, report.html"
KILLS = [signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU]


@pytest.fixture(autouse=True)
def _handler():
    """Handle SIGINT as a terminal's process does, also where the tests' one ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def press_in(monkeypatch):
    """Return what raises a signal in the call of a function with a number, counted from 0."""

    def press_in(owner, name, number=0, times=1, what=signal.SIGINT):
        function, calls = getattr(owner, name), []

        def pressed(*args, **kwargs):
            calls.append(None)
            if len(calls) == number + 1:
                for _ in range(times):
                    signal.raise_signal(what)
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, pressed)

    return press_in


def names(folder=OUT):
    return {path.name for path in folder.iterdir()}


def record(folder=OUT):
    return json.loads((folder / "result.json").read_text())


def test_one_press_ends_the_steps_and_draws(learn, press_in):
    press_in(workflows.TrajectoryObjective, "value_and_grad", 3)
    output = learn("--steps", "6", code=130).output
    assert "Interrupted: writing what there is; Ctrl-C again leaves the pictures out" in output
    assert "Interrupted after 2 of 6 steps; the files hold the best seen" in output
    assert names() == FILES | {"figure.png", "learning.gif", "learning.npz", "report.html"}
    assert (record()["steps"], record()["interrupted"]) == (2, True)


def test_no_pictures_are_offered_where_none_are_wanted(learn, press_in):
    press_in(workflows.TrajectoryObjective, "value_and_grad", 3)
    output = learn("--no-figures", "--steps", "6", code=130).output
    assert "Interrupted: writing what there is ..." in output
    assert "again" not in output


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (workflows.TrajectoryObjective, "reconstruct"),  # before anything is written
        (np, "savez"),
        (learned, "draw_learning"),
    ],
)
def test_second_press_leaves_the_pictures_out(learn, press_in, owner, name):
    press_in(workflows.TrajectoryObjective, "value_and_grad", 3)
    press_in(owner, name, times=1 if owner is learned else 3)
    output = learn("--steps", "6", code=130).output
    assert "Interrupted after 2 of 6 steps" in output
    assert "not drawn: figure.png, learning.gif" in output
    assert names() == FILES
    assert record()["steps"] == 2
    with np.load(OUT / "result.npz") as arrays:
        assert len(arrays["losses"]) == 3


def test_press_while_drawing_keeps_what_is_drawn_and_no_old_picture(learn, press_in):
    learn()
    old = (OUT / "figure.png").read_bytes()
    press_in(animation, "animate_learning")
    output = learn("--force", "--steps", "2", code=130).output
    assert "Interrupted while drawing; not drawn: learning.gif" in output
    assert names() == FILES | {"figure.png"}
    assert (OUT / "figure.png").read_bytes() != old
    assert (record()["steps"], record()["interrupted"]) == (2, False)


def test_press_after_the_last_step_is_not_too_early(learn, press_in):
    press_in(workflows.TrajectoryObjective, "reconstruct")
    output = learn(code=130).output
    assert "not drawn: figure.png, learning.gif" in output
    assert (record()["steps"], record()["interrupted"]) == (3, False)


def test_press_while_the_last_trajectory_is_evaluated_keeps_the_one_before(learn, press_in):
    press_in(workflows.TrajectoryObjective, "value_and_grad", 3)
    assert "Interrupted after 2 of 3 steps" in learn(code=130).output
    assert (record()["steps"], record()["interrupted"]) == (2, True)


def test_press_before_the_first_step_leaves_no_result(learn, press_in):
    press_in(workflows, "learn_trajectory")
    assert "not complete" in learn(code=130).output
    assert not names()


def test_press_between_two_methods_keeps_the_first(calibrate, press_in):
    press_in(workflows, "psf_error")
    output = calibrate(code=130).output
    assert "Interrupted in adam after 0 of 4 steps; adamw, backtracking, " in output
    rows = record(Path("out/psf"))["methods"]
    assert {name: row["steps"] for name, row in rows.items()} == {
        "projected-gradient": 4,
        "adam": 0,
    }


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_is_swallowed_ends_the_steps_after_the_next(number):
    interrupts = Interrupts()
    interrupts.step_done(last=False)
    with pytest.raises(KeyboardInterrupt):
        interrupts(number)  # suppose that a destructor swallows it: whoever kills asks once
    with pytest.raises(KeyboardInterrupt):
        interrupts.step_done(last=False)
    assert interrupts.may_draw == (number == signal.SIGINT)


def test_a_signal_that_is_held_while_steps_go_on_ends_them():
    interrupts = Interrupts()
    interrupts.step_done(last=True)
    interrupts()
    with pytest.raises(KeyboardInterrupt):
        interrupts.step_done(last=False)  # of the next method
    assert interrupts.may_draw


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_presses_are_held_after_an_attempt(error):
    def work():
        done.append(None)
        if error:
            raise error

    interrupts, done = Interrupts(), []
    interrupts.attempt(work)
    interrupts()
    interrupts.attempt(work)  # not even begun: the press was for it
    interrupts()
    assert len(done) == 1


@pytest.mark.parametrize("number", ENDING)
def test_process_that_ignores_the_signal_goes_on_ignoring_it(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Interrupts().installed():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_signals_are_default_again_after_the_job(learn):
    before = [signal.getsignal(number) for number in ENDING]
    learn("--no-figures")
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.mark.parametrize("number", KILLS)
def test_a_kill_ends_the_steps_and_writes_them_without_pictures(learn, press_in, number):
    # A kill that cannot be held follows soon: there is no time to draw.
    press_in(workflows.TrajectoryObjective, "value_and_grad", 3, what=number)
    output = learn("--steps", "6", code=128 + number).output
    said = f"Interrupted by {number.name}"
    assert f"{said}: writing what there is ...\n" in output
    assert (
        f"{said} after 2 of 6 steps; the files hold the best seen until then; "
        "not drawn: figure.png, learning.gif, learning.npz, report.html.\n"
    ) in output
    assert names() == FILES
    assert (record()["steps"], record()["interrupted"]) == (2, True)


@pytest.mark.parametrize("number", KILLS)
def test_a_kill_while_drawing_keeps_what_is_drawn(learn, press_in, number):
    press_in(animation, "animate_learning", what=number)
    output = learn(code=128 + number).output
    assert f"Interrupted by {number.name} while drawing; not drawn: {LATER}.\n" in output
    assert names() == FILES | {"figure.png"}
    assert (record()["steps"], record()["interrupted"]) == (3, False)


@pytest.mark.parametrize("number", KILLS)
def test_a_kill_before_the_first_step_leaves_no_result(calibrate, press_in, number):
    press_in(workflows, "simulate_blur", what=number)
    output = calibrate(code=128 + number).output
    assert f"Interrupted by {number.name}; the result is not complete.\n" in output
    assert not names(Path("out/psf"))


def test_press_while_importing_is_no_traceback():
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from nufftlib.cli import main\n"
        "class Presses:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'nufftlib.cli.app': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Presses())\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "Interrupted.\n"
