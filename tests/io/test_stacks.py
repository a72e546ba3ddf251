"""Stacks with the size of their voxels, and sets of images that are planes of a file."""

import nibabel
import numpy as np
import pytest
import tifffile

from nufftlib.workflows import load_images, load_stack, load_volume

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_is_a_stack_with_or_without_channels(tmp_path, suffix):
    x, path = RNG.random((3, 4, 6, 5), dtype=np.float32), tmp_path / f"x{suffix}"
    save = np.save if suffix == ".npy" else np.savez
    for array in (x, x[0], x[:1]):
        save(path, array)
        found = load_stack(path)
        want = array if array.ndim == 4 else array[None]
        np.testing.assert_array_equal(found.values, want)
        assert found.values.dtype == np.float32
        assert found.values.flags.c_contiguous
        assert found.pixel_size == (None, None, None)
    assert repr(found) == "Stack(<(1, 4, 6, 5) float32>, (None, None, None))"
    save(path, RNG.integers(1, 65535, (4, 6, 5), dtype=np.uint16, endpoint=True))
    assert 0 < load_stack(path).values.max() <= 1


def test_a_volume_is_a_stack_of_axial_slices(tmp_path):
    image = nibabel.Nifti1Image(RNG.random((5, 6, 4)), np.diag([1.0, 2, 3, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "x.nii.gz")
    found = load_stack(tmp_path / "x.nii.gz")
    volume = load_volume(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(found.values[0], np.moveaxis(volume, -1, 0))
    assert found.values.shape == (1, 4, 6, 5)
    # Slices towards the head, rows from front to back, columns from right to left.
    assert found.pixel_size == pytest.approx((3e-3, 2e-3, 1e-3))


@pytest.mark.parametrize(
    ("array", "refused"),
    [
        (np.zeros((6, 5)), r"shape is \(6, 5\); want \(depth, rows, columns\)"),
        (np.zeros((2, 4, 6, 5)), r"shape is \(2, 4, 6, 5\); want"),
        (np.zeros((0, 6, 5)), r"shape is \(0, 6, 5\); want"),
        (np.full((4, 6, 5), 0.5), "every voxel is 0.5; want a stack"),
        (np.full((4, 6, 5), np.nan), "120 of 120 values are not finite"),
        (np.ones((4, 6, 5), np.int32), "values are int32; want"),
    ],
)
def test_arrays_that_are_no_stack(tmp_path, array, refused):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=refused):
        load_stack(tmp_path / "x.npy")


def test_files_of_pictures_are_no_stacks(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"suffix is '.png'; want one of .npy, .npz, .mat, .nii"):
        load_stack(tmp_path / "x.png")


def test_a_set_of_images_has_all_planes_of_its_files(tmp_path):
    x = RNG.integers(1, 30000, (4, 6, 5)).astype(np.uint16)
    about = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, x, photometric="minisblack", ome=True, metadata=about)
    found = load_images(path)
    np.testing.assert_array_equal(found.images, x)
    assert found.names == ("image 0", "image 1", "image 2", "image 3")
    assert found.fields_of_view[0] == pytest.approx((6 * 0.25e-6, 5 * 0.5e-6))
    np.testing.assert_array_equal(load_images(f"{path}:2").images, x[2:3])
    colours = RNG.integers(0, 255, (6, 5, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", colours, photometric="rgb")
    found = load_images(tmp_path)
    assert found.names[3:] == ("a.tif, image 3", "b.tif")
    want = colours @ (0.299, 0.587, 0.114) / 255
    np.testing.assert_allclose(found.images[4], want, rtol=1e-6)
    assert found.fields_of_view[4] is None
