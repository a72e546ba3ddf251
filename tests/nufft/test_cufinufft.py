"""What is special about the GPU engine: streams, two plans, points that it must own."""

import numpy as np
import pytest

import nufftlib as nl

pytestmark = pytest.mark.gpu
cupy = pytest.importorskip("cupy")

from nufftlib.nufft.engines import cufinufft as engine  # noqa: E402  # needs CuPy

rng = np.random.default_rng(9)
K = rng.uniform(-0.5, 0.5, (500, 2))
X = rng.standard_normal((3, 24, 25)) + 1j * rng.standard_normal((3, 24, 25))


@pytest.fixture
def arrays():
    return cupy.asarray(K), cupy.asarray(X)


@pytest.mark.parametrize("eps", [1e-3, 1e-6, 1e-10])
def test_it_agrees_with_the_exact_sums_to_eps(arrays, eps):
    k, x = arrays
    F, D = nl.NUFFT(k, (24, 25), eps=eps), nl.NUFFT(k, (24, 25), engine="direct")
    y = D(x)
    assert cupy.linalg.norm(F(x) - y) < 10 * eps * cupy.linalg.norm(y)
    gradient = D.vjp("trajectory", x, y)
    error = cupy.linalg.norm(F.vjp("trajectory", x, y) - gradient)
    assert error < 20 * eps * cupy.linalg.norm(gradient)


def test_a_trajectory_changed_in_place_changes_nothing(arrays):
    k, x = arrays
    F = nl.NUFFT(k, (24, 25))
    before = F(x), F.H(F(x))
    k[...] = 0.1
    assert cupy.array_equal(F(x), before[0])
    assert cupy.allclose(F.H(F(x)), before[1])


def test_plans_are_shared_between_trajectories_and_keyed_by_stream(arrays, monkeypatch):
    k, x = arrays
    monkeypatch.setattr(engine, "PLANS", engine.PlanCache(size=16))
    F = nl.NUFFT(k, (24, 25))
    for shift in (0.0, 0.1, 0.2):
        G = F.replace(trajectory=k + shift)
        G.H(G(x))
    assert len(engine.PLANS) == 2  # one of each type
    want = F(x)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.wait_event(cupy.cuda.Stream.null.record())
        got = nl.NUFFT(k, (24, 25))(x)
    stream.synchronize()
    assert cupy.allclose(got, want)
    assert len(engine.PLANS) == 3


def test_points_that_are_not_finite_are_refused(arrays):
    k, _ = arrays
    k[17, 1] = cupy.nan
    with pytest.raises(ValueError, match=r"1 of 500 points are not finite \(first at .*17"):
        nl.NUFFT(k, (24, 25))


def test_mixed_libraries_are_refused(arrays):
    k, _ = arrays
    with pytest.raises(TypeError, match="x is a numpy array and trajectory a cupy array"):
        nl.NUFFT(k, (24, 25))(X)


def test_both_jobs_run():
    from nufftlib import data, workflows

    image = cupy.asarray(np.ascontiguousarray(data.brain()[::4, ::4]))
    coils = nl.mri.birdcage_maps(4, (64, 64), xp=cupy)
    result = workflows.learn_trajectory(
        image, coils, nl.mri.trajectories.radial(8, 64, xp=cupy), steps=20
    )
    assert result.losses[-1] < 0.7 * result.losses[0]
    sharp = cupy.asarray(data.astronaut())
    psf, blurred = workflows.simulate_blur(sharp)
    found = workflows.calibrate_psf(sharp, blurred, steps=200)
    assert isinstance(found.psf, cupy.ndarray)
    assert workflows.psf_error(found.psf, psf) < 0.05
