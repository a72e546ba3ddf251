"""Images that stay in their files: the values of those that are read whole, one by one."""

import itertools
import pickle

import nibabel
import numpy as np
import pytest

import nufftlib as nl
from nufftlib import workflows
from nufftlib.io import stored_images
from nufftlib.mri.learn.stored import LOTS, MOST, lots

VOLUME = 0.1 + np.random.default_rng(0).random((15, 18, 13)).astype(np.float32)
VOLUME[:, :, 3] *= 0.01


def save_nifti(path, order, signs):
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for axis, (towards, sign) in enumerate(zip(order, signs, strict=True)):
        affine[towards, axis] = 2 * sign
    image = nibabel.Nifti1Image(VOLUME, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slices_of_a_volume_are_those_of_the_volume_read_whole(tmp_path, order, plane):
    path = tmp_path / "volume.nii"
    for signs in ((1, 1, 1), (-1, 1, -1), (-1, -1, -1)):
        save_nifti(path, order, signs)
        for size in (None, 12):
            whole = workflows.load_images(path, size, plane=plane)
            stored = workflows.open_images(path, size, plane=plane)
            assert stored.shape == whole.images.shape
            for name in ("names", "files", "fields_of_view", "left_out"):
                assert getattr(stored, name) == getattr(whole, name), name
            which = [4, 0, len(whole.names) - 1]
            np.testing.assert_array_equal(stored.read(which), whole.images[which])
            assert stored.shape[1:] == whole.images.shape[1:]


def test_a_volume_is_not_read_whole(tmp_path, monkeypatch):
    path = tmp_path / "volume.nii"
    save_nifti(path, (0, 1, 2), (1, 1, 1))
    stored = workflows.open_images(path)
    for name in ("read_part", "whole"):
        monkeypatch.setattr(stored_images, name, None)
    assert stored.read([2]).shape == (1, 18, 15)


@pytest.mark.parametrize("kind", ["npy", "npz", "zarr", "group.zarr", "folder", "stores"])
def test_arrays_in_files_are_read_by_their_numbers(tmp_path, kind):
    images = VOLUME + 1
    path = tmp_path / f"set.{kind}"
    if kind == "npy":
        np.save(path, images)
    elif kind == "npz":
        np.savez(path, images=images)
    elif kind == "stores":
        zarr = pytest.importorskip("zarr")
        path.mkdir()
        for name, part in (("a2", images[:4]), ("a10", images[4:])):
            zarr.create_array(str(path / f"{name}.zarr"), data=part, chunks=(1, *part.shape[1:]))
    elif kind == "folder":
        path.mkdir()
        np.save(path / "a2.npy", images[:4])
        np.savez(path / "a10.npz", images=images[4:])
    else:
        zarr = pytest.importorskip("zarr")
        where = zarr.open_group(str(path), mode="w") if "group" in kind else zarr
        at = {"name": "images"} if "group" in kind else {"store": str(path)}
        where.create_array(
            **at, shape=images.shape, chunks=(1, *images.shape[1:]), dtype=images.dtype
        )[...] = images
    stored = workflows.open_images(path)
    assert stored.shape == images.shape
    np.testing.assert_array_equal(stored.read([7, 2, 7]), images[[7, 2, 7]])
    np.testing.assert_array_equal(stored.take([9, 5, 2]).read([1, 0]), images[[5, 9]])
    part = stored.take([9, 5, 2]).take([2, 0])
    np.testing.assert_array_equal(part.read([0, 1]), images[[2, 9]])
    bright = workflows.open_images(path, bright=True).read([3])
    np.testing.assert_array_equal(bright[0], images[3] / images[3].max())
    sent = pickle.loads(pickle.dumps(stored))
    assert sent.digest == stored.digest
    np.testing.assert_array_equal(sent.read([1]), images[[1]])
    if kind not in ("folder", "stores"):  # of which whole files are held out
        assert [part.tolist() for part in stored.split(0.2)] == [
            part.tolist()
            for part in workflows.ImageSet(
                images, stored.names, stored.files, stored.fields_of_view, 0
            ).split(0.2)
        ]


def test_another_set_has_another_digest(tmp_path):
    np.save(tmp_path / "set.npy", VOLUME)
    stored = workflows.open_images(tmp_path / "set.npy")
    others = [
        workflows.open_images(tmp_path / "set.npy", bright=True),
        workflows.open_images(tmp_path / "set.npy", 12),
        stored.take([0, 1]),
        stored.take([1, 0]),
    ]
    np.save(tmp_path / "set.npy", VOLUME + 1)
    others.append(workflows.open_images(tmp_path / "set.npy"))
    assert len({stored.digest, *(other.digest for other in others)}) == 6
    # What was opened before is not taken for what is there now.
    np.testing.assert_array_equal(others[-1].read([2]), VOLUME[[2]] + 1)


def test_what_is_no_set_is_refused(tmp_path):
    bad = VOLUME.copy()
    bad[4, 2, 2] = np.nan
    bad[5] = 0
    np.save(tmp_path / "bad.npy", bad)
    np.save(tmp_path / "flat.npy", np.ones(5))
    stored = workflows.open_images(tmp_path / "bad.npy")
    cases = [
        (lambda: stored.read([4]), "1 of 234 values are not finite"),
        (lambda: stored.read([5]), "the largest value of image 5 is 0 and the mean 0; want both"),
        (lambda: stored.read([15]), r"which is \[15\]; want numbers of its 15 images"),
        (lambda: stored.take([]), r"which is \[\]; want numbers of its 15 images"),
        (lambda: workflows.open_images(tmp_path / "flat.npy"), r"the shape is \(5,\); want \(n, "),
        (lambda: workflows.open_images(tmp_path / "bad.npy", plane="axial"), "this is no volume"),
    ]
    for call, said in cases:
        with pytest.raises(ValueError, match=said):
            call()
    with pytest.raises(FileNotFoundError, match=r"none\.zarr: there is no such file or folder"):
        workflows.open_images(tmp_path / "none.zarr")


def learned(images, **settings):
    course = {"validation": 0.3, "epochs": 1, "batch": 4, "maps": "ones", "engine": "direct"}
    maps = nl.mri.birdcage_maps(2, (16, 16))
    k = nl.mri.trajectories.radial(4, 16)
    return workflows.learn_on_images(images, maps, k, **course | settings)


@pytest.fixture
def stored(tmp_path):
    np.save(tmp_path / "set.npy", 0.1 + np.random.default_rng(1).random((9, 16, 16)))
    return workflows.open_images(tmp_path / "set.npy")


def test_a_stored_set_is_learned_from_as_one_in_memory(stored):
    """In another order of sums, and so to rounding, where no chance is in it."""
    images = stored.read(range(9))
    settings = {"validation": [0, 3], "batch": 7}
    found = learned(stored, **settings)
    expected = learned(images[[1, 2, 4, 5, 6, 7, 8]], validation=images[[0, 3]], batch=7)
    np.testing.assert_allclose(found.training, expected.training, rtol=1e-4)
    np.testing.assert_allclose(found.validation, expected.validation, rtol=1e-4)
    np.testing.assert_allclose(
        found.reconstruct(found.trajectory, [1]),
        expected.reconstruct(expected.trajectory, [1]),
        rtol=1e-3,
        atol=1e-3,
    )


def test_a_stored_set_that_cannot_be_split_is_refused(stored):
    cases = [
        ({"validation": range(9)}, "want some of 9 numbers from 0"),
        ({"validation": [9]}, "want some of 9 numbers from 0"),
        ({"validation": 1.5}, "want a part between 0 and 1"),
        ({"validation": 0.99}, "0.99 of 9 images are 9; want one or more"),
    ]
    for settings, said in cases:
        with pytest.raises(ValueError, match=said):
            learned(stored, **settings)
    with pytest.raises(ValueError, match=r"coil_maps are .*; want complex of shape \(coils, 16, "):
        workflows.learn_on_images(stored, nl.mri.birdcage_maps(2, (8, 8)), np.zeros((1, 2, 2)))
    with pytest.raises(
        ValueError, match="a pool is given with a ndarray; want images of open_image"
    ):
        learned(stored.read(range(9)), pool=nl.core.pool.OneProcess())


def test_lots_depend_on_the_number_of_images_alone():
    for count in (1, 4, 16, 17, 40, 64, 100):
        cut = lots(range(count), (0, 1), None)
        assert sum((lot.which for lot in cut), ()) == tuple(range(count))
        assert [lot.share * count for lot in cut] == pytest.approx([len(lot.which) for lot in cut])
        assert len({lot.noise for lot in cut}) == len(cut)
        assert max(len(lot.which) for lot in cut) <= MOST
        assert len(cut) >= min(count, LOTS) / 2
