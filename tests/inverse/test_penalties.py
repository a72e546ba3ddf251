"""Smooth penalties: values, gradients, Hessians, and what lies above them."""

import numpy as np
import pytest
from differences import difference

import nufftlib as nl

RNG = np.random.default_rng(0)
SHAPE = (5, 4)
EDGES = RNG.uniform(0.5, 1.5, (2, *SHAPE))
SCALE, DELTA = 0.7, 0.3


def image(kind, *batch):
    x = RNG.standard_normal((*batch, *SHAPE))
    return x if kind == "real" else x + 1j * RNG.standard_normal(x.shape)


def variation(scale=SCALE, edges=EDGES):
    R = nl.Diagonal(edges).rename(weights="edges") @ nl.FiniteDifferences(SHAPE)
    return nl.Charbonnier(scale, DELTA, R, axis=-3)


def plain(x, scale=SCALE, edges=EDGES):
    ends = [np.take(x, [-1], axis=a) for a in (-2, -1)]
    D = np.stack([np.diff(x, axis=a, append=e) for a, e in zip((-2, -1), ends, strict=True)], -3)
    lengths = np.sqrt(np.sum(np.abs(edges * D) ** 2, axis=-3) + DELTA**2)
    return scale * np.sum(lengths - DELTA)


STATE = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _numbers():
    """Give each test the same numbers, whatever ran before it."""
    RNG.bit_generator.state = STATE


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_the_total_variation_and_its_derivatives(row, kind):
    x, t = image(kind, 2), image(kind, 2)
    phi = nl.Charbonnier(SCALE, DELTA, nl.FiniteDifferences(SHAPE), axis=-3)
    value, gradient = phi.value_and_grad(row.array(x, str(x.dtype)))
    assert row.owns(value, "float64")
    assert row.owns(gradient, str(x.dtype))
    assert float(value) == pytest.approx(plain(x, edges=1.0), rel=1e-13)
    slope = difference(lambda h: plain(x + h * t, edges=1.0))
    assert float(nl.inner(gradient, row.array(t, str(t.dtype)))) == pytest.approx(slope, rel=1e-8)
    H = phi.hessian(row.array(x, str(x.dtype)))
    got = row.numpy(H(row.array(t, str(t.dtype))))

    def at(h):
        return row.numpy(phi.gradient(row.array(x + h * t, str(x.dtype))).value)

    np.testing.assert_allclose(got, difference(at), rtol=1e-7, atol=1e-8)


def test_without_an_operator_each_entry_is_a_vector():
    x = image("complex")
    phi = nl.Charbonnier(1.0, DELTA)
    assert float(phi(x)) == pytest.approx(np.sum(np.sqrt(np.abs(x) ** 2 + DELTA**2) - DELTA))
    t = image("complex")
    change = difference(lambda h: phi.gradient(x + h * t).value)
    np.testing.assert_allclose(phi.hessian(x)(t), change, rtol=1e-7, atol=1e-8)


def test_small_lengths_keep_their_digits():
    x = 1e-9 * np.ones(3)
    assert float(nl.Charbonnier(1.0, 1.0)(x)) == pytest.approx(1.5e-18, rel=1e-12)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_a_hessian_is_positive_and_its_own_adjoint(kind):
    x = image(kind, 2)
    H = variation().hessian(x)
    report = nl.check_operator(H, x, parameters=[])
    assert report.ok, str(report)
    for size in (1e-3, 1.0, 1e3):  # u along itself has the least curvature
        t, s = size * x + image(kind, 2), image(kind, 2)
        assert float(nl.inner(t, H(t))) > 0
        assert float(nl.inner(s, H(t))) == pytest.approx(float(nl.inner(H(s), t)), rel=1e-9)


@pytest.mark.parametrize("name", ["scale", "edges"])
def test_derivatives_by_parameters(name):
    phi = variation(np.asarray(SCALE))
    x, q, theta = image("complex", 2), image("complex", 2), phi.parameters[name]
    t = np.asarray(RNG.standard_normal(theta.shape))

    def moved(h):
        return phi.replace(**{name: theta + h * t})

    value, J = phi.linearize(x, wrt=name)
    assert float(value) == pytest.approx(float(phi(x)))
    slope = difference(lambda h: float(moved(h)(x)))
    assert float(J(t)) == pytest.approx(slope, rel=1e-8)
    assert float(nl.inner(J.adjoint(1.0), t)) == pytest.approx(slope, rel=1e-8)
    assert float(phi.as_map(name, x)(theta + t)) == pytest.approx(float(moved(1.0)(x)))
    change = difference(lambda h: moved(h).gradient(x).value)
    at = phi.gradient(x)
    np.testing.assert_allclose(at.tangent({name: t}), change, rtol=1e-7, atol=1e-9)
    back = at.cotangents(q, (name,))[name]
    assert float(nl.inner(back, t)) == pytest.approx(float(nl.inner(q, change)), rel=1e-8)


def test_a_parameter_of_penalty_and_operator_is_one():
    shared = np.asarray(0.7)
    R = nl.Diagonal(shared).rename(weights="scale")
    phi = nl.Charbonnier(shared, DELTA, R)
    x = image("real")
    slope = difference(lambda h: float(phi.replace(scale=shared + h)(x)))
    _, J = phi.linearize(x, wrt="scale")
    assert float(J(np.asarray(1.0))) == pytest.approx(slope, rel=1e-8)
    assert float(J.adjoint(1.0)) == pytest.approx(slope, rel=1e-8)
    at = phi.gradient(x)
    change = difference(lambda h: phi.replace(scale=shared + h).gradient(x).value)
    np.testing.assert_allclose(at.tangent({"scale": np.asarray(1.0)}), change, rtol=1e-7)


def test_a_number_is_no_parameter():
    assert dict(nl.Charbonnier(0.5, DELTA).parameters) == {}
    assert set(nl.Charbonnier(np.asarray(0.5), DELTA).parameters) == {"scale"}


def test_errors():
    with pytest.raises(ValueError, match=r"Charbonnier\(scale\): scale has the shape \(2,\)"):
        nl.Charbonnier(np.ones(2), DELTA)
    with pytest.raises(ValueError, match=r"Charbonnier\(delta\): delta is 0"):
        nl.Charbonnier(1.0, 0.0)
    with pytest.raises(ValueError, match=r"axis is 0; want it counted from the last"):
        nl.Charbonnier(1.0, DELTA, axis=0)
    with pytest.raises(ValueError, match="has no parameter 'edges'; it has 'scale'"):
        nl.Charbonnier(np.asarray(1.0), DELTA).as_map("edges", image("real"))


def test_the_gradient_of_a_real_image_is_real():
    R = nl.Diagonal(RNG.standard_normal(5) + 1j * RNG.standard_normal(5))
    x = RNG.standard_normal(5)
    assert nl.Charbonnier(SCALE, DELTA, R).gradient(x).value.dtype == np.float64
