"""Time of SSIM with its gradient, beside scikit-image's."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

import nufftlib as nl

SHAPE = (320, 320)
WINDOWS = {
    "gaussian": ({}, {"gaussian_weights": True, "use_sample_covariance": False}),
    "uniform": ({"window": "uniform", "sample_covariance": True}, {}),
}


def images(xp, dtype):
    rng = np.random.default_rng(0)
    y = rng.random(SHAPE)
    return [xp.asarray(z.astype(dtype)) for z in (y + 0.1 * rng.standard_normal(SHAPE), y)]


def floor(size, dtype):
    """Return the flops of six images' window means along two axes, and the bytes in and out."""
    pixels = SHAPE[0] * SHAPE[1]
    return {
        "floor_flops": 6 * 2 * pixels * (3 * size - 1) // 2,
        "floor_bytes": 3 * pixels * np.dtype(dtype).itemsize,
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("window", WINDOWS)
def test_value_and_gradient(xp, timed, benchmark, window, dtype):
    x, y = images(xp, dtype)
    loss = nl.SSIM(y, 1.0, **WINDOWS[window][0])
    benchmark.extra_info.update(floor(loss.size, dtype))
    timed(lambda: loss.value_and_grad(x)[1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("window", WINDOWS)
def test_scikit_image(benchmark, window, dtype):
    x, y = images(np, dtype)
    settings = WINDOWS[window][1]
    benchmark(lambda: structural_similarity(y, x, data_range=1.0, gradient=True, **settings))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_several_scales(xp, timed, dtype):
    x, y = images(xp, dtype)
    loss = nl.MultiScaleSSIM(y, 1.0)
    timed(lambda: loss.value_and_grad(x)[1])
