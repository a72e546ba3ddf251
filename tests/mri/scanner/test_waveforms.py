"""Gradients and slew rates by their definitions, and the way back."""

import numpy as np
import pytest
from scans import PROTOCOL, SCANNER, random_protocol, with_rest

import nufftlib as nl
from nufftlib import mri

rng = np.random.default_rng(3)


@pytest.mark.parametrize("case", range(12))
def test_the_definitions(case):
    protocol = random_protocol(np.random.default_rng(case), case)
    k = rng.uniform(-0.5, 0.5, (2, 3, 7, protocol.ndim))
    scanner = protocol.scanner
    voxel = np.asarray(protocol.fov) / np.asarray(protocol.shape)
    g = np.diff(k / voxel, axis=-2) / (scanner.gamma * scanner.raster)
    np.testing.assert_allclose(mri.gradients(k, protocol), g, rtol=1e-12, atol=1e-15)
    s = np.diff(with_rest(g, protocol.rest), axis=-2) / scanner.raster
    np.testing.assert_allclose(mri.slew_rates(k, protocol), s, rtol=1e-12, atol=1e-9)
    rows = {"both": 7, "start": 6, "end": 6, None: 5}[protocol.rest]
    assert mri.slew_rates(k, protocol).shape == (2, 3, rows, protocol.ndim)


@pytest.mark.parametrize("case", range(6))
def test_the_way_back(case):
    protocol = random_protocol(np.random.default_rng(case), case)
    k = rng.uniform(-0.5, 0.5, (2, 9, protocol.ndim))
    g = mri.gradients(k, protocol)
    back = mri.trajectory_from_gradients(g, protocol, start=k[:, 0])
    np.testing.assert_allclose(back, k, atol=1e-14)
    centred = mri.trajectory_from_gradients(g, protocol)
    np.testing.assert_allclose(centred, k - k[:, :1], atol=1e-14)
    np.testing.assert_allclose(mri.gradients(centred, protocol), g, rtol=1e-9, atol=1e-12)


def test_the_shortest_trajectory():
    k = np.asarray([[0.0, 0.0], [0.1, 0.0]])
    assert mri.gradients(k, PROTOCOL).shape == (1, 2)
    for rest, rows in [("both", 2), ("start", 1), ("end", 1), (None, 0)]:
        protocol = nl.mri.Protocol(SCANNER, 0.24, (256, 256), rest=rest)
        assert mri.slew_rates(k, protocol).shape == (rows, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_row(row, dtype):
    k = rng.uniform(-0.5, 0.5, (2, 5, 2))
    given = row.array(k, dtype)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for f in (mri.gradients, mri.slew_rates):
        got = f(given, PROTOCOL)
        assert row.owns(got, dtype)
        want = f(k, PROTOCOL)
        np.testing.assert_allclose(row.numpy(got), want, atol=tolerance * np.max(np.abs(want)))
    g = mri.gradients(given, PROTOCOL)
    back = mri.trajectory_from_gradients(g, PROTOCOL, start=given[:, 0, :])
    assert row.owns(back, dtype)
    np.testing.assert_allclose(row.numpy(back), k, atol=1e-6)


@pytest.mark.parametrize(
    "f", [mri.gradients, mri.slew_rates, mri.check_trajectory, mri.trajectory_from_gradients]
)
@pytest.mark.parametrize(
    ("k", "protocol", "error", "message"),
    [
        ([[0.0, 0.0]], PROTOCOL, TypeError, "want an array"),
        (np.zeros((4, 2), int), PROTOCOL, TypeError, "int64"),
        (np.zeros((4, 2), complex), PROTOCOL, TypeError, "complex128"),
        (
            np.zeros((4, 3)),
            PROTOCOL,
            ValueError,
            r"the shape \(4, 3\); want \(\.\.\., samples, 2\)",
        ),
        (np.zeros(2), PROTOCOL, ValueError, "the shape"),
        (np.zeros((0, 2)), PROTOCOL, ValueError, "samples or more"),
        (np.zeros((4, 2)), SCANNER, TypeError, "want a Protocol"),
    ],
)
def test_what_does_not_fit_is_refused(f, k, protocol, error, message):
    with pytest.raises(error, match=message):
        f(k, protocol)


def test_a_start_of_another_kind_is_refused():
    g = np.zeros((2, 4, 2))
    for start in (np.zeros(2), np.zeros((2, 2), np.float32), [[0.0, 0.0]] * 2):
        with pytest.raises((TypeError, ValueError), match="start"):
            mri.trajectory_from_gradients(g, PROTOCOL, start=start)
