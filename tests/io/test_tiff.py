"""TIFF: samples, pages, axes, alpha, orientation, sizes of pixels; what is refused."""

import numpy as np
import pytest
import tifffile

from nufftlib.workflows import load_color, load_gray, load_picture, load_stack

RNG = np.random.default_rng(3)


def counts(*shape, dtype=np.uint16):
    most = 250 if np.dtype(dtype).itemsize == 1 else 30000
    return RNG.integers(1, most, shape).astype(dtype)


def saved(path, array, **settings):
    tifffile.imwrite(path, array, **({"photometric": "minisblack"} | settings))
    return path


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
def test_grey_values_are_counts_and_keep_their_own(tmp_path, dtype, byteorder):
    x = counts(7, 5, dtype=dtype) - (100 if dtype[0] == "i" else 0)
    path = saved(tmp_path / "x.tif", x.astype(dtype), byteorder=byteorder)
    found = load_picture(path)
    assert (found.dtype, found.shape) == (np.float32, (1, 7, 5))
    np.testing.assert_array_equal(found[0], x.astype(dtype).astype(np.float32))
    np.testing.assert_array_equal(load_gray(path, 5), found[0, 1:6])


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 65535), ("f4", 1)])
def test_colours_have_a_white(tmp_path, dtype, white, planar):
    x = counts(6, 4, 3, dtype=dtype)
    stored = x if planar == "contig" else np.moveaxis(x, -1, 0)
    path = saved(tmp_path / "x.tiff", stored, photometric="rgb", planarconfig=planar)
    want = np.moveaxis(x, -1, 0) / white
    np.testing.assert_allclose(load_picture(path), want, rtol=1e-6)
    if white > 1:
        assert load_color(path, 4).shape == (3, 4, 4)


