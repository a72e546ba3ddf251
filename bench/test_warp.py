"""Time of resampling and of a registration, beside SciPy's on the same arrays."""

import numpy as np
import pytest
from scipy import ndimage

import nufftlib as nl

MOTIONS = {"shift": ((0.3, -1.7),), "similarity": ((0.3, -1.7), 0.03, 1.02)}
SIZES = [512, 2048]


def image(xp, size, dtype):
    return xp.asarray(np.random.default_rng(0).standard_normal((size, size)).astype(dtype))


def warp(xp, motion, dtype):
    return nl.Warp(*(xp.asarray(p, dtype=dtype) for p in MOTIONS[motion]))


def floor(size, dtype):
    """Return the bytes of an image in and out, and the flops of sixteen taps a pixel."""
    return {
        "floor_flops": 2 * 16 * size**2,
        "floor_bytes": 2 * size**2 * np.dtype(dtype).itemsize,
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("method", ["apply", "adjoint", "columns"])
def test_method(xp, timed, benchmark, method, motion, size, dtype):
    A, x = warp(xp, motion, dtype), image(xp, size, dtype)
    benchmark.extra_info.update(floor(size, dtype))
    timed(getattr(A, method), x)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("motion", MOTIONS)
def test_new_parameters(xp, timed, motion, size, dtype):
    A, x = warp(xp, motion, dtype), image(xp, size, dtype)
    timed(lambda: A.replace(shift=A.shift + 0.1)(x))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("motion", MOTIONS)
def test_scipy(benchmark, motion, size, dtype):
    A, x = warp(np, motion, dtype), image(np, size, dtype)
    if motion == "shift":
        benchmark(lambda: ndimage.shift(x, -A.shift, order=3, mode="mirror"))
        return
    c = np.asarray(x.shape) // 2
    M, offset = A.matrix, c + A.shift - A.matrix @ c
    benchmark(lambda: ndimage.affine_transform(x, M, offset, order=3, mode="mirror"))


@pytest.mark.parametrize("motion", MOTIONS)
def test_registration(xp, timed, motion):
    smooth = ndimage.gaussian_filter(image(np, 256, "float64"), 2)
    moving = xp.asarray(smooth)
    fixed = warp(xp, motion, "float64")(moving)
    timed(nl.warp.register, fixed, moving, motion)
