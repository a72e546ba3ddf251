"""What a call through JAX costs beyond the operator itself, one small enough to show it."""

import numpy as np
import pytest

import nufftlib as nl

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402  # once it is known to be there

from nufftlib.interop.jax import wrap  # noqa: E402

WEIGHTS = np.ones(16, np.float32)
W = nl.Diagonal(WEIGHTS)
f = wrap(W)


def loss(x, w):
    return jnp.sum(f(x, weights=w) ** 2)


def theirs(x, w):
    return jnp.sum((x * w) ** 2)


CALLS = {
    "f(x)": f,
    "f(x, weights=w)": lambda x, w: f(x, weights=w),
    "value_and_grad": jax.value_and_grad(loss, argnums=1),
    "value_and_grad, all in JAX": jax.value_and_grad(theirs, argnums=1),
}


def test_bare(benchmark):
    benchmark(lambda: W.replace(weights=WEIGHTS)(WEIGHTS))


@pytest.mark.parametrize("compiled", ["eager", "jit"])
@pytest.mark.parametrize("call", CALLS)
def test_through_jax(benchmark, call, compiled):
    function = jax.jit(CALLS[call]) if compiled == "jit" else CALLS[call]
    arrays = [jnp.asarray(WEIGHTS)] * (1 if call == "f(x)" else 2)
    benchmark(lambda: jax.block_until_ready(function(*arrays)))


@pytest.mark.parametrize("compiled", ["bare", "eager", "jit"])
def test_a_large_image(benchmark, compiled):
    """A million pixels, to see what is copied."""
    x = np.ones((1000, 1000), np.float32)
    g = wrap(nl.Diagonal(np.ones(1, np.float32)))
    if compiled == "bare":
        benchmark(lambda: nl.Diagonal(np.ones(1, np.float32))(x))
    else:
        y, function = jnp.asarray(x), jax.jit(g) if compiled == "jit" else g
        benchmark(lambda: jax.block_until_ready(function(y)))
