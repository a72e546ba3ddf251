"""The projection against a solver of another kind, and its certificate against its definition."""

import dataclasses
import pickle

import numpy as np
import pytest
from scans import (
    PROTOCOL,
    SCANNER,
    distances,
    limited,
    random_protocol,
    steps_of,
    violation,
    wandering,
    with_rest,
)

import nufftlib as nl
from nufftlib.mri.scanner.projection import interior_point, limits, project
from nufftlib.mri.scanner.projection.interior_point import InteriorPoint

SHOTS = 2


def case(number):
    """Return a trajectory, its limits and fixed samples: 30 that meet every kind of each."""
    rng = np.random.default_rng(number)
    protocol = random_protocol(rng, number, ndim=1 + number % 3)
    samples = 2 + number % 2 if number % 8 == 7 else int(rng.integers(5, 22))
    pace = 10 ** rng.uniform(-0.3, 1.5)
    k = wandering(rng, protocol, SHOTS, samples, pace)
    u = steps_of(protocol)[1] * np.asarray(protocol.voxel)
    if number % 5 == 4:  # beyond the band
        k = k + rng.choice([-0.45, 0.45], (SHOTS, 1, protocol.ndim))
    near = np.clip(k[:, 0], -0.4, 0.4)
    fixed = {
        0: None,
        1: {0: near},
        2: {-1: near[0]},
        3: {0: near, samples // 2: near + 0.2 * u * rng.standard_normal(near.shape)},
    }[number // 2 % 4]
    return k, protocol, fixed


def oracle(k, protocol, fixed):
    """Return the least distance of each shot in 1/m, by a conic solver."""
    cp = pytest.importorskip("cvxpy")
    voxel = np.asarray(protocol.fov) / np.asarray(protocol.shape)
    alpha, beta = steps_of(protocol)
    axis = 1 if protocol.scanner.norm == "l2" else None
    found = []
    for shot, points in enumerate(k):
        c = points / voxel / beta
        x = cp.Variable(c.shape)
        steps = x[1:] - x[:-1]
        zero = np.zeros((1, c.shape[1]))
        rest = protocol.rest
        rows = [zero] * (rest in ("both", "start")) + [steps] + [zero] * (rest in ("both", "end"))
        changes = cp.vstack(rows)[1:] - cp.vstack(rows)[:-1]
        kept = [cp.abs(x) <= np.broadcast_to(0.5 / voxel / beta, c.shape)]
        for v, limit in ((steps, alpha / beta), (changes, 1.0)):
            if v.shape[0]:
                kept.append((cp.norm(v, 2, axis=1) if axis else cp.abs(v)) <= limit)
        for index, point in (fixed or {}).items():
            kept.append(
                x[index] == np.broadcast_to(point, (SHOTS, c.shape[1]))[shot] / voxel / beta
            )
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - c)), kept)
        accuracy = {f"tol_{name}": 1e-11 for name in ("gap_abs", "gap_rel", "feas")}
        problem.solve(solver="CLARABEL", **accuracy)
        assert problem.status == "optimal"
        found.append(np.sqrt(problem.value) * beta)
    return np.asarray(found)


def check(number, tolerance=1e-9):
    """Project a case, and compare it with the oracle."""
    k, protocol, fixed = case(number)
    result = nl.mri.project_trajectory(k, protocol, fixed=fixed, tolerance=tolerance)
    want = oracle(k, protocol, fixed)
    got = distances(result.trajectory, k, protocol)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6 * steps_of(protocol)[1])
    assert violation(result.trajectory, protocol) <= 1e-12
    assert result.certificate.violation == 0
    assert result.certificate.gap <= tolerance
    rms = np.sqrt(np.mean(got**2) / k.shape[1])
    np.testing.assert_allclose(result.certificate.distance, rms, rtol=1e-9, atol=1e-9)
    for index, point in (fixed or {}).items():
        np.testing.assert_array_equal(
            result.trajectory[:, index], np.broadcast_to(point, result.trajectory[:, index].shape)
        )


@pytest.mark.parametrize("number", range(30))
def test_the_nearest_trajectory_is_that_of_a_conic_solver(number):
    check(number)


