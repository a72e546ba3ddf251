"""The files that scikit-image, astropy and pydicom bring: each read as by them, or refused."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import skimage
import skimage.io
import tifffile
from astropy.io import fits
from pydicom.pixels import apply_color_lut, apply_modality_lut

from nufftlib.workflows import load_picture, load_stack

PICTURES = Path(skimage.__file__).parent / "data"
UNITS = Path(fits.__file__).parent / "tests" / "data"
SCANS = Path(pydicom.__file__).parent / "data"


def outcome(path, load=load_stack):
    """Return the values of a file, or None if it is refused in a line that begins with its path."""
    try:
        found = load(path)
    except ValueError as error:
        said = str(error)
    else:
        return found if load is load_picture else found.values
    assert said.startswith(f"{path}: ")
    assert len(said) > len(str(path)) + 20
    assert "\n" not in said
    return None


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.[pj][np]g")), ids=lambda p: p.name)
def test_pictures_are_those_of_scikit_image(path):
    want = skimage.io.imread(path)
    want = np.moveaxis(want, -1, 0) if want.ndim == 3 else want[None]
    if len(want) == 4:
        want = want[:3] * (want[3:] / 255)
    np.testing.assert_allclose(outcome(path, load_picture), want / 255, atol=0.6 / 255, rtol=0)


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.tif")), ids=lambda p: p.name)
def test_stacks_are_those_of_tifffile(path):
    want = tifffile.imread(path)
    want = want.swapaxes(0, 1) if want.ndim == 4 else want[None]  # colours in planes, and floats
    np.testing.assert_allclose(outcome(path), want, rtol=1e-6)
    assert outcome(path, load_picture) is None


READ_UNITS = {
    *("arange.fits", "checksum.fits", "checksum_false.fits", "comp.fits", "compressed_image.fits"),
    *("o4sp040b0_raw.fits", "scale.fits", "test0.fits", "test1.fits"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", sorted(UNITS.rglob("*.fits*")), ids=lambda p: p.name)
def test_units_are_those_of_astropy(path):
    found = outcome(path)
    assert (found is not None) == (path.name in READ_UNITS)
    if found is not None:
        with fits.open(path) as units:
            want = next(unit.data for unit in units if unit.is_image and unit.data is not None)
        np.testing.assert_array_equal(found[0], want.reshape(-1, *want.shape[-2:]))


def scans():
    return [path for path in sorted(SCANS.rglob("*")) if path.is_file() and path.suffix != ".py"]


def wanted(path):
    """Return the planes as pydicom has them, (channels, depth, rows, columns)."""
    data = pydicom.dcmread(path)
    values = data.pixel_array
    if data.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    if data.SamplesPerPixel == 1 and values.ndim - 2 <= int(data.get("NumberOfFrames", 1) > 1):
        values = apply_modality_lut(values, data)
        if data.PhotometricInterpretation == "MONOCHROME1":
            ends = np.asarray([0, 2**data.BitsStored - 1])
            values = apply_modality_lut(ends, data).sum() - values
        return values.reshape(1, -1, *values.shape[-2:])
    white = np.iinfo(values.dtype).max
    return np.moveaxis(values.reshape(-1, *values.shape[-3:]), -1, 0) / white


def test_scans_are_those_of_pydicom(tmp_path):
    read, refused = 0, []
    for source in scans():
        path = source
        if source.suffix != ".dcm":
            path = tmp_path / "x.dcm"
            shutil.copy(source, path)
        found = outcome(path)
        with warnings.catch_warnings(action="ignore"):
            try:
                want = wanted(path)
            except Exception:
                want = None
        if found is None:
            refused.append(source.name)
            # All that pydicom decodes are read, but one that shows nothing.
            assert want is None or not np.ptp(want), source
            continue
        read += 1
        np.testing.assert_allclose(found, want, rtol=1e-6, err_msg=str(source))
    assert read >= 90
    assert {"MR_truncated.dcm", "rtplan.dcm", "waveform_ecg.dcm"} <= set(refused)
