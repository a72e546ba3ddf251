"""Sets of images from files: order, slices, values, refusals, and how they are split."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from nufftlib.io import image_sets
from nufftlib.workflows import load_gray, load_images, load_picture, load_volume

RNG = np.random.default_rng(8)


def saved(path, array):
    np.save(path, array)
    return path


def nifti(path, array, voxel=(1.0, 1.0, 1.0), unit="mm"):
    image = nibabel.Nifti1Image(array, np.diag([*voxel, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def slices_of(*shape):
    """Return a volume whose slices are not empty, and differ in every voxel."""
    return (1 + RNG.random(shape)).astype(np.float32)


# --- what is read


def test_a_stack_is_taken_as_it_is(tmp_path):
    x = slices_of(4, 5, 6)
    found = load_images(saved(tmp_path / "x.npy", x))
    np.testing.assert_array_equal(found.images, x)
    assert found.images.dtype == np.float32
    assert found.names == ("image 0", "image 1", "image 2", "image 3")
    assert (found.files, found.fields_of_view, found.left_out) == ((0,) * 4, (None,) * 4, 0)
    counts = RNG.integers(1, 65535, (3, 4, 5), dtype=np.uint16)
    images = load_images(saved(tmp_path / "x.npy", counts)).images
    np.testing.assert_allclose(images, counts / 65535)
    one = load_images(saved(tmp_path / "x.npy", x[0]))
    np.testing.assert_array_equal(one.images, x[:1])
    assert one.names == ("x.npy",)


def test_an_archive_has_one_array_or_one_named_images(tmp_path):
    x, path = slices_of(3, 5, 6), tmp_path / "x.npz"
    np.savez_compressed(path, other=x[0], images=x)
    np.testing.assert_array_equal(load_images(path).images, x)
    np.savez(path, slices=x)
    np.testing.assert_array_equal(load_images(path).images, x)
    np.savez(path, slices=x, masks=x)
    with pytest.raises(ValueError, match="it holds slices, masks; want an array named images"):
        load_images(path)
    np.savez(path)
    with pytest.raises(ValueError, match="it holds nothing; want an array named images"):
        load_images(path)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
def test_slices_of_a_volume_are_as_they_are_shown(tmp_path, axes):
    ras = slices_of(5, 6, 7)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
    )
    path = tmp_path / "x.nii.gz"
    nibabel.save(nibabel.Nifti1Image(ras, np.diag([1.0, 1, 2, 1])).as_reoriented(turn), path)
    volume = load_volume(path)  # from front to back, from right to left, upwards
    axial, coronal, sagittal = (
        load_images(path, plane=plane) for plane in (None, "coronal", "sagittal")
    )
    for i in range(7):
        np.testing.assert_array_equal(axial.images[i], volume[:, :, i])
    for i in range(6):
        np.testing.assert_array_equal(coronal.images[i], volume[i].T[::-1])
    for i in range(5):
        np.testing.assert_array_equal(sagittal.images[i], volume[:, i].T[::-1])
    assert axial.names[3] == "axial slice 3"
    assert sagittal.names[-1] == "sagittal slice 4"
    assert coronal.images.flags.c_contiguous


def test_fields_of_view_are_those_of_the_plane(tmp_path):
    path = nifti(tmp_path / "x.nii", slices_of(10, 20, 30), voxel=(1.0, 2.0, 3.0))
    right, front, top = 0.010, 0.040, 0.090
    for plane, want in (
        ("axial", (front, right)),
        ("coronal", (top, right)),
        ("sagittal", (top, front)),
    ):
        found = load_images(path, plane=plane)
        np.testing.assert_allclose(found.fields_of_view, [want] * len(found.images))
    # The central square of 20 x 10 pixels, whatever its new size.
    np.testing.assert_allclose(load_images(path, 5).fields_of_view[0], (0.020, 0.010))
    unknown = nifti(tmp_path / "x.nii", slices_of(10, 20, 30), unit="unknown")
    assert load_images(unknown).fields_of_view == (None,) * 30


def test_empty_slices_are_left_out_and_a_range_chooses(tmp_path):
    x = slices_of(8, 8, 10)
    x[..., :2] = 0
    x[..., 9] *= 0.05
    path = nifti(tmp_path / "x.nii", x)
    found = load_images(path)
    assert found.names == tuple(f"axial slice {i}" for i in range(2, 9))
    assert found.left_out == 3
    found = load_images(path, slices=range(1, 10, 4))
    assert (found.names, found.left_out) == (("axial slice 5",), 2)
    np.testing.assert_array_equal(found.images[0], load_volume(path)[:, :, 5])
    with pytest.raises(ValueError, match="up to 0, and up to 1"):
        load_images(path, slices=range(2))
    with pytest.raises(ValueError, match="slice 10 is asked for, and the last of its 10 axial"):
        load_images(path, slices=range(4, 11))
    with pytest.raises(ValueError, match="up to -1"):
        load_images(nifti(path, -x - 1))


def test_a_folder_is_read_by_the_numbers_in_its_names(tmp_path):
    pictures = {f"slice-{i}.png": slices_of(6, 6) for i in (10, 9, 2)}
    for name, x in pictures.items():
        Image.fromarray((120 * x).astype(np.uint8)).save(tmp_path / name)
    np.save(tmp_path / "slice-11.npy", slices_of(2, 6, 6))
    nifti(tmp_path / "slice-1.nii", slices_of(6, 6))  # one slice, not a volume
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    found = load_images(tmp_path)
    assert found.names == (
        "slice-1.nii",
        "slice-2.png",
        "slice-9.png",
        "slice-10.png",
        "slice-11.npy, image 0",
        "slice-11.npy, image 1",
    )
    assert found.files == (0, 1, 2, 3, 4, 4)
    np.testing.assert_array_equal(found.images[2], load_gray(tmp_path / "slice-9.png", 6))
    np.testing.assert_array_equal(found.images[0], load_picture(tmp_path / "slice-1.nii")[0])
    assert repr(found) == "ImageSet(<(6, 6, 6) float32>, slice-1.nii to slice-11.npy, image 1)"


def test_colours_become_luma_and_squares_are_those_of_load_gray(tmp_path):
    for i in range(2):
        shape = (20 + i, 30, 3)
        Image.fromarray(RNG.integers(0, 255, shape, np.uint8)).save(tmp_path / f"{i}.png")
    found = load_images(tmp_path, 16)
    for i in range(2):
        want = load_gray(tmp_path / f"{i}.png", 16)  # resizes before it takes the luma
        np.testing.assert_allclose(found.images[i], want, atol=1e-6)


def test_progress_counts_the_files(tmp_path, capfd):
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", slices_of(4, 4))
    load_images(tmp_path)
    assert not capfd.readouterr().err
    load_images(tmp_path, progress=True)
    assert "3/3" in capfd.readouterr().err


# --- what is refused


def test_odd_shapes_are_named_and_nothing_is_resized(tmp_path):
    for i in range(9):
        np.save(tmp_path / f"{i}.npy", slices_of(6, 7 if i in (0, 4) else 6))
    with pytest.raises(ValueError, match=r"of 7 files are of shape \(6, 6\), but those of 0.npy "):
        load_images(tmp_path)
    with pytest.raises(ValueError, match=r"4.npy \(6, 7\) are not; want one shape, or a size"):
        load_images(tmp_path)
    assert load_images(tmp_path, 5).images.shape == (9, 5, 5)
    for i in range(10, 30):
        np.save(tmp_path / f"{i}.npy", slices_of(6, i))
    with pytest.raises(ValueError, match="and 17 more are not"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(4), r"the shape is \(4,\); want \(n, rows, columns\) or \(rows, columns\)"),
        (np.zeros((0, 4, 4)), r"the shape is \(0, 4, 4\); want"),
        (np.zeros((2, 4, 4)), "largest value of image 0 is 0 and the mean 0; want both positive"),
        (np.stack([np.ones((4, 4)), -np.ones((4, 4))]), "largest value of image 1 is -1"),
        (np.ones((2, 4, 4), complex), "values are complex128; want uint8"),
        (np.full((2, 4, 4), np.nan), "32 of 32 values .* not finite"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_are_no_images(tmp_path, array, message, suffix):
    path = tmp_path / f"x{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, images=array)
    with pytest.raises(ValueError, match=message) as caught:
        load_images(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).count(str(path)) == 1


def test_too_many_pixels_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        header = {"shape": (513, 512, 512), "fortran_order": False, "descr": "|u1"}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match="want at most 134217728 pixels in all"):
        load_images(path)
    path.unlink()
    monkeypatch.setattr(image_sets, "MOST_VOXELS", 40)
    for i in range(5):
        np.save(tmp_path / f"{i}.npy", slices_of(4, 4))
    (tmp_path / "4.npy").write_bytes(b"is not read")
    with pytest.raises(ValueError, match=r"up to 2.npy there are 48 pixels; want at most"):
        load_images(tmp_path)
    (tmp_path / "4.npy").unlink()
    assert load_images(tmp_path, 2).images.shape == (4, 2, 2)


def test_files_that_are_no_images(tmp_path):
    with pytest.raises(ValueError, match=r"there is no image in this folder; want .nii, .nii.gz"):
        load_images(tmp_path)
    for name in ("x.npy", "x.nii", "x.png"):
        with pytest.raises(FileNotFoundError, match="no such file"):
            load_images(tmp_path / name)
        (tmp_path / name).write_bytes(b"no image")
        with pytest.raises(ValueError, match="cannot be read"):
            load_images(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="nothing: there is no such file or folder"):
        load_images(tmp_path / "nothing")
    (tmp_path / "x.gif").write_bytes(b"an image")
    with pytest.raises(ValueError, match=r"suffix is '.gif'; want a folder, or .nii"):
        load_images(tmp_path / "x.gif")


def test_settings_that_do_not_fit(tmp_path):
    path = saved(tmp_path / "x.npy", slices_of(3, 4, 4))
    with pytest.raises(ValueError, match=r"no volume, and plane is axial; want .nii"):
        load_images(path, plane="axial")
    with pytest.raises(ValueError, match=r"no volume, and slices is range\(0, 2\)"):
        load_images(path, slices=range(2))
    with pytest.raises(ValueError, match="plane is 'upper'; want one of None, 'axial'"):
        load_images(path, plane="upper")
    for slices in (range(0), range(3, 0, -1), range(-2, 2)):
        with pytest.raises(ValueError, match="want a range upwards from 0 or more"):
            load_images(path, slices=slices)


# --- which are held out


@pytest.mark.parametrize(
    ("n", "fraction", "training", "held_out"),
    [
        (
            100,
            0.25,
            [*range(13), *range(36, 64), *range(86, 100)],
            [*range(18, 31), *range(69, 81)],
        ),
        (20, 0.2, [0, 1, 2, *range(7, 13), 17, 18, 19], [4, 5, 14, 15]),
        (4, 0.01, [3], [1]),
        (5, 0, range(5), []),
    ],
)
def test_of_one_file_blocks_are_held_out_with_gaps(tmp_path, n, fraction, training, held_out):
    parts = load_images(saved(tmp_path / "x.npy", slices_of(n, 4, 4))).split(fraction)
    np.testing.assert_array_equal(parts[0], training)
    np.testing.assert_array_equal(parts[1], held_out)


def test_of_several_files_whole_ones_are_held_out(tmp_path):
    for i, n in enumerate((2, 3, 1, 4)):
        np.save(tmp_path / f"{i}.npy", slices_of(n, 4, 4))
    training, held_out = load_images(tmp_path).split(0.5)
    assert (training.tolist(), held_out.tolist()) == ([2, 3, 4, 6, 7, 8, 9], [0, 1, 5])
    training, held_out = load_images(tmp_path).split(0.1)
    assert (training.tolist(), held_out.tolist()) == ([0, 1, 5, 6, 7, 8, 9], [2, 3, 4])


def test_a_folder_of_single_images_may_be_the_slices_of_a_volume(tmp_path):
    for i in range(20):
        np.save(tmp_path / f"slice-{i}.npy", slices_of(4, 4))
    training, held_out = load_images(tmp_path).split(0.2)
    assert held_out.tolist() == [4, 5, 14, 15]
    assert training.tolist() == [0, 1, 2, *range(7, 13), 17, 18, 19]


def test_something_is_left_to_train_with(tmp_path):
    found = load_images(saved(tmp_path / "x.npy", slices_of(3, 4, 4)))
    with pytest.raises(ValueError, match=r"0.3 of 3 images .* with 1 on each side .*left to train"):
        found.split(0.3)
    for fraction in (1, -0.1, np.nan):
        with pytest.raises(ValueError, match="want a number from 0 to below 1"):
            found.split(fraction)
    for i in range(2):
        np.save(tmp_path / f"{i}.npy", slices_of(3, 4, 4))
    (tmp_path / "x.npy").unlink()
    with pytest.raises(ValueError, match=r"0.9 of 2 files are held out; want some left"):
        load_images(tmp_path).split(0.9)
