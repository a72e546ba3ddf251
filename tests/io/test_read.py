"""Trajectories of other programs' files, in the unit, the order and the precision they are in."""

import io
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.io import (
    read_trajectory,
    save_trajectory,
    write_bart,
    write_mrd,
    write_pulseq,
)
from nufftlib.io.stored import UNITS

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
SHAPES = {2: (24, 20), 3: (24, 20, 16)}
FOVS = {2: (0.24, 0.18), 3: (0.24, 0.18, 0.1)}
SCAN = nl.mri.Protocol(SCANNER, FOVS[2], SHAPES[2], dwell=4e-6)


def points(axes=2, dtype="float64", leading=(5, 9)):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (*leading, axes)).astype(dtype)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("unit", UNITS)
def test_a_point_in_each_unit_comes_back_in_cycles_per_voxel(unit, axes, dtype):
    k = points(axes)
    voxel = np.divide(FOVS[axes], SHAPES[axes])
    stored = {
        "cycles per voxel": k,
        "radians per voxel": 2 * np.pi * k,
        "1/fov": k * SHAPES[axes],
        "1/m": k / voxel,
        "rad/m": 2 * np.pi * k / voxel,
    }[unit]
    np.save("k.npy", stored.astype(dtype))
    found = read_trajectory("k.npy", unit=unit, shape=SHAPES[axes], fov=FOVS[axes])
    assert found.k.dtype == dtype
    np.testing.assert_allclose(found.k, k, rtol=1e-6 if dtype == "float32" else 1e-14)
    assert (found.shape, found.fov) == (SHAPES[axes], FOVS[axes])
    assert (found.protocol, found.sample_time, found.source) == (None, None, "NumPy")


def test_one_field_of_view_is_that_of_all_axes():
    np.save("k.npy", points())
    found = read_trajectory("k.npy", unit="1/m", shape=SHAPES[2], fov=0.24)
    assert found.fov == (0.24, 0.24)
    np.testing.assert_allclose(found.k, points() * 0.24 / np.asarray(SHAPES[2]), rtol=1e-14)


def test_a_unit_that_nobody_says_is_asked_for():
    np.save("k.npy", 256 * points())
    with pytest.raises(ValueError, match=r"unit is None, and k\.npy does not say it") as caught:
        read_trajectory("k.npy", shape=SHAPES[2])
    assert all(repr(unit) in str(caught.value) for unit in UNITS)
    largest = abs(256 * points()).max()
    assert f"go up to {largest:.6g}; want" in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "given", "said"),
    [
        ("1/fov", {}, r"shape is None, and k.npy is in '1/fov'; want the voxels along each axis$"),
        ("1/fov", {"fov": 0.2}, r"shape is None.*; want the voxels along each axis$"),
        ("1/m", {}, r"shape is None, and k.npy is in '1/m'; want the voxels along each axis$"),
        ("rad/m", {"shape": (8, 8)}, r"fov is None.*'rad/m'; want the field of view in metres$"),
    ],
)
def test_a_size_that_the_unit_needs_is_asked_for(unit, given, said):
    np.save("k.npy", points())
    with pytest.raises(ValueError, match=said):
        read_trajectory("k.npy", unit=unit, **given)


