"""The two solvers of banded systems against a dense one."""

import numpy as np
import pytest
from array_api_compat import array_namespace

from nufftlib.mri.scanner.projection.banded import cholesky, cyclic_reduction, factor

SIZES = [*range(1, 21), 37, 64]
NUMPY = array_namespace(np.zeros(1))


def system(samples, d, shots=3):
    """Return weights of a positive definite system, and its dense matrices."""
    rng = np.random.default_rng(100 * samples + d)
    pairs = {
        (a, b): tuple(
            rng.uniform(-1, 1, (shots, max(samples - n, 0))) + 8 * d * (n == 0 and a == b)
            for n in range(3)
        )
        for a in range(d)
        for b in range(a + 1)
    }
    dense = np.zeros((shots, d, samples, d, samples))
    for (a, b), weights in pairs.items():
        for n, w in enumerate(weights):
            for t in range(samples - n):
                for row, column in {(a, b), (b, a)}:
                    dense[:, row, t + n, column, t] = dense[:, column, t, row, t + n] = w[:, t]
    return pairs, dense.reshape(shots, d * samples, d * samples), rng


def solved(dense, r):
    d, shots, samples = r.shape
    rhs = np.moveaxis(r, 1, 0).reshape(shots, d * samples, 1)
    return np.moveaxis(np.linalg.solve(dense, rhs).reshape(shots, d, samples), 0, 1)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("samples", SIZES)
def test_both_solvers_are_those_of_the_dense_matrix(samples, d):
    pairs, dense, rng = system(samples, d)
    r = rng.standard_normal((d, 3, samples))
    want = solved(dense, r)
    np.testing.assert_allclose(cholesky(pairs, d)(r), want, atol=1e-13)
    np.testing.assert_allclose(cyclic_reduction(NUMPY, pairs, d)(r), want, atol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 7, 8, 37])
def test_cyclic_reduction_keeps_to_the_standard(samples, d):
    strict = pytest.importorskip("array_api_strict")
    pairs, dense, rng = system(samples, d)
    r = rng.standard_normal((d, 3, samples))
    own = {pair: tuple(map(strict.asarray, weights)) for pair, weights in pairs.items()}
    got = factor(strict, own, d)(strict.asarray(r))
    np.testing.assert_allclose(np.asarray(got), solved(dense, r), atol=1e-13)


def test_axes_without_weights_between_them():
    pairs, _, rng = system(9, 3)
    apart = {pair: w for pair, w in pairs.items() if pair[0] == pair[1]}
    r = rng.standard_normal((3, 3, 9))
    got = cyclic_reduction(NUMPY, apart, 3)(r)
    np.testing.assert_allclose(cholesky(apart, 3)(r), got, atol=1e-14)
    alone = cholesky({(0, 0): pairs[1, 1]}, 1)(r[1:2])
    np.testing.assert_allclose(got[1:2], alone, atol=1e-14)


def test_an_indefinite_system_has_no_solver():
    pairs, _, _ = system(5, 1)
    weights = pairs[0, 0]
    assert cholesky({(0, 0): (-weights[0], *weights[1:])}, 1) is None
