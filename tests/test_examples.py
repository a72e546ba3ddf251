"""The examples of docs/examples run, and end where their pages say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
NUMBER = r"(\d[\d.e+-]*)"
NEEDS = {"with_torch": "torch", "with_optax": "optax"}


def figures(script, *arguments):
    """What an example prints: the first number after each name."""
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        name: float(value)
        for name, value in re.findall(rf"^(\w+)\s[ a-z]*{NUMBER}", done.stdout, flags=re.MULTILINE)
    }


@pytest.fixture(scope="module")
def losses():
    ran = {}

    def of(script):
        if script not in ran:
            ran[script] = figures(script)
        return ran[script]

    return of


@pytest.mark.parametrize("script", ["learn_trajectory.py", "calibrate_psf.py"])
@pytest.mark.parametrize("driver", ["with_scipy", "with_torch", "with_optax"])
def test_every_driver_ends_at_the_loss_of_our_own_optimiser(losses, script, driver):
    if driver in NEEDS:
        pytest.importorskip(NEEDS[driver])
    ends = losses(script)
    assert ends["with_optim"] < 0.3 * ends["start"]
    # Trajectories have many minima nearby: rounding decides which one L-BFGS-B ends in.
    assert 0.97 < ends[driver] / ends["with_optim"] < 1.01


def test_a_trajectory_learned_with_its_network_beats_the_network_alone(tmp_path):
    pytest.importorskip("torch")
    picture = tmp_path / "figure.png"
    errors = figures("learn_jointly.py", str(picture))
    assert errors["both"] < 0.6 * errors["network"]
    assert errors["network"] < 0.8 * errors["before"]
    assert picture.stat().st_size > 10_000
