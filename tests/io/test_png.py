"""PNG of 16 bits with all levels, orientation, and light that sRGB encodes."""

import io

import numpy as np
import png
import pytest
from PIL import Image

from nufftlib.data import astronaut
from nufftlib.workflows import load_color, load_gray, load_picture, load_psf

RNG = np.random.default_rng(6)
TURNS = {1: 0, 3: 2, 6: -1, 8: 1}
"""Quarter turns to the left by which a picture becomes upright."""


def saved(path, array, **settings):
    """Save an array (rows, columns, samples) by pypng, 16 bits a sample."""
    rows, columns, planes = array.shape
    greyscale, alpha = planes < 3, planes in (2, 4)
    writer = png.Writer(
        columns, rows, **{"greyscale": greyscale, "alpha": alpha, "bitdepth": 16} | settings
    )
    with path.open("wb") as file:
        writer.write(file, array.reshape(rows, -1).tolist())
    return path


def levels(*shape):
    return RNG.integers(0, 65536, shape)


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_16_bits_keep_all_levels(tmp_path, planes, interlace):
    x = levels(7, 5, planes)
    path = saved(tmp_path / "x.png", x, interlace=interlace)
    want = x / 65535
    if planes in (2, 4):  # transparent pixels are shown on black
        want = want[..., :-1] * want[..., -1:]
    found = load_picture(path)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.moveaxis(want, -1, 0), rtol=1e-6)


def test_a_transparent_colour_shows_black(tmp_path):
    x = levels(7, 5, 3)
    path = saved(tmp_path / "x.png", x, transparent=tuple(x[2, 3].tolist()))
    found = load_picture(path)
    assert not found[:, 2, 3].any()
    np.testing.assert_allclose(found[:, 0, 0], x[0, 0] / 65535, rtol=1e-6)
    path = saved(tmp_path / "y.png", x[..., :1], transparent=int(x[2, 3, 0]))
    found = load_picture(path)
    assert found[0, 2, 3] == 0
    np.testing.assert_allclose(found[0, 0, 0], x[0, 0, 0] / 65535, rtol=1e-6)


def with_orientation(path, orientation):
    """Put the orientation into a PNG, as a chunk before its pixels."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    chunks = list(png.Reader(bytes=path.read_bytes()).chunks())
    chunks.insert(1, (b"eXIf", exif.tobytes()[6:]))
    with path.open("wb") as file:
        png.write_chunks(file, chunks)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bits_are_turned_upright_as_8_are(tmp_path, orientation):
    x = levels(7, 5, 3) // 257 * 257
    deep = with_orientation(saved(tmp_path / "deep.png", x), orientation)
    flat = tmp_path / "flat.png"
    Image.fromarray((x // 257).astype(np.uint8)).save(flat)
    found = load_picture(deep)
    np.testing.assert_allclose(found, load_picture(with_orientation(flat, orientation)), rtol=1e-6)
    if orientation in TURNS:
        upright = np.moveaxis(np.rot90(x, TURNS[orientation]), -1, 0)
        np.testing.assert_allclose(found, upright / 65535, rtol=1e-6)


def test_too_many_pixels_are_refused_before_they_are_read(tmp_path):
    buffer = io.BytesIO()
    header = b"IHDR", (9000).to_bytes(4, "big") * 2 + bytes((16, 2, 0, 0, 0))
    png.write_chunks(buffer, [header, (b"IDAT", b""), (b"IEND", b"")])
    path = tmp_path / "x.png"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="want at most 67108864 pixels"):
        load_picture(path)


# --- light


def encode(light):
    """Encode light as IEC 61966-2-1 defines it, the inverse of what is tested."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("load", [load_picture, load_color, load_gray])
def test_srgb_is_decoded(tmp_path, load):
    light = np.linspace(0, 1, 3 * 8 * 8).reshape(3, 8, 8)
    path = tmp_path / "x.npy"
    np.save(path, encode(light))
    square = {} if load is load_picture else {"size": 8}
    found = load(path, **square, encoding="srgb")
    want = light
    if load is load_gray:  # the luminance of linear light
        want = np.tensordot((0.2126, 0.7152, 0.0722), light, axes=1)
    np.testing.assert_allclose(found, want, rtol=2e-5, atol=1e-7)
    assert np.abs(load(path, **square) - want).max() > 0.05


def test_srgb_of_known_values(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.asarray([[0, 10, 11], [128, 188, 255]], np.uint8)).save(path)
    found = load_picture(path, encoding="srgb")[0]
    want = [[0, 0.003035, 0.003347], [0.215861, 0.502886, 1]]
    np.testing.assert_allclose(found, want, rtol=2e-4)
    assert found[1, 2] == 1


def test_light_is_decoded_before_it_is_resized(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.tile(np.asarray([0, 255], np.uint8), (8, 8))).save(path)
    # A fine grating is half as bright as white, and not as what 0.5 encodes.
    found = load_gray(path, 2, encoding="srgb")
    np.testing.assert_allclose(found.mean(), 0.5, atol=1e-6)
    encoded = encode(np.asarray(astronaut()[0, :64, :64], np.float64))
    np.save(tmp_path / "y.npy", encoded)
    a = load_gray(tmp_path / "y.npy", 16, encoding="srgb")
    assert np.abs(a - load_gray(tmp_path / "y.npy", 16)).max() > 0.01


def test_what_is_no_srgb_is_refused(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.asarray([[0, 2.5], [1, 0]]))
    with pytest.raises(ValueError, match=r"the values run from 0 to 2\.5; want sRGB from 0 to 1"):
        load_psf(path, encoding="srgb")
    with pytest.raises(ValueError, match=r"load_gray\(encoding\): encoding is 'gamma'; want"):
        load_gray(path, encoding="gamma")
