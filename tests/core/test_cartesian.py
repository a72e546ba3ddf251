"""The Cartesian transform beside the NUFFT at the same points, and what is refused."""

import numpy as np
import pytest

import nufftlib as nl

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 2)])
def test_it_is_the_nufft_at_the_points_of_the_grid(shape, norm):
    axes = [np.arange(n) - n // 2 for n in shape]
    k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(float)
    F = nl.NUFFT(nl.mri.from_cycles_per_fov(k, shape), shape, norm, engine="direct")
    C = nl.FFT(shape, norm)
    x, y = (RNG.standard_normal((2, *shape)) + 1j * RNG.standard_normal((2, *shape)) for _ in "xy")
    np.testing.assert_allclose(C(x), F(x), rtol=0, atol=1e-13 * abs(C(x)).max())
    np.testing.assert_allclose(C.H(y), F.H(y), rtol=0, atol=1e-13 * abs(C.H(y)).max())


def test_a_mask_has_a_gradient():
    mask, x = RNG.random((4, 1)), RNG.standard_normal((4, 5)) + 0j
    F = nl.FFT((4, 5))
    y = F(x)
    g = (nl.Diagonal(mask) @ F).vjp("weights", x, y)
    np.testing.assert_allclose(g, np.sum(abs(y) ** 2, axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.FFT(()), r"FFT\(shape\): shape is \(\); want a size for each axis"),
        (lambda: nl.FFT((4, 0)), r"FFT\(shape\): .* want a size for each axis of at least 1"),
        (lambda: nl.FFT((4,), "orthogonal"), r"FFT\(norm\): norm is 'orthogonal'; want"),
        (lambda: nl.FFT((4,))(np.zeros(5)), r"x has the shape \(5,\); want \(..., 4\)"),
        (
            lambda: nl.PartitionFFT((4, 3, 3), (0, 2)),
            r"partitions is \(0, 2\); want distinct integers from -2 to 1",
        ),
        (lambda: nl.PartitionFFT((4, 3, 3), (0, 0)), "want distinct integers from -2 to 1"),
        (
            lambda: (
                nl.Paired(nl.NUFFT(np.zeros((5, 2)), (3, 3)), {"trajectory": np.zeros((2, 5, 2))})
                @ nl.PartitionFFT((4, 3, 3))
            ),
            r"C, a PartitionFFT, returns last axes \(..., 4, 3, 3\); want \(..., 2, 3, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
