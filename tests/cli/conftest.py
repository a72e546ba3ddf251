import numpy as np
import pytest
from click.testing import CliRunner

from nufftlib.cli import app, calibrate_psf, jobs, learn_trajectory
from nufftlib.data import astronaut, brain


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    """Make both jobs small, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "SIZE", 48)
    monkeypatch.setattr(learn_trajectory, "COILS", 3)
    monkeypatch.setattr(learn_trajectory, "SPOKES", 8)
    monkeypatch.setattr(learn_trajectory, "SAMPLES", 24)
    monkeypatch.setattr(calibrate_psf, "PSF_SIZE", (9, 9))
    np.save("brain.npy", 700 * brain()[32:-32:4, 32:-32:4])
    np.save("astronaut.npy", astronaut()[:, 32:-32:4, 32:-32:4])


@pytest.fixture
def learn():
    """Return what runs learn-trajectory with some more arguments."""
    return command("learn-trajectory", "--image", "brain.npy", "--steps", "3")


@pytest.fixture
def calibrate():
    """Return what runs calibrate-psf with some more arguments."""
    return command("calibrate-psf", "--image", "astronaut.npy", "--steps", "4")


def command(*first):
    def run(*more, code=0):
        result = CliRunner().invoke(app.cli, [*first, *more])
        assert result.exit_code == code, result.output
        return result

    return run
