import json
import sys
from pathlib import Path

import numpy as np
import png
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

import nufftlib as nl
from nufftlib import workflows
from nufftlib.cli import app, calibrate_psf, diagnosis, files
from nufftlib.data import astronaut

OUT = Path("out/psf")
METHODS = ("projected-gradient", "adam", "adamw", "backtracking", "accelerated", "spectral")


def result(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


def test_files_say_the_same_as_each_other_and_as_the_table(calibrate):
    output = calibrate().output
    names = {"result.npz", "figure.png", "report.html", "result.json"}
    assert {path.name for path in OUT.iterdir()} == names
    assert all(str(OUT / name) in output for name in names)
    record, arrays = result()
    assert tuple(record["methods"]) == METHODS
    assert set(arrays) == {
        "psf_true",
        "psf_start",
        "sharp",
        "blurred",
        "deviations",
        *(f"{what}_{name}" for what in ("psf", "losses", "errors") for name in METHODS),
    }
    truth = arrays["psf_true"]
    for name, row in record["methods"].items():
        losses, psf = arrays[f"losses_{name}"], arrays[f"psf_{name}"]
        assert (row["loss_start"], row["loss_final"]) == (losses[0], losses.min())
        assert row["steps"] == len(losses) - 1 == 4
        assert row["step_best"] == losses.argmin()
        assert f"Calibrating on the CPU: {name}, 4 steps\n" in output
        assert f"\n  {row['loss_of_true_psf']:.4g}  {name}\n" in output
        assert min(row["seconds"], row["seconds_setup"]) > 0
        assert row["path"] == ("general" if name == "adamw" else "quadratic")
        errors = arrays[f"errors_{name}"]
        assert len(errors) == len(losses)
        assert errors[row["step_best"]] == pytest.approx(row["psf_error"], rel=1e-4)
        error = np.linalg.norm(psf - truth) / np.linalg.norm(truth)
        assert row["psf_error"] == pytest.approx(error, rel=1e-5)
        assert f"{100 * error:.3g}%\n" in output
        np.testing.assert_allclose(psf.sum(), 1, rtol=1e-5)
    assert "Losses that still fall at the last step, for want of --steps: projected-" in output
    assert record["interrupted"] is False
    told = record["identifiability"]
    deviations = arrays["deviations"]
    assert (told["components"], told["noise"]) == (81, 0.02)
    assert told["to_one_percent"] == np.sum(deviations <= 0.01)
    assert told["worst"] == deviations[-1] == deviations.max()
    assert f":\n{told['to_one_percent']} of its 81 components by less than 1% each" in output
    assert f"by {100 * np.linalg.norm(deviations):.3g}% of its norm:\n" in output
    assert record["settings"]["steps"] == dict.fromkeys(METHODS, 4)
    assert record["settings"]["seed"] == 0


def test_loss_of_the_true_psf_is_that_of_the_noise(calibrate):
    calibrate("--no-figures")
    record, arrays = result()
    floors = {name: row["loss_of_true_psf"] for name, row in record["methods"].items()}
    # Of 3 x 40 x 40 samples the mean square is known to 2 % of its value.
    assert arrays["blurred"].shape == (3, 40, 40)
    assert len({floors[name] for name in METHODS if name != "adamw"}) == 1
    assert floors["adam"] == pytest.approx(0.5 * 0.02**2, rel=0.1)
    assert floors["adamw"] == pytest.approx(0.02 * np.sqrt(2 / np.pi), rel=0.05)


def test_arrays_are_those_of_the_workflow(calibrate):
    calibrate("--no-figures", "--seed", "7")
    record, arrays = result()
    sharp = np.load("astronaut.npy")
    truth, blurred = workflows.simulate_blur(sharp, size=9, noise=0.02, seed=7)
    assert record["settings"]["seed"] == 7
    np.testing.assert_array_equal(arrays["sharp"], sharp)
    np.testing.assert_array_equal(arrays["psf_true"], truth)
    np.testing.assert_array_equal(arrays["blurred"], blurred)
    for name in METHODS:
        expected = workflows.calibrate_psf(sharp, blurred, method=name, size=9, steps=4)
        np.testing.assert_allclose(arrays[f"psf_{name}"], expected.psf, atol=1e-5)
        np.testing.assert_allclose(arrays[f"losses_{name}"], expected.losses, rtol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_one_method_with_its_own_number_of_steps(monkeypatch, name):
    recipe = calibrate_psf.RECIPES[name]
    monkeypatch.setitem(calibrate_psf.RECIPES, name, recipe._replace(steps=2))
    figures = ["--no-figures"] * (name != METHODS[0])  # they take longer than the steps
    app.cli(
        ["calibrate-psf", "--image", "astronaut.npy", "--method", name, *figures],
        standalone_mode=False,
    )
    record, arrays = result()
    assert list(record["methods"]) == [name]
    assert record["methods"][name]["steps"] == 2
    assert record["settings"]["steps"] == {name: 2}
    assert [key for key in arrays if key.startswith("losses")] == [f"losses_{name}"]
    if not figures:
        with Image.open(OUT / "figure.png") as figure:
            assert figure.size == (2275, 884)


def test_no_figures_writes_no_pictures(calibrate):
    calibrate("--no-figures")
    assert {path.name for path in OUT.iterdir()} == {"result.npz", "result.json"}


def test_grey_png_is_calibrated_and_drawn(calibrate):
    grey = np.round(255 * np.load("astronaut.npy")[0]).astype(np.uint8)
    Image.fromarray(grey).save("grey.png")
    calibrate("--image", "grey.png", "--method", "adam")
    _, arrays = result()
    np.testing.assert_array_equal(arrays["sharp"], grey[None] / np.float32(255))
    assert (OUT / "figure.png").exists()


def test_interrupted_run_writes_the_methods_so_far(calibrate, monkeypatch):
    run = workflows.calibrate_psf

    def pressed(*args, method, **kwargs):
        def press(step, *_):
            if method == "adam" and step == 2:
                raise KeyboardInterrupt

        return run(*args, method=method, **{**kwargs, "callback": press})

    monkeypatch.setattr(workflows, "calibrate_psf", pressed)
    output = calibrate(code=130).output
    assert "Interrupted in adam after 2 of 4 steps; adamw, backtracking, acc" in output
    record, arrays = result()
    assert record["interrupted"] is True
    assert {name: row["steps"] for name, row in record["methods"].items()} == {
        "projected-gradient": 4,
        "adam": 2,
    }
    assert record["identifiability"] is None
    assert "psf_adamw" not in arrays
    assert (OUT / "figure.png").exists()


@pytest.mark.parametrize("kind", ["gaussian", "defocus", "diffraction"])
@pytest.mark.parametrize("boundary", ["circular", "replicate", "reflect", "zero"])
def test_psfs_and_boundaries(calibrate, kind, boundary):
    calibrate(
        *("--psf", kind, "--boundary", boundary, "--size", "7x6", "--method", "spectral"),
        "--no-figures",
    )
    record, arrays = result()
    sharp = np.load("astronaut.npy")
    truth, blurred = workflows.simulate_blur(sharp, psf=kind, size=(7, 6), boundary=boundary)
    np.testing.assert_array_equal(arrays["psf_true"], truth)
    np.testing.assert_array_equal(arrays["blurred"], blurred)
    assert (record["settings"]["psf"], record["settings"]["boundary"]) == (kind, boundary)
    assert record["settings"]["psf_size"] == [7, 6]


def test_a_psf_from_a_file_is_brought_to_the_sum_one(calibrate):
    psf = np.random.default_rng(0).random((5, 7))
    np.save("psf.npy", psf)
    calibrate("--psf", "psf.npy", "--method", "adam", "--no-figures")
    record, arrays = result()
    np.testing.assert_allclose(arrays["psf_true"], psf / psf.sum(), rtol=1e-6)
    assert record["settings"]["psf_size"] == [5, 7]


@pytest.fixture
def own():
    """Save pairs of pictures and return their PSF: two, of different sizes."""
    rng = np.random.default_rng(1)
    psf = rng.random((5, 3))
    psf /= psf.sum()
    for i, shape in enumerate([(3, 40, 31), (1, 25, 36)]):
        sharp = rng.random(shape)
        np.save(f"sharp{i}.npy", sharp)
        np.save(f"blurred{i}.npy", np.clip(nl.Blur(psf, "zero")(sharp), 0, 1))
    return psf


def own_pairs(*more, code=0):
    arguments = ["calibrate-psf", "--size", "5x3", *more]
    done = CliRunner().invoke(app.cli, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_a_pair_of_your_own(own):
    output = own_pairs("--sharp", "sharp0.npy", "--blurred", "blurred0.npy")
    record, arrays = result()
    assert list(record["methods"]) == ["spectral"]
    assert "The PSF of the lowest loss is psf_spectral in out/psf/result.npz." in output
    assert "Careful" not in output
    assert "psf_true" not in arrays
    assert "errors_spectral" not in arrays
    assert "PSF error" not in output
    assert record["methods"]["spectral"]["psf_error"] is None
    assert record["settings"]["sharp"] == ["sharp0.npy"]
    # Nothing but rounding is noise: single precision, and the PSF as the methods found it.
    assert record["identifiability"]["noise"] < 1e-3
    assert workflows.psf_error(arrays["psf_spectral"].astype(float), own) < 0.01
    assert (OUT / "figure.png").exists()


@pytest.mark.parametrize("boundary", ["valid", "zero"])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, -50), (4095, 100), (1e-6, 0), (-7, 0)])
def test_measured_pictures_of_any_range_are_data(own, scale, offset, boundary):
    # Noise goes below zero, detectors count, and a unit is anyone's own.
    sharp = scale * np.load("sharp0.npy") + offset
    noise = 0.01 * abs(scale)
    blurred = nl.blur.gaussian_noise(nl.Blur(own, boundary)(sharp), noise, seed=0)
    np.save("sharp.npy", sharp)
    np.save("blurred.npy", blurred)
    pair = "--sharp=sharp.npy", "--blurred=blurred.npy"
    output = own_pairs(*pair, "--boundary", boundary, "--no-figures")
    record, arrays = result()
    np.testing.assert_array_equal(arrays["blurred"], blurred.astype(np.float32))
    assert "Careful" not in output
    assert record["identifiability"]["noise"] == pytest.approx(noise, rel=0.05)
    assert workflows.psf_error(arrays["psf_spectral"].astype(float), own) < 0.05


