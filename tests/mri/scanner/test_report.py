"""The report of limits, and the stimulation of nerves."""

import dataclasses

import numpy as np
import pytest
from scans import PROTOCOL, SCANNER, limited, random_protocol, steps_of, violation
from scipy.integrate import quad

import nufftlib as nl

MODEL = nl.mri.LinearNerveModel(chronaxie=360e-6, rheobase=20.0, effective_length=0.333)


@pytest.mark.parametrize("case", range(12))
def test_peaks_are_the_largest_values_and_where_they_are(case):
    rng = np.random.default_rng(case)
    protocol = random_protocol(rng, case)
    k = rng.uniform(-0.6, 0.6, (4, 9, protocol.ndim))
    report = nl.mri.check_trajectory(k, protocol)
    scanner = protocol.scanner
    units = {"band": 0.5, "gradient": scanner.gmax, "slew": scanner.smax}
    for name, v in zip(units, limited(k, protocol), strict=True):
        norm = scanner.norm if name != "band" else "max"
        lengths = np.max(np.abs(v), -1) if norm == "max" else np.linalg.norm(v, axis=-1)
        peak = report.peaks[name]
        assert peak.limit == units[name]
        np.testing.assert_array_equal(peak.at, np.argmax(lengths, axis=-1))
        np.testing.assert_allclose(peak.values, units[name] * np.max(lengths, axis=-1), rtol=1e-10)
        assert peak.ratio == pytest.approx(np.max(lengths), rel=1e-10)
    assert report.violation == pytest.approx(violation(k, protocol), rel=1e-9)
    assert not report.ok


def test_each_end_at_rest_counts():
    k = np.zeros((1, 40, 2))
    k[0, :, 0] = np.arange(40) * 1.5 * steps_of(PROTOCOL)[1] * PROTOCOL.voxel[0]  # constant speed
    k -= k[:, 20:21]
    for rest, at in [("both", {0, 39}), ("start", {0}), ("end", {38}), (None, None)]:
        report = nl.mri.check_trajectory(k, dataclasses.replace(PROTOCOL, rest=rest))
        assert report.ok == (at is None)
        if at is not None:
            assert report.slew.ratio == pytest.approx(1.5)
            assert report.slew.at[0] in at


def test_two_samples_without_rest_have_no_slew():
    k = np.asarray([[0.0, 0.0], [0.001, 0.0]])
    report = nl.mri.check_trajectory(k, dataclasses.replace(PROTOCOL, rest=None))
    assert report.ok
    assert report.slew.ratio == 0


def test_the_table_has_what_is_exceeded_and_the_worst_shots():
    k = nl.mri.trajectories.radial(20, 64)
    k = np.concatenate([k[1:8] * 0.1, k[:1] * 1.2, k[8:] * 0.1])
    report = nl.mri.check_trajectory(k, PROTOCOL)
    text = str(report)
    lines = text.splitlines()
    assert lines[-1] == "NOT within the limits"
    assert "shot 7, row 63 (cycles per voxel)  exceeded" in text
    assert [line.split()[0] for line in lines[1:4]] == ["gradient", "slew", "band"]
    shown = [int(line.split()[0]) for line in lines if line[:4].strip().isdigit()]
    assert len(shown) == 8
    assert 7 in shown
    assert "and 12 more, further from the limits" in text
    fine = nl.mri.check_trajectory(np.zeros((2, 5, 2)), PROTOCOL, nerve=MODEL)
    assert str(fine).splitlines()[-1] == "ok"
    assert "nerve" in str(fine)
    assert "more" not in str(fine)
    assert fine.ok
    assert fine.violation == 0


def test_a_nerve_model_is_a_limit_like_the_others():
    rng = np.random.default_rng(0)
    k = 0.02 * rng.standard_normal((3, 50, 2))
    report = nl.mri.check_trajectory(k, PROTOCOL, nerve=MODEL)
    percent = MODEL.percent(nl.mri.slew_rates(k, PROTOCOL), 10e-6)
    np.testing.assert_allclose(report.nerve.values, percent.max(-1))
    assert report.nerve.limit == 100
    assert report.violation >= report.nerve.ratio - 1
    assert nl.mri.check_trajectory(k, PROTOCOL).nerve is None


def test_every_row(row):
    k = nl.mri.trajectories.radial(3, 32, dtype=np.float64)
    report = nl.mri.check_trajectory(row.array(k), PROTOCOL, nerve=MODEL)
    want = nl.mri.check_trajectory(k, PROTOCOL, nerve=MODEL)
    for name, peak in want.peaks.items():
        np.testing.assert_array_equal(report.peaks[name].values, peak.values)


def test_points_that_are_not_finite_are_refused():
    k = np.zeros((4, 2))
    k[1, 0] = np.nan
    with pytest.raises(ValueError, match="some points of k are not finite"):
        nl.mri.check_trajectory(k, PROTOCOL)


# --- nerves


@pytest.mark.parametrize("raster", [10e-6, 40e-6])
def test_stimulation_is_the_integral_of_its_definition(raster):
    """Slew rates are constant between two rows, and the integral is taken by quadrature."""
    slew = 200 * np.random.default_rng(1).uniform(-1, 1, (2, 12, 3))
    c, least = MODEL.chronaxie, MODEL.rheobase / MODEL.effective_length
    found = MODEL.percent(slew, raster)
    for row in (0, 1, 5, 11):
        t = (row + 1) * raster
        weights = [
            quad(lambda u, t=t: c / (c + t - u) ** 2, i * raster, (i + 1) * raster)[0]
            for i in range(row + 1)
        ]
        response = np.einsum("i,sia->sa", weights, slew[:, : row + 1]) / least
        want = 100 * np.linalg.norm(response, axis=-1)
        np.testing.assert_allclose(found[:, row], want, rtol=1e-9)


def test_a_slew_rate_that_lasts_stimulates_by_its_ratio():
    slew = np.full((1, 4_000_000, 1), 20 / 0.333)
    assert MODEL.percent(slew, 10e-6)[0, -1] == pytest.approx(100, rel=1e-4)


@pytest.mark.parametrize("name", ["chronaxie", "rheobase", "effective_length"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1.0, ValueError), ("1", TypeError)]
)
def test_a_parameter_of_nerves_is_a_positive_number(name, value, error):
    with pytest.raises(error, match=rf"LinearNerveModel\({name}\)"):
        dataclasses.replace(MODEL, **{name: value})


def test_gamma_and_norm_count():
    k = np.zeros((1, 8, 2))
    k[0, 4:] = 0.9 * steps_of(PROTOCOL)[1] * PROTOCOL.voxel[0]  # each axis keeps its limit
    ratios = [
        nl.mri.check_trajectory(
            k, dataclasses.replace(PROTOCOL, scanner=dataclasses.replace(SCANNER, **change))
        ).slew.ratio
        for change in ({}, {"norm": "max"}, {"gamma": SCANNER.gamma / 2})
    ]
    assert ratios == pytest.approx([0.9 * 2**0.5, 0.9, 1.8 * 2**0.5])
