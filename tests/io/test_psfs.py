"""PSFs that are written are read back as they were."""

import sys

import numpy as np
import pytest
import tifffile
from astropy.io import fits

from nufftlib.workflows import load_picture, load_psf, load_stack, save_psf

RNG = np.random.default_rng(9)
SUFFIXES = [".npy", ".tif", ".tiff", ".fits"]


def psf(*shape, dtype=np.float32):
    x = RNG.random(shape)
    return (x / x.sum()).astype(dtype)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(7, 5), (25, 25), (1, 1), (3, 7, 5), (1, 4, 4)])
def test_a_psf_is_read_back_bit_by_bit(tmp_path, suffix, shape):
    for dtype in (np.float32, np.float64):
        h = psf(*shape, dtype=dtype)
        save_psf(tmp_path / f"h{suffix}", h)
        found = load_psf(tmp_path / f"h{suffix}", ndim=len(shape))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, h.astype(np.float32))
    assert [path.name for path in tmp_path.iterdir()] == [f"h{suffix}"]


def test_the_sum_of_single_precision_is_one(tmp_path):
    # Sums as those of a calibration in single precision, which are off by some rounding.
    h = psf(31, 31) * np.float32(1 + 5e-6)
    assert abs(h.sum(dtype=float) - 1) > 3e-6
    save_psf(tmp_path / "h.npy", h)
    np.testing.assert_array_equal(load_psf(tmp_path / "h.npy"), h)
    save_psf(tmp_path / "h.npy", 2 * h)
    np.testing.assert_allclose(load_psf(tmp_path / "h.npy").sum(dtype=float), 1, rtol=1e-6)


def test_a_box_is_a_psf(tmp_path):
    h = np.full((4, 6, 5), 1 / 120, np.float32)
    save_psf(tmp_path / "h.npy", h)
    np.testing.assert_array_equal(load_psf(tmp_path / "h.npy", ndim=3), h)


@pytest.mark.parametrize("suffix", [".tif", ".fits"])
def test_the_size_of_the_pixels_is_kept(tmp_path, suffix):
    path = tmp_path / f"h{suffix}"
    save_psf(path, psf(7, 5), pixel_size=(0.13e-6, 65e-9))
    assert load_stack(path).pixel_size == (None, *map(pytest.approx, (0.13e-6, 65e-9)))
    save_psf(path, psf(3, 7, 5), pixel_size=(2e-6, 0.13e-6, 65e-9))
    assert load_stack(path).pixel_size == pytest.approx((2e-6, 0.13e-6, 65e-9), rel=1e-14)
    save_psf(path, psf(7, 5), pixel_size=1e-6)
    assert load_stack(path).pixel_size[1:] == pytest.approx((1e-6, 1e-6))


def test_other_programs_read_the_rows_as_they_are(tmp_path):
    h = psf(7, 5)
    save_psf(tmp_path / "h.tif", h)
    save_psf(tmp_path / "h.fits", h)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "h.tif"), h)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "h.fits"), h)
    assert tifffile.imread(tmp_path / "h.tif").dtype == np.float32
    np.testing.assert_array_equal(load_picture(tmp_path / "h.tif")[0], h)


@pytest.mark.parametrize(
    ("name", "h", "size", "refused"),
    [
        ("h.png", np.ones((2, 2)), None, "want a name that ends with one of .npy, .tif, .tiff, .f"),
        ("h.npy", np.ones((2, 2)), 1e-6, "pixel_size is 1e-06, for which .npy has no place; want"),
        ("h.tif", np.ones((2, 2)), (1e-6,), r"save_psf\(pixel_size\): pixel_size is \(1e-06,\); "),
        ("h.tif", np.ones((2, 2)), -1e-6, r"save_psf\(pixel_size\)"),
        ("h.tif", np.ones(4), None, r"psf has the shape \(4,\); want \(rows, columns\)"),
        ("h.tif", np.ones((0, 4)), None, r"psf has the shape \(0, 4\); want"),
        ("h.tif", -np.ones((2, 2)), None, "psf runs from -1 to -1; want finite values, 0 or more"),
        ("h.tif", np.zeros((2, 2)), None, "psf runs from 0 to 0; want finite values"),
        ("h.tif", np.full((2, 2), np.nan), None, "psf runs from nan to nan; want finite"),
        ("h.tif", np.full((2, 2), 1e300), None, "psf runs from inf to inf; want finite"),
    ],
)
def test_what_is_no_psf_or_no_place_is_refused(tmp_path, name, h, size, refused):
    with pytest.raises(ValueError, match=refused):
        save_psf(tmp_path / name, h, size)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    h, path = psf(7, 5), tmp_path / "h.tif"
    save_psf(path, h)

    def fails(file, *_, **__):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", fails)
    with pytest.raises(OSError, match="No space left"):
        save_psf(path, psf(3, 3))
    np.testing.assert_array_equal(load_psf(path), h)
    assert [file.name for file in tmp_path.iterdir()] == ["h.tif"]


@pytest.mark.parametrize(
    ("module", "name"),
    [("tifffile", "h.tif"), ("astropy", "h.fits"), ("pydicom", "h.dcm"), ("png", "h.png")],
)
def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch, module, name):
    import png

    with (tmp_path / "h.png").open("wb") as file:
        png.Writer(2, 1, greyscale=False, bitdepth=16).write(file, [[1, 2, 3, 4, 5, 6]])
    for other in ("h.tif", "h.fits", "h.dcm"):
        (tmp_path / other).write_bytes(b"II*\0")
    for known in [m for m in sys.modules if m.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'needs {module},.*\s+.*"\.\[pictures\]"'):
        load_picture(tmp_path / name)
    if name in ("h.tif", "h.fits"):
        with pytest.raises(ImportError, match=r"\.\[pictures\]"):
            save_psf(tmp_path / name, psf(3, 3))
