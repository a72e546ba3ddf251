"""DICOM: units, inversion, colours, frames, sizes of pixels; what is refused."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, SecondaryCaptureImageStorage

from nufftlib.workflows import load_color, load_picture, load_stack

RNG = np.random.default_rng(5)


def saved(path, array, *, bits=None, syntax=ExplicitVRLittleEndian, **tags):
    """Save frames, rows, columns and samples as the tags say, by default one grey picture."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = "1.2.3"
    colours = tags.get("SamplesPerPixel", 1) > 1
    data.Rows, data.Columns = array.shape[-3:-1] if colours else array.shape[-2:]
    data.BitsAllocated = 8 * array.itemsize
    data.BitsStored = bits or data.BitsAllocated
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    if colours:
        data.PlanarConfiguration = 0
    data.add_new("PixelData", "OB" if array.itemsize == 1 else "OW", array.tobytes())
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def counts(*shape, dtype=np.uint16, most=4096):
    return RNG.integers(0, most, shape).astype(dtype)


@pytest.mark.parametrize("suffix", [".dcm", ".dicom", ".DCM"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2"])
def test_grey_values_are_counts_and_keep_their_own(tmp_path, dtype, suffix):
    x = counts(6, 4, dtype=dtype, most=120) - (60 if dtype[0] == "i" else 0)
    path = saved(tmp_path / f"x{suffix}", x.astype(dtype))
    found = load_picture(path)
    assert (found.dtype, found.shape) == (np.float32, (1, 6, 4))
    np.testing.assert_array_equal(found[0], x)


def test_values_are_in_the_unit_of_the_modality(tmp_path):
    x = counts(6, 4)
    path = saved(tmp_path / "x.dcm", x, RescaleSlope=0.5, RescaleIntercept=-1024)
    np.testing.assert_allclose(load_picture(path)[0], 0.5 * x - 1024)


@pytest.mark.parametrize(("dtype", "low", "high"), [("u2", 0, 4095), ("i2", -2048, 2047)])
def test_where_the_smallest_is_white_values_are_inverted(tmp_path, dtype, low, high):
    x = (counts(6, 4, dtype=int) + low).astype(dtype)
    grey = {"PhotometricInterpretation": "MONOCHROME1"}
    path = saved(tmp_path / "x.dcm", x, bits=12, **grey)
    np.testing.assert_allclose(load_picture(path)[0], low + high - x.astype(float))
    path = saved(tmp_path / "x.dcm", x, bits=12, RescaleSlope=2, RescaleIntercept=5, **grey)
    np.testing.assert_allclose(load_picture(path)[0], 2 * (low + high - x.astype(float)) + 5)


@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("u2", 16), ("u2", 12)])
def test_colours_have_a_white(tmp_path, dtype, bits):
    x = counts(6, 4, 3, dtype=dtype, most=2**bits)
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
    path = saved(tmp_path / "x.dcm", x, bits=bits, **rgb)
    np.testing.assert_allclose(load_picture(path), np.moveaxis(x, -1, 0) / (2**bits - 1), rtol=1e-6)
    planar = np.ascontiguousarray(np.moveaxis(x, -1, 0))
    path = saved(tmp_path / "y.dcm", x, bits=bits, **rgb, PlanarConfiguration=1)
    data = pydicom.dcmread(path)
    data.PixelData = planar.tobytes()
    data.save_as(path)
    np.testing.assert_allclose(load_picture(path), planar / (2**bits - 1), rtol=1e-6)


def test_luma_and_chroma_become_colours(tmp_path):
    x = np.full((2, 2, 3), (76, 85, 255), np.uint8)  # red
    x[1] = (255, 128, 128)  # white
    ybr = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL"}
    found = load_color(saved(tmp_path / "x.dcm", x, **ybr), 2)
    np.testing.assert_allclose(found[:, 0, 0], (1, 0, 0), atol=0.01)
    np.testing.assert_allclose(found[:, 1, 1], (1, 1, 1), atol=0.01)


def test_frames_are_a_stack(tmp_path):
    x = counts(4, 6, 5)
    spacing = {"PixelSpacing": [0.5, 0.25], "SpacingBetweenSlices": 2}
    path = saved(tmp_path / "x.dcm", x, NumberOfFrames=4, **spacing)
    found = load_stack(path)
    np.testing.assert_array_equal(found.values[0], x)
    assert found.pixel_size == pytest.approx((2e-3, 0.5e-3, 0.25e-3))  # rows, then columns
    np.testing.assert_array_equal(load_picture(f"{path}:3")[0], x[3])
    with pytest.raises(ValueError, match="it holds 4 planes of 6 x 5 pixels; want one"):
        load_picture(path)
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "NumberOfFrames": 2}
    x = counts(2, 6, 5, 3, dtype=np.uint8, most=256)
    path = saved(tmp_path / "x.dcm", x, **rgb)
    np.testing.assert_allclose(load_stack(path).values, np.moveaxis(x, -1, 0) / 255, rtol=1e-6)


def group(**tags):
    found = Dataset()
    for name, value in tags.items():
        setattr(found, name, value)
    return found


def test_frames_of_an_enhanced_file_have_units_of_their_own(tmp_path):
    x = counts(2, 6, 5)
    measures = group(PixelSpacing=[0.5, 0.25], SpacingBetweenSlices=2)
    shared = group(
        PixelMeasuresSequence=[measures],
        PixelValueTransformationSequence=[group(RescaleSlope=3, RescaleIntercept=0)],
    )
    own = group(PixelValueTransformationSequence=[group(RescaleSlope=2, RescaleIntercept=1)])
    path = saved(
        tmp_path / "x.dcm",
        x,
        NumberOfFrames=2,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[group(), own],
    )
    found = load_stack(path)
    np.testing.assert_allclose(found.values[0], np.stack([3.0 * x[0], 2.0 * x[1] + 1]))
    assert found.pixel_size == pytest.approx((2e-3, 0.5e-3, 0.25e-3))


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"PhotometricInterpretation": "CMYK"}, "interpretation is CMYK; want grey, RGB, YBR or"),
        ({"Rows": 9000, "Columns": 9000}, r"shape is \(9000, 9000\); want at most 67108864 pixels"),
        ({"Rows": 7}, "bytes"),
        ({"Rows": None}, "."),
        ({"PixelData": None}, "."),
    ],
)
def test_headers_that_fit_no_picture(tmp_path, change, refused):
    path = saved(tmp_path / "x.dcm", counts(6, 4), **change)
    with pytest.raises(ValueError, match=rf"x\.dcm: cannot be read: .*{refused}"):
        load_picture(path)


def test_what_is_missing_is_named(tmp_path):
    path = saved(tmp_path / "x.dcm", counts(6, 4), Modality="SR")
    for name, refused in (("Rows", "its header has no Rows"), ("PixelData", "no image but SR")):
        data = pydicom.dcmread(path)
        delattr(data, name)
        data.save_as(path)
        with pytest.raises(ValueError, match=refused):
            load_picture(path)
    path.write_bytes(b"no picture" * 50)
    with pytest.raises(ValueError, match="the content is not DICOM, whose files have the word DIC"):
        load_picture(path)


def test_a_compression_without_a_decoder_is_named(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.dcm", counts(6, 4))
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.encaps.encapsulate([b"1234"])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = JPEGLSLossless
    data.save_as(path)
    from pydicom.pixels import get_decoder

    monkeypatch.setattr(get_decoder(JPEGLSLossless), "_available", {})
    with pytest.raises(ValueError, match=r"syntax is JPEG-LS Lossless .*no decoder is installed"):
        load_picture(path)
