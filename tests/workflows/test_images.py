import subprocess
import sys
import tracemalloc
import zlib

import nibabel
import numpy as np
import pytest
from PIL import Image

from nufftlib.data import astronaut, brain
from nufftlib.io.formats import nifti
from nufftlib.io.pictures import load_color, load_gray, load_picture

RNG = np.random.default_rng(20240607)
ACCEPTED = (
    r"\.npy, \.npz, \.mat, \.png, \.jpg, \.jpeg, \.nii, \.nii\.gz, \.tif, \.tiff, "
    r"\.fits, \.fit, \.fts, \.fits\.gz, \.fits\.fz, \.dcm, \.dicom"
)


def save(path, array):
    np.save(path, array)
    return path


# The bundled pictures


def test_brain_is_a_scaled_finite_square():
    x = brain()
    assert x.shape == (256, 256)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert x.min() == 0
    assert x.max() == 1


def test_brain_is_centred_upright_and_mirror_symmetric():
    x = brain()
    np.testing.assert_array_equal(x, x[:, ::-1])
    rows = np.flatnonzero(x.any(axis=1))
    assert abs((rows[0] + rows[-1]) / 2 - 128) < 2
    # The fluid-filled ventricles, the darkest spots, lie close together at the front and part
    # towards the back.
    front, back = (40 - np.argmin(x[row, 88:129]) for row in (102, 154))
    assert front < 10 < 18 < back


def test_astronaut_is_a_colour_picture_the_right_way_up():
    x = astronaut()
    assert x.shape == (3, 256, 256)
    assert x.dtype == np.float32
    assert x.min() == 0
    assert x.max() == 1
    red, green, blue = x[:, 190:210, 50:70].mean(axis=(1, 2))  # the suit is orange
    assert red > 0.6 > 0.4 > green > blue
    assert x[:, :20].mean() > 0.5 > x[:, -20:].mean()  # a bright wall above, dark gear below


def test_callers_get_their_own_array():
    brain()[:] = 7
    astronaut()[:] = 7
    assert brain().max() == 1
    assert astronaut().max() == 1


# Arrays


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_npy_floats_keep_their_values(tmp_path, dtype):
    x = RNG.normal(0, 50, (8, 8)).astype(dtype)
    y = load_gray(save(tmp_path / "x.npy", x), size=8)
    assert y.dtype == np.float32
    assert y.dtype.isnative
    np.testing.assert_array_equal(y, x.astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "white"), [("u1", 255), ("<u2", 65535), (">u2", 65535), ("?", 1)]
)
def test_npy_integers_are_divided_by_their_white(tmp_path, dtype, white):
    x = RNG.integers(0, white, (6, 6), endpoint=True).astype(dtype)
    y = load_gray(save(tmp_path / "x.npy", x), size=6)
    np.testing.assert_allclose(y, x.astype(float) / white, rtol=1e-7)


def test_npy_channels(tmp_path):
    x = RNG.random((3, 5, 5), dtype=np.float32)
    path = save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(load_color(path, size=5), x)
    luma = 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]
    np.testing.assert_allclose(load_gray(path, size=5), luma, rtol=1e-6)
    for single in (x[0], x[:1]):
        path = save(tmp_path / "x.npy", single)
        np.testing.assert_array_equal(load_gray(path, size=5), x[0])
        np.testing.assert_array_equal(load_color(path, size=5), x[:1])


def test_white_stays_within_one(tmp_path):
    x = np.ones((3, 9, 9), np.float32)
    x[:, 0, 0] = 0
    path = save(tmp_path / "x.npy", x)
    assert load_gray(path, size=9).max() == 1
    assert load_color(path, size=64).max() == 1
    assert load_color(path, size=64).min() == 0


def test_a_string_path_and_an_upper_case_suffix(tmp_path):
    x = RNG.random((4, 4), dtype=np.float32)
    path = tmp_path / "X.PNG"
    Image.fromarray((255 * x).astype(np.uint8)).save(path)
    np.testing.assert_allclose(load_gray(str(path), size=4), x, atol=1 / 255)


# Cropping and resizing


