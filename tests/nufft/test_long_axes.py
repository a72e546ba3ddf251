"""Long axes: points are rounded nowhere so that the asked accuracy is lost, in no direction."""

from functools import cache

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.nufft.engines.base import (
    DOUBLE_BITS,
    SINGLE_BITS,
    phase_rounding,
    too_long_for_single,
)
from nufftlib.nufft.engines.direct import turns

rng = np.random.default_rng(11)
M = 30
EPS = 1e-3


def noise(*shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype("complex64")


def phases(k, size, dtype=np.longdouble):
    """Return exp(-2 pi i k n) in double precision, its phase reduced in a longer one."""
    turn = np.outer(k.astype(dtype), np.arange(size) - size // 2)
    return np.exp(-2j * np.pi * (turn - np.round(turn)).astype(float))


def exact(E, x):
    """Return the sums of one image."""
    letters = "abc"[: len(E)]
    terms = ",".join("m" + letter for letter in letters)
    return np.einsum(f"{terms},{letters}->m", *E, x.astype(complex), optimize=True)


def distance(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


@cache
def problem(shape):
    """Return points, an image, data, and the exact value, adjoint and gradient."""
    # The given float32 points are exact; those near the edge of the period have the largest phases.
    k = (rng.choice([-1, 1], (M, len(shape))) * rng.uniform(0.4, 0.5, (M, len(shape)))).astype("f4")
    x, y = noise(*shape), noise(M)
    E = [phases(k[:, a], n) for a, n in enumerate(shape)]
    conjugates = [e.conj() for e in E]
    letters = "abc"[: len(shape)]
    terms = ",".join("m" + letter for letter in letters)
    adjoint = np.einsum(f"{terms},m->{letters}", *conjugates, y.astype(complex), optimize=True)
    gradient = []
    for a, n in enumerate(shape):
        ramp = 2 * np.pi * (np.arange(n) - n // 2)
        ramp = ramp.reshape([-1 if b == a else 1 for b in range(len(shape))])
        gradient.append(np.imag(y.conj() * exact(E, ramp * x)))
    return k, x, y, exact(E, x), adjoint, np.stack(gradient, axis=-1)


@pytest.mark.parametrize("engine", ["auto", "direct", "grid", "finufft"])
@pytest.mark.parametrize("shape", [(150_001,), (3, 100_000), (2, 80_000, 3)], ids=str)
def test_every_engine_has_its_accuracy_on_long_axes_in_single_precision(engine, shape):
    k, x, y, want, adjoint, gradient = problem(shape)
    F = nl.NUFFT(k, shape, eps=EPS, engine=engine)
    assert distance(F(x), want) <= 2 * EPS  # finufft's own kernel takes up to 1.4 eps
    assert distance(F.H(y), adjoint) <= 2 * EPS
    value, J = F.linearize(x, wrt="trajectory")
    assert distance(value, want) <= 2 * EPS
    for got in (F.vjp("trajectory", x, y), J.adjoint(y)):
        for a in range(len(shape)):  # each for itself: a short axis has small derivatives
            assert distance(got[:, a], gradient[:, a]) <= 5 * EPS


@pytest.mark.parametrize("engine", ["grid", "finufft"])
def test_the_gram_has_the_accuracy_of_its_lags(engine):
    k, x = rng.uniform(-0.5, 0.5, (M, 1)).astype("f4"), noise(60_000)
    F = nl.NUFFT(k, x.shape, eps=EPS, engine=engine)
    assert distance(F.gram(method="toeplitz")(x), F.gram(method="composed")(x)) <= 4 * EPS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 2, 7, 64, 65, 100_000])
def test_turns_lose_the_digits_of_the_square_root(dtype, size):
    k = rng.uniform(-0.5, 0.5, 9).astype(dtype)
    exactly = np.outer(k.astype(np.longdouble), np.arange(size) - size // 2)
    error = np.asarray(turns(np, k, size) - exactly, float)
    error -= np.round(error)
    assert np.max(np.abs(error)) <= (1 + np.sqrt(size)) * np.finfo(dtype).epsneg


def test_the_rule_of_rounding():
    assert phase_rounding((3, 4), SINGLE_BITS) == 5 * 2.0**-24  # axes add in squares
    assert not too_long_for_single((1024,), 2 * 1024 * 2.0**-24)
    assert too_long_for_single((1025,), 2 * 1024 * 2.0**-24)


def test_points_rounded_to_single_precision_have_the_error_of_the_rule():
    size = 50_000
    k, x = rng.choice([-1, 1], 200) * rng.uniform(0.45, 0.5, 200), noise(size)
    radians = (np.float32(2 * np.pi) * k.astype("f4")).astype(float)
    want, got = (exact([phases(p, size)], x) for p in (k.astype("f4"), radians / (2 * np.pi)))
    rule = phase_rounding((size,), SINGLE_BITS)
    assert 0.2 * rule < distance(got, want) < rule  # one of the three roundings


@pytest.mark.parametrize("eps", [1e-14, 1e-12])
def test_an_accuracy_beyond_double_precision_is_refused(eps):
    k = np.zeros((3, 1))
    longest = int(eps * 2.0**DOUBLE_BITS)
    nl.NUFFT(k, (longest,), eps=eps, engine="direct")
    with pytest.raises(ValueError, match=rf"eps is {eps}; want .* the shape \({2 * longest},\)"):
        nl.NUFFT(k, (2 * longest,), eps=eps)


def test_auto_composes_the_gram_where_its_lags_are_beyond_double_precision():
    size = int(1e-14 * 2.0**DOUBLE_BITS)
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (4000, 1)), (size,), eps=1e-14)
    assert F.N(np.ones(size, complex)).shape == (size,)
    with pytest.raises(ValueError, match=rf"the shape \({2 * size - 1},\)"):
        F.gram(method="toeplitz")(np.ones(size, complex))