def test_the_white_of_colours_is_that_of_their_bits(tmp_path):
    x = RNG.integers(0, 4096, (5, 5, 3)).astype(np.uint16)
    path = saved(tmp_path / "x.tif", x, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["BitsPerSample"].overwrite((12, 12, 12))
    # Of 12 bits in 16 tifffile would unpack the bits; the package for it is not there.
    with pytest.raises(ValueError, match="imagecodecs"):
        load_picture(path)


@pytest.mark.parametrize("stored", ["contig", "separate"])
@pytest.mark.parametrize("base", [1, 3])
@pytest.mark.parametrize("alpha", ["assocalpha", "unassalpha"])
def test_transparency_shows_black(tmp_path, alpha, base, stored):
    x = counts(6, 4, base + 1)
    array = x if stored == "contig" else np.moveaxis(x, -1, 0)
    kind = "rgb" if base == 3 else "minisblack"
    path = tmp_path / "x.tif"
    saved(path, array, photometric=kind, planarconfig=stored, extrasamples=[alpha])
    unit = 65535 if base == 3 else 1
    shown = x[..., :base] / unit * (x[..., base:] / 65535 if alpha == "unassalpha" else 1)
    np.testing.assert_allclose(load_picture(path), np.moveaxis(shown, -1, 0), rtol=1e-6)


def test_a_sample_that_is_not_said_to_be_alpha_is_refused(tmp_path):
    path = tmp_path / "x.tif"
    saved(path, counts(6, 4, 4), photometric="rgb", extrasamples=["unspecified"])
    with pytest.raises(ValueError, match="it has 4 channels as RGB; want one, or three"):
        load_picture(path)


def test_three_grey_samples_are_channels_of_counts(tmp_path):
    x = counts(6, 4, 3)
    path = saved(tmp_path / "x.tif", x, planarconfig="contig")
    np.testing.assert_array_equal(load_picture(path), np.moveaxis(x, -1, 0))


def test_a_palette_is_looked_up(tmp_path):
    x = counts(6, 4, dtype=np.uint8)
    colours = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    path = saved(tmp_path / "x.tif", x, photometric="palette", colormap=colours)
    np.testing.assert_allclose(load_picture(path), colours[:, x] / 65535, rtol=1e-6)
    saved(path, x, photometric="palette", colormap=np.tile(colours[0], (3, 1)))
    np.testing.assert_allclose(load_picture(path), colours[:1, x] / 65535, rtol=1e-6)


def test_where_zero_is_white_it_becomes_the_largest(tmp_path):
    for dtype, white in (("u1", 255), ("u2", 65535)):
        x = counts(6, 4, dtype=dtype)
        path = saved(tmp_path / "x.tif", x, photometric="miniswhite")
        np.testing.assert_array_equal(load_picture(path)[0], white - x.astype(np.float32))
    saved(path, x.astype(np.float32), photometric="miniswhite")
    with pytest.raises(ValueError, match="values are float32, and 0 is white; want unsigned"):
        load_picture(path)


def test_one_bit_is_0_or_1(tmp_path):
    x = RNG.random((6, 9)) < 0.5
    for kind in ("minisblack", "miniswhite"):
        path = saved(tmp_path / "x.tif", x, photometric=kind)
        np.testing.assert_array_equal(load_picture(path)[0], x != (kind == "miniswhite"))


UPRIGHT = {  # where row 0 and column 0 of the file are
    1: lambda x: x,  # top, left
    2: lambda x: x[..., ::-1],  # top, right
    3: lambda x: np.rot90(x, 2, (-2, -1)),  # bottom, right
    4: lambda x: x[..., ::-1, :],  # bottom, left
    5: lambda x: np.swapaxes(x, -2, -1),  # left, top
    6: lambda x: np.rot90(x, -1, (-2, -1)),  # right, top: a clockwise turn
    7: lambda x: np.swapaxes(np.rot90(x, 2, (-2, -1)), -2, -1),  # right, bottom
    8: lambda x: np.rot90(x, 1, (-2, -1)),  # left, bottom
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pictures_are_turned_upright(tmp_path, orientation):
    x = counts(6, 4)
    tag = [("Orientation", "H", 1, orientation, True)]
    path = saved(tmp_path / "x.tif", x, extratags=tag)
    np.testing.assert_array_equal(load_picture(path)[0], UPRIGHT[orientation](x))


# --- pages and axes


@pytest.mark.parametrize("settings", [{}, {"compression": "zlib"}, {"imagej": True}, {"ome": True}])
def test_a_page_is_chosen_by_its_number_and_a_stack_has_all(tmp_path, settings):
    x = counts(4, 6, 5)
    path = saved(tmp_path / "x.tif", x, metadata={"axes": "ZYX"}, **settings)
    wanted = "it holds 4 planes of 6 x 5 pixels; want one: append its number to the name, as in"
    with pytest.raises(ValueError, match=wanted):
        load_picture(path)
    for i in range(4):
        np.testing.assert_array_equal(load_picture(f"{path}:{i}")[0], x[i])
        np.testing.assert_array_equal(load_stack(f"{path}:{i}").values, x[None, i : i + 1])
    for part in ("4", "-1", "one", "²"):
        with pytest.raises(ValueError, match=f"plane {part} is asked for; want .* from 0 to 3"):
            load_picture(f"{path}:{part}")
    np.testing.assert_array_equal(load_stack(path).values, x[None])


@pytest.mark.parametrize("settings", [{}, {"compression": "zlib"}, {"planarconfig": "separate"}])
def test_pages_of_colours(tmp_path, settings):
    x = counts(4, 6, 5, 3)
    stored = np.moveaxis(x, -1, 1) if "planarconfig" in settings else x
    path = saved(tmp_path / "x.tif", stored, photometric="rgb", **settings)
    want = np.moveaxis(x, -1, 0) / 65535
    np.testing.assert_allclose(load_stack(path).values, want, rtol=1e-6)
    np.testing.assert_allclose(load_picture(f"{path}:2"), want[:, 2], rtol=1e-6)


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX", "TCYX", "QYX", "CYX", "YX", "TZCYX"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_the_axes_of_ome(tmp_path, axes, compression):
    size = {"C": 3, "Z": 4, "T": 4 if "Z" not in axes else 1, "Q": 4, "Y": 6, "X": 5}
    x = counts(*(size[a] for a in axes))
    path = tmp_path / "x.ome.tif"
    about = {"axes": axes}
    saved(path, x, metadata=about, ome=True, compression=compression)
    order = [axes.index(a) for a in "CTZQYX" if a in axes]
    want = x.transpose(order).reshape(3 if "C" in axes else 1, -1, 6, 5)
    np.testing.assert_array_equal(load_stack(path).values, want)
    planes = x.reshape(-1, 6, 5)
    for i, plane in enumerate(planes[: len(planes) if len(planes) > 1 else 0]):
        np.testing.assert_array_equal(load_picture(f"{path}:{i}")[0], plane)
    if want.shape[1] == 1:
        np.testing.assert_array_equal(load_picture(path), want[:, 0])


def test_axes_that_are_neither_picture_nor_stack(tmp_path):
    path = saved(tmp_path / "x.tif", counts(2, 3, 6, 5), metadata={"axes": "TZYX"}, ome=True)
    with pytest.raises(ValueError, match=r"axes TZYX have the sizes \(2, 3, 6, 5\); want one be"):
        load_stack(path)
    np.testing.assert_array_equal(load_picture(f"{path}:5").shape, (1, 6, 5))
    saved(path, counts(2, 3, 6, 5), metadata={"axes": "CZYX"}, ome=True)
    with pytest.raises(ValueError, match="it has 2 channels as MINISBLACK; want one, or three"):
        load_stack(path)


def test_pages_of_several_shapes_are_refused(tmp_path):
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(counts(6, 4), photometric="minisblack")
        file.write(counts(3, 2), photometric="minisblack")
    with pytest.raises(ValueError, match=r"shapes \(6, 4\), \(3, 2\); want one shape"):
        load_picture(path)


def test_planes_in_other_files_are_refused(tmp_path):
    for name in ("a.ome.tif", "b.ome.tif"):
        saved(tmp_path / name, counts(6, 5), ome=True, metadata={"axes": "YX"})
    with tifffile.TiffFile(tmp_path / "a.ome.tif", mode="r+") as file:
        other = '<TiffData FirstZ="1" IFD="0"><UUID FileName="b.ome.tif">x</UUID></TiffData>'
        text = file.ome_metadata.replace('SizeZ="1"', 'SizeZ="2"')
        text = text.replace("</Pixels>", f"{other}</Pixels>")
        file.pages[0].tags["ImageDescription"].overwrite(text)
    with pytest.raises(ValueError, match="are not in this file; want all"):
        load_picture(tmp_path / "a.ome.tif")


# --- size of the pixels


def test_ome_says_the_size_of_the_voxels(tmp_path):
    path = tmp_path / "x.tif"
    about = {
        "axes": "ZYX",
        "PhysicalSizeX": 65.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.13,  # micrometres, unless another unit is said
        "PhysicalSizeZ": 0.002,
        "PhysicalSizeZUnit": "mm",
    }
    saved(path, counts(3, 6, 5), ome=True, metadata=about)
    assert load_stack(path).pixel_size == pytest.approx((2e-6, 0.13e-6, 65e-9), rel=1e-12)
    turned = [("Orientation", "H", 1, 6, True)]
    saved(path, counts(3, 6, 5), ome=True, metadata=about, extratags=turned)
    assert load_stack(path).pixel_size == pytest.approx((2e-6, 65e-9, 0.13e-6), rel=1e-12)


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_imagej_says_the_size_of_the_voxels(tmp_path, unit):
    path = tmp_path / "x.tif"
    about = {"axes": "ZYX", "spacing": 2.0, "unit": unit}
    saved(path, counts(3, 6, 5), imagej=True, metadata=about, resolution=(10, 4))
    assert load_stack(path).pixel_size == pytest.approx((2e-6, 0.25e-6, 0.1e-6), rel=1e-6)


def test_a_print_resolution_is_no_size_of_pixels(tmp_path):
    path = saved(tmp_path / "x.tif", counts(6, 5), resolution=(72, 72), resolutionunit=2)
    assert load_stack(path).pixel_size == (None, None, None)


# --- refused


def test_a_compression_that_needs_a_package_is_named(tmp_path):
    path = saved(tmp_path / "x.tif", counts(6, 5), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(5)
    with pytest.raises(ValueError, match=r"its compression is LZW, which needs .* imagecodecs"):
        load_picture(path)


def test_interpretations_that_are_no_light_are_refused(tmp_path):
    path = saved(tmp_path / "x.tif", counts(6, 5))
    for code, name in ((32803, "CFA"), (5, "SEPARATED"), (6, "YCBCR"), (8, "CIELAB")):
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags["PhotometricInterpretation"].overwrite(code)
        with pytest.raises(ValueError, match=f"photometric interpretation is {name}; want grey"):
            load_picture(path)


def test_complex_values_and_other_files_are_refused(tmp_path):
    path = saved(tmp_path / "x.tif", (1j * counts(6, 5)).astype(np.complex64))
    with pytest.raises(ValueError, match="values are complex64; want"):
        load_picture(path)
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"x\.tif: cannot be read: the content is no TIFF"):
        load_picture(path)


def test_too_many_pixels_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, shape=(8193, 8193), dtype=np.uint8)  # a hole in the file
    with pytest.raises(ValueError, match=r"shape is \(8193, 8193\); want at most 67108864 pixels"):
        load_picture(path)
    tifffile.imwrite(path, shape=(3, 8192, 8192), dtype=np.uint8, photometric="minisblack")
    with pytest.raises(ValueError, match=r"\(3, 8192, 8192\); want at most 134217728 voxels"):
        load_stack(path)


def test_a_directory_that_leads_back_to_itself_is_refused(tmp_path):
    path = saved(tmp_path / "x.tif", counts(6, 5), metadata=None)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        end = page.offset + 2 + 12 * len(page.tags)
        again = page.offset.to_bytes(4, "little")
    data = bytearray(path.read_bytes())
    data[end : end + 4] = again
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"its directory 1 is at byte 8 of .*; want a chain"):
        load_picture(path)
