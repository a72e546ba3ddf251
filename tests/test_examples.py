"""The examples of docs/examples run, and end where their pages say."""

import re
import sys
from contextlib import redirect_stdout
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
NUMBER = r"(\d[\d.e+-]*)"
NEEDS = {"with_torch": "torch", "with_optax": "optax"}
STEPS = {"learn_trajectory": 100, "calibrate_psf": 1200, "learn_jointly": 75}
"""Enough for what is asked here; the pages show where more of them end."""


@cache
def figures(script, *arguments):
    """What an example prints: the first number after each name."""
    spec = spec_from_file_location(script, EXAMPLES / f"{script}.py")
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.setattr(example, "STEPS", STEPS[script])
        patch.setattr(sys, "argv", [script, *arguments])
        try:
            example.main()
        finally:
            if "jax" in sys.modules:  # it has been told to compute in double precision
                sys.modules["jax"].config.update("jax_enable_x64", False)
    lines = re.findall(rf"^(\w+)\s[ a-z]*{NUMBER}", printed.getvalue(), flags=re.MULTILINE)
    return {name: float(value) for name, value in lines}


@pytest.mark.parametrize("script", ["learn_trajectory", "calibrate_psf"])
@pytest.mark.parametrize("driver", ["with_scipy", "with_torch", "with_optax"])
def test_every_driver_ends_at_the_loss_of_our_own_optimiser(script, driver):
    if driver in NEEDS:
        pytest.importorskip(NEEDS[driver])
    ends = figures(script)
    assert ends["with_optim"] < 0.3 * ends["start"]
    # Trajectories have many minima nearby: rounding decides which one L-BFGS-B ends in.
    assert 0.97 < ends[driver] / ends["with_optim"] < 1.01


def test_a_trajectory_learned_with_its_network_beats_the_network_alone(tmp_path):
    pytest.importorskip("torch")
    picture = tmp_path / "figure.png"
    errors = figures("learn_jointly", str(picture))
    assert errors["both"] < 0.6 * errors["network"]
    assert errors["network"] < 0.8 * errors["before"]
    assert picture.stat().st_size > 10_000
