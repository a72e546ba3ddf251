"""FITS: which unit, scaling, rows, cubes; what is refused."""

import numpy as np
import pytest
from astropy.io import fits

from nufftlib.workflows import load_gray, load_picture, load_stack

RNG = np.random.default_rng(4)


def saved(path, *units):
    """Save one unit, or an empty one with several after it."""
    fits.HDUList([fits.PrimaryHDU(), *units] if len(units) > 1 else [*units]).writeto(path)
    return path


@pytest.mark.parametrize("suffix", [".fits", ".fit", ".fts", ".fits.gz"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "i4", "i8", "f4", "f8"])
def test_values_are_counts_and_rows_are_in_the_order_of_the_file(tmp_path, dtype, suffix):
    x = RNG.integers(0, 250, (7, 5)).astype(dtype)
    path = saved(tmp_path / f"x{suffix}", fits.PrimaryHDU(x))
    found = load_picture(path)
    assert (found.dtype, found.shape) == (np.float32, (1, 7, 5))
    # Viewers draw the first row at the bottom; nothing is turned, as in astropy.
    np.testing.assert_array_equal(found[0], x)
    np.testing.assert_array_equal(load_gray(path, 5), x[1:6])


def test_stored_integers_are_scaled(tmp_path):
    unit = fits.PrimaryHDU(RNG.random((6, 5)))
    unit.scale("int16", bscale=0.5, bzero=-7)
    path = saved(tmp_path / "x.fits", unit)
    with fits.open(path, do_not_scale_image_data=True) as raw:
        stored = raw[0].data.astype(float)
        assert raw[0].header["BSCALE"] == 0.5
    np.testing.assert_allclose(load_picture(path)[0], 0.5 * stored - 7, rtol=1e-6)


def test_blank_pixels_are_not_finite_and_the_first_is_named(tmp_path):
    x = RNG.integers(0, 100, (6, 5)).astype(np.int16)
    x[2, 3] = x[4, 1] = -99
    unit = fits.PrimaryHDU(x)
    unit.header["BLANK"] = -99
    path = saved(tmp_path / "x.fits", unit)
    with pytest.raises(ValueError, match=r"2 of 30 values .* \(first at index \(0, 2, 3\)\)"):
        load_picture(path)


def test_the_first_image_is_taken_even_if_compressed(tmp_path):
    x, y = RNG.integers(0, 100, (2, 6, 5)).astype(np.int32)
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))])
    path = saved(tmp_path / "x.fits", table, fits.CompImageHDU(x), fits.ImageHDU(y))
    np.testing.assert_array_equal(load_picture(path)[0], x)
    with pytest.raises(ValueError, match=r"no unit \(HDU\) holds an image; want one"):
        load_picture(saved(tmp_path / "table.fits", table, table))


def test_a_cube_is_a_stack_of_planes(tmp_path):
    x = RNG.random((3, 6, 5), dtype=np.float32)
    path = saved(tmp_path / "x.fits", fits.PrimaryHDU(x[None]))
    np.testing.assert_array_equal(load_stack(path).values, x[None])
    np.testing.assert_array_equal(load_picture(f"{path}:1")[0], x[1])
    # Three planes are no colours.
    with pytest.raises(ValueError, match="it holds 3 planes of 6 x 5 pixels; want one"):
        load_picture(path)
    path = saved(tmp_path / "y.fits", fits.PrimaryHDU(np.stack([x, 2 * x])))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 6, 5\); want one axis beside rows and co"):
        load_stack(path)
    np.testing.assert_array_equal(load_picture(f"{path}:4")[0], 2 * x[1])


def test_lengths_are_sizes_of_pixels_and_angles_are_none(tmp_path):
    unit = fits.PrimaryHDU(RNG.random((3, 6, 5)))
    for axis, step in enumerate((-0.1, 0.2, 2), 1):
        unit.header[f"CDELT{axis}"], unit.header[f"CUNIT{axis}"] = step, "um"
    path = saved(tmp_path / "x.fits", unit)
    assert load_stack(path).pixel_size == pytest.approx((2e-6, 2e-7, 1e-7), rel=1e-12)
    unit.header["CUNIT1"] = "deg"
    path = saved(tmp_path / "y.fits", unit)
    assert load_stack(path).pixel_size == pytest.approx((2e-6, 2e-7, None))


@pytest.mark.parametrize(
    ("shape", "refused"),
    [
        ((5,), r"shape \(5,\); want rows and columns last, none of 0"),
        ((8193, 8193), r"shape is \(8193, 8193\); want at most 67108864 pixels"),
        ((0, 4), r"shape \(0, 4\); want rows and columns last"),
    ],
)
def test_shapes_that_are_no_picture(tmp_path, shape, refused):
    header = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", len(shape))])
    header.extend((f"NAXIS{i}", n) for i, n in enumerate(reversed(shape), 1))
    path = tmp_path / "x.fits"
    path.write_text(header.tostring() + " " * 2880 * (0 not in shape))
    with pytest.raises(ValueError, match=refused):
        load_picture(path)


def test_sizes_below_zero_end(tmp_path):
    table = [("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 36), ("NAXIS2", -80)]
    table += [("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", 0)]
    path = tmp_path / "x.fits"
    units = fits.PrimaryHDU().header.tostring(), fits.Header(table).tostring()
    path.write_text("".join(units) + " " * 2880)
    with pytest.raises(ValueError, match=r"a unit begins at byte .*; want an order"):
        load_picture(path)
