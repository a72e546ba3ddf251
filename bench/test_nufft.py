"""Time of the NUFFT's value, adjoint and derivatives, beside its floor.

The floor is printed as ``flops`` and ``bytes``: one complex FFT of the oversampled grid
(sigma = 1.25) for each transform, ``5 N log2 N`` flops, and one pass over image, grid
and data; nothing can be computed with less by this method. A fixed image needs none.
"""

import math

import numpy as np
import pytest

import nufftlib as nl

ROWS = {
    "2D 256, 6 coils, 8192 radial samples, complex64, 1e-4": ((256, 256), 6, 8192, "f4", 1e-4),
    "2D 512, 1 coil, 200000 samples, complex64, 1e-4": ((512, 512), 1, 200_000, "f4", 1e-4),
    "3D 128, 4 coils, 1000000 samples, complex64, 1e-4": ((128,) * 3, 4, 1_000_000, "f4", 1e-4),
    "2D 256, 6 coils, 8192 radial samples, complex128, 1e-9": ((256, 256), 6, 8192, "f8", 1e-9),
}


def arrays(shape, coils, samples, dtype):
    rng = np.random.default_rng(0)
    if samples == 8192:
        k = nl.mri.trajectories.radial(32, 256, dtype=np.dtype(dtype)).reshape(-1, 2)
    else:
        k = rng.uniform(-0.5, 0.5, (samples, len(shape))).astype(dtype)
    x = rng.standard_normal((coils, *shape)) + 1j * rng.standard_normal((coils, *shape))
    return k, x.astype(np.result_type(dtype, np.complex64))


def floor(shape, transforms, samples, itemsize):
    """Return flops and bytes of as many transforms at oversampling 1.25."""
    grid = math.prod(math.ceil(1.25 * n) for n in shape)
    flops = transforms * 5 * grid * math.log2(grid)
    return flops, transforms * itemsize * (math.prod(shape) + 3 * grid + samples)


@pytest.fixture(params=["grid", "native"])
def engine(request, xp):
    """Our own engine, and finufft or cufinufft."""
    native = "finufft" if xp is np else "cufinufft"
    return native if request.param == "native" else request.param


@pytest.fixture(params=ROWS, ids=str)
def problem(request, xp, engine):
    shape, coils, samples, dtype, eps = ROWS[request.param]
    k, x = arrays(shape, coils, samples, dtype)
    k, x = xp.asarray(k), xp.asarray(x)
    F = nl.NUFFT(k, shape, eps=eps, engine=engine)
    return F, x, F(x)


def record(benchmark, F, x, transforms):
    flops, moved = floor(F.shape, transforms, F.trajectory.shape[0], x.itemsize)
    benchmark.extra_info.update(flops=flops, bytes=moved)


def test_value(problem, timed, benchmark):
    F, x, _ = problem
    record(benchmark, F, x, x.shape[0])
    timed(F, x)


def test_adjoint(problem, timed, benchmark):
    F, x, y = problem
    record(benchmark, F, x, x.shape[0])
    timed(F.adjoint, y)


def test_gradient(problem, timed, benchmark):
    F, x, y = problem
    record(benchmark, F, x, x.shape[0])
    timed(F.vjp, "trajectory", x, y)


def test_value_and_gradient(problem, timed, benchmark):
    F, x, y = problem
    record(benchmark, F, x, x.shape[0])

    def step():
        _, J = F.linearize(x, wrt="trajectory")
        return J.adjoint(y)

    timed(step)


def test_value_and_gradient_of_a_fixed_image(problem, timed, benchmark):
    """As learning does it: a new trajectory each time, one image."""
    F, x, y = problem
    record(benchmark, F, x, 0)
    fixed = F.as_map("trajectory", x)

    def step():
        _, J = fixed.linearize(F.trajectory + 0)
        return J.adjoint(y)

    timed(step)
