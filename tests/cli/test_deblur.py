import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nufftlib import workflows
from nufftlib.cli import app
from nufftlib.cli.psf_files import load_psfs
from nufftlib.data import astronaut
from nufftlib.plots.deblurring import correlation

OUT = Path("out/deblur")


@pytest.fixture(autouse=True)
def problem():
    """Write a blurred picture of 36 x 32 pixels and its PSF."""
    sharp = astronaut()[:, 40:80, 80:116]
    psf, blurred = workflows.simulate_blur(sharp, size=5, noise=0.01, seed=0)
    np.save("blurred.npy", blurred)
    np.save("psf.npy", psf)
    return blurred, psf


def run(*more, code=0):
    result = CliRunner().invoke(app.cli, ["deblur", "blurred.npy", *more])
    assert result.exit_code == code, result.output
    return result.output


def written(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


@pytest.mark.parametrize("method", workflows.DEBLURRING)
def test_files_are_those_of_the_workflow(problem, method):
    output = run("--psf=psf.npy", f"--method={method}", "--no-figures")
    record, arrays = written()
    want = workflows.deblur(*problem, method=method)
    np.testing.assert_allclose(arrays["picture"], want.picture, atol=1e-4)
    np.testing.assert_allclose(arrays["losses"], want.losses, rtol=1e-2, atol=1e-6)
    np.testing.assert_allclose(arrays["psf"], problem[1], rtol=1e-6)
    assert record["noise"] == pytest.approx(want.noise, rel=1e-5)
    assert record["weight"] == pytest.approx(want.weight, rel=1e-3)
    assert record["residual"] == pytest.approx(np.sqrt(np.mean(want.residual**2)), rel=1e-2)
    assert record["settings"]["method"] == method
    assert record["interrupted"] is False
    assert f"Deblurring on the CPU: {method}, at most" in output
    assert "(estimated)" in output
    assert "(chosen)" in output
    shown = np.moveaxis(np.asarray(Image.open(OUT / "deblurred.png")), -1, 0)
    np.testing.assert_array_equal(shown, np.round(255 * arrays["picture"].clip(0, 1)))


def test_the_figure_is_drawn_and_settings_are_taken():
    output = run("--psf=psf.npy", "--noise=0.02", "--weight=0.003", "--steps=4")
    record, _ = written()
    assert {path.name for path in OUT.iterdir()} == {
        "deblurred.png",
        "figure.png",
        "result.json",
        "result.npz",
    }
    assert (record["noise"], record["weight"], record["steps"]) == (0.02, 0.003, 4)
    assert output.count("(given)") == 2
    with Image.open(OUT / "figure.png") as figure:
        assert figure.width > 3 * figure.height


def test_units_of_a_measurement_are_shown_from_black_to_white(problem):
    np.save("blurred.npy", 1000 * problem[0] + 200)
    run("--psf=psf.npy", "--method=wiener", "--no-figures")
    shown = np.asarray(Image.open(OUT / "deblurred.png")).astype(float)
    _, arrays = written()
    assert shown.std() > 30
    assert arrays["picture"].max() > 800


def test_a_wrong_psf_is_said_to_leave_more_than_noise():
    assert "Careful" not in run("--psf=psf.npy", "--no-figures")
    wrong = np.zeros((15, 15))
    wrong[:, 7] = 1
    np.save("wrong.npy", wrong)
    output = run("--psf=wrong.npy", "--no-figures", "--force", "--noise=0.001", "--weight=0.01")
    assert "Careful: the residual is" in output


# --- the PSF's file -------------------------------------------------------------------------


def test_a_grid_of_psfs_and_the_result_of_a_calibration(problem):
    blurred, psf = problem
    grid = np.stack([[2 * psf, 3 * psf]])
    np.save("grid.npy", grid)
    np.savez("one.npz", psf=grid)
    run("--psf=grid.npy", "--no-figures")
    _, by_grid = written()
    run("--psf=psf.npy", "--no-figures", "--force")
    _, by_one = written()
    np.testing.assert_allclose(by_grid["picture"], by_one["picture"], atol=1e-3)
    np.testing.assert_allclose(by_grid["psf"].sum(axis=(-2, -1)), 1, rtol=1e-6)
    np.testing.assert_array_equal(load_psfs(Path("one.npz")).values, by_grid["psf"])
    np.savez("result.npz", psf_true=psf, psf_start=psf, psf_spectral=psf, sharp=blurred)
    np.testing.assert_allclose(load_psfs(Path("result.npz")).values, psf, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": np.ones(3)}, "it holds a; want one PSF, by the name psf or psf_METHOD"),
        ({"psf_a": np.eye(3), "psf_b": np.eye(3)}, "it holds psf_a, psf_b; want one PSF"),
        ({"psf": np.ones((1, 3, 3))}, r"the array has the shape (1, 3, 3); want (height, width)"),
        ({"psf": -np.eye(3)}, "the values run from -1 to -0; want PSFs, nonnegative"),
        ({"psf": np.zeros((1, 2, 3, 3))}, "the values run from 0 to 0; want PSFs, nonnegative"),
        ({"psf": np.full((3, 3), np.nan)}, "9 of 9 values are not finite"),
    ],
)
def test_a_file_without_a_psf_is_refused(values, message):
    np.savez("wrong.npz", **values)
    output = run("--psf=wrong.npz", code=2)
    assert "Invalid value for '--psf': wrong.npz: " in output
    assert message in " ".join(output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--psf'"),
        (("--psf=none.npy",), "there is no such file"),
        (("--psf=large.npy",), "a PSF of 33 x 33 on a picture of 36 x 32"),
        (("--psf=psf.npy", "--background=1"), "--background is of richardson-lucy"),
        (("--psf=psf.npy", "--method=wiener", "--weight=0"), "want a positive weight"),
        (("--psf=damaged.npz",), "damaged.npz: cannot be read"),
    ],
)
def test_what_does_not_fit_is_an_error_before_any_step(arguments, message):
    np.save("large.npy", np.ones((33, 33)))
    Path("damaged.npz").write_bytes(b"PK damaged")
    assert message in " ".join(run(*arguments, code=2).split())
    assert not OUT.exists()