@pytest.mark.parametrize("scale", [1e-6, 1, 4095])
def test_a_misfit_is_said_at_any_scale(own, scale):
    picture = scale * astronaut().astype(float)
    np.save("picture.npy", picture)
    np.save("dim.npy", 0.7 * nl.Blur(own)(picture))
    assert "Careful" in own_pairs("--sharp=picture.npy", "--blurred=dim.npy", "--no-figures")


@pytest.mark.parametrize(
    ("x", "y", "boundary", "refused"),
    [
        (1, 255, "valid", True),  # the bytes of one and the fractions of the other
        (1, 65535, "zero", True),
        (1, -1, "valid", True),  # a negative
        (1, 0.01, "valid", False),  # zero is among the sharp values
        (1, 0.01, "zero", False),
        (1, 1.5, "valid", False),  # an exposure: warned of
    ],
)
def test_pairs_in_two_units_are_refused(own, x, y, boundary, refused):
    np.save("x.npy", x * np.load("sharp0.npy"))
    np.save("y.npy", y * np.load("blurred0.npy"))
    arguments = ("--sharp=x.npy", "--blurred=y.npy", "--boundary", boundary, "--no-figures")
    output = " ".join(own_pairs(*arguments, code=2 * refused).replace("\u2502", " ").split())
    assert ("want both in one unit" in output) == refused


