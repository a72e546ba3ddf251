"""Pulse sequences as pypulseq reads them, and its model of nerve stimulation."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.io import SafeNerveModel, pulseq, write_pulseq

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
FLAT = nl.mri.Protocol(SCANNER, fov=0.24, shape=(64, 64))
DEEP = nl.mri.Protocol(SCANNER, fov=(0.24, 0.2, 0.18), shape=(32, 32, 24))
FAST = replace(
    DEEP, scanner=replace(SCANNER, gmax=0.3, smax=5e3), fov=(0.4, 0.4, 1.0), shape=(32, 32, 2)
)
SHOTS = 4


def trajectory(protocol, samples=200, *, through=0, fill=0.95):
    """Return smooth shots that are at the point 0 in the sample `through`, within the limits."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, samples + 1)[1:-1, None] * (samples - 1) / samples
    g = sum(
        rng.standard_normal((SHOTS, 1, protocol.ndim)) * np.sin(np.pi * (m * time + p))
        for m in (1, 2, 3)
        for p in ([0] if protocol.rest == "both" else [0, 0.25])
    )
    window = np.ones(samples - 1)
    edge = np.minimum(1, np.arange(1, samples) / 40)
    window = window * (edge if protocol.rests_at_start else 1)
    window = window * (edge[::-1] if protocol.rests_at_end else 1)
    k = nl.mri.trajectory_from_gradients(1e-3 * window[:, None] * g, protocol)
    k = k - k[:, through : through + 1]
    return (
        k * fill / max(peak.ratio for peak in nl.mri.check_trajectory(k, protocol).peaks.values())
    )


def read(path):
    pypulseq = pytest.importorskip("pypulseq")
    seq = pypulseq.Sequence(pypulseq.Opts(grad_raster_time=10e-6, gamma=SCANNER.gamma))
    seq.read(str(path))
    return seq


@pytest.fixture
def written(tmp_path):
    """Write a scan, and return it as pypulseq reads it."""
    pytest.importorskip("pypulseq")

    def write(k, protocol, **settings):
        write_pulseq(tmp_path / "scan.seq", k, protocol, **settings)
        assert [p.name for p in tmp_path.iterdir()] == ["scan.seq"]
        return read(tmp_path / "scan.seq")

    return write


SCANS = {
    "centre-out": (FLAT, 0),
    "in-out": (FLAT, 100),
    "in": (FLAT, 199),
    "anisotropic": (replace(FLAT, fov=(0.24, 0.18), shape=(64, 40)), 0),
    "oversampled": (replace(FLAT, dwell=2.5e-6), 100),
    "slow dwell": (replace(FLAT, dwell=13.7e-6), 0),
    "volume": (DEEP, 0),
    "volume, in-out": (replace(DEEP, dwell=4e-6, rest="start"), 100),
    # The ways to the shot and back are shorter than the receiver's dead time.
    "fast coil": (FAST, 0),
    "fast coil, in": (FAST, 199),
    "moving at the start": (replace(FLAT, rest="end"), 100),
    "moving at the end": (replace(FLAT, rest="start"), 0),
    "moving": (replace(DEEP, rest=None), 100),
    "each axis": (replace(FLAT, scanner=replace(SCANNER, norm="max"), rest=None), 100),
}


@pytest.fixture(params=SCANS)
def scan(request):
    protocol, through = SCANS[request.param]
    return trajectory(protocol, through=through), protocol


def test_the_receiver_samples_the_spline_of_the_trajectory(written, scan):
    k, protocol = scan
    seq = written(k, protocol)
    found = seq.calculate_kspace()[0].T.reshape(SHOTS, -1, 3)
    want = nl.mri.receiver(protocol, k.shape[1])(k) / np.asarray(protocol.voxel)
    steps = (found[..., : protocol.ndim] - want) * np.asarray(protocol.fov)
    assert np.max(np.abs(steps)) <= 1e-3
    if protocol.ndim == 2:  # the slice is in phase, too: cycles over its thickness
        assert np.max(np.abs(found[..., 2])) * pulseq.SLICE <= 1e-4


def test_the_timing_is_right_for_every_scanner(written, scan):
    pypulseq = pytest.importorskip("pypulseq")
    seq = written(*scan)
    assert seq.check_timing() == (True, [])
    repetitions = np.reshape(list(seq.block_durations.values()), (SHOTS, 2)).sum(axis=1)
    np.testing.assert_allclose(repetitions, seq.get_definition("TR"), atol=1e-9)
    seq.system = pypulseq.Opts(
        grad_raster_time=10e-6,
        rf_dead_time=pulseq.RF_DEAD_TIME,
        rf_ringdown_time=pulseq.RF_RINGDOWN_TIME,
        adc_dead_time=pulseq.ADC_DEAD_TIME,
    )
    assert seq.check_timing() == (True, [])