def check_all():
    for number in range(30):
        check(number)


def test_the_cases_meet_every_limit():
    seen = set()
    for number in range(30):
        k, protocol, fixed = case(number)
        found = nl.mri.project_trajectory(k, protocol, fixed=fixed).trajectory
        kinds = zip(("band", "gradient", "slew"), limited(found, protocol), strict=True)
        seen |= {name for name, v in kinds if v.size and np.max(np.abs(v)) > 0.98}
        seen |= {
            protocol.rest,
            protocol.scanner.norm,
            protocol.ndim,
            k.shape[1] <= 3,
            str(fixed)[:2],
        }
    assert seen >= {"band", "gradient", "slew", "both", "start", "end", None, "l2", "max", 1, 2, 3}


def never(_):
    return False


def no_rest_at_the_end(monkeypatch):
    monkeypatch.setattr(nl.mri.Protocol, "rests_at_end", property(never))


def no_rest_at_the_start(monkeypatch):
    monkeypatch.setattr(nl.mri.Protocol, "rests_at_start", property(never))


def a_slew_row_dropped(monkeypatch):
    rows = project.Problem.rows

    def dropped(self, free):
        *others, slew = rows(self, free)
        keep = self.array([i != len(slew.in_force) // 2 for i in range(len(slew.in_force))])
        return (*others, dataclasses.replace(slew, in_force=slew.in_force * keep))

    monkeypatch.setattr(project.Problem, "rows", dropped)


def isotropic_voxels(monkeypatch):
    voxel = nl.mri.Protocol.voxel.fget
    monkeypatch.setattr(
        nl.mri.Protocol, "voxel", property(lambda self: voxel(self)[:1] * self.ndim)
    )


def a_sign_in_the_adjoint(monkeypatch):
    adjoint = limits.Rows.adjoint
    signs = (1, 1, -1)
    monkeypatch.setattr(
        limits.Rows, "adjoint", lambda self, xp, v: signs[self.order] * adjoint(self, xp, v)
    )


def no_band(monkeypatch):
    forward = limits.Rows.forward
    monkeypatch.setattr(
        limits.Rows, "forward", lambda self, xp, x: forward(self, xp, x) * (self.order > 0)
    )


def one_norm_for_all(monkeypatch):
    init = limits.Rows.__init__

    def swapped(self, name, order, scale, per_axis, rest, in_force):
        init(self, name, order, scale, order == 0 or not per_axis, rest, in_force)

    monkeypatch.setattr(limits.Rows, "__init__", swapped)


def fixed_samples_forgotten(monkeypatch):
    monkeypatch.setattr(project, "fixed_points", lambda *_: {})


@pytest.mark.parametrize(
    "bug",
    [
        no_rest_at_the_end,
        no_rest_at_the_start,
        a_slew_row_dropped,
        isotropic_voxels,
        a_sign_in_the_adjoint,
        no_band,
        one_norm_for_all,
        fixed_samples_forgotten,
    ],
)
def test_a_planted_bug_is_found(monkeypatch, bug):
    pytest.importorskip("cvxpy")
    bug(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):  # a wrong curve, or none that it can find
        check_all()


# --- the certificate


def noisy_spokes(shots=3, samples=64, seed=0, noise=2e-3):
    k = nl.mri.trajectories.radial(shots, samples, dtype=np.float64)
    return 0.9 * k + noise * np.random.default_rng(seed).standard_normal(k.shape)


def dual_value(k, protocol, q, free):
    """Return the dual function of each shot at `q`, in squared units of the largest change.

    It is the least of ``|x - c|^2 / 2 + <q, A x> - sum |q_i|`` over x, of which the free samples
    are ``c - A^T q``; here A is a matrix, made of unit curves.
    """
    alpha, beta = steps_of(protocol)
    voxel = np.asarray(protocol.fov) / np.asarray(protocol.shape)
    samples, d = k.shape[-2:]
    eye = np.eye(samples)[..., None]
    changes = np.diff(with_rest(np.diff(eye, axis=1), protocol.rest), axis=1)
    one = [eye[..., 0].T, np.diff(eye, axis=1)[..., 0].T, changes[..., 0].T]
    found = []
    for shot in range(len(k)):
        value = 0.0
        pull = np.zeros((d, samples))
        c = (k[shot] / voxel / beta).T
        for order, (A, dual) in enumerate(zip(one, q, strict=True)):
            scale = (2 * voxel * beta, np.full(d, beta / alpha), np.ones(d))[order][:, None]
            vectors = dual[:, shot]
            per_axis = order == 0 or protocol.scanner.norm == "max"
            value -= np.sum(np.abs(vectors) if per_axis else np.sqrt(np.sum(vectors**2, axis=0)))
            pull += scale * vectors @ A
        x = c - pull * free
        found.append(value + 0.5 * np.sum((x - c) ** 2) + np.sum(pull * x))
    return np.asarray(found)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("iterations", [3, 100])
@pytest.mark.parametrize("fixed", [None, {0: (0.0, 0.0), 40: (0.01, -0.02)}])
def test_the_gap_is_that_of_its_definition(monkeypatch, dtype, iterations, fixed):
    seen = []
    certificate = project.Problem.certificate

    def watched(self, k, moved, found):
        seen.append((self, found))
        return certificate(self, k, moved, found)

    monkeypatch.setattr(project.Problem, "certificate", watched)
    k = noisy_spokes().astype(dtype)
    protocol = dataclasses.replace(PROTOCOL, fov=(0.24, 0.3), rest="end")
    result = nl.mri.project_trajectory(k, protocol, fixed=fixed, iterations=iterations)
    (problem, found), beta = seen[0], steps_of(protocol)[1]
    q = [
        np.asarray(a * tight.scale / rows.scale)
        for a, tight, rows in zip(found.q, problem.tightened, problem.limits, strict=True)
    ]
    free = np.ones(k.shape[1])
    free[list(fixed or {})] = 0
    start = k.astype(np.float64)
    for index, point in (fixed or {}).items():  # these are no variables
        start[:, index] = np.asarray(point, dtype)
    least = dual_value(start, protocol, q, free)
    half = 0.5 * (distances(result.trajectory, start, protocol) / beta) ** 2
    added = 0.5 * (distances(start, np.float64(k), protocol) / beta) ** 2
    np.testing.assert_allclose(
        np.max((half - least) / (half + added)), result.certificate.gap, rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize("number", range(0, 30, 2))
@pytest.mark.parametrize("iterations", [1, 3, 6])
def test_after_any_number_of_iterations_a_result_is_within_limits_and_its_gap_is_true(
    number, iterations
):
    k, protocol, fixed = case(number)
    exact = nl.mri.project_trajectory(k, protocol, fixed=fixed, tolerance=1e-11).trajectory
    result = nl.mri.project_trajectory(k, protocol, fixed=fixed, iterations=iterations)
    assert violation(result.trajectory, protocol) <= 1e-12
    assert result.certificate.iterations <= iterations
    half = 0.5 * distances(result.trajectory, k, protocol) ** 2
    away = distances(result.trajectory, exact, protocol)
    least = 0.5 * (1e-6 * steps_of(protocol)[1]) ** 2 * k.shape[1]
    bound = np.sqrt(2 * result.certificate.gap * np.maximum(half, least))
    assert np.all(away <= 1.001 * bound + 1e-4 * steps_of(protocol)[1])


def test_fewer_iterations_leave_a_larger_gap():
    gaps = [
        nl.mri.project_trajectory(noisy_spokes(), PROTOCOL, iterations=n).certificate.gap
        for n in (2, 5, 100)
    ]
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2]
    assert gaps[2] <= 1e-6


@pytest.mark.parametrize("seed", [31, 43, 83, 95, 141, 157, 175, 233, 322, 362, 364, 419])
def test_no_shot_stalls(seed):
    """Each of these once took a hundred iterations; limits, starts and fixed samples are random."""
    k, protocol, fixed = wild(seed)
    result = nl.mri.project_trajectory(k, protocol, fixed=fixed)
    assert result.certificate.gap <= 1e-6
    assert result.certificate.iterations <= 40
    assert violation(result.trajectory, protocol) <= 1e-12


def wild(seed):
    """Return a problem of limits and points of any size."""
    rng = np.random.default_rng(seed)
    samples, d = int(rng.choice([2, 3, 4, 8, 33, 300])), int(rng.integers(1, 4))
    scanner = nl.mri.Scanner(
        0.04 * 10 ** rng.uniform(-2, 2),
        180 * 10 ** rng.uniform(-2, 2),
        1e-5,
        norm=("l2", "max")[seed % 2],
    )
    protocol = nl.mri.Protocol(
        scanner,
        fov=tuple(rng.uniform(0.05, 0.5, d)),
        shape=tuple(map(int, rng.integers(1, 600, d))),
        rest=("both", "start", "end", None)[seed // 2 % 4],
    )
    k = rng.standard_normal((2, samples, d)) * 10 ** rng.uniform(-3, 6)
    return k, protocol, ({0: np.zeros(d)} if seed % 3 else None)


# --- from one call to the next


def test_a_start_changes_the_iterations_and_not_the_result():
    k = noisy_spokes()
    first = nl.mri.project_trajectory(k, PROTOCOL, tolerance=1e-10)
    moved = k + 1e-4 * np.random.default_rng(5).standard_normal(k.shape)
    cold = nl.mri.project_trajectory(moved, PROTOCOL, tolerance=1e-10)
    warm = nl.mri.project_trajectory(moved, PROTOCOL, tolerance=1e-10, start=first.dual)
    assert np.max(distances(cold.trajectory, warm.trajectory, PROTOCOL)) < 1e-3
    assert warm.certificate.iterations <= cold.certificate.iterations - 3
    assert warm.certificate.gap <= 1e-10


def far(k):
    return -k[::-1]


def other_limits(k):
    return k


@pytest.mark.parametrize("change", [far, other_limits])
def test_a_start_of_another_problem_does_no_harm(change):
    k = noisy_spokes()
    wide, tight = (  # the first result has the largest gradient there is
        dataclasses.replace(PROTOCOL, scanner=dataclasses.replace(SCANNER, gmax=gmax))
        for gmax in (12e-3, 11.9e-3)
    )
    first = nl.mri.project_trajectory(k, wide)
    protocol = tight if change is other_limits else wide
    fixed = {0: (0.01, 0.0)} if change is far else None
    cold = nl.mri.project_trajectory(change(k), protocol, fixed=fixed)
    warm = nl.mri.project_trajectory(change(k), protocol, fixed=fixed, start=first.dual)
    assert violation(warm.trajectory, protocol) == 0
    assert warm.certificate.gap <= 1e-6
    if fixed:
        np.testing.assert_array_equal(warm.trajectory[:, 0], np.broadcast_to((0.01, 0.0), (3, 2)))
    a, b = (distances(r.trajectory, change(k), protocol) for r in (cold, warm))
    np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        lambda k: nl.mri.project_trajectory(k[:2], PROTOCOL),
        lambda k: nl.mri.project_trajectory(k[:, 1:], PROTOCOL),
        lambda k: nl.mri.project_trajectory(k, dataclasses.replace(PROTOCOL, rest=None)),
        lambda k: nl.mri.project_trajectory(
            k, dataclasses.replace(PROTOCOL, scanner=dataclasses.replace(SCANNER, norm="max"))
        ),
    ],
)
def test_a_start_of_other_shapes_is_refused(other):
    k = noisy_spokes()
    with pytest.raises(
        ValueError, match=r"project_trajectory\(start\): its arrays have the shapes"
    ):
        nl.mri.project_trajectory(k, PROTOCOL, start=other(k).dual)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fixed", [None, {0: (0.1, 0.2)}, {-1: (0.15, -0.05), 30: (0.1, 0.1)}])
@pytest.mark.parametrize("k", [noisy_spokes(), np.zeros((3, 64, 2)), noisy_spokes() * 1e5])
def test_a_result_comes_back_as_it_is(k, dtype, fixed):
    k = k.astype(dtype)
    result = nl.mri.project_trajectory(k, PROTOCOL, fixed=fixed)
    assert result.trajectory.dtype == dtype
    assert violation(result.trajectory, PROTOCOL) == result.certificate.violation == 0
    for index, point in (fixed or {}).items():
        np.testing.assert_array_equal(
            result.trajectory[:, index], np.broadcast_to(np.asarray(point, dtype), (3, 2))
        )
    again = nl.mri.project_trajectory(result.trajectory, PROTOCOL, fixed=fixed, start=result.dual)
    np.testing.assert_array_equal(again.trajectory, result.trajectory)
    assert again.certificate == nl.mri.Certificate(0.0, 0.0, 0.0, 0)
    assert again.dual is result.dual


def test_a_trajectory_on_the_limits_comes_back_as_it_is():
    """At the largest gradient, on the edge of the band, from and to rest in largest steps."""
    alpha, beta = steps_of(PROTOCOL)
    ramp = np.minimum(np.arange(1, 26) * beta, alpha)
    steps = np.concatenate([ramp, ramp[::-1]])
    k = np.concatenate([[0.0], np.cumsum(steps)]) * PROTOCOL.voxel[0]
    k = np.stack([k, np.zeros_like(k)], axis=-1)[None]
    assert 1 - 1e-12 <= np.max(np.abs(limited(k, PROTOCOL)[1])) <= 1 + 1e-12
    edge = np.full((1, 51, 2), 0.5)
    both = np.concatenate([k, edge])
    result = nl.mri.project_trajectory(both, PROTOCOL)
    np.testing.assert_array_equal(result.trajectory, both)
    assert result.certificate.iterations == 0


def test_shots_do_not_know_of_each_other():
    k = noisy_spokes(4)
    k[1] = nl.mri.project_trajectory(k[1], PROTOCOL).trajectory  # one within the limits
    k[2] *= 1e6  # and one far from them
    together = nl.mri.project_trajectory(k, PROTOCOL, tolerance=1e-9)
    np.testing.assert_array_equal(together.trajectory[1], k[1])
    assert together.certificate.gap <= 1e-9
    for shot in (0, 2, 3):
        alone = nl.mri.project_trajectory(k[shot], PROTOCOL, tolerance=1e-9).trajectory
        assert distances(together.trajectory[shot], alone, PROTOCOL) < 1e-3 * np.sqrt(64)


def test_leading_axes_memory_and_empty_batches():
    k = noisy_spokes(6)
    flat = nl.mri.project_trajectory(k, PROTOCOL, fixed={0: np.zeros((6, 2))}).trajectory
    nested = nl.mri.project_trajectory(
        k.reshape(2, 3, 64, 2), PROTOCOL, fixed={0: np.zeros((2, 3, 2))}
    ).trajectory
    np.testing.assert_array_equal(nested.reshape(k.shape), flat)
    strided = np.moveaxis(np.ascontiguousarray(np.moveaxis(k, -1, 0)), 0, -1)
    backwards = k[::-1][::-1]
    for view in (strided, backwards, np.asfortranarray(k)):
        np.testing.assert_allclose(
            nl.mri.project_trajectory(view, PROTOCOL, fixed={0: (0, 0)}).trajectory,
            flat,
            atol=1e-12,
        )
    for empty in (k[:0], k.reshape(2, 3, 64, 2)[:, :0]):
        result = nl.mri.project_trajectory(empty, PROTOCOL, fixed={0: (0.0, 0.0)})
        assert result.trajectory.shape == empty.shape
        assert result.certificate.iterations == 0


def test_single_precision_is_not_asked_for_more_than_it_can_hold():
    k = np.random.default_rng(0).standard_normal((3, 128, 2)).cumsum(axis=1) * 1e-3
    double = nl.mri.project_trajectory(k, PROTOCOL).certificate
    single = nl.mri.project_trajectory(k.astype("f"), PROTOCOL).certificate
    loose = nl.mri.project_trajectory(k, PROTOCOL, tolerance=1e-4).certificate
    assert single.iterations == loose.iterations < double.iterations


@pytest.mark.parametrize("size", [1e6, 1e12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_points_far_beyond_the_band_are_brought_back(size, dtype):
    k = (size * np.random.default_rng(0).standard_normal((3, 128, 2))).astype(dtype)
    result = nl.mri.project_trajectory(k, PROTOCOL)
    assert result.certificate.gap <= 2 * {"float32": 1e-4, "float64": 1e-6}[dtype]
    assert result.certificate.iterations <= 40
    assert violation(result.trajectory, PROTOCOL) == 0


@pytest.mark.parametrize("gmax", [1e-9, 1e-4, 10.0])
@pytest.mark.parametrize("smax", [1.0, 180.0, 1e6])
def test_limits_of_any_size(gmax, smax):
    protocol = nl.mri.Protocol(nl.mri.Scanner(gmax, smax, 10e-6), 0.24, (256, 256))
    result = nl.mri.project_trajectory(noisy_spokes(), protocol)
    assert result.certificate.gap <= 1e-6
    assert result.certificate.violation == 0
    assert violation(result.trajectory, protocol) <= 1e-12


def test_a_long_readout():
    k = 0.9 * nl.mri.trajectories.radial(2, 4096, dtype=np.float64)
    k = k + 5e-3 * np.random.default_rng(0).standard_normal(k.shape)
    result = nl.mri.project_trajectory(k, PROTOCOL, fixed={2048: (0.0, 0.0)})
    assert result.certificate.gap <= 1e-6
    assert violation(result.trajectory, PROTOCOL) == 0


def test_a_limit_below_rounding_is_refused():
    slow = nl.mri.Protocol(nl.mri.Scanner(40e-3, 1e-3, 10e-6), 0.24, (256, 256))
    with pytest.raises(ValueError, match=r"the slew limit is below the rounding of float32"):
        nl.mri.project_trajectory(noisy_spokes().astype(np.float32), slow)


def test_inputs_stay_and_results_travel():
    k = noisy_spokes()
    before = k.copy()
    result = nl.mri.project_trajectory(k, PROTOCOL)
    result.trajectory[...] = 0
    within = np.zeros((2, 8, 2))
    nl.mri.project_trajectory(within, PROTOCOL).trajectory[...] = 1
    np.testing.assert_array_equal(k, before)
    np.testing.assert_array_equal(within, 0)
    again = pickle.loads(pickle.dumps(result))
    assert again.certificate == result.certificate
    assert "(3, 64, 2)" in repr(result)
    assert "gap=" in repr(result)


# --- every array library


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_row(host_row, dtype):
    k = noisy_spokes().astype(dtype)
    fixed = {0: host_row.array(k[:, 0], dtype), -1: (0.3, 0.3)}
    want = nl.mri.project_trajectory(k, PROTOCOL, fixed={**fixed, 0: k[:, 0]})
    given = host_row.array(k, dtype)
    got = nl.mri.project_trajectory(given, PROTOCOL, fixed=fixed)
    assert host_row.owns(got.trajectory, dtype)
    found = host_row.numpy(got.trajectory)
    np.testing.assert_allclose(found, want.trajectory, rtol=0, atol=1e-6)
    assert violation(found, PROTOCOL) == 0
    assert got.certificate.gap <= want.certificate.gap + 1e-6
    again = nl.mri.project_trajectory(got.trajectory, PROTOCOL, fixed=fixed, start=got.dual)
    assert host_row.owns(again.trajectory, dtype)
    np.testing.assert_array_equal(host_row.numpy(again.trajectory), found)


@pytest.mark.parametrize("number", range(0, 30, 3))
def test_the_path_of_cuda_on_the_host(number):
    """CuPy runs these lines, with a solver that is not LAPACK's: so does a strict namespace."""
    strict = pytest.importorskip("array_api_strict")
    k, protocol, fixed = case(number)
    points = project.fixed_points(fixed or {}, k)
    problem = project.Problem(strict, protocol, strict.asarray(k), points)
    got = problem.solve(None, 1e-9, 100)
    again = problem.solve(got.dual, 1e-9, 100)
    want = nl.mri.project_trajectory(k, protocol, fixed=fixed, tolerance=1e-9)
    for result in (got, again):
        found = np.asarray(result.trajectory)
        assert np.max(distances(found, want.trajectory, protocol)) <= 1e-4 * (
            steps_of(protocol)[1] + want.certificate.distance
        )
        assert result.certificate.gap <= 1e-9
        assert violation(found, protocol) <= 1e-12


def test_shots_that_rounding_ruins_end_with_what_they_have(monkeypatch):
    k = noisy_spokes()
    calls = []
    advance = InteriorPoint._advance

    def ruined(self, shots):
        following = advance(self, shots)
        calls.append(None)
        if len(calls) < 3:
            return following
        return dataclasses.replace(following, x=following.x * np.nan)

    monkeypatch.setattr(InteriorPoint, "_advance", ruined)
    result = nl.mri.project_trajectory(k, PROTOCOL)
    assert violation(result.trajectory, PROTOCOL) == 0
    assert 1e-6 < result.certificate.gap < 10


def test_a_matrix_that_rounding_ruins_ends_the_iterations(monkeypatch):
    k = noisy_spokes()
    monkeypatch.setattr(interior_point, "factor", lambda *_: None)
    result = nl.mri.project_trajectory(k, PROTOCOL)
    assert violation(result.trajectory, PROTOCOL) == 0
    assert result.certificate.gap > 1e-3


# --- as a step of an optimisation


def test_the_dual_goes_from_step_to_step(monkeypatch):
    starts = []
    projected = project.project_trajectory

    def watched(k, protocol, **settings):
        starts.append(settings["start"])
        return projected(k, protocol, **settings)

    monkeypatch.setattr(project, "project_trajectory", watched)
    projection = nl.mri.TrajectoryProjection(PROTOCOL, fixed={0: (0.0, 0.0)}, tolerance=1e-5)
    k, state = projection(noisy_spokes(), None)
    assert state.trajectory is k
    projection(k + 0.01, state)
    assert starts == [None, state.dual]
    assert projection == nl.mri.TrajectoryProjection(PROTOCOL, {0: (0.0, 0.0)}, 1e-5)


# --- refusals


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": [[0.0, 0.0]] * 4}, TypeError, "k is a list; want an array"),
        ({"k": np.zeros((4, 2), int)}, TypeError, "int64"),
        ({"k": np.zeros((4, 2), complex)}, TypeError, "complex128"),
        (
            {"k": np.zeros((4, 3))},
            ValueError,
            r"k has the shape \(4, 3\); want \(..., samples, 2\)",
        ),
        ({"k": np.zeros((1, 2))}, ValueError, "with 2 samples or more"),
        ({"k": np.full((4, 2), np.nan)}, ValueError, "some points of k are not finite"),
        ({"k": np.full((4, 2), np.inf)}, ValueError, "some points of k are not finite"),
        ({"protocol": SCANNER}, TypeError, "want a Protocol"),
        ({"tolerance": 0.0}, ValueError, "tolerance"),
        ({"tolerance": "small"}, TypeError, "tolerance"),
        ({"iterations": 0}, ValueError, "iterations"),
        ({"iterations": 2.5}, TypeError, "iterations"),
        ({"fixed": {0.5: (0, 0)}}, TypeError, "want indices of samples, which are integers"),
        ({"fixed": {4: (0, 0)}}, ValueError, "there is no sample 4; want an index below 4"),
        ({"fixed": {-5: (0, 0)}}, ValueError, "there is no sample -5"),
        ({"fixed": {0: (0, 0, 0)}}, ValueError, r"the point of sample 0 has the shape \(3,\)"),
        ({"fixed": {0: np.zeros((2, 2))}}, ValueError, r"want \(2,\), or \(1, 2\)"),
        ({"fixed": {0: (0, np.nan)}}, ValueError, "the point of sample 0 is not finite"),
        ({"fixed": {0: (0.0, 0.6)}}, ValueError, "takes 1.2 times the band limit"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    settings = {"k": np.ones((1, 4, 2)), "protocol": PROTOCOL, **change}
    with pytest.raises(error, match=message):
        nl.mri.project_trajectory(**settings)
