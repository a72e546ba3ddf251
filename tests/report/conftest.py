"""Results of small jobs, and what opens their pages."""

import numpy as np
import pytest
from browsers import quiet_tab
from click.testing import CliRunner

from nufftlib.cli import app, calibrated_psf, jobs, scans
from nufftlib.data import astronaut, brain


def command(*arguments, code=0):
    result = CliRunner().invoke(app.cli, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def run():
    """Return what runs a command and returns its output."""
    return command


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Return a folder of results, by the names of the tests."""
    folder = tmp_path_factory.mktemp("results")
    image, colours, volume = folder / "brain.npy", folder / "astronaut.npy", folder / "head.npy"
    np.save(image, 700 * brain()[32:-32:4, 32:-32:4])
    np.save(colours, astronaut()[:, 32:-32:4, 32:-32:4])
    np.save(volume, np.random.default_rng(0).uniform(1, 2, (18, 16, 14)))
    np.savez(folder / "set.npz", images=np.stack([np.roll(brain()[::9, ::9], i) for i in range(8)]))
    learn = "learn-trajectory", "--steps", 8
    limits = "--gmax", 40, "--smax", 180
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "SIZE", 48)
        patch.setattr(scans, "COILS", {2: 3, 3: 4})
        patch.setattr(scans, "SHOTS", {2: 8, 3: 6})
        patch.setattr(scans, "SAMPLES", 24)
        patch.setattr(calibrated_psf, "PSF_SIZE", (9, 9))
        command(*learn, "--image", image, *limits, "--out", folder / "learned")
        command(*learn, "--volume", volume, "--out", folder / "volume")
        command("learn-trajectory", "--images", folder / "set.npz", "--epochs", 2, "--batch", 2,
            "--out", folder / "set")  # fmt: skip
        command("calibrate-psf", "--image", colours, "--steps", 4, "--out", folder / "psf")
    return folder


@pytest.fixture
def visit(browser):
    """Return what opens a page, and want no complaint in the console and nothing from a network."""
    opened = []

    def open_page(path, width=1400):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, offline=True, color_scheme="dark")
        tab, said = quiet_tab(context)
        opened.append((context, said))
        tab.goto(path.as_uri())
        tab.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
        tab.wait_for_timeout(300)  # all has been drawn
        return tab

    yield open_page
    for context, _ in opened:
        context.close()
    assert not any(said for _, said in opened)