def corners(seq):
    """Return all gradients in T/m at all times at which a straight line may end."""
    half = SCANNER.raster / 2
    times = half * np.arange(round(sum(seq.block_durations.values()) / half) + 1)
    waves = seq.waveforms()
    g = [np.interp(times, *w, left=0, right=0) if w.size else 0 * times for w in waves]
    return np.stack(g, axis=-1) / SCANNER.gamma, half


def test_all_gradients_keep_the_limits(written, scan):
    k, protocol = scan
    g, half = corners(written(k, protocol))
    length = (
        (lambda x: np.max(np.abs(x), -1))
        if protocol.scanner.norm == "max"
        else (lambda x: np.linalg.norm(x, axis=-1))
    )
    # The file has six digits of an amplitude.
    assert np.max(length(g)) <= protocol.scanner.gmax * (1 + 1e-5)
    assert np.max(length(np.diff(g, axis=0))) / half <= protocol.scanner.smax * (1 + 1e-5)


def test_every_repetition_ends_with_the_same_moment(written, scan):
    k, protocol = scan
    seq = written(k, protocol)
    g, half = corners(seq)
    moments = (
        SCANNER.gamma
        * half
        * np.concatenate([np.zeros((1, 3)), np.cumsum((g[1:] + g[:-1]) / 2, axis=0)])
    )
    ends = np.cumsum(list(seq.block_durations.values()))[1::2]
    starts = np.asarray(seq.calculate_kspace()[2])
    between = (
        moments[np.rint(ends / half).astype(int)] - moments[np.rint(starts / half).astype(int)]
    )
    depth = protocol.voxel[2] if protocol.ndim == 3 else pulseq.SLICE
    want = np.tile([0, 0, pulseq.SPOIL / depth], (SHOTS, 1))
    np.testing.assert_allclose(between, want, atol=1e-2)


def test_a_trajectory_at_its_limits_is_written(written):
    scanner = replace(SCANNER, gmax=22 * 1.8e-3)
    ramp = 1.8e-3 * np.minimum(np.minimum(np.arange(1, 80), np.arange(1, 80)[::-1]), 22)
    g = np.stack([ramp, 0 * ramp], axis=-1)[None]
    protocol = replace(FLAT, scanner=scanner, shape=(512, 512))
    k = nl.mri.trajectory_from_gradients(g, protocol)
    report = nl.mri.check_trajectory(k, protocol)
    assert report.gradient.ratio == pytest.approx(1, abs=1e-13)
    assert report.slew.ratio == pytest.approx(1, abs=1e-13)
    assert written(k, protocol).check_timing()[0]


@pytest.mark.parametrize("through", [0, 100])
@pytest.mark.parametrize("te", [None, 5e-3, 7.123456e-3])
@pytest.mark.parametrize("tr", [None, 20e-3])
def test_echo_and_repetition_times_are_those_asked_for(written, through, te, tr):
    k = trajectory(FLAT, through=through)
    seq = written(k, FLAT, te=te, tr=tr)
    excited, received = seq.calculate_kspace()[2], seq.calculate_kspace()[4].reshape(SHOTS, -1)
    # The first dwell time begins with sample 0.
    echo = received[:, 0] - FLAT.scanner.raster / 2 + through * FLAT.scanner.raster - excited
    np.testing.assert_allclose(echo, seq.get_definition("TE"), atol=1e-9)
    np.testing.assert_allclose(np.diff(excited), seq.get_definition("TR"), atol=1e-9)
    if te:
        assert abs(echo[0] - te) <= FLAT.scanner.raster / 2 + 1e-9
    if tr:
        assert seq.get_definition("TR") == pytest.approx(tr, abs=1e-9)


@pytest.mark.parametrize("name", ["te", "tr"])
def test_the_shortest_time_can_be_asked_for_and_no_shorter(written, name):
    k = trajectory(FLAT)
    shortest = float(written(k, FLAT).get_definition(name.upper()))
    assert written(k, FLAT, **{name: shortest}).get_definition(name.upper()) == shortest
    with pytest.raises(ValueError, match=rf"{name} is .* s; want at least {shortest:g} s"):
        written(k, FLAT, **{name: shortest - 20e-6})


