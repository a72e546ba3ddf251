"""Files that end early or have wrong bits are pictures, or refused by a ValueError with their path.

Nothing else is raised, nothing takes long, and a file that ends early never gives other values.
"""

import shutil
import time

import nibabel
import numpy as np
import png
import pytest
import tifffile
from astropy.io import fits
from PIL import Image
from pydicom.data import get_testdata_file
from scipy.io import savemat

from nufftlib.io.pictures import load_picture
from nufftlib.workflows import load_stack

X = np.random.default_rng(10).integers(1, 60000, (3, 12, 10)).astype(np.uint16)
COLOURS = np.moveaxis(X, 0, -1)
LONGEST = 2.0
"""Seconds of the processor for one small file: far above what any takes."""


def save_png(path):
    with path.open("wb") as file:
        writer = png.Writer(10, 12, greyscale=False, bitdepth=16)
        writer.write(file, COLOURS.reshape(12, -1).tolist())


def save_compressed(path):
    tiled = np.tile(X[0], (3, 3)).astype(np.int32)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(tiled)]).writeto(path)


def bundled(name):
    return lambda path: shutil.copy(get_testdata_file(name), path)


def tiff(array, **settings):
    return lambda path: tifffile.imwrite(path, array, **settings)


STACKED = {"axes": "ZYX", "PhysicalSizeX": 1.0}
MAKERS = {
    "grey.tif": tiff(X[0]),
    "rgb.tif": tiff(COLOURS, photometric="rgb", compression="zlib"),
    "ome.tif": tiff(X, photometric="minisblack", ome=True, metadata=STACKED),
    "imagej.tif": tiff(X, imagej=True, metadata={"axes": "ZYX"}),
    "big.tif": tiff(X, photometric="minisblack", bigtiff=True, tile=(16, 16), compression="zlib"),
    "counts.fits": lambda path: fits.PrimaryHDU(X[0]).writeto(path),
    "packed.fits.gz": lambda path: fits.PrimaryHDU(X[0].astype(np.int16)).writeto(path),
    "tiles.fits": save_compressed,
    "cube.fits": lambda path: fits.PrimaryHDU(X.astype(np.float32)).writeto(path),
    "grey.dcm": bundled("MR_small.dcm"),
    "rle.dcm": bundled("SC_rgb_rle_2frame.dcm"),
    "jpeg.dcm": bundled("SC_rgb_jpeg_dcmtk.dcm"),
    "deep.png": save_png,
    "flat.png": lambda path: Image.fromarray((X[0] // 256).astype(np.uint8)).save(path),
    "flat.jpg": lambda path: Image.fromarray((COLOURS // 256).astype(np.uint8)).save(path),
    "new.mat": lambda path: savemat(path, {"x": X[0]}),
    "packed.mat": lambda path: savemat(path, {"x": X[0]}, do_compression=True),
    "old.mat": lambda path: savemat(path, {"x": X[0].astype(float)}, format="4"),
    "x.npz": lambda path: np.savez_compressed(path, x=X[0]),
    "x.npy": lambda path: np.save(path, X[0]),
    "x.nii": lambda path: nibabel.save(nibabel.Nifti1Image(X.astype(float), np.eye(4)), path),
    "x.nii.gz": lambda path: nibabel.save(nibabel.Nifti1Image(X.astype(float), np.eye(4)), path),
}


def values(path):
    return load_stack(path).values if path.name in STACKS else load_picture(path)


STACKS = ("ome.tif", "imagej.tif", "big.tif", "cube.fits", "rle.dcm")


def attempted(path):
    """Return the values of a file, or None if it is refused as it should be."""
    begin = time.process_time()
    try:
        found, said = values(path), str(path)
    except ValueError as error:
        found, said = None, str(error)
    assert time.process_time() - begin < LONGEST
    assert said.startswith(str(path))
    assert "\n" not in said
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_a_file_that_ends_early_is_refused(tmp_path, name):
    path, rng = tmp_path / name, np.random.default_rng(11)
    MAKERS[name](path)
    whole, want = path.read_bytes(), values(path)
    assert want.size
    for end in (0, 1, *rng.integers(2, len(whole), 20).tolist()):
        path.write_bytes(whole[:end])
        found = attempted(path)
        assert found is None or np.array_equal(found, want)  # what is missing is padding


@pytest.mark.parametrize("name", MAKERS)
def test_a_file_with_wrong_bits_is_read_or_refused(tmp_path, name):
    path, rng = tmp_path / name, np.random.default_rng(12)
    MAKERS[name](path)
    whole = path.read_bytes()
    refused = 0
    for i in range(40):
        wrong = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 600 if i % 2 else len(whole)), 2):
            wrong[at] ^= 1 << rng.integers(8)
        path.write_bytes(wrong)
        found = attempted(path)
        refused += found is None
        assert found is None or np.isfinite(found).all()
    assert refused
