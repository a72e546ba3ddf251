"""Off-resonance: the accuracy that is asked for, the terms that it costs, and what is refused."""

import numpy as np
import pytest

import nufftlib as nl
import optim
from nufftlib.mri.off_resonance.expansion import Box, expand

N = 64
AXIS = np.linspace(-1, 1, N)
FIELD = 150 * np.sin(np.pi * AXIS[:, None]) * np.cos(2 * AXIS)
RNG = np.random.default_rng(0)
K = RNG.uniform(-0.5, 0.5, (300, 2))
TIMES = np.linspace(0, 10e-3, 300)
X = RNG.standard_normal((N, N)) + 1j * RNG.standard_normal((N, N))


def exact(rates, x=X, k=K, t=TIMES):
    """The sum written out."""
    n = np.arange(x.shape[0]) - x.shape[0] // 2
    phases = k[:, :1, None] * n[:, None] + k[:, 1:, None] * n
    return np.exp(-2j * np.pi * phases - t[:, None, None] * rates).reshape(len(k), -1) @ x.ravel()


@pytest.mark.parametrize("eps", [1e-2, 1e-4, 1e-6, 1e-10])
@pytest.mark.parametrize("decay", [0.0, 80.0])
def test_the_error_is_below_eps(eps, decay):
    rates = decay * (1 + AXIS) + 2j * np.pi * FIELD
    A = nl.OffResonance(nl.NUFFT(K, X.shape, eps=1e-12), rates if decay else FIELD, TIMES, eps=eps)
    want = exact(rates)
    assert np.linalg.norm(A(X) - want) <= eps * np.linalg.norm(want)


def test_no_voxel_is_further_off_than_eps():
    """Also a rare frequency at the end of the range, and the first and last sample."""
    for eps in (1e-2, 1e-6):
        found = expand(Box((0.0, 0.0), (-90.0, 160.0), (2e-3, 12e-3)), eps)
        f, t = np.linspace(-90, 160, 333), np.linspace(2e-3, 12e-3, 222)
        C, B = found.by_rate(2j * np.pi * f), found.by_time(t + 0j)
        error = np.abs(C.T @ B - np.exp(-2j * np.pi * np.outer(f, t)))
        assert error.max() <= 1.05 * eps
        assert found.error == pytest.approx(error.max(), rel=0.2)


def test_few_terms_are_enough():
    """Some more than the periods that the range of frequencies makes in the readout, here 3."""
    F = nl.NUFFT(K, X.shape)
    assert nl.OffResonance(F, FIELD, TIMES, eps=1e-2).terms <= 8
    assert nl.OffResonance(F, FIELD, TIMES, eps=1e-6).terms <= 12
    assert nl.OffResonance(F, np.full((N, N), 40.0), TIMES).terms == 1


def test_a_field_map_is_found_by_its_gradient():
    n = 24
    i = np.linspace(-1, 1, n)
    image = (np.hypot(i, i[:, None]) < 0.9) * (1 + 0.3 * np.cos(5 * i)) + 0j
    field = 60 * i - 40 * i[:, None] + 50 * i * i[:, None]
    k = nl.mri.trajectories.spiral(4, 256, dtype=np.float64).reshape(-1, 2)
    t = np.tile(np.linspace(1e-3, 8e-3, 256), 4)
    y = exact(2j * np.pi * field, image, k, t)
    model = nl.OffResonance(nl.NUFFT(k, image.shape, eps=1e-8), np.zeros_like(field), t, eps=1e-5)
    smooth = nl.HalfSquaredError(np.zeros((2, n, n))) @ nl.FiniteDifferences(image.shape)
    loss = nl.HalfSquaredError(y) @ model.as_map("field_map", image) + 1e-2 * smooth
    found = optim.lbfgs(loss.value_and_grad, np.zeros_like(field), steps=100).params
    off = (found - field)[abs(image) > 0]
    assert np.sqrt(np.mean(off**2)) < 1.0


def test_the_map_of_the_trajectory_expands_the_image_once():
    A = nl.OffResonance(nl.NUFFT(K, X.shape, eps=1e-9), FIELD, TIMES, eps=1e-9)
    f = A.as_map("trajectory", X)
    value, J = f.linearize(0.9 * K)
    moved = A.replace(trajectory=0.9 * K)
    np.testing.assert_allclose(value, moved(X), rtol=0, atol=1e-9 * abs(value).max())
    y = exact(1.0 * FIELD)
    np.testing.assert_allclose(J.adjoint(y), moved.vjp("trajectory", X, y), rtol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"field_map": np.zeros((3, 3))},
            r"field_map has the shape \(3, 3\); want that of an image",
        ),
        ({"field_map": FIELD * np.nan}, "field_map is not finite in 4096 of 4096 entries"),
        ({"field_map": FIELD.astype(np.float32)}, "field_map is float32 and times is float64"),
        ({"times": np.zeros(5)}, r"times has the shape \(5,\); want one that broadcasts"),
        ({"times": TIMES + 0j}, "times is complex128; want float32 or float64"),
        ({"eps": 1e-14}, "eps is 1e-14; want a number from 1e-12 to below 1"),
        ({"operator": np.fft.fft}, "want a LinearOperator"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    settings = {"operator": nl.NUFFT(K, X.shape), "field_map": FIELD, "times": TIMES} | change
    with pytest.raises((TypeError, ValueError), match=message):
        nl.OffResonance(**settings)


@pytest.mark.parametrize("rates", [1e6 * FIELD, 1e3 * FIELD + 1j])
def test_rates_that_cannot_have_been_meant_are_refused(rates):
    """Millions of turns, and decays from rounding to infinity."""
    A = nl.OffResonance(nl.NUFFT(K, X.shape), rates, TIMES)
    with pytest.raises(ValueError, match="have no expansion to eps=1e-06; want hertz, seconds"):
        A(X)
