import numpy as np
import pytest
from click.testing import CliRunner
from legible import _legible  # noqa: F401  # of all figures that the commands draw

from nufftlib.cli import app, calibrated_psf, jobs, scans
from nufftlib.data import astronaut, brain


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    """Make both jobs small, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "SIZE", 48)
    monkeypatch.setattr(scans, "COILS", {2: 3, 3: 4})
    monkeypatch.setattr(scans, "SHOTS", {2: 8, 3: 6})
    monkeypatch.setattr(scans, "SAMPLES", 24)
    monkeypatch.setattr(calibrated_psf, "PSF_SIZE", (9, 9))
    np.save("brain.npy", 700 * brain()[32:-32:4, 32:-32:4])
    np.save("head.npy", head(18, 16, 14))
    np.savez("set.npz", images=slices(8))
    np.save("astronaut.npy", astronaut()[:, 32:-32:4, 32:-32:4])


@pytest.fixture
def learn():
    """Return what runs learn-trajectory with some more arguments."""
    return command("learn-trajectory", "--image", "brain.npy", "--steps", "3")


@pytest.fixture
def calibrate():
    """Return what runs calibrate-psf with some more arguments."""
    return command("calibrate-psf", "--image", "astronaut.npy", "--steps", "4")


@pytest.fixture
def learn_volume():
    """Return what runs learn-trajectory on a volume with some more arguments."""
    return command("learn-trajectory", "--volume", "head.npy", "--steps", "3")


@pytest.fixture
def learn_set():
    """Return what runs learn-trajectory on a set of images with some more arguments."""
    return command("learn-trajectory", "--images", "set.npz", "--epochs", "2", "--batch", "2")


def slices(n):
    """Return images of 24 x 24 that resemble their neighbours, in the units of a scanner."""
    x = 700 * brain()[16:-16:9, 16:-16:9][:24, :24]
    return np.stack([(1 + i) * np.roll(x, (i, -i), (0, 1)) for i in range(n)])


def head(*shape):
    """Return a volume without symmetries: an ellipsoid with a ball in it."""
    x = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"), axis=-1)
    ball = np.linalg.norm(x - [0.2, -0.1, 0.3], axis=-1) < 0.3
    return 300.0 * (np.linalg.norm(x / [0.9, 0.7, 0.8], axis=-1) < 1) + 200.0 * ball


def command(*first):
    def run(*more, code=0):
        result = CliRunner().invoke(app.cli, [*first, *more])
        assert result.exit_code == code, result.output
        return result

    return run
