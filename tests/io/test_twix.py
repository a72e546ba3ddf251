"""Raw data of Siemens: lines where their counters say, by files that twixtools writes."""

import os
import struct
import sys

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.io import read_scan

RNG = np.random.default_rng(0)
GRID = (16, 9, 6)
"""Of an image of (8, 6, 4): readouts are oversampled twice, phase and slices by a half."""
PROTOCOL = """### ASCCONV BEGIN ###
sKSpace.lBaseResolution = 8
sKSpace.lImagesPerSlab = 4
sKSpace.dPhaseOversamplingForDialog = 0.5
sKSpace.dSliceOversamplingForDialog = 0.5
sKSpace.ucDimension = 0x4
sKSpace.ucTrajectory = 0x1
sSliceArray.asSlice[0].dReadoutFOV = 240.0
sSliceArray.asSlice[0].dPhaseFOV = 180.0
sSliceArray.asSlice[0].dThickness = 100.0
sRXSPEC.alDwellTime[0] = 5000
sPat.ucRefScanMode = 0x4
### ASCCONV END ###
"""
FACTOR = '<ParamDouble."flReadoutOSFactor">  { <Precision> 6  2.0 }'


def random(*shape):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(np.complex64)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def twix():
    return pytest.importorskip("twixtools")


def header(**buffers):
    """Return a measurement's header: its length, and each buffer with its name and length."""
    whole = struct.pack("<I", len(buffers))
    for name, text in buffers.items():
        whole += name.encode() + b"\0" + struct.pack("<I", len(text)) + text.encode()
    whole += b"\0" * 48
    return np.frombuffer(struct.pack("<I", len(whole) + 4) + whole, "S1")


def readout(twix, samples, *flags, cut=(0, 0), **counters):
    """Return an acquisition of two coils, whose centre is line 2, partition 3."""
    samples = np.concatenate([np.full(cut[0], 7), samples, np.full(cut[1], 9)])
    both = np.stack([samples, 1j * samples])
    a = twix.mdb.Mdb_local(both[:, ::-1] if "REFLECT" in flags else both)
    a.mdh.CenterCol, a.mdh.CenterLin, a.mdh.CenterPar = cut[0] + 8, 2, 3
    a.mdh.CutOff.Pre, a.mdh.CutOff.Post = cut
    for name, value in counters.items():
        setattr(a.mdh.Counter, name, value)
    for flag in flags:
        a.add_flag(flag)
    return a


def write(twix, *, protocol=PROTOCOL, factor=FACTOR, meas=""):
    """Write two repetitions without the first two lines, and return their images."""
    x = random(2, 8, 6, 4)
    wide = np.zeros((2, *GRID), np.complex64)
    wide[:, 4:12, 1:7, 1:5] = x
    y = nl.FFT(GRID)(wide)
    others = ("PHASCOR", "RTFEEDBACK", "RETRO_DUMMYSCAN", "noname60", "PATREFSCAN")
    acquired = [readout(twix, random(9), flag) for flag in others]
    for repetition in (1, 0):
        for line in range(7):
            for partition in range(6):
                odd = (line, partition) == (3, 1)
                acquired.append(
                    readout(
                        twix,
                        y[repetition, :, line + 2, partition],
                        *(["REFLECT"] if odd else []),
                        cut=(3, 1) if odd else (0, 0),
                        Rep=repetition,
                        Lin=line,
                        Par=partition,
                    )
                )
    measurements = [
        # An adjustment with noise, and lines that are not the image's.
        {
            "hdr_str": header(MeasYaps=PROTOCOL),
            "mdb": [readout(twix, np.arange(5), "NOISEADJSCAN"), readout(twix, random(4))],
        },
        {"hdr_str": header(Meas=meas, MeasYaps=protocol, Dicom=factor), "mdb": acquired},
    ]
    twix.write_twix(measurements, "scan.dat")
    return x


