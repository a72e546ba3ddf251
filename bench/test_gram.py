"""Time of the Gram, composed and as a convolution, what each has to set up, and its gradient.

`SPREAD` of ``nufftlib/nufft/gram.py``, by which ``method="auto"`` decides, is fitted to
the first two; see ``docs/engines.md``.
"""

import math

import numpy as np
import pytest

import nufftlib as nl

METHODS = ["composed", "toeplitz"]
ROWS = {
    "2D 256, 6 coils, 0.125 samples a voxel, complex64, 1e-4": ((256, 256), 6, 0.125, "f4", 1e-4),
    "2D 256, 6 coils, 1 sample a voxel, complex64, 1e-4": ((256, 256), 6, 1, "f4", 1e-4),
    "2D 256, 1 coil, 1 sample a voxel, complex128, 1e-9": ((256, 256), 1, 1, "f8", 1e-9),
    "3D 64, 1 coil, 1 sample a voxel, complex64, 1e-4": ((64, 64, 64), 1, 1, "f4", 1e-4),
}


@pytest.fixture(params=ROWS, ids=str)
def problem(request, xp):
    shape, coils, ratio, dtype, eps = ROWS[request.param]
    rng = np.random.default_rng(0)
    samples = round(ratio * math.prod(shape))
    k = rng.uniform(-0.5, 0.5, (samples, len(shape))).astype(dtype)
    w = rng.uniform(0.5, 1.5, samples).astype(dtype)
    x = rng.standard_normal((coils, *shape)) + 1j * rng.standard_normal((coils, *shape))
    x = x.astype(np.result_type(dtype, np.complex64))
    return nl.NUFFT(xp.asarray(k), shape, eps=eps), xp.asarray(w), xp.asarray(x)


@pytest.mark.parametrize("method", METHODS)
def test_apply(problem, timed, method):
    F, w, x = problem
    A = F.gram(w, method)
    A(x)
    timed(A, x)


@pytest.mark.parametrize("method", METHODS)
def test_set_up_and_apply_once(problem, timed, method):
    F, w, x = problem
    timed(lambda: F.gram(w, method)(x))


@pytest.mark.parametrize("method", METHODS)
def test_gradient_by_the_trajectory(problem, timed, method):
    F, w, x = problem
    A = F.gram(w, method)
    y = A(x)
    timed(A.vjp, "trajectory", x, y)