@pytest.mark.parametrize("which", ["sharp", "blurred"])
def test_a_picture_that_shows_nothing_is_refused(own, which):
    np.save(f"{which}0.npy", np.full((3, 40, 31), [[[0.5]], [[0.25]], [[1]]]))
    output = own_pairs("--sharp=sharp0.npy", "--blurred=blurred0.npy", code=2)
    assert f"{which}0.npy: every pixel of the picture is 0.5, 0.25, 1; want a picture" in " ".join(
        output.replace("\u2502", " ").split()
    )
    assert not OUT.exists()


def test_pictures_that_leave_components_free_are_reported_sanely(own):
    stripes = np.tile([0.0, 1.0, 1.0, 0.0, 1.0], (12, 8))
    np.save("stripes.npy", stripes)
    output = own_pairs("--sharp=stripes.npy", "--blurred=stripes.npy", "--boundary", "circular")
    assert "by any amount:\n" in output
    assert "the worst by any amount." in output
    assert "inf" not in output
    assert result()[0]["identifiability"]["worst"] is None


@pytest.mark.parametrize("method", ["spectral", "adamw"])
def test_the_noise_of_a_pair_of_your_own_is_that_of_the_residual(own, method):
    sharp = np.load("sharp0.npy")
    blurred = nl.blur.gaussian_noise(0.5 * nl.Blur(own)(sharp) + 0.2, 0.03, seed=0)
    np.save("noisy.npy", blurred)
    np.save("dimmed.npy", 0.5 * sharp + 0.2)
    own_pairs("--sharp=dimmed.npy", "--blurred=noisy.npy", "--method", method, "--no-figures")
    record, arrays = result()
    assert record["identifiability"]["noise"] == pytest.approx(0.03, rel=0.05)
    told = workflows.identifiability(
        arrays["sharp"], record["identifiability"]["noise"], size=(5, 3)
    )
    norm = np.linalg.norm(arrays[f"psf_{method}"])
    np.testing.assert_allclose(arrays["deviations"], told.deviations / norm, rtol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: 0.7 * y,  # exposure
        lambda y: y ** (1 / 2.2),  # gamma
        lambda y: np.roll(y, 12, axis=-1),  # not registered
    ],
)
def test_pictures_that_do_not_fit_are_said_to(own, change):
    picture = astronaut().astype(float)
    np.save("picture.npy", picture)
    blurred = nl.blur.gaussian_noise(nl.Blur(own, "reflect")(picture), 0.01, seed=0)
    np.save("right.npy", np.clip(blurred, 0, 1))
    np.save("wrong.npy", change(np.clip(blurred, 0, 1)))
    arguments = ["--sharp=picture.npy", "--no-figures", "--force"]
    assert "Careful" not in own_pairs(*arguments, "--blurred=right.npy")
    assert "neighbouring pixels correlate by 0." in " ".join(
        own_pairs(*arguments, "--blurred=wrong.npy").split()
    )
    # The boundary of the simulation is the mirror; only margins show another one.
    assert "Careful" in own_pairs(*arguments, "--blurred=right.npy", "--boundary", "zero")


