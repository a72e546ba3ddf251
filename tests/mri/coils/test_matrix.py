"""Whitening and compression of coils."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


@pytest.mark.parametrize("precision", ["complex128", "complex64"])
def test_whitened_noise_is_white(precision):
    """Of one in the real and in the imaginary part, exactly in the scan that it was made of."""
    mixing = draw(5, 5) * 10.0 ** np.arange(-4, 1)[:, None]
    n = (mixing @ draw(5, 400)).reshape(5, 20, 20).astype(precision)
    W = mri.whiten(n, (20, 20))
    assert W.matrix.dtype == precision
    white = W(n).reshape(5, -1)
    atol = 1e-12 if precision == "complex128" else 1e-4
    np.testing.assert_allclose(white @ white.conj().T / 800, np.eye(5), atol=atol)
    np.testing.assert_array_equal(np.triu(W.matrix, 1), 0)
    fresh = mri.whiten(mixing @ draw(5, 40000), (40000,))(mixing @ draw(5, 40000))
    np.testing.assert_allclose(
        np.cov(np.concatenate([fresh.real, fresh.imag])), np.eye(10), atol=0.05
    )


def test_compression_is_the_singular_value_decomposition():
    y = draw(7, 3) @ draw(3, 60) + 0.1 * draw(7, 60)
    U, s, _ = np.linalg.svd(y, full_matrices=False)
    for coils in (1, 3, 7):
        found = mri.compress_coils(y.reshape(7, 6, 10), coils)
        assert found.data.shape == (coils, 6, 10)
        assert found.kept == pytest.approx(np.sum(s[:coils] ** 2) / np.sum(s**2))
        M = found.operator.matrix
        np.testing.assert_allclose(M @ M.conj().T, np.eye(coils), atol=1e-12)
        np.testing.assert_allclose(M.conj().T @ M, U[:, :coils] @ U[:, :coils].conj().T, atol=1e-10)
        lengths = np.linalg.norm(found.data.reshape(coils, -1), axis=1)
        np.testing.assert_allclose(lengths, s[:coils])
        np.testing.assert_array_equal(found.operator(y.reshape(7, 6, 10)), found.data)
        for row in M.conj():  # the phase
            first = row[np.argmax(abs(row) >= 0.5 * abs(row).max() - 1e-12)]
            assert first.imag == pytest.approx(0, abs=1e-12)
            assert first.real > 0


def test_it_commutes_with_the_transform():
    s, x = draw(4, 6, 5), draw(6, 5)
    F = nl.NUFFT(RNG.uniform(-0.5, 0.5, (3, 8, 2)), (6, 5), engine="direct")
    y = F(s * x)
    found = mri.compress_coils(y, 2)
    virtual = mri.CoilMatrix(found.operator.matrix, (6, 5))(s)
    np.testing.assert_allclose(F(virtual * x), found.data, atol=1e-10)
    A = found.operator @ F @ nl.Sense(s)
    assert sorted(A.parameters) == ["maps", "matrix", "trajectory"]
    np.testing.assert_allclose(A(x), found.data, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_noise_of_any_size_is_whitened(scale):
    n = (scale * draw(3, 500)).astype(np.complex64)
    np.testing.assert_allclose(np.mean(np.abs(mri.whiten(n, (500,))(n)) ** 2, axis=1), 2, rtol=1e-5)


def test_whitening_makes_a_reconstruction_better():
    """Coils of unlike noise: by the weights of their noise, not all alike."""
    s, x = mri.birdcage_maps(4, (12, 12), dtype=np.complex128), draw(12, 12)
    mixing = np.diag([0.01, 0.01, 0.01, 3.0]) @ (np.eye(4) + 0.3)
    F = nl.NUFFT(RNG.uniform(-0.5, 0.5, (500, 2)), (12, 12), norm="ortho", eps=1e-9)
    A, noise = F @ nl.Sense(s), mixing @ draw(4, 500)
    W = mri.whiten(mixing @ draw(4, 5000), (500,))
    y = A(x) + noise
    plain = nl.LeastSquares(A, 1e-6)(y)
    white = nl.LeastSquares(W @ A, 1e-6)(W(y))
    assert nl.nrmse(white, x) < 0.2 * nl.nrmse(plain, x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mri.whiten(draw(3, 2), (2,)), "2 samples of 3 coils; want more"),
        (lambda: mri.whiten(draw(3, 9).real, (2,)), "noise is float64; want complex64"),
        (lambda: mri.whiten(draw(9), (2,)), r"\(9,\); want \(coils, ...\)"),
        (lambda: mri.whiten(np.ones((2, 9)) * draw(1, 9), (2,)), "no noise of its own"),
        (lambda: mri.whiten(draw(2, 9) * [[1], [0]], (2,)), "no noise of its own"),
        (lambda: mri.compress_coils(draw(3, 9), 4), "coils is 4; want 1 to 3"),
        (lambda: mri.compress_coils(0 * draw(3, 9), 2), "zero everywhere"),
        (lambda: mri.compress_coils(np.nan * draw(3, 9), 2), "not finite"),
        (lambda: mri.CoilMatrix(draw(3), (2,)), r"\(3,\); want \(virtual coils, coils\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
