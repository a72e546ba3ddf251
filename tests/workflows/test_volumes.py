"""Volumes from files: directions, values, sizes, refusals."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from nufftlib.workflows import load_picture, load_volume

RNG = np.random.default_rng(5)


def saved(path, array):
    np.save(path, array)
    return path


def test_an_array_is_taken_as_it_is(tmp_path):
    x = RNG.normal(0, 50, (5, 6, 7)).astype(np.float32)
    y = load_volume(saved(tmp_path / "x.npy", x))
    np.testing.assert_array_equal(y, x)
    assert y.dtype == np.float32
    counts = RNG.integers(0, 65535, (3, 4, 5), dtype=np.uint16)
    np.testing.assert_allclose(load_volume(saved(tmp_path / "x.npy", counts)), counts / 65535)
    three = RNG.random((3, 4, 5))  # no colours
    assert load_volume(saved(tmp_path / "x.npy", three)).shape == (3, 4, 5)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SRA"])
def test_a_nifti_volume_has_axial_slices_as_they_are_shown(tmp_path, suffix, axes):
    ras = RNG.random((6, 7, 8)).astype(np.float32)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
    )
    path = tmp_path / f"x{suffix}"
    nibabel.save(nibabel.Nifti1Image(ras, np.diag([1.0, 1, 2, 1])).as_reoriented(turn), path)
    y = load_volume(path)
    # Rows to the back, columns to the left, slices to the top.
    np.testing.assert_array_equal(y, ras[::-1, ::-1].transpose(1, 0, 2))
    assert y.flags.c_contiguous
    np.testing.assert_array_equal(y[:, :, 4], load_picture(path)[0])


def test_nifti_integers_and_a_series_of_one_keep_the_files_units(tmp_path):
    path = tmp_path / "x.nii"
    x = RNG.integers(-900, 900, (4, 5, 6, 1), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(x, np.eye(4)), path)
    assert load_volume(path).min() == x.min()
    scaled = nibabel.Nifti1Image(x, np.eye(4))
    scaled.header.set_slope_inter(0.5, -2)
    nibabel.save(scaled, path)
    assert load_volume(path).max() == pytest.approx(0.5 * x.max() - 2)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [6, 9, 30])
def test_each_axis_is_resized_as_a_picture_is(tmp_path, axis, size):
    """A volume that is the same along an axis: its planes are the pictures that Pillow makes."""
    plane = RNG.random((12, 18)).astype(np.float32)
    x = np.repeat(np.expand_dims(plane, axis), 6, axis=axis)
    y = load_volume(saved(tmp_path / "x.npy", x), size=size)
    rows, columns = round(12 * size / 18), size
    want = Image.fromarray(plane).resize((columns, rows), Image.Resampling.BILINEAR)
    shape = np.insert([rows, columns], axis, round(6 * size / 18))
    np.testing.assert_allclose(
        y, np.broadcast_to(np.expand_dims(np.asarray(want), axis), shape), atol=1e-6
    )


def test_the_size_that_is_there_changes_nothing(tmp_path):
    x = RNG.random((5, 6, 7)).astype(np.float32)
    np.testing.assert_array_equal(load_volume(saved(tmp_path / "x.npy", x), size=7), x)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4)), r"shape is \(4, 4\); want \(rows, columns, slices\)"),
        (np.zeros((4, 4, 4, 2)), r"shape is \(4, 4, 4, 2\); want \(rows"),
        (np.zeros((4, 0, 4)), r"shape is \(4, 0, 4\); want \(rows"),
        (np.ones((4, 4, 4)), r"every voxel is 1; want a volume"),
        (np.zeros((4, 4, 4), complex), r"values are complex128; want uint8"),
        (np.zeros((4, 4, 4), int), r"values are int64; want uint8"),
        (np.full((2, 2, 2), np.nan), r"8 of 8 values .* \(first at index \(0, 0, 0\)"),
        (np.array([[[{}, {}]]]), r"cannot be read: Object arrays"),
    ],
)
def test_arrays_that_are_no_volume(tmp_path, array, message):
    path = tmp_path / "x.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(ValueError, match=message) as caught:
        load_volume(path)
    assert str(caught.value).startswith(str(path))


def test_a_volume_of_too_many_voxels_is_refused_before_they_are_read(tmp_path):
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        header = {"shape": (513, 512, 512), "fortran_order": False, "descr": "|u1"}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match="want at most 134217728 voxels"):
        load_volume(path)


def test_files_that_are_no_volume(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_volume(tmp_path / "x.nii")
    with pytest.raises(ValueError, match=r"want one of \.npy, \.nii, \.nii\.gz$"):
        load_volume(tmp_path / "x.png")
    (tmp_path / "x.nii.gz").write_bytes(b"not a volume")
    with pytest.raises(ValueError, match=r"cannot be read: ."):
        load_volume(tmp_path / "x.nii.gz")
    header = nibabel.Nifti1Header()
    header.set_sform(np.diag([1.0, 1, 0, 1]), code="scanner")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), "f4"), None, header), tmp_path / "x.nii")
    with pytest.raises(ValueError, match="its affine leaves directions of the axes open"):
        load_volume(tmp_path / "x.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4), "f4"), np.eye(4)), tmp_path / "x.nii")
    with pytest.raises(ValueError, match=r"shape is \(4, 4\); want \(rows"):
        load_volume(tmp_path / "x.nii")
