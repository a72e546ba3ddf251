"""Time to find the fastest motion along curves."""

import numpy as np
import pytest

import nufftlib as nl


def arms(shots, turns):
    """Return the arms of a spiral as a function."""
    turned = np.exp(2j * np.pi * np.arange(shots) / shots)[:, None]

    def curve(p):
        z = 0.5 * p * np.exp(2j * np.pi * turns * p) * turned
        return np.stack([z.real, z.imag], axis=-1)

    return curve


@pytest.mark.parametrize("norm", ["l2", "max"])
@pytest.mark.parametrize(("shots", "turns"), [(1, 4), (1, 48), (32, 4)])
def test_traverse(benchmark, shots, turns, norm):
    scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6, norm=norm)
    protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    k = benchmark(nl.mri.traverse, arms(shots, turns), protocol)
    benchmark.extra_info["samples"] = k.shape[-2]