def test_pulse_and_receiver_are_spoiled_alike(written):
    seq = written(trajectory(FLAT), FLAT, flip=22.0)
    for shot in range(SHOTS):
        pulse, readout = seq.get_block(2 * shot + 1), seq.get_block(2 * shot + 2)
        want = math.radians(117) * shot * (shot + 1) / 2 % (2 * math.pi)
        assert pulse.rf.phase_offset == pytest.approx(want, abs=1e-5)
        assert readout.adc.phase_offset == pytest.approx(want, abs=1e-5)
        assert abs(np.sum(pulse.rf.signal)) * 1e-6 * 360 == pytest.approx(22, rel=1e-4)
    assert pulse.rf.use == "excitation"
    assert list(seq.evaluate_labels(evolution="adc")["LIN"]) == list(range(SHOTS))


@pytest.mark.parametrize(
    ("protocol", "thickness", "want"), [(FLAT, None, 5e-3), (FLAT, 8e-3, 8e-3), (DEEP, None, 0.18)]
)
def test_the_pulse_selects_the_slice(written, protocol, thickness, want):
    seq = written(trajectory(protocol), protocol, thickness=thickness)
    gz = seq.get_block(1).gz
    bandwidth = pulseq.TIME_BANDWIDTH / pulseq.PULSE_TIME
    assert bandwidth / gz.amplitude == pytest.approx(want, rel=1e-5)
    np.testing.assert_allclose(seq.get_definition("FOV"), [*protocol.fov, want][:3])


def test_the_file_says_what_it_is(written):
    seq = written(trajectory(FLAT), replace(FLAT, shape=(64, 64)), flip=12.0)
    assert list(seq.get_definition("Matrix")) == [64, 64, 1]
    assert seq.get_definition("FlipAngle") == 12.0
    assert seq.get_definition("Gamma") == pytest.approx(SCANNER.gamma, rel=1e-8)
    assert seq.get_definition("GradientRasterTime") == SCANNER.raster
    assert "nufftlib" in seq.get_definition("CreatedBy")


def test_single_precision_and_other_libraries_give_the_same_file(tmp_path, row):
    pytest.importorskip("pypulseq")
    k = trajectory(FLAT)
    write_pulseq(tmp_path / "a.seq", k, FLAT)
    write_pulseq(tmp_path / "b.seq", row.array(k, "float64"), FLAT)
    assert (tmp_path / "a.seq").read_bytes() == (tmp_path / "b.seq").read_bytes()


def test_one_shot_needs_no_axis_of_shots(written):
    k = trajectory(FLAT)
    assert len(written(k[0], FLAT).block_events) == 2


