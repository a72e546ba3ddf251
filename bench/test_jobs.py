"""Time of the headline jobs, at the sizes of the published examples and larger."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.blur.calibrate.objective import objective_of
from nufftlib.blur.calibrate.recipes import RECIPES


@pytest.mark.parametrize("constants", [True, False])
@pytest.mark.parametrize("maps", ["ones", "estimated", "true"])
def test_step_of_learn_trajectory(xp, timed, maps, constants):
    image = xp.asarray(data.brain())
    k = nl.mri.trajectories.radial(32, 256, xp=xp)
    objective = workflows.TrajectoryObjective(
        image,
        nl.mri.birdcage_maps(6, image.shape, xp=xp),
        nl.NUFFT(k, image.shape, eps=1e-4),
        maps,
        constants=constants,
    )
    timed(objective.value_and_grad, k)


@pytest.mark.parametrize("moved", ["free", "samples", "control points"])
def test_10_steps_of_learn_trajectory(xp, timed, moved):
    """512 samples a shot; the last two within the limits of a scanner."""
    image = xp.asarray(data.brain())
    scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    settings = {"protocol": nl.mri.Protocol(scanner, 0.24, image.shape), "fixed": {0: (0.0, 0.0)}}
    if moved == "control points":
        settings["control_points"] = 128
    timed(
        lambda: (
            workflows.learn_trajectory(
                image,
                nl.mri.birdcage_maps(6, image.shape, xp=xp),
                nl.mri.trajectories.radial(32, 512, xp=xp),
                maps="ones",
                steps=10,
                **({} if moved == "free" else settings),
            ).trajectory
        )
    )


@pytest.mark.parametrize("method", workflows.METHODS)
@pytest.mark.parametrize("path", ["quadratic", "general"])
def test_calibrate_psf(xp, timed, method, path):
    """100 steps, their set-up included."""
    if (method, path) == ("adamw", "quadratic"):
        pytest.skip("the absolute error is no quadratic function")
    sharp = xp.asarray(data.astronaut())
    _, blurred = workflows.simulate_blur(sharp)
    timed(lambda: workflows.calibrate_psf(sharp, blurred, method=method, path=path, steps=100).psf)


@pytest.mark.parametrize("path", ["quadratic", "general"])
@pytest.mark.parametrize(("image", "psf"), [((3, 256, 256), 25), ((2048, 2048), 65)])
def test_value_and_gradient_of_calibrate_psf(xp, timed, path, image, psf):
    sharp = xp.asarray(np.random.default_rng(0).random(image), dtype=xp.float32)
    h, blurred = workflows.simulate_blur(sharp, size=psf)
    objective = objective_of(RECIPES["adam"], nl.Blur(h), [(sharp, blurred)], path)
    if path == "quadratic":
        h = xp.asarray(h, dtype=xp.float64)
    timed(lambda: objective.value_and_grad(h)[1])


@pytest.mark.parametrize("boundary", ["valid", "reflect"])
@pytest.mark.parametrize(
    ("image", "psf"), [((3, 256, 256), 25), ((2048, 2048), 65), ((64, 64, 64), 7)]
)
def test_set_up_of_the_quadratic_function(xp, timed, boundary, image, psf):
    d = 3 if image == (64, 64, 64) else 2
    sharp = xp.asarray(np.random.default_rng(0).random(image), dtype=xp.float32)
    blur = nl.Blur(xp.full((psf,) * d, 1 / psf**d, dtype=xp.float32), boundary, ndim=d)
    blurred = blur(sharp)
    timed(lambda: nl.blur.normal_equations(blur, sharp, blurred).gram)


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("psf", [1, 2, 3, 4, 5, 7, 25])
@pytest.mark.parametrize("image", [(64, 64), (3, 256, 256)])
def test_blur_and_its_psf_gradient(xp, timed, method, psf, image):
    if method == "direct" and psf == 25:
        pytest.skip("625 passes over the image")
    x = xp.asarray(np.random.default_rng(0).random(image), dtype=xp.float32)
    h = xp.full((psf, psf), 1 / psf**2, dtype=xp.float32)
    C = nl.Blur(h, method=method).as_map("psf", x)
    timed(lambda: C.adjoint(C(h)))


def test_density_weights(xp, timed):
    F = nl.NUFFT(nl.mri.trajectories.radial(32, 256, xp=xp), (256, 256), eps=1e-4)
    timed(nl.mri.pipe_menon, F)
