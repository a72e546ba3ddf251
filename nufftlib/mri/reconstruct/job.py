"""The job: data, trajectory and shape in; image and coil maps out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import optim
from nufftlib.core.arrays import Array, check_precision, common_namespace
from nufftlib.core.differences import FiniteDifferences
from nufftlib.core.inner import inner
from nufftlib.core.kinds import choice, flag, integer, not_negative, optional_function, sizes
from nufftlib.core.run import Run
from nufftlib.mri.preconditioner import circulant_preconditioner
from nufftlib.mri.reconstruct.model import Model, model_of

Method = Literal["adjoint", "cg", "tv", "wavelet"]
METHODS: tuple[Method, ...] = get_args(Method)
"""The names of the methods."""

STEPS: dict[Method, int] = {"adjoint": 0, "cg": 100, "tv": 60, "wavelet": 60}
"""Steps at most, by default."""

TOLERANCE = 1e-4
"""Of conjugate gradients: far below the noise of any scan."""


@dataclass(frozen=True, eq=False, repr=False)
class ReconstructedImage(Run):
    """The result of `reconstruct`.

    Parameters
    ----------
    losses : list of float
        At the start and after each step: of ``"cg"`` the error of the linear system (see
        `optim.conjugate_gradient`), of ``"tv"`` and ``"wavelet"`` the objective but for a
        constant (see `optim.admm`).
    seconds : float
        Duration of the optimisation loop.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    image : array, shape (*shape), complex
        The image.
    maps : array, shape (coils, *shape), complex
        Coil sensitivities, given or estimated.
    residual : float
        The root mean square of ``A x - y``, which is the noise if the model is right.
    noise : float
        The standard deviation of a complex sample's noise, given or estimated.
    weight : float
        The weight of the penalty, given or chosen.
    penalty : float
        The penalty of the image without its weight.
    converged : bool
        Whether the tolerance was met.
    seconds_setup : float
        Duration of the preparations: density, maps, noise and weight.
    """

    image: Array
    maps: Array
    residual: float
    noise: float
    weight: float
    penalty: float
    converged: bool
    seconds_setup: float
