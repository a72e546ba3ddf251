"""Arrays of MATLAB and of archives: names, axes, classes; what is refused."""

import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from nufftlib.workflows import load_picture, load_psf, load_stack

RNG = np.random.default_rng(7)


def saved(path, **arrays):
    savemat(path, arrays, do_compression=len(arrays) > 1)
    return path


def test_one_array_needs_no_name_and_several_do(tmp_path):
    x, y = RNG.random((2, 6, 5))
    path = saved(tmp_path / "one.mat", x=x)
    np.testing.assert_array_equal(load_picture(path)[0], x.astype(np.float32))
    path = saved(tmp_path / "two.mat", x=x, y=y)
    for name, array in (("x", x), ("y", y)):
        np.testing.assert_array_equal(load_picture(f"{path}:{name}")[0], array.astype(np.float32))
    with pytest.raises(ValueError, match="it holds x, y; want one, or its name as in NAME:ARRAY"):
        load_picture(path)
    with pytest.raises(ValueError, match="it holds x, y; want one of them, and not z"):
        load_picture(f"{path}:z")
    np.savez(tmp_path / "two.npz", x=x, y=y)
    np.testing.assert_array_equal(load_picture(f"{tmp_path / 'two.npz'}:y"), [y.astype(np.float32)])
    with pytest.raises(ValueError, match="it holds x, y; want one, or its name"):
        load_picture(tmp_path / "two.npz")


@pytest.mark.parametrize("form", ["4", "5"])
def test_both_older_formats(tmp_path, form):
    x = RNG.random((6, 5))
    savemat(tmp_path / "x.mat", {"x": x}, format=form)
    np.testing.assert_array_equal(load_picture(tmp_path / "x.mat")[0], x.astype(np.float32))


def test_rows_and_columns_come_first_in_matlab(tmp_path):
    x = RNG.random((6, 5, 3))
    path = saved(tmp_path / "x.mat", x=x)
    np.testing.assert_array_equal(load_picture(path), np.moveaxis(x, -1, 0).astype(np.float32))
    # Without channels the third axis is the depth.
    np.testing.assert_array_equal(
        load_stack(path).values, np.moveaxis(x, -1, 0)[None].astype(np.float32)
    )
    x = RNG.random((6, 5, 3, 4))
    path = saved(tmp_path / "x.mat", x=x)
    want = x.transpose(2, 3, 0, 1).astype(np.float32)
    np.testing.assert_array_equal(load_stack(path).values, want)


@pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 65535), ("?", 1)])
def test_whole_numbers_are_divided_by_their_white(tmp_path, dtype, white):
    x = RNG.integers(0, 2 if dtype == "?" else white, (6, 5)).astype(dtype)
    found = load_picture(saved(tmp_path / "x.mat", x=x))[0]
    np.testing.assert_allclose(found, x / float(white), rtol=1e-6)


def element(code, content):
    return struct.pack("<2I", code, len(content)) + content + b"\0" * (-len(content) % 8)


def written(path, code, numbers, *, compressed):
    """Write doubles (2, 3) as MATLAB does: stored as type `code`."""
    flags = element(6, struct.pack("<2I", 6, 0))  # the class double
    array = flags + element(5, struct.pack("<2i", 2, 3)) + struct.pack("<2H4s", 1, 1, b"x")
    array = element(14, array + element(code, numbers))
    if compressed:
        packed = zlib.compress(array)
        array = struct.pack("<2I", 15, len(packed)) + packed
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + array)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_doubles_that_are_stored_in_bytes_stay_doubles(tmp_path, compressed):
    x = np.asarray([[1, 2, 3], [4, 5, 250]], np.uint8)
    path = written(tmp_path / "x.mat", 2, x.T.tobytes(), compressed=compressed)
    np.testing.assert_array_equal(load_picture(path)[0], x)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("code", [0, 8, 10, 11, 14, 16, 20, 1000, 60000])
def test_numbers_of_an_unknown_type_never_reach_scipy(tmp_path, code, compressed):
    # Its reader takes the code for a place in a table, and crashes the process.
    path = written(tmp_path / "x.mat", code, bytes(6), compressed=compressed)
    with pytest.raises(ValueError, match=r"x.mat: .* has an element of an unknown type"):
        load_picture(path)


def test_what_is_no_array_of_real_numbers_is_refused(tmp_path):
    path = tmp_path / "x.mat"
    with pytest.raises(ValueError, match="its x is of the class char; want an array of numbers"):
        load_picture(saved(path, x="text"))
    with pytest.raises(ValueError, match="its x is of the class struct; want an array of numbers"):
        load_picture(saved(path, x={"a": np.eye(3)}))
    with pytest.raises(ValueError, match="values are complex128; want"):
        load_picture(saved(path, x=1j * np.eye(3)))
    with pytest.raises(ValueError, match="values are int32; want"):
        load_picture(saved(path, x=np.eye(3, dtype=np.int32)))
    with pytest.raises(ValueError, match=r"shape \(3, 2, 2\); want \(rows, columns, depth\)|shape"):
        load_stack(saved(path, x=np.zeros((2, 2, 2, 3))))


def test_format_7_3_says_what_to_save_instead(tmp_path):
    path = tmp_path / "x.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(512))
    with pytest.raises(ValueError, match=r"format 7.3 \(HDF5\); want an older one, as of save"):
        load_psf(path)