def test_a_last_component_of_zeros_is_no_axis_unless_the_shape_has_it():
    k = points(3)
    k[..., 2] = 0
    np.save("k.npy", k)
    unit = "cycles per voxel"
    assert read_trajectory("k.npy", unit=unit).k.shape == (5, 9, 2)
    assert read_trajectory("k.npy", unit=unit, shape=(8, 8)).k.shape == (5, 9, 2)
    assert read_trajectory("k.npy", unit=unit, shape=(8, 8, 8)).k.shape == (5, 9, 3)
    with pytest.raises(ValueError, match=r"shape is \(8,\), .*have 2 axes; want 2 sizes"):
        read_trajectory("k.npy", unit=unit, shape=(8,))
    np.save("k.npy", points(3))
    with pytest.raises(ValueError, match=r"have 3 axes; want 3 sizes"):
        read_trajectory("k.npy", unit=unit, shape=(8, 8))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 4, 2), int), r"is int64 of the shape \(3, 4, 2\); want float32 or float64"),
        (np.zeros((3, 4), complex), "is complex128 of .*want float32 or float64"),
        (np.zeros((3, 4, 4)), r"want \(\.\.\., samples, axes\), of 1 to 3 axes"),
        (np.zeros(3), r"want \(\.\.\., samples, axes\)"),
        (np.zeros((0, 3, 2)), r"want \(\.\.\., samples, axes\)"),
        (np.asarray([[0.0, np.nan], [1.0, 2.0]]), "1 points are not finite"),
    ],
)
def test_an_array_that_is_no_trajectory_is_refused(array, said):
    np.save("k.npy", array)
    with pytest.raises(ValueError, match=said):
        read_trajectory("k.npy", unit="cycles per voxel")


def test_one_length_in_an_archive_is_that_of_all_axes():
    np.savez("k.npz", trajectory=points(), shape=SHAPES[2], fov=0.24)
    assert read_trajectory("k.npz").fov == (0.24, 0.24)


# --- files of our own -----------------------------------------------------------------------------


def test_a_saved_trajectory_comes_with_all_its_bits_and_its_protocol():
    save_trajectory("k.npz", points(), SCAN)
    found = read_trajectory("k.npz")
    assert found.k.tobytes() == points().tobytes()
    assert found.protocol == SCAN
    assert (found.shape, found.fov, found.sample_time) == (SHAPES[2], FOVS[2], 10e-6)
    same = read_trajectory("k.npz", unit="cycles per voxel", shape=SHAPES[2], fov=FOVS[2])
    assert same.protocol == SCAN
    flat = np.pad(points(), ((0, 0), (0, 0), (0, 1)))
    volume = nl.mri.Protocol(SCANNER, FOVS[3], SHAPES[3])
    save_trajectory("k.npz", flat, volume)
    assert read_trajectory("k.npz").k.shape == flat.shape


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"unit": "1/fov"},
            r"unit is '1/fov', and k\.npz is in 'cycles per voxel'; want the same, or",
        ),
        (
            {"shape": (8, 8)},
            r"shape is \(8, 8\), and k\.npz has \(24, 20\); want the same, or none",
        ),
        (
            {"fov": 0.2},
            r"fov is \(0\.2, 0\.2\), and k\.npz has \(0\.24, 0\.18\); want the same, or none",
        ),
    ],
)
def test_what_contradicts_a_saved_protocol_is_refused(given, said):
    save_trajectory("k.npz", points(), SCAN)
    with pytest.raises(ValueError, match=said):
        read_trajectory("k.npz", **given)


def test_the_result_of_the_command_is_read():
    image = np.zeros(SHAPES[2], np.float32)
    np.savez("result.npz", trajectory=points(), trajectory_start=0 * points(), image=image)
    found = read_trajectory("result.npz")
    np.testing.assert_array_equal(found.k, points())
    assert (found.shape, found.protocol) == (SHAPES[2], None)


# --- BART -----------------------------------------------------------------------------------------


def bart(*arguments):
    if shutil.which("bart") is None:
        pytest.skip("no bart")
    subprocess.run(["bart", *arguments], check=True, stdout=subprocess.DEVNULL)


def read_cfl(name):
    """Return an array in BART's order of axes, without those of one at the end."""
    with open(f"{name}.hdr") as header:
        dimensions = [int(n) for n in header.read().splitlines()[1].split()]
    array = np.fromfile(f"{name}.cfl", np.complex64).reshape(dimensions, order="F")
    return array.squeeze()


def write_cfl(name, array):
    dimensions = [*array.shape, *[1] * (16 - array.ndim)]
    with open(f"{name}.hdr", "w") as header:
        header.write(f"# Dimensions\n{' '.join(map(str, dimensions))}\n")
    array.astype(np.complex64).ravel(order="F").tofile(f"{name}.cfl")