@pytest.mark.parametrize("shape", [(6, 11), (6, 12), (7, 12), (11, 6), (12, 7)])
def test_crop_keeps_the_centre_voxel(tmp_path, shape):
    x = np.zeros(shape, np.float32)
    x[shape[0] // 2, shape[1] // 2] = 1
    side = min(shape)
    y = load_gray(save(tmp_path / "x.npy", x), size=side)
    assert np.argwhere(y).tolist() == [[side // 2, side // 2]]


def test_shrinking_is_antialiased(tmp_path):
    # The finest stripes have the mean 1/2; without antialiasing they would alias to 0 or 1.
    x = np.zeros((64, 64), np.float32)
    x[:, ::2] = 1
    y = load_gray(save(tmp_path / "x.npy", x), size=16)
    assert y.shape == (16, 16)
    np.testing.assert_allclose(y[:, 1:-1], 0.5, atol=0.05)


@pytest.mark.parametrize("size", [7, 100])
def test_resizing_keeps_geometry_and_range(tmp_path, size):
    ramp = np.linspace(-3, 5, 40, dtype=np.float32)
    x = np.stack([np.tile(ramp, (40, 1))] * 3)
    y = load_gray(save(tmp_path / "x.npy", x), size=size)
    assert y.shape == (size, size)
    assert y.min() >= -3
    assert y.max() <= 5 + 1e-6
    centres = -3 + 8 * ((np.arange(size) + 0.5) * 40 / size - 0.5) / 39
    inner = slice(size // 4, -(size // 4))  # the filter is cut off at the edges
    np.testing.assert_allclose(y[size // 2, inner], centres[inner], atol=0.02)
    np.testing.assert_allclose(y, np.tile(y[0], (size, 1)), atol=1e-5)


# PNG and JPEG


def test_png_colour_and_its_luma_are_pillows(tmp_path):
    pixels = RNG.integers(0, 256, (10, 10, 3), dtype=np.uint8)
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path)
    y = load_color(path, size=10)
    np.testing.assert_allclose(y, np.moveaxis(pixels, -1, 0) / 255.0, rtol=1e-6)
    luma = np.asarray(Image.fromarray(pixels).convert("L")) / 255
    np.testing.assert_allclose(load_gray(path, size=10), luma, atol=0.6 / 255)


def test_grey_png_has_one_channel(tmp_path):
    pixels = RNG.integers(0, 256, (5, 5), dtype=np.uint8)
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path)
    np.testing.assert_allclose(load_color(path, size=5), pixels[np.newaxis] / 255.0, rtol=1e-6)


def test_16_bit_png_is_not_clipped(tmp_path):
    pixels = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path)
    np.testing.assert_allclose(load_gray(path, size=8), pixels / 65535.0, rtol=1e-6)


def test_palette_and_bilevel_png(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2, :, 0] = 255
    path = tmp_path / "x.png"
    Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    np.testing.assert_array_equal(load_color(path, size=4), np.moveaxis(pixels, -1, 0) / 255)
    Image.fromarray(pixels[..., 0]).convert("1").save(path)
    np.testing.assert_array_equal(load_color(path, size=4), pixels[np.newaxis, :, :, 0] / 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_black(tmp_path, mode):
    pixels = np.full((4, 4, len(mode)), 200, np.uint8)
    pixels[:2, :, -1] = 0
    pixels[2:, :, -1] = 255
    path = tmp_path / "x.png"
    Image.fromarray(pixels, mode=None).convert(mode).save(path)
    y = load_color(path, size=4)
    assert y.shape == (len(mode) - 1, 4, 4)
    assert (y[:, :2] == 0).all()
    np.testing.assert_allclose(y[:, 2:], 200 / 255, rtol=1e-6)


def test_palette_transparency_shows_black(tmp_path):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([250, 240, 230, 20, 40, 60])
    image.paste(1, (0, 2, 4, 4))
    path = tmp_path / "x.png"
    image.save(path, transparency=0)
    y = load_color(path, size=4)
    assert (y[:, :2] == 0).all()
    np.testing.assert_allclose(y[:, 3, 0], [20 / 255, 40 / 255, 60 / 255], rtol=1e-6)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_is_turned_upright(tmp_path, suffix):
    upright = np.zeros((32, 32), np.uint8)
    upright[:8] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the stored picture wants a clockwise turn
    path = tmp_path / f"x{suffix}"
    Image.fromarray(np.rot90(upright)).save(path, exif=exif, quality=95)
    np.testing.assert_allclose(load_gray(path, size=32), upright / 255, atol=0.05)


# NIfTI


def head():
    """A volume whose axes point to the right, front and top, with three marks in slice 4."""
    volume = np.ones((8, 8, 9), np.float32)
    volume[:, 7, 4] = 5  # front
    volume[7, :, 4] = 3  # right
    return volume


def head_picture():
    picture = np.ones((8, 8), np.float32)
    picture[0, :] = 5  # front is up
    picture[:, 0] = 3  # the head's right is on the left, as a radiologist sees it
    return picture


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SRA"])
def test_nifti_shows_the_middle_axial_slice_upright(tmp_path, suffix, axes):
    ras = nibabel.Nifti1Image(head(), np.diag([1.0, 1, 2, 1]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
    )
    path = tmp_path / f"x{suffix}"
    nibabel.save(ras.as_reoriented(turn), path)
    assert nibabel.aff2axcodes(nibabel.load(path).affine) == tuple(axes)
    np.testing.assert_array_equal(load_gray(path, size=8), head_picture())


def test_nifti_without_directions_is_refused(tmp_path):
    path = tmp_path / "x.nii"
    header = nibabel.Nifti1Header()
    header.set_sform(np.diag([1.0, 1, 0, 1]), code="scanner")
    nibabel.save(nibabel.Nifti1Image(head(), None, header), path)
    with pytest.raises(ValueError, match="its affine leaves directions of the axes open"):
        load_gray(path)


def test_nifti_series_of_one_volume(tmp_path):
    path = tmp_path / "x.nii"
    nibabel.save(nibabel.Nifti1Image(head()[..., np.newaxis], np.eye(4)), path)
    np.testing.assert_array_equal(load_gray(path, size=8), head_picture())


def test_two_dimensional_nifti_is_taken_as_it_is(tmp_path):
    x = RNG.random((6, 6), dtype=np.float32)
    path = tmp_path / "x.nii"
    nibabel.save(nibabel.Nifti1Image(x, np.eye(4)), path)
    np.testing.assert_array_equal(load_gray(path, size=6), x)


def test_nifti_integers_keep_the_files_units(tmp_path):
    path = tmp_path / "x.nii"
    nibabel.save(nibabel.Nifti1Image((100 * head()).astype(np.int16), np.eye(4)), path)
    np.testing.assert_array_equal(load_gray(path, size=8), 100 * head_picture())
    scaled = nibabel.Nifti1Image(head().astype(np.int16), np.eye(4))
    scaled.header.set_slope_inter(0.5, -2)
    nibabel.save(scaled, path)
    np.testing.assert_allclose(load_gray(path, size=8), 0.5 * head_picture() - 2, rtol=1e-6)


def test_nifti_is_resized_upright(tmp_path):
    path = tmp_path / "x.nii"
    wide = np.pad(head(), [(2, 3), (0, 0), (0, 0)], mode="edge")
    nibabel.save(nibabel.Nifti1Image(wide, np.eye(4)), path)
    y = load_gray(path, size=24)
    assert y.shape == (24, 24)
    # The crop leaves 2 of the 4 right-hand columns, and every pixel became 3.
    np.testing.assert_allclose(y[:, :4], 3, atol=1e-6)
    np.testing.assert_allclose(y[0, 8:], 5, atol=1e-6)
    np.testing.assert_allclose(y[6:, 8:], 1, atol=1e-6)


# Refusals


@pytest.mark.parametrize("load", [load_gray, load_color])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"shape \(5,\); want \(rows, columns\)"),
        (np.zeros((4, 4, 3)), r"shape \(4, 4, 3\); want"),
        (np.zeros((1, 3, 4, 4)), r"shape \(1, 3, 4, 4\); want"),
        (np.zeros((0, 4)), r"shape \(0, 4\); want"),
        (np.eye(4, dtype=np.complex64), r"values are complex64; want uint8"),
        (np.eye(4, dtype=np.int64), r"values are int64; want uint8"),
        (np.eye(4, dtype=np.uint32), r"values are uint32; want uint8"),
        (np.full((4, 4), 0.25), r"every pixel of the central square is 0\.25; want"),
        (np.array([[1, 2, 2, 1.0]] * 2), r"every pixel of the central square is 2; want"),
        (np.array([[0, 1], [np.nan, np.inf]]), r"2 of 4 values .* \(first at index \(1, 0\)"),
        (np.array([[[0, 1], [2, -np.inf]]]), r"1 of 4 values .* \(first at index \(0, 1, 1\)"),
        (np.array([[0, 1e300], [1, 0]]), r"1 of 4 values are not finite in float32"),
        (np.array([[{}, {}]]), r"cannot be read: Object arrays"),
    ],
)
def test_arrays_that_are_no_picture(tmp_path, load, array, message):
    path = tmp_path / "x.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(ValueError, match=message) as caught:
        load(path, size=4)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(("low", "high"), [(-0.5, 1), (0, 255)])
def test_colours_outside_zero_to_one(tmp_path, low, high):
    path = save(tmp_path / "x.npy", np.array([[low, high], [high, low]], np.float32))
    with pytest.raises(ValueError, match=rf"from {low} to {high}; want colours from 0 to 1"):
        load_color(path, size=2)
    assert load_gray(path, size=2).max() == high


def test_a_picture_as_it_is_keeps_values_of_any_range(tmp_path):
    x = RNG.normal(0, 4095, (3, 7, 5)).astype(np.float32)
    np.testing.assert_array_equal(load_picture(save(tmp_path / "x.npy", x)), x)


def test_a_picture_as_it_is_shows_something(tmp_path):
    path = save(tmp_path / "x.npy", np.full((4, 5), 0.25))
    with pytest.raises(ValueError, match=r"every pixel of the picture is 0\.25; want a picture"):
        load_picture(path)


def test_complex_and_coloured_and_moving_nifti(tmp_path):
    path = tmp_path / "x.nii"
    nibabel.save(nibabel.Nifti1Image(head().astype(np.complex64), np.eye(4)), path)
    with pytest.raises(ValueError, match=r"values are complex64; want"):
        load_gray(path)
    rgb = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(rgb, np.eye(4)), path)
    with pytest.raises(ValueError, match=r"values are .*'R'.*; want"):
        load_gray(path)
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.float32), np.eye(4)), path)
    with pytest.raises(ValueError, match=r"shape \(4, 4, 4, 2\); want one volume"):
        load_gray(path)


