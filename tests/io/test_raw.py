"""Raw data: samples and points in the order, the unit and the frames of their files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.io import read_scan, write_bart, write_mrd

RNG = np.random.default_rng(0)
SHAPE, FOV = (12, 10), (0.24, 0.2)


def random(*shape):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(np.complex64)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def save_cfl(name, array):
    """Write an array whose first axis is BART's first dimension."""
    with open(f"{name}.hdr", "w", encoding="ascii") as header:
        header.write(f"# Dimensions\n{' '.join(map(str, array.shape))}\n")
    array.astype(np.complex64).ravel(order="F").tofile(f"{name}.cfl")


# --- archives ---------------------------------------------------------------------------------


def test_an_archive_has_its_arrays():
    k, data = RNG.uniform(-0.5, 0.5, (2, 3, 4, 2)), random(2, 5, 3, 4)
    np.savez("scan.npz", data=data, trajectory=k, shape=SHAPE, fov=FOV, sample_time=4e-6)
    scan = read_scan("scan.npz")
    assert np.array_equal(scan.data, data)
    assert np.array_equal(scan.k, k.astype(np.float32))  # the precision of the data
    assert (scan.shape, scan.fov, scan.sample_time) == (SHAPE, FOV, 4e-6)
    assert scan.frames == ("frame 0", "frame 1")
    assert scan.noise is None


def test_one_trajectory_serves_all_frames_and_one_shot_needs_no_axis():
    k = RNG.uniform(-0.5, 0.5, (7, 2))
    np.savez("scan.npz", data=random(3, 5, 7), trajectory=k, shape=SHAPE)
    scan = read_scan("scan.npz")
    assert scan.data.shape == (3, 5, 1, 7)
    assert scan.k.shape == (3, 1, 7, 2)
    assert np.array_equal(scan.k[2, 0], k.astype(np.float32))


def test_a_trajectory_that_is_given_goes_first():
    k = RNG.uniform(-0.5, 0.5, (3, 4, 2))
    np.savez("scan.npz", data=random(5, 3, 4), trajectory=np.zeros_like(k), shape=(5, 5))
    np.save("k.npy", 2 * np.pi * k)
    scan = read_scan("scan.npz", "k.npy", unit="radians per voxel", shape=SHAPE)
    np.testing.assert_allclose(scan.k[0], k, atol=1e-7)
    assert scan.shape == SHAPE


# --- BART -------------------------------------------------------------------------------------


def test_bart_at_a_trajectory():
    k, data = RNG.uniform(-0.5, 0.5, (3, 4, 2)), random(2, 5, 3, 4)  # frames, coils
    write_bart("k.cfl", k, SHAPE)
    x = np.zeros((1, 4, 3, 5, 1, 1, 1, 1, 1, 1, 2), np.complex64)
    x[0, :, :, :, 0, 0, 0, 0, 0, 0, :] = np.transpose(data, (3, 2, 1, 0))
    save_cfl("y", x)
    scan = read_scan("y.cfl", "k.cfl", shape=SHAPE)
    assert np.array_equal(scan.data, data)
    np.testing.assert_allclose(scan.k[1], k, atol=1e-7)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4)])
def test_a_grid_of_bart_is_an_image(shape):
    """Its FFT by the conventions here; what is zero in all coils was not sampled."""
    x = random(*shape)
    grid = np.stack([nl.FFT(shape)(s * x) for s in (1, 1j, 2)])  # coils
    mask = RNG.random(shape) < 0.7
    full = (*shape, 1)[:3]
    save_cfl("y", np.moveaxis(mask * grid, 0, -1).reshape(*full, 3))
    scan = read_scan("y.cfl")
    assert scan.shape == shape
    assert scan.data.shape == (1, 3, 1, mask.sum())
    F = nl.NUFFT(scan.k[0].astype(np.float64), shape, eps=1e-12)
    want = F(np.stack([x, 1j * x, 2 * x]).astype(np.complex128))
    assert np.linalg.norm(scan.data[0] - want) < 1e-5 * np.linalg.norm(want)


def test_each_frame_of_a_grid_has_its_own_samples():
    """Zeros of one frame that another has sampled are no data."""
    x = random(6, 5, 1, 3, 1, 2)
    x[::2, ..., 0] = 0
    x[1::2, ..., 1] = 0
    save_cfl("y", x)
    scan = read_scan("y.cfl")
    assert scan.data.shape == (2, 3, 1, 15)
    assert np.all(scan.data != 0)
    steps = np.round(6 * scan.k[:, 0, :, 0] + 3).astype(int)
    assert np.all(steps % 2 == [[1], [0]])
    x[1, 0, ..., 1] = 1
    save_cfl("y", x)
    with pytest.raises(ValueError, match="its frames have 15 to 16 samples that are not zero"):
        read_scan("y.cfl")


