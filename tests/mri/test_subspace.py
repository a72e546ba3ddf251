"""Subspaces: both orders, the convolution, a basis that is found, and what is refused."""

import numpy as np
import pytest

import nufftlib as nl
import optim
from nufftlib.mri.subspace.gram import SubspaceGram

RNG = np.random.default_rng(0)
K = RNG.uniform(-0.5, 0.5, (6, 50, 2))
BASIS = RNG.standard_normal((6, 2))


def noise(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


F = nl.NUFFT(K, (6, 5), engine="direct")
MAPS = noise(3, 6, 5)
X = noise(2, 6, 5)


def test_both_orders_agree():
    one = nl.Subspace(F @ nl.Sense(MAPS), BASIS)
    of_frame = nl.NUFFT(K[0], (6, 5), engine="direct") @ nl.Sense(MAPS)
    each = nl.Subspace(nl.Paired(of_frame, {"trajectory": K}), BASIS)
    y = one(X)
    np.testing.assert_allclose(np.moveaxis(each(X), 0, 1), y, rtol=0, atol=1e-12)
    z = noise(*y.shape)
    np.testing.assert_allclose(each.H(np.moveaxis(z, 1, 0)), one.H(z), rtol=0, atol=1e-11)
    for name in ("basis", "maps", "trajectory"):
        g, h = one.vjp(name, X, z), each.vjp(name, X, np.moveaxis(z, 1, 0))
        np.testing.assert_allclose(h, g, rtol=0, atol=1e-11 * abs(g).max())


@pytest.mark.parametrize("basis", [BASIS, BASIS + 1j * BASIS[::-1]])
def test_the_gram_is_a_convolution_where_that_of_the_nufft_is(basis):
    k = RNG.uniform(-0.5, 0.5, (6, 100, 2))
    A = nl.Subspace(nl.NUFFT(k, (6, 5), eps=1e-9, engine="finufft") @ nl.Sense(MAPS), basis)
    assert isinstance(A.N, SubspaceGram)
    np.testing.assert_allclose(A.N(X), A.H(A(X)), rtol=0, atol=1e-7 * abs(A.N(X)).max())
    for few in (nl.NUFFT(k[:, :1], (6, 5)), nl.NUFFT(k, (6, 5), memory_limit=4000)):
        assert not isinstance(nl.Subspace(few, basis).N, SubspaceGram)


def test_the_gram_of_a_stack():
    """Between the coefficients and the plane are coils and partitions."""
    F, S = nl.NUFFT(K, (4, 5), engine="direct"), nl.Sense(noise(2, 3, 4, 5))
    A = F @ nl.PartitionFFT((3, 4, 5), (0, -1)) @ S
    x, G = noise(2, 2, 3, 4, 5), SubspaceGram(A, BASIS, -2)
    want = nl.Subspace(A, BASIS)
    np.testing.assert_allclose(G(x), want.H(want(x)), rtol=0, atol=1e-12 * abs(G(x)).max())


def test_coefficients_by_least_squares():
    A = nl.Subspace(F @ nl.Sense(MAPS), BASIS)
    assert nl.nrmse(nl.LeastSquares(A, tolerance=1e-9)(A(X)), X) < 1e-6


def test_a_basis_is_found_by_its_gradient():
    A = nl.Subspace(F, BASIS)
    loss = nl.HalfSquaredError(A(X)) @ A.as_map("basis", X)
    found = optim.lbfgs(loss.value_and_grad, np.zeros_like(BASIS), steps=60).params
    np.testing.assert_allclose(found, BASIS, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.Subspace(F, BASIS[:5]), r"basis has the shape \(5, 2\); want \(6, coeff"),
        (lambda: nl.Subspace(F, BASIS, axis=-3), "axis is -3; want -2 to -1, an axis of"),
        (lambda: nl.Subspace(F, BASIS.astype("f4")), "basis is float32 and trajectory is float64"),
        (
            lambda: nl.Subspace(nl.Blur(np.ones((3, 3))), BASIS),
            "the Blur takes images of any shape; want one of images of one shape",
        ),
        (lambda: nl.Subspace(F, BASIS)(X[:1]), r"x has the shape \(1, 6, 5\); want \(..., 2, 6, 5"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
