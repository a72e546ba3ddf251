"""LSQR and LSMR: SciPy's points, the errors that they tell, systems beside each other."""

import numpy as np
import pytest
import scipy.sparse.linalg

import optim

RNG = np.random.default_rng(0)
SOLVERS = pytest.mark.parametrize("solve", [optim.lsqr, optim.lsmr])


def matrix(m, n, condition, *, real=False):
    U, V = (
        np.linalg.qr(RNG.standard_normal((k, n)) + 1j * RNG.standard_normal((k, n)))[0]
        for k in (m, n)
    )
    A = U * np.geomspace(1, 1 / condition, n) @ V.conj().T
    return A.real if real else A


A, B = matrix(14, 8, 50), RNG.standard_normal(14) + 1j * RNG.standard_normal(14)


def run(solve, b=B, A=A, **settings):
    given = {"steps": 40, "tolerance": 1e-12} | settings
    return solve(lambda x: x @ A.T, lambda y: y @ A.conj(), b, **given)


def exact(damping, b=B):
    return np.linalg.solve(A.conj().T @ A + damping**2 * np.eye(8), A.conj().T @ b)


@SOLVERS
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_the_solution(solve, damping):
    result = run(solve, damping=damping)
    assert result.converged
    np.testing.assert_allclose(result.params, exact(damping), rtol=0, atol=1e-9)


@SOLVERS
@pytest.mark.parametrize("damping", [0.0, 0.3])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_each_point_is_that_of_scipy(solve, damping, steps):
    real = matrix(12, 7, 10, real=True)
    b = RNG.standard_normal(12)
    limit = {"iter_lim" if solve is optim.lsqr else "maxiter": steps}
    theirs = getattr(scipy.sparse.linalg, solve.__name__)
    want = theirs(real, b, damp=damping, atol=0, btol=0, conlim=0, **limit)[0]
    got = run(solve, b, real, damping=damping, steps=steps, tolerance=0.0).params
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-11 * np.linalg.norm(want))


@SOLVERS
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_the_errors_are_those_of_the_points(solve, damping):
    """In the norm of `A` that the steps have shown, at most the true one."""
    seen, whole = [], np.concatenate([A, damping * np.eye(8)])
    result = run(solve, damping=damping, steps=7, callback=lambda *at: seen.append(at))
    norm = float(result.state.norm_of_map[0])
    assert 0.5 < norm / np.linalg.norm(whole, 2) < 1 + 1e-12
    _, error, x = seen[-1]
    r = np.concatenate([B, np.zeros(8)]) - whole @ x
    size, slope = np.linalg.norm(r), np.linalg.norm(whole.conj().T @ r)
    small = size / (norm * np.linalg.norm(x) + np.linalg.norm(B))
    assert error == pytest.approx(min(small, slope / (norm * size)), rel=1e-6)


def test_lsmr_lets_gradient_and_residual_fall():
    def course(solve):
        points = []
        run(solve, callback=lambda *at: points.append(at[-1]), steps=8)
        r = [B - A @ x for x in points]
        return np.linalg.norm(r, axis=1), np.linalg.norm([A.conj().T @ r for r in r], axis=1)

    residuals, slopes = course(optim.lsmr)
    assert np.all(np.diff(residuals) < 0)
    assert np.all(np.diff(slopes) < 0)
    assert np.all(course(optim.lsqr)[0] <= residuals + 1e-12)  # the least in the same spaces


@SOLVERS
def test_consistent_data_end_by_the_residual(solve):
    x = RNG.standard_normal(8) + 0j
    result = run(solve, A @ x, tolerance=1e-10)
    assert result.converged
    np.testing.assert_allclose(result.params, x, atol=1e-7)


@SOLVERS
def test_the_least_norm_where_there_are_many(solve):
    wide = A.conj().T
    b = wide @ B
    result = run(solve, b, wide)
    np.testing.assert_allclose(result.params, np.linalg.pinv(wide) @ b, atol=1e-8)


@SOLVERS
def test_systems_beside_each_other_are_solved_as_alone(solve):
    b = np.stack([B, 1e9 * B[::-1], 0 * B])
    x = run(solve, b, axes=-1, rhs_axes=-1, damping=0.1).params
    for one, together in zip(b, x, strict=True):
        alone = run(solve, one, damping=0.1).params
        np.testing.assert_allclose(together, alone, atol=1e-9 * max(np.linalg.norm(alone), 1e-9))
    assert np.all(x[2] == 0)


@SOLVERS
def test_one_that_has_converged_stays(solve):
    u = np.linalg.svd(A)[0][:, :2].sum(axis=-1)  # two steps
    b = np.stack([u, A @ np.ones(8)])
    seen = []
    run(
        solve,
        b,
        axes=-1,
        rhs_axes=-1,
        tolerance=1e-3,
        callback=lambda *at: seen.append(at[-1]),
    )
    alone = run(solve, b[0], tolerance=1e-3)
    assert alone.converged
    assert len(seen) > alone.steps + 1
    np.testing.assert_allclose(seen[-1][0], alone.params, rtol=1e-9)


@SOLVERS
def test_data_along_no_column(solve):
    b = np.linalg.qr(np.concatenate([A, B[:, None]], axis=1))[0][:, -1]
    result = run(solve, b, tolerance=1e-9)
    assert np.linalg.norm(result.params) < 1e-9
    nothing = run(solve, 0 * B)
    assert nothing.converged
    assert nothing.steps == 0


@SOLVERS
def test_single_precision_stays_and_converges(solve):
    result = run(solve, B.astype(np.complex64), A.astype(np.complex64), tolerance=1e-5)
    assert result.params.dtype == np.complex64
    assert result.converged


@SOLVERS
def test_refusals(solve):
    name = solve.__name__
    with pytest.raises(ValueError, match=rf"{name}: the data have systems of the shape \(2,\)"):
        run(solve, np.stack([B, B]), rhs_axes=-1)
    with pytest.raises(optim.NonFiniteError, match=f"{name}: at step 0"):
        run(solve, np.nan * B)
    with pytest.raises(ValueError, match=r"damping is -1.* want"):
        run(solve, damping=-1.0)
    with pytest.raises(ValueError, match="A v is"):
        solve(lambda x: x, lambda y: y[:3], B, steps=2)
