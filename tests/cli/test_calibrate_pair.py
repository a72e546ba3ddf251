import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from click.testing import CliRunner
from PIL import Image

from nufftlib import workflows
from nufftlib.cli import app
from nufftlib.data import astronaut
from nufftlib.plots import pairs as drawing

OUT = Path("out/pair")
SIZE = 5


@pytest.fixture(autouse=True)
def problem():
    """Write a pair of 72 x 70 pixels with another exposure, clipped; return its PSF too."""
    sharp = astronaut()[:, 40:112, 80:150]
    psf, light = workflows.simulate_blur(sharp, size=SIZE, noise=0.003, seed=0)
    blurred = np.minimum(0.8 * light + 0.1, np.float32(0.6))
    np.save("sharp.npy", sharp)
    np.save("blurred.npy", blurred)
    return sharp, blurred, psf


def run(*more, sharp="sharp.npy", blurred="blurred.npy", code=0):
    pair = [f"--sharp={sharp}", f"--blurred={blurred}", f"--size={SIZE}"]
    result = CliRunner().invoke(app.cli, ["calibrate-pair", *pair, *more])
    assert result.exit_code == code, result.output
    return result.output


def written(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


def test_a_vignette_is_written_and_a_noise_is_passed_on(problem):
    sharp, blurred, _ = problem
    output = run("--no-figures", "--nuisances=photometry,vignette", "--noise=0.001")
    record, arrays = written()
    want = workflows.calibrate_pair(
        sharp, blurred, size=SIZE, nuisances=("photometry", "vignette"), noise=0.001
    )
    np.testing.assert_array_equal(arrays["vignette"], want.vignette[0])
    np.testing.assert_array_equal(arrays["covariance"], want.covariance)
    assert record["settings"]["noise"] == 0.001
    assert "the noise was given as 0.001" in output


def test_files_are_those_of_the_workflow(problem):
    output = run("--no-figures", "--psf-format=tiff")
    record, arrays = written()
    sharp, blurred, psf = problem
    want = workflows.calibrate_pair(sharp, blurred, size=SIZE)
    for name in ("psf", "deviations", "covariance"):
        np.testing.assert_array_equal(arrays[name], getattr(want, name))
    np.testing.assert_array_equal(arrays["losses"], want.losses)
    np.testing.assert_array_equal(arrays["seen"], want.seen[0])
    np.testing.assert_array_equal(arrays["residual"], want.residuals[0])
    assert workflows.psf_error(arrays["psf"], psf) < 0.05
    for name in ("gamma", "noise", "findings", "losses"):
        assert record[name] == getattr(want, name)
    assert record["gain"] == [want.gain[0].tolist()]
    assert record["nuisances"] == ["photometry", "clipping", "outliers"]
    assert record["settings"]["nuisances"] == "auto"
    assert record["settings"]["psf_size"] == [SIZE, SIZE]
    assert record["interrupted"] is False
    measures = workflows.measure_psf(want.psf, want.covariance)
    told = record["measures"]
    assert told["radius50"] == pytest.approx(measures.radius50._asdict())
    assert told["widths"][1] == pytest.approx(measures.widths[1]._asdict())
    assert len(told["mtf50"]) == 3
    assert "The blurred picture has the gain (0.8" in output
    assert "is clipped at 0.6" in output
    assert f"half the light within a radius of  {measures.radius50}\n" in output
    assert f"round {len(want.losses)}: root mean square residual" in output
    np.testing.assert_array_equal(tifffile.imread(OUT / "psf.tif"), arrays["psf"])
    # It is a PSF for the other command.
    more = ["deblur", "blurred.npy", f"--psf={OUT / 'result.npz'}", "--steps=1", "--no-figures"]
    assert CliRunner().invoke(app.cli, more).exit_code == 0


def test_a_moved_pair_is_drawn_with_the_pixels_that_count(monkeypatch):
    sharp = astronaut()[:, 30:150, 60:180]
    np.save("sharp.npy", sharp)
    np.save("blurred.npy", workflows.simulate_blur(sharp, size=SIZE, noise=0.003, seed=0)[1])
    drawn = []
    save = drawing.save
    monkeypatch.setattr(drawing, "save", lambda f, file: (drawn.append(f), save(f, file)))
    run("--nuisances=shift")
    _, arrays = written()
    seen, left = arrays["seen"], arrays["residual"]
    margins = [(n - m) // 2 for n, m in zip(seen.shape[1:], left.shape[1:], strict=True)]
    assert min(margins) > 0
    inner = seen[:, margins[0] : -margins[0], margins[1] : -margins[1]]
    shown = drawn[0].axes[2].images[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~inner.any(axis=0))


def test_the_figure_shows_the_first_pair(monkeypatch):
    drawn = []
    save = drawing.save
    monkeypatch.setattr(drawing, "save", lambda f, file: (drawn.append(f), save(f, file)))
    run("--sharp=sharp.npy", "--blurred=blurred.npy", "--nuisances=photometry,clipping")
    record, arrays = written()
    assert record["settings"]["nuisances"] == ["photometry", "clipping"]
    assert {"seen_0", "seen_1", "residual_0", "residual_1"} < set(arrays)
    sharp, blurred, residual, unseen = drawn[0].axes[:4]
    assert sharp.get_title() == "Sharp, the first of 2"
    assert blurred.images[0].get_extent() == [1.5, 67.5, 69.5, 1.5]
    shown = residual.images[0].get_array()
    seen, left = arrays["seen_0"], arrays["residual_0"]
    assert np.array_equal(np.ma.getmaskarray(shown), ~seen.any(axis=0))
    for counted in (1, 2, 3):  # the mean of n channels has a noise of sigma / sqrt(n)
        at = seen.sum(axis=0) == counted
        want = (seen * left).sum(axis=0)[at] / counted / (record["noise"] / counted**0.5)
        np.testing.assert_allclose(shown[at], want, rtol=1e-5)
        assert at.any()
    np.testing.assert_allclose(unseen.images[0].get_array(), 1 - arrays["seen_0"].mean(axis=0))
    with Image.open(OUT / "figure.png") as figure:
        assert figure.width > 1.5 * figure.height


def test_kinds_and_units_of_files_may_differ(problem):
    sharp, blurred, psf = problem
    tifffile.imwrite("sharp.tif", np.round(4000 * sharp[0]).astype(np.uint16))
    fits.writeto("blurred.fits", (0.1 * blurred[0] - 3).astype(np.float32))
    rng = np.random.default_rng(0)
    mask = np.where(rng.random(blurred.shape[1:]) < 0.9, 255, 0).astype(np.uint8)
    Image.fromarray(mask).save("mask.png")
    run("--seen=mask.png", "--no-figures", sharp="sharp.tif", blurred="blurred.fits")
    record, arrays = written()
    assert workflows.psf_error(arrays["psf"], psf) < 0.1
    assert record["gain"][0][0] == pytest.approx(0.08 / 4000, rel=0.05)
    assert not arrays["seen"][0][mask == 0].any()
    assert record["settings"]["seen"] == ["mask.png"]


def test_pictures_of_srgb_are_decoded(problem):
    sharp, blurred, psf = problem
    for name, light in (("sharp", sharp), ("blurred", blurred)):
        coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        np.save(f"{name}.npy", coded.clip(0, 1))
    run("--encoding=srgb", "--nuisances=photometry,clipping", "--no-figures")
    record, arrays = written()
    assert record["settings"]["encoding"] == "srgb"
    assert workflows.psf_error(arrays["psf"], psf) < 0.05
    # A sharp picture that is linear: the power is found.
    run(
        "--no-figures",
        "--force",
        "--nuisances=clipping,gamma",
        sharp=save("light.npy", sharp),
        blurred=save("power.npy", ((blurred - 0.1) / 0.8).clip(0) ** (1 / 2.2)),
    )
    assert written()[0]["gamma"] == pytest.approx(2.2, abs=0.1)


def save(name, array):
    np.save(name, array)
    return name


def test_what_does_not_go_together_is_refused(problem):
    _, blurred, _ = problem
    small, grey = save("small.npy", blurred[:, 1:]), save("grey.npy", blurred[:1])
    mask = save("mask.npy", np.ones((3, 9, 9)))
    inverted = save("inverted.npy", 1 - blurred)
    for more, words in (
        ({"blurred": small}, "small.npy has 3 channels of (67, 66) pixels and sharp.npy 3 of"),
        ({"blurred": grey}, "grey.npy has 1 channels of (68, 66) pixels and sharp.npy 3 of"),
        ({"blurred": "none.npy"}, "none.npy"),
    ):
        assert words in " ".join(run(**more, code=2).split())
    for option, words in (
        ("--blurred=blurred.npy", "--sharp is given 1 and --blurred 2 times"),
        (
            f"--seen={mask}",
            "mask.npy has 3 channels of (9, 9) pixels and blurred.npy 3 of (68, 66)",
        ),
        ("--nuisances=blur", "'blur' is not one of 'photometry'"),
    ):
        assert words in " ".join(run(option, code=2).split())
    twice = ["--seen=mask.npy"] * 2
    assert "--seen is given 2 and --blurred 1 times" in run(*twice, code=2)
    assert "want a pair that is not inverted" in run("--no-figures", blurred=inverted, code=1)
    assert not (OUT / "result.json").exists()


def test_each_command_names_the_other():
    for command, other in (
        ("calibrate-pair", "calibrate-psf"),
        ("calibrate-psf", "calibrate-pair"),
    ):
        assert f"take {other}" in " ".join(
            CliRunner().invoke(app.cli, [command, "--help"]).output.split()
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_rounds_that_are_done(monkeypatch, number):
    calibrate = workflows.calibrate_pair

    def stopped(*args, callback, **settings):
        def follow(step, loss, psf):
            callback(step, loss, psf)
            os.kill(os.getpid(), number)

        return calibrate(*args, callback=follow, **settings)

    monkeypatch.setattr(workflows, "calibrate_pair", stopped)
    output = run("--no-figures", code=128 + number)
    record, arrays = written()
    assert record["interrupted"] is True
    assert len(arrays["losses"]) == 1
    assert "after round 1" in output


def test_the_default_size_is_one(problem):
    """What is wrong is the file, and not the size that nobody gave."""
    command = ["calibrate-pair", "--sharp", "none.npy", "--blurred", "blurred.npy"]
    result = CliRunner().invoke(app.cli, command)
    assert result.exit_code == 2
    assert "none.npy" in result.output
    assert "is no size" not in result.output