def test_components_of_a_large_psf_are_left_out(own, monkeypatch):
    monkeypatch.setattr(diagnosis, "MOST_COMPONENTS", 14)
    output = own_pairs("--sharp=sharp0.npy", "--blurred=blurred0.npy", "--no-figures")
    assert "its components are left out" in output
    assert result()[0]["identifiability"] is None


def test_deviations_are_relative_to_the_true_psf_where_it_is_known(calibrate):
    for method in ("adam", "spectral"):
        calibrate("--method", method, "--no-figures", "--force")
        _, arrays = result()
        told = workflows.identifiability(arrays["sharp"], 0.02, size=9)
        norm = np.linalg.norm(arrays["psf_true"])
        np.testing.assert_allclose(arrays["deviations"], told.deviations / norm, rtol=1e-6)


def test_a_pair_without_noise_or_blur_is_written_and_drawn(own):
    own_pairs(
        *("--sharp=sharp0.npy", "--blurred=sharp0.npy", "--boundary", "reflect"),
        *("--method", "all"),
    )
    record, _ = result()
    assert min(row["loss_final"] for row in record["methods"].values()) >= 0
    assert (OUT / "figure.png").exists()


def test_a_psf_larger_than_the_picture_where_the_boundary_allows_it(own):
    own_pairs(
        *("--sharp=sharp1.npy", "--blurred=sharp1.npy", "--boundary", "zero", "--steps", "2"),
        *("--size", "27x3", "--no-figures"),
    )
    assert result()[0]["settings"]["psf_size"] == [27, 3]


