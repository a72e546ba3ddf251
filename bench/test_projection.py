"""Time of the projection onto a scanner's limits, cold and from the dual of a step before."""

import numpy as np
import pytest

import nufftlib as nl

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
SIZES = [(32, 512, (256, 256)), (128, 1024, (256, 256, 256))]
ITERATIONS = 10
"""About as many as a cold projection takes."""


def case(xp, shots, samples, shape):
    """Return noisy spokes and their protocol."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((shots, 1, len(shape)))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    k = np.linspace(0, 0.5, samples)[:, None] * directions
    k = np.clip(k + 1e-3 * rng.standard_normal(k.shape), -0.5, 0.5)
    return xp.asarray(k), nl.mri.Protocol(SCANNER, fov=0.24, shape=shape)


def floor(shots, samples, d):
    """Return the flops of the banded Cholesky factors and of two solves in each iteration."""
    unknowns, width = shots * samples * d, 3 * d - 1
    return ITERATIONS * unknowns * (width * (width + 3) + 2 * 4 * width)


@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize(("shots", "samples", "shape"), SIZES)
def test_projection(xp, timed, benchmark, shots, samples, shape, start):
    k, protocol = case(xp, shots, samples, shape)
    benchmark.extra_info["floor_flops_cold"] = floor(shots, samples, len(shape))
    dual = None
    if start == "warm":
        dual = nl.mri.project_trajectory(k, protocol).dual
        k = k + xp.asarray(1e-5 * np.random.default_rng(1).standard_normal(k.shape))
    timed(lambda: nl.mri.project_trajectory(k, protocol, start=dual).trajectory)


def test_check(xp, timed):
    k, protocol = case(xp, *SIZES[0])
    timed(lambda: nl.mri.check_trajectory(k, protocol).violation)