# --- signals --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_steps_and_writes_the_picture(monkeypatch, number):
    deblur = workflows.deblur

    def stopped(*args, callback, **settings):
        def follow(step, loss, picture):
            callback(step, loss, picture)
            if step == 2:
                os.kill(os.getpid(), number)

        return deblur(*args, callback=follow, **settings)

    monkeypatch.setattr(workflows, "deblur", stopped)
    output = run("--psf=psf.npy", "--no-figures", code=128 + number)
    record, arrays = written()
    assert record["interrupted"] is True
    assert record["steps"] == len(arrays["losses"]) - 1 < 10
    assert f"after {record['steps']} of 300 steps" in output


# --- the figure -----------------------------------------------------------------------------


def test_the_correlation_is_that_of_the_definition():
    r = np.random.default_rng(0).standard_normal((2, 7, 30))
    c = correlation(r)
    assert c.shape == (13, 33)
    assert c[6, 16] == pytest.approx(1)
    want = np.sum(r[:, :-2, 3:] * r[:, 2:, :-3]) / np.sum(r**2)
    assert c[4, 19] == pytest.approx(want)
    assert c[8, 13] == pytest.approx(want)
    assert not correlation(np.zeros((1, 4, 4))).any()


def test_a_cameras_picture_is_decoded_and_encoded_again(problem):
    blurred, _ = problem
    stored = np.where(blurred > 0.0031308, 1.055 * blurred.clip(0, 1) ** (1 / 2.4) - 0.055, 0)
    stored = np.round(255 * stored.clip(0, 1)).astype(np.uint8)
    Image.fromarray(np.moveaxis(stored, 0, -1)).save("blurred.png")
    options = ["--psf=psf.npy", "--method=wiener", "--encoding=srgb", "--no-figures"]
    result = CliRunner().invoke(app.cli, ["deblur", "blurred.png", *options])
    assert result.exit_code == 0, result.output
    record, arrays = written()
    assert record["settings"]["encoding"] == "srgb"
    np.testing.assert_allclose(arrays["blurred"], blurred.clip(0, 1), atol=0.01)
    shown = np.moveaxis(np.asarray(Image.open(OUT / "deblurred.png")), -1, 0) / 255
    light = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(light, arrays["picture"].clip(0, 1), atol=0.01)


def test_clipped_light_is_told_of(problem):
    blurred, _ = problem
    np.save("blurred.npy", np.minimum(blurred, np.float32(0.5)))
    options = ("--psf=psf.npy", "--method=wiener", "--no-figures")
    assert "of the picture has its largest value, 0.5. If it is clipped" in run(*options)
    np.save("blurred.npy", blurred)
    assert "largest value" not in run(*options, "--force")


def test_clipped_light_is_left_out(problem):
    blurred, psf = problem
    np.save("blurred.npy", np.minimum(blurred, np.float32(0.6)))
    options = ("--psf=psf.npy", "--method=wiener", "--no-figures", "--force")
    assert "leave these pixels out by --saturation 0.600000024." in run(*options)
    clipped = np.load("blurred.npy")
    for level in ("0.600000024", "0.6"):  # as it was said, and as it was meant
        output = run(*options, f"--saturation={level}")
        record, arrays = written()
        seen = clipped < np.float32(0.6)
        np.testing.assert_array_equal(arrays["seen"], seen)
        assert "largest value" not in output
        want = workflows.deblur(clipped, psf, method="wiener", seen=seen)
        np.testing.assert_allclose(arrays["picture"], want.picture, atol=1e-3)
        rms = np.sqrt(np.mean(arrays["residual"][seen] ** 2))
        assert record["residual"] == pytest.approx(rms, rel=1e-5)
        assert record["settings"]["saturation"] == pytest.approx(0.6)
    assert "want pixels below" in " ".join(run(*options, "--saturation=0", code=2).split())