def test_several_pairs_of_your_own(own):
    pairs = [f"--{what}={what}{i}.npy" for i in (0, 1) for what in ("sharp", "blurred")]
    own_pairs(*pairs, "--boundary", "zero", "--method", "accelerated")
    record, arrays = result()
    assert {"sharp_0", "sharp_1", "blurred_0", "blurred_1"} <= set(arrays)
    assert record["settings"]["shape"] == [[3, 40, 31], [1, 25, 36]]
    assert workflows.psf_error(arrays["psf_accelerated"].astype(float), own) < 0.02


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sharp", "sharp0.npy"], "--sharp is given 1 and --blurred 0 times"),
        (
            ["--sharp=sharp0.npy", "--blurred=blurred1.npy"],
            "want as many channels, of (40, 31) or (36, 29) pixels",
        ),
        (
            ["--sharp=sharp1.npy", "--blurred=blurred1.npy", "--size", "26x3"],
            "a PSF of 26 x 3 on a picture of 25 x 36; want one of at most 25 x 36 with --boundary",
        ),
        (["--sharp=sharp0.npy", "--blurred=blurred0.npy", "--seed", "1"], "leave --seed out"),
        (
            ["--sharp=sharp0.npy", "--blurred=blurred0.npy", "--psf=motion", "--image=a.npy"],
            "leave --image and --psf out",
        ),
        (["--sharp=none.npy", "--blurred=blurred0.npy"], "there is no such file"),
        (["--tolerance", "nan"], "nan is no finite number"),
        (["--tolerance", "inf"], "inf is no finite number"),
        (["--size", "5,3"], "'5,3' is no size; want pixels, as 25, or 25x31"),
        (["--size", "0"], "'0' is no size"),
        (["--size", "5x0"], "'5x0' is no size"),
        (["--size", "\u0663"], "is no size"),
        (["--size", "9" * 5000], "is no size"),
        (["--size", "99999", "--boundary", "zero"], "want one of at most 511 x 511"),
        (
            ["--sharp=sharp1.npy", "--blurred=sharp1.npy", "--size", "51x3", "--boundary", "zero"],
            "a PSF of 51 x 3 on a picture of 25 x 36; want one of at most 49 x 71",
        ),
        (["--psf", "x" * 300], "and there is no such file"),
        (["--psf", "blur"], "blur is none of motion, gaussian, defocus, diffraction, and there"),
        (["--psf", "sharp1.npy"], "the PSF sharp1.npy has its own; leave one out"),
        (["--method", "adamw", "--path", "quadratic"], "loss of adamw is the absolute error"),
        (["--image=astronaut.npy", "--size", "49"], "a PSF of 49 x 49 on a picture of 48 x 48"),
    ],
)
def test_options_that_do_not_fit_are_refused(own, arguments, said):
    output = own_pairs(*arguments, code=2)
    assert said in " ".join(output.replace("\u2502", " ").split())
    assert not (OUT / "result.json").exists()