def test_lines_are_where_their_counters_say(twix):
    images = write(twix)
    scan = read_scan("scan.dat")
    assert scan.data.shape == (2, 2, 42, 16)
    assert (scan.shape, scan.fov) == ((8, 6, 4), (0.24, 0.18, 0.1))
    assert scan.encoded == (8, 9, 6)
    assert (scan.frames, scan.source) == (("repetition 0", "repetition 1"), "twix")
    assert scan.sample_time == pytest.approx(5e-6)
    assert np.array_equal(scan.noise, np.outer([1, 1j], np.arange(5)))
    for frame, x in enumerate(images):
        F = nl.NUFFT(scan.k[frame].astype(np.float64), (8, 6, 4), eps=1e-12)
        want = F(np.stack([x, 1j * x]).astype(np.complex128))
        assert np.linalg.norm(scan.data[frame] - want) < 1e-5 * np.linalg.norm(want)


def test_files_of_software_before_vd(twix):
    """They have one measurement, without a list of them, and each coil's samples their header."""
    data = random(2, 3, 16)
    with open("scan.dat", "wb") as file:
        # Readers know them by the length of the header.
        header(Dicom=FACTOR, MeasYaps=PROTOCOL, Phoenix=" " * 10000).tofile(file)
        for line in range(3):
            a = twix.mdb.Mdb_local(data[:, line], version_is_ve=False)
            a.mdh.CenterCol, a.mdh.CenterLin, a.mdh.Counter.Lin = 8, 1, line
            for samples in a.data:
                file.write(bytes(a.mdh) + samples.tobytes())
        end = twix.mdb.Mdb_local(version_is_ve=False)
        end.add_flag("ACQEND")
        file.write(bytes(end.mdh) + end.data)
    scan = read_scan("scan.dat")
    assert np.array_equal(scan.data[0], data)
    np.testing.assert_allclose(scan.k[0, :, 10], [[2 / 16, n / 9] for n in (-1, 0, 1)], atol=1e-7)


def test_other_trajectories_are_given(twix):
    write(twix, protocol=PROTOCOL.replace("ucTrajectory = 0x1", "ucTrajectory = 0x2"))
    with pytest.raises(
        ValueError, match=r"trajectory is None, and scan.dat holds none; want the file"
    ):
        read_scan("scan.dat")
    k = RNG.uniform(-0.5, 0.5, (42, 16, 2))
    np.save("k.npy", k)
    scan = read_scan("scan.dat", "k.npy", unit="cycles per voxel", shape=(8, 6))
    assert scan.data.shape == (2, 2, 42, 16)
    assert np.array_equal(scan.k[1], k.astype(np.float32))


def test_refusals(twix):
    write(twix, factor="")
    with pytest.raises(ValueError, match=r"does not say flReadoutOSFactor.*; want a twix file"):
        read_scan("scan.dat")
    os.remove("scan.dat")
    write(twix, protocol=PROTOCOL.replace("dPhaseFOV", "dOther"))
    with pytest.raises(ValueError, match=r"not say sSliceArray.asSlice.0.dPhaseFOV; want"):
        read_scan("scan.dat")
    os.remove("scan.dat")
    ramps = '<ParamLong."alRegridMode">  { 2 1 }'
    write(twix, factor=FACTOR, meas=ramps)
    with pytest.raises(ValueError, match="on the gradient's ramps, which are on no grid"):
        read_scan("scan.dat")
    with open("scan.dat", "r+b") as file:
        file.truncate(20000)
    with pytest.raises(ValueError, match=r"breaks off at byte \d+; want"):
        read_scan("scan.dat")


def test_without_twixtools(monkeypatch):
    open("scan.dat", "wb").close()
    monkeypatch.setitem(sys.modules, "twixtools", None)
    with pytest.raises(ImportError, match=r'needs twixtools.*\n\n *pip install "\.\[twix\]"'):
        read_scan("scan.dat")
