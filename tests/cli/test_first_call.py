"""What a command imports before its first step, and what it says while it compiles."""

import subprocess
import sys
import time
from importlib import import_module

import click
import numba
import pytest

from nufftlib.cli import app
from nufftlib.cli.compiling import SAID, compilation_told
from nufftlib.cli.jobs import format_speed
from nufftlib.core.run import Run

UNTIL_THE_FIRST_STEP = """
import sys
import optim
def minimize(step, *arguments, **settings):
    print(*(name for name in {late!r}.split() if name in sys.modules))
    raise SystemExit
optim.minimize = minimize
from nufftlib.cli import main
main()
"""
LATE = "matplotlib bokeh PIL finufft nibabel scipy.optimize scipy.ndimage scipy.sparse"
LATE += " nufftlib.cli.reconstruct nufftlib.cli.calibrate_psf"


def test_nothing_is_imported_before_the_first_step_that_only_others_need(tmp_path):
    code = UNTIL_THE_FIRST_STEP.format(late=LATE)
    words = ["learn-trajectory", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("package", ["matplotlib", "PIL", "bokeh"])
def test_a_missing_package_of_the_figures_ends_the_job_before_its_steps(package, tmp_path):
    code = f"import sys; sys.modules[{package!r}] = None\n" + UNTIL_THE_FIRST_STEP.format(late="")
    words = ["learn-trajectory", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"the command line needs {'pillow' if package == 'PIL' else package}" in done.stderr
    assert not (tmp_path / "out").exists()


GARBAGE_OF_STEPS = """
import gc
import numpy as np
import nufftlib as nl
from nufftlib import mri, workflows
image = np.random.default_rng(2).random((20, 24))
s = mri.birdcage_maps(3, image.shape, dtype=np.complex128)
F = nl.NUFFT(mri.trajectories.radial(16, 24, dtype=np.float64), image.shape)
for maps in ("estimated", "ones", "true"):
    for reconstruction in ("adjoint", "cg"):
        job = workflows.TrajectoryObjective(image, s, F, maps, reconstruction=reconstruction)
        job.value_and_grad(F.trajectory)  # sets up
        gc.collect()
        gc.disable()
        job.value_and_grad(0.99 * F.trajectory)
        print(gc.collect())
        gc.enable()
"""


def test_a_step_leaves_no_garbage_for_which_python_has_to_look():
    """So the command may look seldom: arrays are freed when the last name of them goes.

    In a process of its own, where nothing that other tests made is forgotten meanwhile.
    """
    done = subprocess.run(
        [sys.executable, "-c", GARBAGE_OF_STEPS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0"] * 6


def test_the_command_looks_for_garbage_seldom(tmp_path):
    code = UNTIL_THE_FIRST_STEP.replace(
        "raise SystemExit", "import gc; print(gc.get_threshold()); raise SystemExit"
    ).format(late="")
    words = ["learn-trajectory", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[1].startswith("(50000, ")


def test_commands_are_those_of_the_modules(capsys):
    context = click.Context(app.cli)
    assert app.cli.list_commands(context) == sorted(app.COMMANDS)
    for name in app.COMMANDS:
        command = app.cli.get_command(context, name)
        assert command.name == name
        assert command.callback.__module__ in (
            f"nufftlib.cli.{name.replace('-', '_')}",
            import_module("nufftlib.cli.jobs").__name__,
        )
    assert app.cli.get_command(context, "compiling") is None


def test_compilation_is_told_once_and_only_where_it_happens(capsys):
    def twice(x):
        return x + x

    compiled, other = numba.njit(twice), numba.njit(twice)
    clock = time.perf_counter()
    with compilation_told() as told:
        assert capsys.readouterr().err == ""
        compiled(1), compiled(1.0), other(1)
    assert capsys.readouterr().err == f"{SAID}\n"
    assert 0 < told.seconds < time.perf_counter() - clock
    with compilation_told() as told:
        compiled(2)
    other(1.0)
    assert capsys.readouterr().err == ""
    assert told.seconds == 0


def test_the_speed_of_steps_leaves_out_what_was_compiled():
    run = Run(losses=[1.0, 0.5, 0.25], seconds=21.0, interrupted=False)
    assert format_speed(run) == ("2", "21.00", "0.1")
    assert format_speed(run, compiled=20.0) == ("2", "21.00", "2.0")