def test_general_path_and_a_tolerance(calibrate):
    calibrate("--path", "general", "--tolerance", "1.0", "--no-figures")
    record, _ = result()
    for row in record["methods"].values():
        assert row["path"] == "general"
        assert row["converged"]
        assert row["steps"] <= 1


# --- kinds of files, light, and the file of the PSF


def srgb(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def test_a_camera_that_encodes_srgb(own):
    light = astronaut().astype(float)[:, :96, :96]
    for name, y in (("sharp", light), ("blurred", nl.Blur(own)(light))):
        pixels = np.round(65535 * srgb(np.clip(y, 0, 1))).astype(np.uint16)
        rows = np.moveaxis(pixels, 0, -1).reshape(pixels.shape[1], -1)
        with Path(f"{name}.png").open("wb") as file:
            png.Writer(pixels.shape[2], len(rows), greyscale=False, bitdepth=16).write(file, rows)
    pair = "--sharp=sharp.png", "--blurred=blurred.png", "--no-figures"
    assert "Careful" not in own_pairs(*pair, "--encoding", "srgb")
    record, arrays = result()
    assert record["settings"]["encoding"] == "srgb"
    np.testing.assert_allclose(arrays["sharp"], light, atol=1e-4)
    assert workflows.psf_error(arrays["psf_spectral"].astype(float), own) < 0.01
    # Blur is linear in light: of encoded values it is none.
    own_pairs(*pair, "--force")
    assert workflows.psf_error(result()[1]["psf_spectral"].astype(float), own) > 0.02


def test_the_encoding_of_the_bundled_picture_is_known():
    done = CliRunner().invoke(app.cli, ["calibrate-psf", "--encoding", "srgb"])
    assert done.exit_code == 2
    assert "--encoding: the bundled picture is used as it is; want --image" in done.output


def counts(own, **sizes):
    """Save a pair of 16-bit counts as TIFF, with the size of their pixels in micrometres."""
    sharp = np.random.default_rng(3).integers(100, 4000, (40, 31)).astype(np.uint16)
    for name, y in (("sharp", sharp), ("blurred", nl.Blur(own)(sharp.astype(float)))):
        about = {"axes": "YX"}
        if size := sizes.get(name):
            about |= {"PhysicalSizeY": 2 * size, "PhysicalSizeX": size}
        tifffile.imwrite(f"{name}.tif", np.round(y).astype(np.uint16), ome=True, metadata=about)


@pytest.mark.parametrize("kind", ["npy", "tiff", "fits"])
def test_the_best_psf_is_written_to_a_file_of_its_own(own, kind):
    counts(own, sharp=0.065)
    pair = "--sharp=sharp.tif", "--blurred=blurred.tif", "--no-figures"
    output = own_pairs(*pair, "--psf-format", kind)
    record, arrays = result()
    path = OUT / files.PSFS[kind]
    assert f"  {path}\n" in output
    np.testing.assert_array_equal(workflows.load_psf(path), arrays["psf_spectral"])
    assert arrays["sharp"].max() > 3000  # counts keep their own values
    assert record["settings"]["psf_format"] == kind
    assert record["settings"]["pixel_size"] == pytest.approx([130e-9, 65e-9])
    if kind != "npy":
        assert workflows.load_stack(path).pixel_size[1:] == pytest.approx((130e-9, 65e-9))
    # Without it there is none, and an old one does not stay.
    own_pairs(*pair, "--force")
    assert not path.exists()


def test_pixels_of_two_sizes_are_refused(own):
    counts(own, sharp=0.065, blurred=0.13)
    output = own_pairs("--sharp=sharp.tif", "--blurred=blurred.tif", code=2)
    assert "the files say pixels of 1.3e-07 x 6.5e-08, 2.6e-07 x 1.3e-07 m" in output


def test_a_missing_package_is_said_before_the_steps(own, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    pair = "--sharp=sharp0.npy", "--blurred=blurred0.npy"
    output = own_pairs(*pair, "--psf-format", "tiff", code=1)
    assert 'pip install ".[pictures]"' in output
    assert "Calibrating" not in output


def test_pictures_and_the_psf_may_be_parts_of_a_file(own):
    x, y = np.load("sharp0.npy"), np.load("blurred0.npy")
    np.savez("pair.npz", x=x, y=y, h=own)
    own_pairs("--sharp=pair.npz:x", "--blurred=pair.npz:y", "--no-figures")
    np.testing.assert_array_equal(result()[1]["sharp"], x.astype(np.float32))
    arguments = ["--image=pair.npz:x", "--psf=pair.npz:h", "--no-figures", "--force", "--steps=1"]
    done = CliRunner().invoke(app.cli, ["calibrate-psf", *arguments])
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(result()[1]["psf_true"], own, rtol=1e-6)
    assert "there is no such file" in own_pairs("--sharp=no.npz:x", "--blurred=no.npz:y", code=2)


# --- a PSF that varies ----------------------------------------------------------------------


def varying():
    """Save a pair whose PSF varies from left to right, and return the PSFs."""
    sharp = astronaut()[:, 40:104, 80:152]
    psfs = np.stack([nl.blur.gaussian_psf(5, s) for s in (0.7, 1.3)])
    A = nl.SpaceVaryingBlur(psfs, nl.blur.grid_weights((1, 2), (60, 68)))
    np.save("sharp.npy", sharp)
    np.save("blurred.npy", nl.blur.gaussian_noise(A(sharp), 0.002, seed=0))
    return psfs


PAIR = ("--sharp=sharp.npy", "--blurred=blurred.npy", "--size=5", "--steps=40")


def grid_of(*more, code=0):
    done = CliRunner().invoke(app.cli, ["calibrate-psf", *PAIR, *more])
    assert done.exit_code == code, done.output
    return done.output


def test_a_grid_is_found_and_deblur_takes_it():
    psfs = varying()
    output = grid_of("--grid=1x2")
    record, arrays = result()
    assert (OUT / "figure.png").exists()
    found = workflows.calibrate_field(
        np.load("sharp.npy"), np.load("blurred.npy"), grid=(1, 2), size=5, steps=40
    )
    np.testing.assert_allclose(arrays["psf"], found.psfs, atol=1e-5)
    np.testing.assert_allclose(arrays["psf_single"], found.single, atol=1e-5)
    np.testing.assert_allclose(arrays["residual"], found.residual, atol=1e-4)
    assert workflows.psf_error(arrays["psf"][0, 1], psfs[1]) < 0.15
    assert record["settings"]["grid"] == [1, 2]
    assert record["noise"] == pytest.approx(found.noise, rel=1e-5)
    assert len(arrays["losses"]) == 41
    assert "1x2" in output
    done = CliRunner().invoke(
        app.cli,
        ["deblur", "blurred.npy", "--psf=out/psf/result.npz", "--method=wiener", "--no-figures"],
    )
    assert done.exit_code == 0, done.output
    with np.load("out/deblur/result.npz") as deblurred:
        assert deblurred["psf"].shape == (1, 2, 5, 5)


def test_a_grid_that_is_too_coarse_is_said():
    varying()
    assert "try a finer one" in grid_of("--grid=1", "--no-figures")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid=2", "--method=adam", "--path=general"], "leave --method and --path out"),
        (["--grid=2", "--psf-format=npy"], "leave --psf-format out"),
        (["--grid=0x2"], "'0x2' is no size; want nodes, as 25, or 25x31"),
        (["--grid=2", "--blurred=blurred.npy", "--sharp=sharp.npy"], "want one pair of your own"),
    ],
)
def test_what_a_grid_refuses(options, message):
    varying()
    assert message in " ".join(grid_of(*options, code=2).replace("\u2502", " ").split())