# --- ISMRMRD ----------------------------------------------------------------------------------


def test_what_write_mrd_wrote():
    pytest.importorskip("ismrmrd")
    k, data = RNG.uniform(-0.5, 0.5, (3, 4, 2)), random(5, 3, 4)
    write_mrd("scan.h5", k, SHAPE, FOV, data=data, sample_time=4e-6)
    scan = read_scan("scan.h5")
    assert np.array_equal(scan.data[0], data)
    np.testing.assert_allclose(scan.k[0], k, atol=1e-6)
    assert (scan.shape, scan.fov, scan.frames) == (SHAPE, FOV, ("all",))
    assert scan.sample_time == pytest.approx(4e-6)
    with pytest.raises(ValueError, match=r"data are complex64 of the shape \(5, 4, 3\); want"):
        write_mrd("scan.h5", k, SHAPE, FOV, data=np.moveaxis(data, 1, 2))
    with pytest.raises(TypeError, match="data are float32"):
        write_mrd("scan.h5", k, SHAPE, FOV, data=data.real)


def test_a_trajectory_of_the_file_is_in_the_order_of_time():
    """A line that is said to be read backwards has its points beside its samples."""
    mrd = pytest.importorskip("ismrmrd")
    k, data = RNG.uniform(-0.5, 0.5, (2, 4, 2)), random(1, 2, 4)
    write_mrd("scan.h5", k, SHAPE, FOV, data=data)
    with mrd.Dataset("scan.h5", "dataset") as file:
        a = file.read_acquisition(1)
        a.set_flag(mrd.ACQ_IS_REVERSE)
        a.idx.repetition = 1
        file.append_acquisition(a)
        file.append_acquisition(a)
    scan = read_scan("scan.h5")
    assert np.array_equal(scan.data[1, 0, 0], data[0, 1])
    np.testing.assert_allclose(scan.k[1, 0], k[1], atol=1e-6)


@pytest.fixture
def cartesian():
    """Write two repetitions of an image of 8 x 6, its readout twice oversampled.

    With a noise scan, a navigator, and a line that was read backwards with two samples to discard.
    """
    mrd = pytest.importorskip("ismrmrd")
    x = random(2, 8, 6)
    space = "<{0}><matrixSize><x>{1}</x><y>6</y><z>1</z></matrixSize><fieldOfView_mm><x>{2}</x>"
    space += "<y>300</y><z>5</z></fieldOfView_mm></{0}>"
    limits = "<kspace_encoding_step_1><minimum>0</minimum><maximum>5</maximum><center>3</center>"
    header = (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions>'
        "<H1resonanceFrequency_Hz>1</H1resonanceFrequency_Hz></experimentalConditions><encoding>"
        f"{space.format('encodedSpace', 16, 480)}{space.format('reconSpace', 8, 240)}"
        f"<encodingLimits>{limits}</kspace_encoding_step_1></encodingLimits>"
        "<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
    )
    wide = np.zeros((2, 16, 6), np.complex64)
    wide[:, 4:12] = x
    y = nl.FFT((16, 6))(wide)
    with mrd.Dataset("scan.h5", "dataset") as file:
        file.write_xml_header(header.encode())

        def append(line, repetition=0, step=0, flags=(), pre=0, post=0, time=5.0):
            reverse = mrd.ACQ_IS_REVERSE in flags
            samples = np.concatenate([np.full(pre, 7), line[:: -1 if reverse else 1], [9] * post])
            both = np.stack([samples, 1j * samples]).astype(np.complex64)
            a = mrd.Acquisition.from_array(both)
            a.idx.repetition, a.idx.kspace_encode_step_1 = repetition, step
            a.center_sample = 8 + (post if reverse else pre)
            a.discard_pre, a.discard_post = pre, post
            a.sample_time_us = time
            for flag in flags:
                a.set_flag(flag)
            file.append_acquisition(a)

        append(np.ones(16), flags=[mrd.ACQ_IS_NOISE_MEASUREMENT], time=20.0)
        append(random(9), flags=[mrd.ACQ_IS_NAVIGATION_DATA])
        for repetition in (1, 0):
            for step in range(6):
                odd = {"flags": [mrd.ACQ_IS_REVERSE], "pre": 2, "post": 1} if step == 3 else {}
                append(y[repetition, :, step], repetition, step, **odd)
    return x