REFUSED = {
    "too fast": (10 * trajectory(FLAT, fill=0.3), FLAT, {}, r"limit .*; want a trajectory that"),
    "one axis": (np.zeros((1, 9, 1)), replace(FLAT, fov=0.2, shape=(9,)), {}, "1 axes; want 2 or"),
    "raster": (
        np.zeros((1, 9, 2)),
        replace(FLAT, scanner=replace(SCANNER, raster=6.4e-6)),
        {},
        r"raster is 6\.4e-06 s; want a multiple of 1e-06 s",
    ),
    "dwell": (
        np.zeros((1, 9, 2)),
        replace(FLAT, dwell=2.55e-6),
        {},
        r"dwell is 2\.55e-06 s; want a multiple of 1e-07 s",
    ),
    "thin": (np.zeros((1, 9, 2)), FLAT, {"thickness": 1e-4}, r"thickness is 0\.0001 m; want at"),
    "flip": (np.zeros((1, 9, 2)), FLAT, {"flip": -1}, r"flip is -1\.0; want a positive"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_played_is_refused_with_the_numbers(tmp_path, kind):
    pytest.importorskip("pypulseq")
    k, protocol, settings, said = REFUSED[kind]
    with pytest.raises(ValueError, match=said):
        write_pulseq(tmp_path / "a.seq", k, protocol, **settings)
    assert not list(tmp_path.iterdir())


def test_a_refusal_names_only_what_exceeds_its_limit(tmp_path):
    pytest.importorskip("pypulseq")
    k = nl.mri.trajectories.radial(4, 512)
    with pytest.raises(ValueError, match=r": slew 245\.\d+ T/m/s, limit 180; want"):
        write_pulseq(tmp_path / "a.seq", k, replace(FLAT, shape=(256, 256)))


def test_a_sequence_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    pypulseq = pytest.importorskip("pypulseq")
    path = tmp_path / "a.seq"
    path.write_text("old")

    def fails(_, name):
        with open(name, "w") as file:
            file.write("half")
        raise InterruptedError

    monkeypatch.setattr(pypulseq.Sequence, "write", fails)
    with pytest.raises(InterruptedError):
        write_pulseq(path, trajectory(FLAT), FLAT)
    assert [p.name for p in tmp_path.iterdir()] == ["a.seq"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    "call",
    [lambda: write_pulseq("a.seq", trajectory(FLAT), FLAT), lambda: SafeNerveModel("a.asc")],
)
def test_without_pypulseq_it_says_what_to_install(monkeypatch, call):
    monkeypatch.setitem(sys.modules, "pypulseq", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[pulseq\]"'):
        call()


def asc(hardware):
    """Return a description of a gradient coil as its vendor writes it."""
    lines = []
    for axis in "xyz":
        coil = getattr(hardware, axis)
        X = axis.upper()
        lines += [
            *(f"flGSWDTau{X}[{i}] = {getattr(coil, f'tau{i + 1}')}" for i in range(3)),
            *(f"flGSWDA{X}[{i}] = {getattr(coil, f'a{i + 1}')}" for i in range(3)),
            f"flGSWDStimulationLimit{X} = {coil.stim_limit}",
            f"flGSWDStimulationThreshold{X} = {coil.stim_thresh}",
            f"asGPAParameters[0].sGCParameters.flGScaleFactor{X} = {coil.g_scale}",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def coil(tmp_path):
    """Return pypulseq's example of a coil, and a file that describes it."""
    safe = pytest.importorskip("pypulseq.utils.safe_pns_prediction")
    path = tmp_path / "coil.asc"
    path.write_text(asc(safe.safe_example_hw()))
    return safe.safe_example_hw(), path


@pytest.mark.parametrize("protocol", [FLAT, DEEP, replace(FLAT, rest=None)])
def test_safe_is_what_pypulseq_computes_of_the_waveform(coil, protocol):
    from pypulseq.utils.safe_pns_prediction import safe_gwf_to_pns

    hardware, path = coil
    k = trajectory(protocol, through=100)
    model = SafeNerveModel(path)
    found = model.percent(nl.mri.slew_rates(k, protocol), protocol.scanner.raster)
    rest = [(0, 0), (int(protocol.rest == "both"),) * 2, (0, 3 - protocol.ndim)]
    waveforms = np.pad(nl.mri.gradients(k, protocol), rest)
    if protocol.rest is None:  # pypulseq would add the step from rest
        waveforms = waveforms - waveforms[:, :1]
    for g, percent in zip(waveforms, found, strict=True):
        padded, result = safe_gwf_to_pns(g, np.full(len(g), np.nan), 10e-6, hardware)
        want = np.linalg.norm(padded[~np.isfinite(result.rf[1:])], axis=-1)
        np.testing.assert_allclose(percent, want[1:], rtol=1e-9)


def test_the_report_takes_the_model(coil):
    k = trajectory(FLAT)
    model = SafeNerveModel(str(coil[1]))
    report = nl.mri.check_trajectory(k, FLAT, nerve=model)
    want = model.percent(nl.mri.slew_rates(k, FLAT), SCANNER.raster)
    np.testing.assert_array_equal(report.nerve.values, np.max(want, axis=-1))
    assert report.ok == (np.max(want) <= 100)
    assert repr(model) == f"SafeNerveModel(hardware_file={str(coil[1])!r})"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:0], "KeyError 'flGSWDTauX'"),
        (lambda text: text.replace("flGSWDTauZ", "flGSWDTauW"), "KeyError 'flGSWDTauZ'"),
        (lambda text: text.replace("= 0.4\n", "= 0.5\n"), "must be equal to 1"),
        (lambda text: "this = is no coil\n" + text, "RuntimeError"),
    ],
)
def test_a_file_of_another_kind_is_refused(coil, change, said):
    path = coil[1]
    path.write_text(change(path.read_text()))
    with pytest.raises(
        ValueError, match=r"coil\.asc describes no coil .* want a vendor's \.asc"
    ) as e:
        SafeNerveModel(path)
    assert said in str(e.value)


def test_a_missing_file_is_called_missing(tmp_path):
    pytest.importorskip("pypulseq")
    with pytest.raises(FileNotFoundError):
        SafeNerveModel(tmp_path / "a.asc")
