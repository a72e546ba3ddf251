"""``calibrate-psf`` and ``deblur --ndim 3``: stacks of planes, with the size of their voxels."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from PIL import Image

import nufftlib as nl
from nufftlib import workflows
from nufftlib.cli import app, stacks
from nufftlib.plots import figures
from nufftlib.plots.calibration import Fit, Pair
from nufftlib.plots.figures import number
from nufftlib.plots.stacks import (
    Frame,
    draw_sections,
    draw_stack_calibration,
    draw_stack_deblurring,
)

OUT = Path("out/psf")
VOXEL = (0.3e-6, 0.13e-6, 65e-9)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def run(*more, code=0, command="calibrate-psf"):
    done = CliRunner().invoke(app.cli, [command, "--ndim", "3", *more])
    assert done.exit_code == code, done.output
    return " ".join(done.output.replace("\u2502", " ").split())


def result(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


def save(name, values, voxel=VOXEL):
    about = {"axes": "ZYX"}
    for axis, step in zip("ZYX", voxel, strict=True):
        about |= {f"PhysicalSize{axis}": 1e6 * step, f"PhysicalSize{axis}Unit": "µm"}
    tifffile.imwrite(name, values, ome=True, photometric="minisblack", metadata=about)


@pytest.fixture
def own(rng):
    """Save a pair of stacks of counts and return its PSF, of an even and two odd sizes."""
    sharp = (1000 * rng.random((12, 20, 18))).astype(np.float32)
    psf = nl.blur.gaussian_psf((4, 5, 3), (0.9, 0.8, 0.6))
    blurred = nl.blur.gaussian_noise(nl.Blur(psf, "zero", ndim=3)(sharp), 2.0, seed=0)
    save("sharp.tif", sharp)
    save("blurred.tif", blurred)
    np.save("plane.npy", sharp[0])
    return psf


PAIR = ("--sharp=sharp.tif", "--blurred=blurred.tif")


def test_voxels_go_from_the_stack_to_the_psf_file(own):
    output = run(*PAIR, "--size=4x5x3", "--psf-format=tiff", "--no-figures")
    record, arrays = result()
    assert list(record["methods"]) == ["spectral"]
    assert record["settings"]["ndim"] == 3
    assert record["settings"]["psf_size"] == [4, 5, 3]
    assert record["settings"]["pixel_size"] == pytest.approx(VOXEL)
    assert arrays["pixel_size"] == pytest.approx(VOXEL)
    assert arrays["sharp"].shape == (1, 12, 20, 18)
    assert "Careful" not in output
    assert record["identifiability"]["components"] == 60
    assert record["identifiability"]["noise"] == pytest.approx(2.0, rel=0.1)
    assert workflows.psf_error(arrays["psf_spectral"], own) < 0.01
    assert workflows.load_stack(OUT / "psf.tif").pixel_size == pytest.approx(VOXEL, rel=1e-6)
    written = workflows.load_psf(OUT / "psf.tif", ndim=3)
    np.testing.assert_array_equal(written, arrays["psf_spectral"])
    # Widths along each axis, those of the sums along both others.
    sums = (own.sum(axis=2), 0), (own.sum(axis=0), 0), (own.sum(axis=0), 1)
    widths = [workflows.measure_psf(h).widths[i].value for h, i in sums]
    said = output.partition("rows and columns: ")[2].partition("µm")[0].replace("voxels (", ",")
    found = [float(word) for word in said.replace(",", " ").split()]
    assert found[:3] == pytest.approx(widths, rel=0.02)
    assert found[3:] == pytest.approx(1e6 * np.multiply(widths, VOXEL), rel=0.02)


def test_beads_are_simulated_and_drawn(monkeypatch):
    monkeypatch.setattr(stacks, "SHAPE", (10, 24, 20))
    run("--size=3x5x4", "--seed=2")
    record, arrays = result()
    sharp = stacks.beads(2)
    assert sharp.values.shape == (1, 10, 24, 20)
    assert 0 < sharp.values.mean() < sharp.values.max() <= 1
    psf, blurred = workflows.simulate_blur(sharp.values, size=(3, 5, 4), ndim=3, seed=2)
    np.testing.assert_array_equal(arrays["psf_true"], psf)
    np.testing.assert_array_equal(arrays["blurred"], blurred)
    np.testing.assert_array_equal(arrays["pixel_size"], stacks.STEPS)
    assert list(record["methods"]) == ["spectral"]
    assert record["settings"]["image"] == "simulated beads"
    with Image.open(OUT / "figure.png") as figure:
        assert figure.size == (2860, 1092)


def test_a_simulation_with_a_stack_and_a_psf_of_your_own(rng):
    np.save("stack.npy", rng.random((8, 12, 14)))
    h = nl.blur.gaussian_psf((3, 4, 5), 0.8)
    workflows.save_psf("h.tif", h)
    run("--image=stack.npy", "--psf=h.tif", "--steps=2", "--boundary=reflect", "--no-figures")
    record, arrays = result()
    np.testing.assert_allclose(arrays["psf_true"], h, rtol=1e-6)
    assert arrays["blurred"].shape == (1, 8, 12, 14)
    assert "pixel_size" not in arrays
    assert record["settings"]["image"] == "stack.npy"


def test_a_misfit_along_the_depth_is_said(own):
    sharp = tifffile.imread("sharp.tif")
    ramp = np.linspace(0.6, 1.4, 12, dtype=np.float32)[:, None, None]
    save("faded.tif", ramp * tifffile.imread("blurred.tif"))
    save("sharp.tif", sharp)
    output = run("--sharp=sharp.tif", "--blurred=faded.tif", "--size=4x5x3", "--no-figures")
    assert "Careful" in output
    assert "calibrate-pair" not in output  # it takes no stacks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sharp=plane.npy", "--blurred=plane.npy"), "the shape is (20, 18); want (depth, rows"),
        (
            ("--sharp=sharp.tif:2", "--blurred=blurred.tif"),
            "sharp.tif:2: it holds one plane of 20 x 18 pixels; want a stack of several, or --n",
        ),
        (("--image=picture.png",), "the suffix is '.png'; want one of .npy, .npz, .mat, .nii"),
        (("--image=sharp.tif",), "want 0 to 1"),
        ((*PAIR, "--size=13x5x3"), "a PSF of 13 x 5 x 3 on a stack of 12 x 20 x 18; want one of"),
        ((*PAIR, "--size=5x3"), "5x3 has 2 axes; want depth, height and width"),
        (("--sharp=sharp.tif", "--blurred=coarse.tif"), "m along depth, rows and columns; want"),
        (
            ("--sharp=sharp.tif", "--blurred=short.tif", "--size=3"),
            "short.tif has 1 channels of (12, 20, 17) pixels and sharp.tif 1 of (12, 20, 18); want",
        ),
        (("--grid=3x3", *PAIR), "--ndim 3: --grid is for pictures; leave it out"),
        (("--encoding=srgb", *PAIR), "--ndim 3: --encoding is for pictures; leave it out"),
        (("--psf=defocus",), "defocus is a PSF of pictures; want motion or gaussian, or a file"),
        (("--psf=plane.npy",), "the shape is (20, 18); want (depth, rows, columns)"),
        (("--ndim=4",), "4 is not in the range 2<=x<=3"),
        (
            ("--ndim=2", *PAIR),
            "as in NAME:0; stacks go with --ndim 3 of calibrate-psf",
        ),
        (("--ndim=2", "--size=3x5x5"), "3x5x5 has 3 axes; want height and width, or --ndim 3"),
        (
            ("--ndim=2", "--image=stack.npy"),
            "none of them 0; stacks go with --ndim 3 of calibrate-psf or deblur",
        ),
    ],
)
def test_what_does_not_fit_is_refused(own, arguments, message, rng):
    Path("picture.png").write_bytes(b"")
    np.save("stack.npy", rng.random((8, 12, 14)))
    values = tifffile.imread("blurred.tif")
    save("coarse.tif", values, (0.5e-6, *VOXEL[1:]))
    save("short.tif", values[:, :, :-1])
    assert message in run(*arguments, code=2)
    assert not OUT.exists()


# --- deblurring


def test_a_calibrated_psf_deblurs_the_stack(own):
    run(*PAIR, "--size=4x5x3", "--psf-format=tiff", "--no-figures")
    _, arrays = result()
    job = ("blurred.tif", "--method=wiener", "--out=out/deblur")
    run(*job, f"--psf={OUT}/result.npz", command="deblur")
    record, found = result(Path("out/deblur"))
    want = workflows.deblur(arrays["blurred"], arrays["psf_spectral"], ndim=3, method="wiener")
    np.testing.assert_allclose(found["picture"], want.picture, atol=0.5)  # of 1000
    assert found["pixel_size"] == pytest.approx(VOXEL)
    assert record["settings"]["pixel_size"] == pytest.approx(VOXEL)
    assert record["settings"]["ndim"] == 3
    written = workflows.load_stack("out/deblur/deblurred.tif")
    assert written.pixel_size == pytest.approx(VOXEL, rel=1e-6)
    np.testing.assert_array_equal(written.values, found["picture"])
    names = {"deblurred.tif", "figure.png", "result.npz", "result.json"}
    assert {path.name for path in Path("out/deblur").iterdir()} == names
    run(*job, f"--psf={OUT}/psf.tif", "--force", "--no-figures", command="deblur")
    np.testing.assert_allclose(result(Path("out/deblur"))[1]["picture"], found["picture"], atol=0.5)


def test_a_stack_of_colours_is_deblurred(rng):
    x = rng.random((3, 6, 8, 9)).astype(np.float32)
    np.save("x.npy", x)
    np.save("h.npy", nl.blur.gaussian_psf((2, 3, 3), 0.5))
    run("x.npy", "--psf=h.npy", "--steps=1", "--no-figures", command="deblur")
    record, found = result(Path("out/deblur"))
    assert record["settings"]["pixel_size"] is None
    assert "pixel_size" not in found
    written = workflows.load_stack("out/deblur/deblurred.tif")
    np.testing.assert_array_equal(written.values, found["picture"])
    assert written.values.shape == x.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plane.npy", "--psf=h.tif"), "the shape is (20, 18); want (depth, rows, columns)"),
        (("blurred.tif", "--psf=plane.npy"), "the shape is (20, 18); want (depth, rows, columns)"),
        (("blurred.tif", "--psf=coarse.tif"), "m along depth, rows and columns; want one size"),
        (("blurred.tif", "--psf=flat.npz"), "the array has the shape (3, 3); want (depth, height"),
        (("blurred.tif", "--psf=long.npy"), "a PSF of 13 x 3 x 3 on a stack of 12 x 20 x 18; wan"),
        (("blurred.tif", "--psf=h.tif", "--encoding=srgb"), "leave it out with --ndim 3"),
        (("blurred.tif", "--psf=h.tif", "--ndim=2"), "stacks go with --ndim 3 of calibrate-psf or"),
    ],
)
def test_what_cannot_be_deblurred_is_refused(own, arguments, message):
    save("h.tif", own)
    save("coarse.tif", own, (0.5e-6, *VOXEL[1:]))
    np.savez("flat.npz", psf=np.eye(3))
    np.save("long.npy", np.ones((13, 3, 3)))
    assert message in run(*arguments, code=2, command="deblur")
    assert not Path("out").exists()


# --- the sections of the figure


def test_sections_are_of_one_place_and_to_one_scale(rng):
    stack = rng.random((4, 6, 9))
    frame = Frame((0.0, -2.0, 10.0), (3.0, 0.5, 1.0), (6.0, -0.5, 18.0), "µm")
    figure = figures.new_figure(4, 4)
    axes = figure.subplots()
    draw_sections(axes, stack, frame, "Stack", Normalize(0, 1))
    FigureCanvasAgg(figure).draw()
    flat, side, front = axes.child_axes
    # Voxel (2, 3, 8): rows down, columns to the right; depth to the right, and down.
    np.testing.assert_array_equal(flat.images[0].get_array(), stack[2])
    np.testing.assert_array_equal(side.images[0].get_array(), stack[:, :, 8].T)
    np.testing.assert_array_equal(front.images[0].get_array(), stack[:, 3])
    assert flat.images[0].get_extent() == [9.5, 18.5, 0.75, -2.25]
    assert side.images[0].get_extent() == [-1.5, 10.5, 0.75, -2.25]
    assert front.images[0].get_extent() == [9.5, 18.5, 10.5, -1.5]
    pixels = [
        (box.width / np.ptp(a.get_xlim()), box.height / np.ptp(a.get_ylim()))
        for a in (flat, side, front)
        for box in [a.get_window_extent()]
    ]
    np.testing.assert_allclose(pixels, pixels[0][0], rtol=0.01)
    assert (flat.get_ylabel(), side.get_xlabel()) == ("y [µm]", "z [µm]")
    assert (front.get_xlabel(), front.get_ylabel()) == ("x [µm]", "z [µm]")


def test_the_valid_part_is_where_it_is_in_the_sharp_stack(monkeypatch, rng):
    drawn = []
    monkeypatch.setattr("nufftlib.plots.stacks.save", lambda figure, _: drawn.append(figure))
    x, h = rng.random((1, 9, 12, 10)), rng.random((4, 3, 2))
    y = nl.Blur(h, ndim=3)(x)
    made = workflows.CalibratedPSF([2.0, 1.0], 1.0, False, h, h, [], False, 0.1, "general")
    fit = Fit("spectral", made, None, None)
    pair = Pair(x, y + 0.5, "valid", None, None)
    draw_stack_calibration(pair, [fit], None, (2e-6, 1e-6, 1e-6))
    titles = {axes.get_title(): axes for axes in drawn[0].axes}
    blurred, residual = (
        next(axes for title, axes in titles.items() if title.startswith("Blurred: valid part")),
        next(axes for title, axes in titles.items() if title.startswith("Residual")),
    )
    # The middle of the sharp stack is voxel (4, 6, 5), of the valid part 1, 1 and 0 less.
    place = (4 - (4 - 1 - 2), 6 - (3 - 1 - 1), 5 - (2 - 1 - 1))
    for axes, values in ((blurred, y[0] + 0.5), (residual, np.full_like(y[0], 0.5))):
        np.testing.assert_allclose(axes.child_axes[0].images[0].get_array(), values[place[0]])
        assert axes.child_axes[2].images[0].get_extent() == [-0.5, 8.5, 13.0, 1.0]
    # Those of the PSF go through its brightest voxel, and its centre is 0.
    found = next(axes for title, axes in titles.items() if title.startswith("Spectral"))
    k = np.unravel_index(np.argmax(h), h.shape)
    np.testing.assert_array_equal(found.child_axes[0].images[0].get_array(), h[k[0]])
    assert found.child_axes[0].images[0].get_extent() == [-1.5, 0.5, 1.5, -1.5]


def test_the_sections_of_a_deblurring_are_drawn(monkeypatch, rng):
    drawn = []
    monkeypatch.setattr("nufftlib.plots.stacks.save", lambda figure, _: drawn.append(figure))
    y, h = rng.random((1, 6, 8, 7)), nl.blur.gaussian_psf((3, 2, 2), 0.5, dtype=np.float64)
    made = workflows.deblur(y, h, ndim=3, method="wiener", noise=0.1, steps=1)
    draw_stack_deblurring(y, h, made, None)
    flat = {axes.get_title(): axes.child_axes[0] for axes in drawn[0].axes if axes.child_axes}
    shown = [axes.images[0].get_array() for axes in flat.values()]
    for got, want in zip(
        shown, (y[0, 3], h[1], made.picture[0, 3], made.residual[0, 3]), strict=True
    ):
        np.testing.assert_allclose(got, want)
    assert [axes.get_ylabel() for axes in flat.values()] == ["y [voxels]"] * 4
    blurred, psf, *_ = flat
    low, high = np.quantile(y[0], (0.002, 0.998))
    assert blurred == f"Blurred\nblack {number(low)}, white {number(high)}"
    assert next(iter(flat.values())).images[0].get_clim() == pytest.approx((low, high))
    assert psf == "PSF,\ncut at its brightest voxel"