def test_a_cartesian_scan_has_its_lines_where_they_are(cartesian):
    scan = read_scan("scan.h5")
    assert scan.data.shape == (2, 2, 6, 16)
    assert (scan.shape, scan.fov, scan.frames) == (
        (8, 6),
        (0.24, 0.3),
        ("repetition 0", "repetition 1"),
    )
    # Noise that is sampled four times as slowly is half as large as that of the data.
    np.testing.assert_allclose(scan.noise, np.outer([2, 2j], np.ones(16)))
    assert scan.encoded == (8, 6)
    assert scan.thickness == pytest.approx(5e-3)
    assert scan.sample_time == pytest.approx(5e-6)
    for frame, x in enumerate(cartesian):
        F = nl.NUFFT(scan.k[frame].astype(np.float64), (8, 6), eps=1e-12)
        want = F(np.stack([x, 1j * x]).astype(np.complex128))
        assert np.linalg.norm(scan.data[frame] - want) < 1e-5 * np.linalg.norm(want)


def rewritten(change, name="new.h5"):
    """Copy a file with another header; ``change`` has it and each acquisition."""
    mrd = pytest.importorskip("ismrmrd")
    with mrd.Dataset("scan.h5", "dataset") as file, mrd.Dataset(name, "dataset") as new:
        new.write_xml_header(change(file.read_xml_header().decode(), None).encode())
        for i in range(file.number_of_acquisitions()):
            a = file.read_acquisition(i)
            change("", a)
            new.append_acquisition(a)
    return name


def test_the_noise_of_a_filtered_band_is_that_of_the_data(cartesian):
    """A filter that passes a quarter of the band halves the noise of a scan of noise."""
    part = "<relativeReceiverNoiseBandwidth>0.25</relativeReceiverNoiseBandwidth>"
    said = f"<acquisitionSystemInformation>{part}</acquisitionSystemInformation>"
    name = rewritten(
        lambda text, _: text.replace("<experimentalConditions>", f"{said}<experimentalConditions>")
    )
    np.testing.assert_allclose(read_scan(name).noise, np.outer([4, 4j], np.ones(16)))


def test_lines_beyond_the_image_are_told_of(cartesian):
    """Steps of 1/300 mm in an image of 100 mm encode three times its length."""
    head, tail = "<reconSpace>", "</reconSpace>"

    def change(text, _):
        before, _, rest = text.partition(head)
        space, _, after = rest.partition(tail)
        return before + head + space.replace(">6<", ">2<").replace(">300<", ">100<") + tail + after

    scan = read_scan(rewritten(change))
    assert (scan.shape, scan.encoded) == ((8, 2), (8, 6))
    assert read_scan("new.h5", shape=(8, 5)).encoded == (8, 15)
    nearly = rewritten(lambda text, a: change(text, a).replace(">100<", ">299.5<"), "nearly.h5")
    assert read_scan(nearly, shape=(8, 256)).encoded == (8, 256)
    np.save("k.npy", scan.k[0])  # another trajectory encodes what it says itself
    other = read_scan("new.h5", "k.npy", unit="cycles per voxel", shape=(8, 2))
    assert (other.shape, other.encoded) == ((8, 2), (8, 2))
    assert np.array_equal(scan.k, read_scan("scan.h5").k)  # the voxels are as large


def test_acquisitions_are_of_the_encoding_that_they_name(cartesian):
    """Here the second, whose lines are twice as far apart; noise may be of another one."""

    mrd = pytest.importorskip("ismrmrd")

    def change(text, a):
        if a is not None and not a.is_flag_set(mrd.ACQ_IS_NOISE_MEASUREMENT):
            a.encoding_space_ref = 1
        first, _, rest = text.partition("<encoding>")
        encoding = "<encoding>" + rest.removesuffix("</ismrmrdHeader>")
        return first + encoding + encoding.replace(">300<", ">150<") + "</ismrmrdHeader>"

    scan = read_scan(rewritten(change))
    assert scan.fov == (0.24, 0.15)

    def mixed(text, a):
        if a is not None and a.idx.kspace_encode_step_1 == 3:
            a.encoding_space_ref = 1
        return change(text, None)

    with pytest.raises(ValueError, match=r"are of the encodings 0 and 1 of 2, and not all of one"):
        read_scan(rewritten(mixed, "mixed.h5"))


