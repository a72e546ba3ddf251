"""Eigenvectors of large Hermitian matrices without BLAS' threads."""

import numpy as np
import pytest

from nufftlib import mri
from nufftlib.mri.coils import espirit
from nufftlib.mri.coils.hermitian import Tridiagonal, gram
from nufftlib.nufft.engines.grid.cpu import parallel


def samples(n, length, rank=None):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, length)) + 1j * rng.standard_normal((n, length))
    return X if rank is None else X[:, :rank] @ X[:rank]


GRAMS = [(1, 3, None), (2, 5, None), (3, 4, None), (41, 100, 7), (97, 130, None)]


@pytest.mark.parametrize(("n", "length", "rank"), GRAMS)
def test_eigenvectors_of_a_gram_matrix(n, length, rank):
    """Of many equal eigenvalues too, which are zero, and of a column that needs no reflection."""
    X = samples(n, length, rank)
    lower = np.tril(gram(X))
    np.testing.assert_allclose(lower, np.tril(X @ X.conj().T), atol=1e-12 * np.max(np.abs(lower)))
    lower[2:, 0] = 0
    whole = lower + np.tril(lower, -1).conj().T
    whole[np.diag_indices(n)] = np.diag(whole).real
    reduced, largest = Tridiagonal(lower), np.max(np.abs(lower))
    want = np.linalg.eigvalsh(whole)
    np.testing.assert_allclose(reduced.values, want, atol=1e-13 * n * largest)
    for count in {1, -(-n // 3), n}:
        V = reduced.vectors(count)
        np.testing.assert_allclose(V.conj().T @ V, np.eye(count), atol=1e-12)
        np.testing.assert_allclose(whole @ V, V * want[-count:], atol=1e-13 * n * largest)


def test_a_diagonal_matrix_needs_no_reflection():
    values = np.asarray([3.0, -1.0, 2.0, 0.0])
    reduced = Tridiagonal(np.diag(values) + 0j)
    np.testing.assert_allclose(reduced.values, sorted(values))
    np.testing.assert_allclose(np.abs(reduced.vectors(1))[:, 0], [1, 0, 0, 0], atol=1e-15)


def test_threads_do_not_change_it(monkeypatch):
    X, results = samples(97, 130), []
    for threads in (1, 2, 3, 7):
        monkeypatch.setattr(parallel, "threads", lambda n=threads: n)
        G = gram(X)
        results.append((G, Tridiagonal(G).vectors(30)))
    for G, V in results[1:]:
        np.testing.assert_array_equal(G, results[0][0])
        np.testing.assert_array_equal(V, results[0][1])


def test_maps_by_tiles_are_those_by_lapack(monkeypatch):
    rng = np.random.default_rng(4)
    s = mri.birdcage_maps(4, (20, 24), dtype=np.complex128)
    y = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(s, axes=(1, 2))), axes=(1, 2))
    y = y + rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape)
    want = mri.espirit_maps(y, (20, 24), kernel=5)
    monkeypatch.setattr(espirit, "LARGE", 1)
    got = mri.espirit_maps(y, (20, 24), kernel=5)
    np.testing.assert_allclose(got.eigenvalues, want.eigenvalues, atol=1e-9)
    np.testing.assert_allclose(got.maps, want.maps, atol=1e-8)