@pytest.mark.parametrize("name", ["x.webp", "x", "x.gz", "x.png:1"])
def test_unknown_suffix_lists_the_known_ones(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"want one of {ACCEPTED}$"):
        load_gray(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npy", ".png", ".jpg", ".nii", ".nii.gz"])
def test_missing_and_damaged_files(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_gray(path)
    path.mkdir()
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_gray(path)
    path.rmdir()
    for content in (b"", b"not a picture"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\..*: cannot be read: ."):
            load_gray(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("kind", ["EPS", "TIFF", "GIF", "BMP", "PPM", "WEBP", "PDF"])
def test_a_picture_of_another_kind_than_its_name_is_refused(tmp_path, monkeypatch, kind, suffix):
    # Pillow has readers that run programs (EPS) or give other numbers (TIFF of int32).
    monkeypatch.setattr(subprocess, "Popen", None)
    path = tmp_path / f"x{suffix}"
    Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(path, format=kind)
    with pytest.raises(ValueError, match=r"x\..*: cannot be read: the content is neither PNG nor"):
        load_gray(path)


def test_png_and_jpeg_may_have_each_others_names(tmp_path):
    pixels = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    for name, kind in (("x.png", "JPEG"), ("x.jpg", "PNG")):
        Image.fromarray(pixels).save(tmp_path / name, format=kind)
        np.testing.assert_allclose(load_gray(tmp_path / name, 32), pixels / 255, atol=0.05)


@pytest.mark.parametrize("side", [8193, 10_000, 20_000])
def test_a_png_of_too_many_pixels_is_refused_before_they_are_read(tmp_path, side):
    path = tmp_path / "x.png"
    Image.new("1", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = 2 * side.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)  # the pixels are missing, which nobody gets to see
    with pytest.raises(ValueError, match="want at most 67108864 pixels, as of 8192 x 8192"):
        load_gray(path)


def test_an_array_of_too_many_pixels_is_refused_before_they_are_read(tmp_path):
    path = tmp_path / "x.npy"
    for shape in ((8193, 8193), (3, 8193, 8193), (2, 8192, 8192)):
        with path.open("wb") as file:
            header = {"shape": shape, "fortran_order": False, "descr": "|u1"}
            np.lib.format.write_array_header_1_0(file, header)
        with pytest.raises(ValueError, match=r"the shape is .*; want at most 67108864 pixels"):
            load_gray(path)


def test_a_nifti_of_too_many_pixels_is_refused_before_they_are_read(tmp_path):
    path = tmp_path / "x.nii"
    for shape in ((8193, 8193), (8193, 8193, 2), (2, 8193, 8193)):
        header = nibabel.Nifti1Header()
        header.set_data_shape(shape)
        path.write_bytes(header.binaryblock + bytes(4))
        with pytest.raises(ValueError, match=r"the shape is .*; want at most 67108864 pixels"):
            load_gray(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", ["RAS", "LPI", "PIR", "SRA"])
def test_a_slice_does_not_take_the_memory_of_its_volume(tmp_path, monkeypatch, axes, suffix):
    monkeypatch.setattr(nifti, "BLOCK", 2**16)
    volume = RNG.random((80, 80, 80), dtype=np.float32)  # 2 MB
    ras = nibabel.Nifti1Image(volume, np.eye(4))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
    )
    path = tmp_path / f"x{suffix}"
    nibabel.save(ras.as_reoriented(turn), path)
    tracemalloc.start()
    try:
        y = load_gray(path, size=80)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(y, volume[::-1, ::-1, 40].T)
    assert peak < volume.nbytes / 2


def test_an_error_without_words_is_named(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise MemoryError

    path = save(tmp_path / "x.npy", np.eye(4))
    monkeypatch.setattr(np.lib.format, "read_array", fails)
    with pytest.raises(ValueError, match=r"x\.npy: cannot be read: MemoryError$"):
        load_gray(path)


def test_truncated_png(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="cannot be read"):
        load_gray(path)


def test_size_below_one(tmp_path):
    path = save(tmp_path / "x.npy", np.eye(4))
    with pytest.raises(ValueError, match=r"load_gray\(size\): size is 0; want at least 1"):
        load_gray(path, size=0)


@pytest.mark.parametrize(
    ("module", "name", "size"),
    [("PIL", "x.png", 4), ("PIL", "x.npy", 3), ("nibabel", "x.nii", 4)],
)
def test_missing_extra_says_what_to_install(tmp_path, monkeypatch, module, name, size):
    path = tmp_path / name
    with path.open("wb") as file:
        np.save(file, np.eye(4))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"needs {module},") as caught:
        load_gray(path, size=size)
    assert 'pip install ".[app]"' in [line.strip() for line in str(caught.value).split("\n")]


def test_an_array_of_the_right_size_needs_no_extra(tmp_path, monkeypatch):
    for module in ("PIL", "nibabel"):
        monkeypatch.setitem(sys.modules, module, None)
    x = RNG.random((4, 6), dtype=np.float32)
    np.testing.assert_array_equal(load_gray(save(tmp_path / "x.npy", x), size=4), x[:, 1:5])


def test_importing_loads_no_extra():
    code = (
        "import sys, nufftlib.data, nufftlib.io.pictures\n"
        "assert not {'PIL', 'nibabel', 'matplotlib'} & set(sys.modules)\n"
        "nufftlib.data.brain(), nufftlib.data.astronaut()\n"
        "assert not {'PIL', 'nibabel', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
