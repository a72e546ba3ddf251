"""Evaluations in which L-BFGS reaches the loss that Adam has after 100 steps of job 1.

``python bench/lbfgs.py [evaluations]`` prints a line for each kind of coil maps, with the published
settings: the bundled brain of 256 x 256, 6 coils, 32 spokes of 256 samples. Adam's gradient holds
density weights and maps constant, or is the whole one; that of L-BFGS is the whole one. Counts are
of evaluations of value and gradient, the start, the first step size and rejected trials included.
"""

import sys

import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, workflows


def evaluations(value_and_grad, start, projection, most, diagonal):
    """Return the lowest loss after each evaluation of L-BFGS."""
    losses = []

    def counted(k):
        value, gradient = value_and_grad(k)
        losses.append(float(value))
        return value, gradient

    optim.lbfgs(
        counted,
        start,
        projection,
        steps=most,
        diagonal=diagonal,
        callback=lambda *_: len(losses) >= most,
    )
    return np.minimum.accumulate(losses)


def reached(lowest, goal):
    """Return the number of evaluations until a loss is reached."""
    return int(np.argmax(lowest <= goal)) + 1 if lowest[-1] <= goal else f"> {len(lowest)}"


def main(most):
    """Print the table."""
    image, k = data.brain(), nl.mri.trajectories.radial(32, 256)
    coil_maps = nl.mri.birdcage_maps(6, image.shape)
    print("maps       set   diagonal   held: loss, evaluations   whole: loss, evaluations")
    for maps in ("ones", "true", "estimated"):
        goals = [
            workflows.learn_trajectory(
                image, coil_maps, k, maps=maps, constants=constants
            ).loss_final
            for constants in (True, False)
        ]
        objective = workflows.TrajectoryObjective(
            image, coil_maps, nl.NUFFT(k, image.shape, eps=1e-4), maps
        )
        for name, projection in (("box", optim.projections.box(-0.5, 0.5)), ("none", None)):
            for diagonal in (True, False):
                lowest = evaluations(objective.value_and_grad, k, projection, most, diagonal)
                figures = [f"{goal:.4f} {reached(lowest, goal)!s:>6}" for goal in goals]
                row = f"{maps:10} {name:5} {diagonal!s:10} {figures[0]:25} {figures[1]}"
                print(row, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
