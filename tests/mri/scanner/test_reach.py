"""Fixed samples that can be joined, and by how much others cannot."""

import re

import numpy as np
import pytest
from scans import PROTOCOL, random_protocol, steps_of, violation

import nufftlib as nl


def smallest_ratio(samples, protocol, fixed):
    """Return the smallest ratio to the limits of a curve with these samples, by a conic solver."""
    cp = pytest.importorskip("cvxpy")
    voxel = np.asarray(protocol.fov) / np.asarray(protocol.shape)
    alpha, beta = steps_of(protocol)
    x, t = cp.Variable((samples, protocol.ndim)), cp.Variable()
    steps, zero = x[1:] - x[:-1], np.zeros((1, protocol.ndim))
    before = [zero] * (protocol.rest in ("both", "start"))
    after = [zero] * (protocol.rest in ("both", "end"))
    rows = cp.vstack([*before, steps, *after])

    def length(v):
        return cp.norm(v, 2, axis=1) if protocol.scanner.norm == "l2" else cp.abs(v)

    kept = [
        length(steps) <= t * alpha / beta,
        length(rows[1:] - rows[:-1]) <= t,
        cp.abs(x) <= t * np.broadcast_to(0.5 / voxel / beta, x.shape),
        *(x[index] == point / voxel / beta for index, point in fixed.items()),
    ]
    cp.Problem(cp.Minimize(t), kept).solve(solver="CLARABEL")
    return float(t.value)


@pytest.mark.parametrize("number", range(12))
def test_the_ratio_is_the_smallest_there_is(number):
    rng = np.random.default_rng(number)
    protocol = random_protocol(rng, number)
    samples = int(rng.integers(5, 30))
    fixed = {i: rng.uniform(-1, 1, protocol.ndim) for i in (0, samples // 2, -1)[: 1 + number % 3]}
    ratio = smallest_ratio(samples, protocol, fixed)
    k = rng.uniform(-0.5, 0.5, (1, samples, protocol.ndim))

    def project(part):
        points = {i: point * part / ratio for i, point in fixed.items()}
        return nl.mri.project_trajectory(k, protocol, fixed=points)

    for part in (1.001, 1.3, 20.0):
        with pytest.raises(ValueError, match=r"\(fixed\): the samples .* of shot 0 are") as refused:
            project(part)
        found = float(re.search(r"takes (\S+) times", str(refused.value))[1])
        assert found == pytest.approx(part, rel=1e-3)
    for part in (0.999, 0.7):  # barely, and well within reach
        result = project(part)
        assert result.certificate.gap <= 1e-6
        assert violation(result.trajectory, protocol) <= 1e-12


def test_the_shot_and_the_limit_that_fail_are_named():
    far = np.asarray([[0.0, 0.0], [0.0, 0.3], [0.0, 0.1]])
    with pytest.raises(ValueError, match=r"the samples \[0, 15\] of shot 1 are .* the slew limit"):
        nl.mri.project_trajectory(np.zeros((3, 16, 2)), PROTOCOL, fixed={0: (0, 0), -1: far})
    with pytest.raises(ValueError, match=r"the samples \[0, 1\] of shot 0 .* the slew limit"):
        nl.mri.project_trajectory(np.zeros((3, 16, 2)), PROTOCOL, fixed={0: (0, 0), 1: (0.1, 0)})


def test_fixed_samples_on_the_edge_of_the_band_and_on_the_limits():
    """Between two fixed samples on a limit nothing can move: these rows are decided."""
    step = steps_of(PROTOCOL)[1] * PROTOCOL.voxel[0]
    fixed = {0: (0.5, -0.5), 1: (0.5 - step, -0.5)}  # from rest by the largest change
    k = np.full((2, 64, 2), 0.45) + 0.01 * np.random.default_rng(0).standard_normal((2, 64, 2))
    result = nl.mri.project_trajectory(k, PROTOCOL, fixed=fixed)
    assert violation(result.trajectory, PROTOCOL) <= 1e-12
    assert result.certificate.gap <= 1e-6
    np.testing.assert_array_equal(result.trajectory[:, 1], np.broadcast_to(fixed[1], (2, 2)))
    too_far = {0: (0.5, -0.5), 1: (0.5 - 1.001 * step, -0.5)}
    with pytest.raises(ValueError, match=r"takes 1\.001 times the slew limit"):
        nl.mri.project_trajectory(k, PROTOCOL, fixed=too_far)


def test_all_samples_fixed():
    points = np.zeros((8, 2))
    points[3:5] = 0.5 * steps_of(PROTOCOL)[1] * PROTOCOL.voxel[0]
    fixed = dict(enumerate(points))
    result = nl.mri.project_trajectory(np.ones((2, 8, 2)), PROTOCOL, fixed=fixed)
    np.testing.assert_array_equal(result.trajectory, np.broadcast_to(points, (2, 8, 2)))
    assert result.certificate.gap == result.certificate.violation == 0
    with pytest.raises(ValueError, match=r"times the slew limit"):
        nl.mri.project_trajectory(np.ones((2, 8, 2)), PROTOCOL, fixed=dict(enumerate(9 * points)))