def test_partitions_without_limits_are_counted_from_the_middle(cartesian):
    """As lines are; but the one partition of a slice is its centre."""
    mrd = pytest.importorskip("ismrmrd")
    for partitions in (range(4), [0]):
        with mrd.Dataset("scan.h5", "dataset") as file, mrd.Dataset("3d.h5", "dataset") as new:
            header = file.read_xml_header().decode()
            header = header[: header.index("<encodingLimits>")].replace("<z>1</z>", "<z>4</z>")
            end = "<encodingLimits/><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
            new.write_xml_header((header + end).encode())
            for step in partitions:
                a = mrd.Acquisition.from_array(random(2, 16))
                a.center_sample, a.idx.kspace_encode_step_2 = 8, step
                new.append_acquisition(a)
        scan = read_scan("3d.h5")
        if len(partitions) == 4:
            assert scan.shape == (8, 6, 4)
            np.testing.assert_allclose(scan.k[0, :, 0], [[-0.5, -0.5, z / 4] for z in range(-2, 2)])
            Path("3d.h5").unlink()
    assert scan.shape == (8, 6)


@pytest.mark.parametrize("unit", ["cycles per voxel", "1/fov", "1/m"])
def test_units_of_a_trajectory_are_those_of_the_encoded_space(cartesian, unit):
    """The line of a step, which is said in each unit, lies where the Cartesian one does."""
    mrd = pytest.importorskip("ismrmrd")
    want = read_scan("scan.h5").k[0, 2]
    assert read_scan("scan.h5", shape=(16, 12)).k[0, 2] == pytest.approx(want / 2)
    steps = np.stack([np.arange(-8, 8), np.full(16, -1)], axis=-1)
    length = {"cycles per voxel": (16, 6), "1/fov": (1, 1), "1/m": (0.48, 0.3)}[unit]
    with mrd.Dataset("scan.h5", "dataset") as file, mrd.Dataset("k.h5", "dataset") as new:
        new.write_xml_header(file.read_xml_header())
        a = mrd.Acquisition.from_array(random(2, 16), (steps / length).astype(np.float32))
        new.append_acquisition(a)
    scan = read_scan("k.h5", unit=unit)
    np.testing.assert_allclose(scan.k[0, 0], want, atol=1e-6)


def test_frames_are_joined_and_divided(cartesian):
    scan = read_scan("scan.h5")
    whole = scan.divided(1)
    assert whole.data.shape == (1, 2, 12, 16)
    assert np.array_equal(whole.data[0, :, 6:], scan.data[1])
    assert np.array_equal(whole.k[0, 6:], scan.k[1])
    parts = whole.divided(4)
    assert parts.data.shape == (4, 2, 3, 16)
    assert np.array_equal(parts.data[2], scan.data[1, :, :3])
    assert np.array_equal(parts.k[3], scan.k[1, 3:])
    assert parts.frames[2] == "shots 6 to 8"
    assert scan.divided(2) is scan
    with pytest.raises(ValueError, match=r"frames is 5, .* 12 shots; want a divisor of"):
        whole.divided(5)
    with pytest.raises(ValueError, match="frames is 3, and the scan has 2"):
        scan.divided(3)


# --- oversampled readouts ---------------------------------------------------------------------


