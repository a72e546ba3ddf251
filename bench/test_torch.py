"""What the torch adapter adds to the bare operator, in a call and in backward.

Forward is one call of the adapter, forward and backward two; each may add 100 microseconds.
"""

import numpy as np
import pytest

import nufftlib as nl

torch = pytest.importorskip("torch")

from nufftlib.interop.torch import wrap  # noqa: E402


def complex_(rng, shape, dtype):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def tiny_diagonal(rng):
    """Next to nothing to compute: all that is seen is overhead."""
    return nl.Diagonal(rng.standard_normal(4)), rng.standard_normal(4), "weights"


def small_nufft(rng):
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (16, 2)), (8, 8))
    return F, complex_(rng, (8, 8), np.complex128), "trajectory"


def nufft_256(rng):
    k = nl.mri.trajectories.radial(32, 256)
    return (
        nl.NUFFT(k, (256, 256), eps=1e-4),
        complex_(rng, (6, 256, 256), np.complex64),
        "trajectory",
    )


def blur_256(rng):
    psf = rng.random((25, 25)).astype(np.float32)
    return nl.Blur(psf), rng.random((3, 256, 256)).astype(np.float32), "psf"


@pytest.fixture(params=[tiny_diagonal, small_nufft, nufft_256, blur_256], ids=lambda f: f.__name__)
def problem(request):
    A, x, name = request.param(np.random.default_rng(0))
    return A, x, name, A(x), wrap(A)


def test_forward_bare(problem, benchmark):
    A, x, name, _, _ = problem
    theta = A.parameters[name]
    benchmark(lambda: A.replace(**{name: theta})(x))


def test_forward_torch(problem, benchmark):
    A, x, name, _, f = problem
    image, theta = torch.tensor(x), torch.tensor(A.parameters[name]).requires_grad_()
    benchmark(lambda: f(image, **{name: theta}))


def test_forward_and_backward_bare(problem, benchmark):
    A, x, name, y, _ = problem
    theta = A.parameters[name]

    def step():
        moved = A.replace(**{name: theta})
        result = moved(x)  # as long as backward, as torch keeps it
        return result, moved.vjp(name, x, y)

    benchmark(step)


def test_forward_and_backward_torch(problem, benchmark):
    A, x, name, y, f = problem
    image, theta = torch.tensor(x), torch.tensor(A.parameters[name]).requires_grad_()
    g = torch.tensor(y)
    benchmark(lambda: torch.autograd.grad(f(image, **{name: theta}), theta, g))
