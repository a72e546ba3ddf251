"""Losses and other maps as JAX functions, as optax takes them."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import nufftlib as nl

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402  # once it is known to be there
from jax.test_util import check_grads  # noqa: E402

from nufftlib.interop.jax import wrap  # noqa: E402


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def noise(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def maps(rng):
    """Maps with a point to look at each, and the same in JAX where that is short."""
    x, t = noise(rng, 2, 5, 6), noise(rng, 2, 5, 6)
    z, r = rng.random((4, 3)) + 0.5, rng.random((4, 3))
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (7, 2)), (5, 6), engine="direct")
    psf = rng.random((3, 2))
    blurred = nl.Blur(psf).as_map("psf", z)
    normalized = nl.MeanNormalize() @ nl.Magnitude()
    y, y8 = F(x), rng.random((8, 9))
    return {
        "half squared error": (
            nl.HalfSquaredError(t),
            x,
            lambda z: jnp.sum(jnp.abs(z - t) ** 2) / 2,
        ),
        "Huber": (nl.Huber(t, 0.7), x, None),
        "Poisson": (
            nl.PoissonLikelihood(r, background=0.1),
            z,
            lambda z: jnp.sum((z + 0.1) - r * jnp.log(z + 0.1) - r + r * jnp.log(r)),
        ),
        "mean in a mask": (
            nl.MeanSquaredError(t, np.arange(6) != 2),
            x,
            lambda z: jnp.mean(jnp.abs(z - t)[..., np.arange(6) != 2] ** 2),
        ),
        "similarity": (nl.SSIM(r, size=3, mask=r > 0.2) @ nl.Magnitude(), z + 1j * r, None),
        "several scales": (nl.MultiScaleSSIM(y8, size=3, weights=(1, 2)), y8[::-1] + y8, None),
        "loss of an image": (nl.MeanSquaredError(y) @ F, x, None),
        "loss of a trajectory": (
            nl.MeanSquaredError(y + 1) @ F.as_map("trajectory", x),
            F.trajectory,
            None,
        ),
        "loss of a PSF": (0.3 * nl.HalfSquaredError(r[:2, :2]) @ blurred, psf, None),
        "sum of losses": (nl.HalfSquaredError(t) + nl.MeanSquaredError(t), x, None),
        "magnitude": (nl.Magnitude(), x, jnp.abs),
        "normalised magnitude": (normalized, x, lambda z: jnp.abs(z) / jnp.mean(jnp.abs(z))),
        "blur by the PSF": (blurred, psf, None),
        "data by the trajectory": (F.as_map("trajectory", x), F.trajectory, None),
    }


NAMES = list(maps(np.random.default_rng(0)))


@pytest.fixture(params=NAMES)
def mapped(request, rng):
    return maps(rng)[request.param]


def test_values_and_derivatives(mapped):
    f, x, theirs = mapped
    g = wrap(f)
    for h in (g, jax.jit(g)):
        np.testing.assert_allclose(h(x), f(x), rtol=1e-13)
    check_grads(g, (x,), 1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6, eps=1e-6)
    if theirs:
        value, back = jax.vjp(jax.jit(g), x)
        want, back_in_jax = jax.vjp(theirs, x)
        np.testing.assert_allclose(value, want, rtol=1e-12)
        cotangent = jnp.cos(value)
        np.testing.assert_allclose(back(cotangent)[0], back_in_jax(cotangent)[0], rtol=1e-11)


def test_batches_go_item_by_item(mapped):
    f, x, _ = mapped
    items = np.stack([x, 0.9 * x])
    np.testing.assert_allclose(jax.vmap(wrap(f))(items), np.stack([f(x), f(0.9 * x)]), rtol=1e-13)
    pulled = jax.jit(jax.vmap(lambda x: jax.vjp(wrap(f), x)[1](wrap(f)(x))[0]))(items)
    want = [jax.vjp(wrap(f), x)[1](f(x))[0] for x in items]
    np.testing.assert_allclose(pulled, np.stack(want), rtol=1e-10)


def test_gradients_are_the_librarys_conjugate(rng):
    f, x, _ = maps(rng)["loss of an image"]
    value, gradient = jax.jit(jax.value_and_grad(wrap(f)))(x)
    want, g = f.value_and_grad(x)
    assert value == want
    assert np.array_equal(gradient, g.conj())


@dataclass(frozen=True, eq=False)
class Counted(nl.Map):
    """A loss that notes what is called."""

    calls: list = field(default_factory=list)

    def linearize(self, x):
        self.calls.append(x.shape)
        return nl.HalfSquaredError(np.zeros(3)).linearize(x)


@pytest.mark.parametrize("compiled", [False, True])
def test_value_and_gradient_come_from_one_linearisation(compiled):
    loss = Counted()
    f = jax.value_and_grad(wrap(loss))
    if compiled:
        f = jax.jit(f)
    f(jnp.ones(3))  # the first time, JAX asks for shapes
    loss.calls.clear()
    jax.block_until_ready(f(jnp.ones(3)))
    assert len(loss.calls) == 1


def test_a_second_derivative_is_refused_and_never_zero(mapped):
    f, x, _ = mapped
    if isinstance(f, nl.LinearOperator):
        pytest.skip("it is linear, and has all derivatives")
    g = wrap(f)
    scalar = (lambda x: jnp.sum(jnp.abs(g(x)) ** 2)) if np.ndim(f(x)) else g
    for second in (
        lambda x: jax.jvp(jax.grad(scalar), (x,), (x,)),
        jax.jit(lambda x: jax.grad(lambda x: jnp.sum(jnp.abs(jax.grad(scalar)(x))))(x)),
    ):
        with pytest.raises(NotImplementedError, match="has no second derivative"):
            second(x)


def test_a_map_of_jax_arrays(rng):
    t = jnp.asarray(noise(rng, 4))
    model = nl.Diagonal(jnp.asarray(rng.random(4)))
    f = wrap(nl.HalfSquaredError(t) @ model)
    same = nl.HalfSquaredError(np.asarray(t)) @ nl.Diagonal(np.asarray(model.weights))
    x = noise(rng, 4)
    assert jax.jit(f)(x) == same(x)


def test_optax_learns_a_psf(rng):
    optax = pytest.importorskip("optax")
    sharp, truth = rng.random((24, 24)), rng.random((3, 3))
    blur = nl.Blur(np.full((3, 3), 0.5))
    loss = wrap(nl.MeanSquaredError(nl.Blur(truth)(sharp)) @ blur.as_map("psf", sharp))
    adam = optax.adam(0.05)

    @jax.jit
    def step(psf, state):
        value, gradient = jax.value_and_grad(loss)(psf)
        updates, state = adam.update(gradient, state)
        return optax.apply_updates(psf, updates), state, value

    psf = jnp.asarray(blur.psf)
    state = adam.init(psf)
    for _ in range(300):
        psf, state, _ = step(psf, state)
    assert np.abs(psf - truth).max() < 1e-2