def oversampled(n, beyond):
    """Save lines of `n` samples, some read backwards, of an image and of what is beside it."""
    size = SHAPE[0]
    wide = random(5, n, SHAPE[1]).astype(complex)
    inside = slice(n // 2 - size // 2, n // 2 - size // 2 + size)
    image = wide[:, inside].copy()
    wide *= beyond
    wide[:, inside] = image
    k = np.empty((6, n, 2))
    k[..., 0] = (np.arange(n) - n // 2 + 0.3) / n
    k[::2, :, 0] = k[::2, ::-1, 0]
    k[..., 1] = RNG.uniform(-0.5, 0.5, (6, 1))
    data = nl.NUFFT(k, wide.shape[1:], eps=1e-12)(wide).astype(np.complex64)
    noise = random(5, 1000)
    np.savez("scan.npz", data=data, trajectory=k, shape=SHAPE, noise=noise, sample_time=4e-6)
    return read_scan("scan.npz"), image


@pytest.mark.parametrize("n", [24, 27])
def test_oversampled_readouts_are_those_of_the_image_alone(n):
    scan, image = oversampled(n, beyond=100.0)
    cut = scan.without_oversampling()
    assert cut.data.shape == (1, 5, 6, SHAPE[0])
    want = nl.NUFFT(cut.k[0].astype(float), SHAPE, eps=1e-12)(image)
    # Beside what is 100 times as large, in single precision.
    np.testing.assert_allclose(cut.data[0], want, atol=3e-4 * np.abs(want).max())
    np.testing.assert_allclose(cut.k[0, :, :, 0] * SHAPE[0], np.tile(np.arange(12) - 6, (6, 1)))
    assert np.array_equal(cut.k[0, :, 0, 1], scan.k[0, :, 0, 1])
    assert cut.sample_time == pytest.approx(4e-6 * n / 12)
    np.testing.assert_allclose(cut.noise, scan.noise * np.sqrt(12 / n), rtol=1e-6)


def test_noise_of_a_cut_readout_is_white():
    scan, _ = oversampled(24, beyond=0.0)
    noisy = replace(scan, data=random(1, 500, 6, 24)).without_oversampling().data
    noisy = np.moveaxis(noisy, -1, 0).reshape(12, -1)
    covariance = noisy @ noisy.conj().T / noisy.shape[1]
    np.testing.assert_allclose(covariance, np.eye(12) * 2 * 12 / 24, atol=0.1)


def test_what_is_no_oversampled_line_stays():
    scan, _ = oversampled(24, beyond=0.0)
    partial = replace(scan, data=scan.data[..., :20], k=scan.k[..., :20, :])
    ramps = replace(scan, k=scan.k + 0.1 * scan.k**2)
    turned = replace(scan, k=scan.k @ np.asarray([[0.8, 0.6], [-0.6, 0.8]], np.float32))
    small = replace(scan, shape=(24, 10))
    for other in (partial, ramps, turned, small):
        assert other.without_oversampling() is other


# --- refusals ---------------------------------------------------------------------------------


def test_refusals():
    k = RNG.uniform(-0.5, 0.5, (3, 4, 2))

    def refused(wish, *trajectory, error=ValueError, **arrays):
        np.savez("scan.npz", **arrays)
        with pytest.raises(error, match=wish):
            read_scan("scan.npz", *trajectory)

    refused("it holds trajectory, and no data", trajectory=k)
    refused("trajectory is None, and scan.npz holds none; want the file", data=random(5, 3, 4))
    refused("shape is None, and no file says it", data=random(5, 3, 4), trajectory=k)
    good = {"trajectory": k, "shape": SHAPE}
    refused(r"\(5, 4, 3\) and the trajectory \(3, 4, 2\); want", data=random(5, 4, 3), **good)
    refused("the data are float64; want", data=np.ones((5, 3, 4)), **good)
    refused("all data are zero", data=np.zeros((5, 3, 4), complex), **good)
    refused("1 values of the data are not finite", data=spoiled(random(5, 3, 4)), **good)
    refused("1 points are not finite", data=random(5, 3, 4), trajectory=spoiled(k), shape=SHAPE)
    data = random(5, 3, 4)
    refused(
        "and not the voxels along each axis, integers", data=data, trajectory=k, shape=(8.0, 8.0)
    )
    refused("noise is float64 of the shape", data=data, noise=np.ones((5, 99)), **good)
    refused(r"want complex numbers of the shape \(5, s", data=data, noise=random(99), **good)
    refused(r"of the shape \(4, 99\); want", data=data, noise=random(4, 99), **good)
    refused("values of the noise are not finite", data=data, noise=spoiled(random(5, 9)), **good)
    refused("sample_time is nan; want seconds", data=data, sample_time=np.nan, **good)
    more = np.stack([k, k])
    refused("3 frames and the trajectory 2", data=random(3, 5, 3, 4), trajectory=more, shape=SHAPE)
    refused("there is no such file", "none.npy", error=FileNotFoundError, data=random(5, 3, 4))
    with pytest.raises(ValueError, match=r"the suffix is '.txt'; want one of .h5"):
        read_scan("scan.txt")
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_scan("scan.h5")
    save_cfl("y", random(1, 4, 3, 5))
    with pytest.raises(
        ValueError, match=r"trajectory is None, and y\.cfl holds none; want the file of one"
    ):
        read_scan("y.cfl")
    save_cfl("y", random(4, 3, 1, 5))
    np.save("k.npy", k)
    with pytest.raises(ValueError, match="a grid, and a trajectory is given"):
        read_scan("y.cfl", "k.npy", unit="cycles per voxel", shape=SHAPE)
    save_cfl("y", random(4, 3, 1, 5, 2))
    with pytest.raises(ValueError, match="with 2 sets of maps"):
        read_scan("y.cfl")


def spoiled(x):
    x = x.copy()
    x.flat[3] = np.nan
    return x