@pytest.mark.parametrize("suffix", [".cfl", ".hdr"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("leading", [(9,), (5, 9), (2, 5, 9)])
def test_what_is_written_for_bart_is_read(leading, axes, suffix):
    k, shape = points(axes, leading=leading), (24, 20, 16)[:axes]
    write_bart("k.cfl", k, shape)
    found = read_trajectory(f"k{suffix}", shape=shape)
    assert found.k.dtype == np.float32
    np.testing.assert_allclose(found.k, k.reshape(-1, 9, axes), atol=3e-8)
    assert (found.source, found.shape, found.fov) == ("BART", shape, None)
    values = read_cfl("k").reshape(3, 9, -1, order="F")
    np.testing.assert_allclose(
        values[:axes], (k * shape).reshape(-1, 9, axes).T, rtol=1e-6, atol=1e-6
    )
    assert not values[axes:].any()


def test_an_array_of_any_library_is_written_for_bart(row):
    write_bart("k.cfl", row.array(points(), "float64"), SHAPES[2])
    found = read_trajectory("k.cfl", shape=SHAPES[2])
    np.testing.assert_allclose(found.k, points(), atol=3e-8)


BART_SCANS = {
    "radial": (["-r"], (4, 16, 2)),
    "golden": (["-r", "-G"], (4, 16, 2)),
    "through the centre": (["-r", "-c"], (4, 16, 2)),
    "Cartesian": ([], (4, 16, 2)),
    "volume": (["-r", "-3"], (4, 16, 3)),
    "frames": (["-r", "-D", "-t", "3"], (3, 4, 16, 2)),
    "echoes": (["-r", "-e", "2", "-E"], (2, 4, 16, 2)),
}


@pytest.mark.parametrize("scan", BART_SCANS)
def test_trajectories_of_bart_are_read(scan):
    options, shape = BART_SCANS[scan]
    bart("traj", "-x", "16", "-y", "4", *options, "t")
    k = read_trajectory("t.cfl", shape=(16,) * shape[-1]).k
    assert k.shape == shape
    assert 0.46 < abs(k).max() <= (0.6 if scan == "echoes" else 0.5)
    np.testing.assert_allclose(16 * k, read_cfl("t").T.reshape(*shape[:-1], 3)[..., : shape[-1]])
    if scan == "Cartesian":  # the lines are the shots, along x
        np.testing.assert_allclose(16 * k[1, :, 0], np.arange(16) - 8)
        np.testing.assert_allclose(16 * k[:, 0, 1], np.arange(4) - 2)


@pytest.mark.parametrize("axes", [2, 3])
def test_bart_samples_an_image_where_we_do(axes):
    shape, rng = SHAPES[axes], np.random.default_rng(1)
    k = points(axes, "float32")
    image = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    write_bart("k.cfl", k, shape)
    write_cfl("image", image)
    bart("nufft", "-s", "k", "image", "y")  # as the sum, without a grid
    want = nl.NUFFT(k, shape, engine="direct")(image)
    found = read_cfl("y").T
    assert np.linalg.norm(found - want) < 1e-5 * np.linalg.norm(want)


def test_the_phantom_of_bart_comes_out_the_right_way_up():
    bart("traj", "-x", "64", "-y", "101", "-r", "t")
    bart("phantom", "-k", "-t", "t", "y")
    bart("phantom", "-x", "64", "image")
    image = abs(read_cfl("image"))
    k = read_trajectory("t.cfl", shape=image.shape).k
    F = nl.NUFFT(k, image.shape)
    found = abs(F.adjoint(nl.mri.pipe_menon(F) * read_cfl("y").T))

    def alike(picture):
        return np.corrcoef(picture.ravel(), image.ravel())[0, 1]

    others = found[::-1], found[:, ::-1], found[::-1, ::-1], found.T
    assert alike(found) > 0.8 > 0.7 > max(map(alike, others))


def header(*dimensions):
    return f"# Dimensions\n{' '.join(map(str, dimensions))}\n"


BROKEN_CFL = {
    "cut off": (header(3, 9, 5), bytes(8 * 134), "has 1072 bytes, and k.hdr asks for 1080"),
    "too long": (header(3, 9, 5), bytes(8 * 136), "has 1088 bytes, and k.hdr asks for 1080"),
    "an image": (header(9, 9, 5), bytes(8 * 405), "the first of which is no 3"),
    "complex": (header(3, 1), np.full(3, 1j, np.complex64).tobytes(), "not real"),
    "no numbers": ("# Dimensions\nthree\n", b"", "invalid literal"),
    "an empty axis": (header(3, 0, 5), b"", "has no dimensions"),
    "no dimensions": ("# Command\ntraj\n", b"", "has no dimensions"),
    "of another program": ("\x00\x01", b"", "has no dimensions"),
}


@pytest.mark.parametrize("kind", BROKEN_CFL)
def test_a_damaged_file_of_bart_is_refused(tmp_path, kind):
    text, content, said = BROKEN_CFL[kind]
    (tmp_path / "k.hdr").write_text(text)
    (tmp_path / "k.cfl").write_bytes(content)
    with pytest.raises(ValueError, match=r"k\.cfl: cannot be read: .*want a trajectory") as caught:
        read_trajectory("k.cfl", shape=(8, 8))
    assert said in str(caught.value)


def test_half_of_a_pair_is_refused(tmp_path):
    write_bart("k.cfl", points(), SHAPES[2])
    (tmp_path / "k.hdr").unlink()
    with pytest.raises(
        ValueError, match=r"k\.hdr.*want a trajectory of BART, .*NAME\.cfl with its"
    ):
        read_trajectory("k.cfl", shape=SHAPES[2])


@pytest.mark.parametrize(
    ("k", "shape", "error", "said"),
    [
        (points(3), (24, 20), ValueError, r"k has the shape \(5, 9, 3\) and shape is \(24, 20\)"),
        (np.zeros((3, 4, 4)), (8,) * 4, ValueError, "of 1 to 3 axes"),
        (points().astype(int), (24, 20), TypeError, "int64; want float32 or float64"),
    ],
)
def test_what_bart_does_not_hold_is_not_written(tmp_path, k, shape, error, said):
    with pytest.raises(error, match=said):
        write_bart("k.cfl", k, shape)
    with pytest.raises(ValueError, match=r"want a name that ends with \.cfl"):
        write_bart("k.npy", points(), SHAPES[2])
    assert not list(tmp_path.iterdir())


# --- ISMRMRD --------------------------------------------------------------------------------------


@pytest.fixture
def mrd():
    return pytest.importorskip("ismrmrd")


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("leading", [(9,), (5, 9), (2, 5, 9)])
def test_what_is_written_as_ismrmrd_is_read(mrd, leading, axes):
    k, shape, fov = points(axes, leading=leading), SHAPES[3][:axes], FOVS[3][:axes]
    write_mrd("k.h5", k, shape, fov, sample_time=2.5e-6)
    found = read_trajectory("k.h5")
    assert found.k.dtype == np.float32
    np.testing.assert_allclose(found.k, k.reshape(-1, 9, axes), atol=1e-7)
    assert found.shape == shape
    np.testing.assert_allclose(found.fov, fov, rtol=1e-12)
    assert found.sample_time == pytest.approx(2.5e-6)
    assert (found.protocol, found.source) == (None, "ISMRMRD")


def test_the_file_says_its_unit_and_holds_it(mrd):
    write_mrd("k.h5", points(), SHAPES[2], FOVS[2])
    with mrd.Dataset("k.h5", "dataset", mode="r") as file:
        header = mrd.xsd.CreateFromDocument(file.read_xml_header())
        stored = [file.read_acquisition(i).traj for i in range(file.number_of_acquisitions())]
        numbers = [file.read_acquisition(i).scan_counter for i in range(5)]
    encoding = header.encoding[0]
    said = encoding.trajectoryDescription.userParameterString[0]
    assert (said.name, said.value) == ("unit", "1/m")
    voxel = np.divide(FOVS[2], SHAPES[2])
    np.testing.assert_allclose(stored, points() / voxel, rtol=1e-6)
    assert numbers == [0, 1, 2, 3, 4]
    assert encoding.encodingLimits.kspace_encoding_step_1.maximum == 4
    assert read_trajectory("k.h5").sample_time is None
    with pytest.raises(
        ValueError, match=r"unit is '1/fov', and k\.h5 is in '1/m'; want the same, or none"
    ):
        read_trajectory("k.h5", unit="1/fov")


def write_by_ismrmrd(mrd, lines, *, shape=(24, 20, 1), fov_mm=(240.0, 180.0, 5.0), noise=0):
    """Write acquisitions as a converter does: with data, in no unit that the file says."""
    size = mrd.xsd.matrixSizeType(**dict(zip("xyz", shape, strict=True)))
    length = mrd.xsd.fieldOfViewMm(**dict(zip("xyz", fov_mm, strict=True)))
    space = mrd.xsd.encodingSpaceType(matrixSize=size, fieldOfView_mm=length)
    header = mrd.xsd.ismrmrdHeader(
        experimentalConditions=mrd.xsd.experimentalConditionsType(H1resonanceFrequency_Hz=63500000),
        encoding=[
            mrd.xsd.encodingType(
                encodedSpace=space,
                reconSpace=space,
                encodingLimits=mrd.xsd.encodingLimitsType(),
                trajectory=mrd.xsd.trajectoryType.RADIAL,
            )
        ],
    )
    with mrd.Dataset("k.h5", "dataset", mode="w") as file:
        file.write_xml_header(mrd.xsd.ToXML(header).encode())
        for i in range(noise):
            acquisition = mrd.Acquisition()
            acquisition.resize(16, 2, 2 if i else 0)
            acquisition.set_flag(mrd.ACQ_IS_NOISE_MEASUREMENT)
            file.append_acquisition(acquisition)
        for line in lines:
            acquisition = mrd.Acquisition()
            acquisition.resize(len(line), 2, line.shape[1])
            acquisition.traj[:] = line
            acquisition.sample_time_us = 4.0
            file.append_acquisition(acquisition)


@pytest.mark.parametrize("components", [2, 3])
def test_acquisitions_of_ismrmrd_are_read_in_the_unit_that_is_given(mrd, components):
    k = np.pad(points(), ((0, 0), (0, 0), (0, components - 2)))
    write_by_ismrmrd(mrd, k * np.asarray((24, 20, 1)[:components]), noise=2)
    with pytest.raises(ValueError, match=r"unit is None, and k\.h5 does not say it"):
        read_trajectory("k.h5")
    found = read_trajectory("k.h5", unit="1/fov")
    np.testing.assert_allclose(found.k, points(), atol=1e-7)
    assert (found.shape, found.fov, found.sample_time) == ((24, 20), (0.24, 0.18), 4e-6)
    other = read_trajectory("k.h5", unit="1/fov", shape=(48, 20))
    np.testing.assert_allclose(other.k, points() / [2, 1], atol=1e-7)
    assert other.shape == (48, 20)


def test_acquisitions_of_several_lengths_are_refused(mrd):
    write_by_ismrmrd(mrd, [points()[0], points()[0, :5]])
    with pytest.raises(ValueError, match=r"of \(5, 2\) and \(9, 2\) \(samples, axes\); want"):
        read_trajectory("k.h5", unit="1/fov")
    write_by_ismrmrd(mrd, [np.zeros((9, 0))])
    with pytest.raises(ValueError, match="it has no trajectories"):
        read_trajectory("k.h5", unit="1/fov")


def test_other_files_of_hdf5_are_refused(tmp_path, mrd):
    with mrd.Dataset("k.h5", "scans", mode="w") as file:
        file.write_xml_header(b"")
    with pytest.raises(ValueError, match=r"k\.h5: cannot be read: .*want an ISMRMRD file"):
        read_trajectory("k.h5", unit="1/fov")
    (tmp_path / "k.h5").write_bytes(b"\x89HDF\r\n\x1a\n half of a file")
    with pytest.raises(ValueError, match=r"k\.h5: cannot be read: .*want an ISMRMRD file"):
        read_trajectory("k.h5", unit="1/fov")


@pytest.mark.parametrize(
    ("k", "more", "said"),
    [
        (points(3), {}, r"k has the shape \(5, 9, 3\) and shape is \(24, 20\)"),
        (points(), {"fov": (0.2,) * 3}, "fov is"),
        (points(), {"sample_time": 0.0}, "sample_time is 0.0; want a positive"),
        (np.zeros((2**16, 1, 2)), {}, "65536 shots of 1 samples; want at most 65535"),
    ],
)
def test_what_ismrmrd_does_not_hold_is_not_written(tmp_path, mrd, k, more, said):
    with pytest.raises(ValueError, match=said):
        write_mrd("k.h5", k, SHAPES[2], **{"fov": FOVS[2], **more})
    assert not list(tmp_path.iterdir())


# --- Pulseq ---------------------------------------------------------------------------------------


@pytest.fixture
def pulseq():
    return pytest.importorskip("pypulseq")


def playable(protocol):
    start = points(protocol.ndim, leading=(3, 100))
    return nl.mri.project_trajectory(np.cumsum(start, axis=1) / 100, protocol).trajectory


@pytest.mark.parametrize("axes", [2, 3])
def test_a_sequence_is_read_at_the_samples_of_the_receiver(pulseq, axes):
    protocol = nl.mri.Protocol(SCANNER, FOVS[axes], SHAPES[axes], dwell=4e-6)
    k = playable(protocol)
    write_pulseq("scan.seq", k, protocol)
    found = read_trajectory("scan.seq")
    want = nl.mri.receiver(protocol, k.shape[1])(k)
    np.testing.assert_allclose(found.k, want, atol=1e-4 / max(protocol.shape))
    assert (found.shape, found.fov, found.sample_time) == (SHAPES[axes], FOVS[axes], 4e-6)
    assert found.source == "Pulseq"
    assert found.protocol.rest is None
    scanner = replace(SCANNER, raster=4e-6, gamma=found.protocol.scanner.gamma)
    assert found.protocol == nl.mri.Protocol(scanner, FOVS[axes], SHAPES[axes], rest=None)
    assert nl.mri.check_trajectory(found.k, found.protocol).slew.ratio < 1.001


def gradient_echo(pp, lines=4, samples=(16,)):
    """Return a Cartesian scan as the tutorials of pypulseq write it: no limits, and no matrix."""
    system = pp.Opts(max_grad=28, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
    seq, fov = pp.Sequence(system), 0.256
    for line in range(lines):
        n = samples[line % len(samples)]
        rf, gz, rephaser = pp.make_sinc_pulse(
            0.2,
            duration=3e-3,
            slice_thickness=3e-3,
            return_gz=True,
            system=system,
            use="excitation",
        )
        gx = pp.make_trapezoid("x", flat_area=n / fov, flat_time=3.2e-3, system=system)
        adc = pp.make_adc(n, duration=3.2e-3, delay=gx.rise_time, system=system)
        back = pp.make_trapezoid("x", area=-gx.area / 2, duration=1e-3, system=system)
        gy = pp.make_trapezoid("y", area=(line - lines // 2) / fov, duration=1e-3, system=system)
        seq.add_block(rf, gz)
        seq.add_block(back, gy, rephaser)
        seq.add_block(gx, adc)
    seq.set_definition("FOV", [fov, fov, 3e-3])
    seq.write("gre.seq")


def test_a_sequence_of_others_wants_its_matrix_and_has_no_protocol(pulseq):
    gradient_echo(pulseq)
    with pytest.raises(ValueError, match=r"gre\.seq is in '1/m'; want the voxels along"):
        read_trajectory("gre.seq")
    found = read_trajectory("gre.seq", shape=(16, 4))
    x, y = np.arange(16) - 7.5, np.arange(4) - 2
    np.testing.assert_allclose(16 * found.k[..., 0], np.tile(x, (4, 1)), atol=1e-4)
    np.testing.assert_allclose(4 * found.k[..., 1], np.tile(y[:, None], 16), atol=1e-4)
    assert found.fov == (0.256, 0.256)
    assert found.sample_time == pytest.approx(2e-4)
    assert found.protocol is None
    assert read_trajectory("gre.seq", shape=(16, 4), fov=0.512).fov == (0.512, 0.512)


def test_a_field_of_view_in_another_unit_is_noticed(mrd):
    write_by_ismrmrd(mrd, points(), fov_mm=(240e3, 180e3, 5e3))
    with pytest.raises(ValueError, match=r"of k\.h5 is \(240\.0, 180\.0\); want metres$"):
        read_trajectory("k.h5", unit="1/fov")
    assert read_trajectory("k.h5", unit="1/fov", fov=0.24).fov == (0.24, 0.24)
    with pytest.raises(ValueError, match="want metres"):
        read_trajectory("k.h5", unit="1/fov", fov=240)


def test_receptions_of_several_kinds_are_refused(pulseq):
    gradient_echo(pulseq, samples=(16, 8))
    with pytest.raises(ValueError, match="8 samples of 400 us, 16 samples of 200 us; want"):
        read_trajectory("gre.seq", shape=(16, 4))


def test_text_is_no_sequence(tmp_path, pulseq):
    (tmp_path / "k.seq").write_text("k = 1\n")
    with pytest.raises(ValueError, match=r"k\.seq: cannot be read: .*want a Pulseq sequence"):
        read_trajectory("k.seq", shape=(8, 8))


def test_a_sequence_that_is_cut_off_within_a_shape_is_refused(tmp_path, pulseq):
    write_pulseq("scan.seq", playable(SCAN), SCAN)
    lines = (tmp_path / "scan.seq").read_text().splitlines(keepends=True)
    begin, end = lines.index("[SHAPES]\n"), lines.index("[SIGNATURE]\n")
    inside = [i for i in range(begin + 5, end) if lines[i - 1].strip()]
    for i in inside[:: len(inside) // 20]:
        (tmp_path / "scan.seq").write_text("".join(lines[:i]))
        with pytest.raises(ValueError, match="cannot be read: it ends within a shape; want a Pul"):
            read_trajectory("scan.seq")


# --- any file -------------------------------------------------------------------------------------


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
@pytest.mark.parametrize(
    "content", [b"", b"k = 1", pickle.dumps([1]), archive(a=points()), archive(k=points())[:-30]]
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, suffix, content):
    (tmp_path / f"k{suffix}").write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"k\{suffix}: cannot be read: .*; want an? (array|archive)"
    ):
        read_trajectory(f"k{suffix}", unit="cycles per voxel")


def test_an_array_of_objects_is_not_unpickled():
    np.save("k.npy", np.asarray([[None, None]]), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read"):
        read_trajectory("k.npy", unit="cycles per voxel")


@pytest.mark.parametrize("path", ["k.txt", "k", "k.npz.gz"])
def test_an_unknown_suffix_is_refused(path):
    with pytest.raises(ValueError, match=r"the suffix is .*; want one of \.npz, \.npy, \.cfl"):
        read_trajectory(path)


@pytest.mark.parametrize("path", ["k.npz", "k.cfl", "k.h5", "k.seq", "k" * 300 + ".npy"])
def test_a_missing_file_is_called_missing(path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_trajectory(path)


@pytest.mark.parametrize(("package", "suffix"), [("ismrmrd", "h5"), ("pypulseq", "seq")])
def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch, package, suffix):
    (tmp_path / f"k.{suffix}").write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    said = r'read_trajectory\(path\): this needs .*\n\n *pip install "\.\['
    with pytest.raises(ImportError, match=said):
        read_trajectory(f"k.{suffix}")
