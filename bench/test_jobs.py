"""Time of one step of each headline job, at the sizes of the published examples."""

import pytest

import nufftlib as nl
import optim
from nufftlib import data, workflows
from nufftlib.workflows.calibrate_psf import RECIPES


@pytest.mark.parametrize("maps", ["ones", "estimated", "true"])
def test_step_of_learn_trajectory(xp, timed, maps):
    image = xp.asarray(data.brain())
    k = nl.mri.radial_trajectory(32, 256, xp=xp)
    objective = workflows.TrajectoryObjective(
        image, nl.mri.birdcage_maps(6, image.shape, xp=xp), nl.NUFFT(k, image.shape, eps=1e-4), maps
    )
    timed(objective.value_and_grad, k)


@pytest.mark.parametrize("method", workflows.METHODS)
def test_step_of_calibrate_psf(xp, timed, method):
    sharp = xp.asarray(data.astronaut())
    psf, blurred = workflows.simulate_blur(sharp)
    recipe = RECIPES[method]
    objective = recipe.loss(blurred) @ nl.Blur(psf).as_map("psf", sharp)
    project = optim.projections.simplex()
    state = recipe.optimizer.init(psf)

    def step():
        _, gradient = objective.value_and_grad(psf)
        return project(recipe.optimizer.update(gradient, state, psf)[0])

    timed(step)


def test_density_weights(xp, timed):
    F = nl.NUFFT(nl.mri.radial_trajectory(32, 256, xp=xp), (256, 256), eps=1e-4)
    timed(nl.mri.pipe_menon, F)
