"""Constrained optimisers on the array API: optimisers, solvers, schedules, projections."""

from optim import projections, proximal
from optim._accelerated import accelerated_proximal_gradient
from optim._admm import admm
from optim._checkpoint import Checkpoint, CheckpointError
from optim._conjugate_gradient import conjugate_gradient
from optim._lbfgs import lbfgs
from optim._levenberg_marquardt import levenberg_marquardt
from optim._lipschitz import lipschitz
from optim._loop import NonFiniteError, Result
from optim._lsmr import lsmr
from optim._lsqr import lsqr
from optim._minimize import minimize
from optim._primal_dual import primal_dual
from optim._projected import projected
from optim._projected_gradient import projected_gradient
from optim._spectral import spectral_projected_gradient
from optim._stationarity import projected_gradient_norm
from optim.optimizers import Optimizer, adam, adamw, sgd
from optim.schedules import (
    constant,
    cosine_schedule,
    linear_schedule,
    step_schedule,
    warmup_schedule,
)

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "NonFiniteError",
    "Optimizer",
    "Result",
    "accelerated_proximal_gradient",
    "adam",
    "adamw",
    "admm",
    "conjugate_gradient",
    "constant",
    "cosine_schedule",
    "lbfgs",
    "levenberg_marquardt",
    "linear_schedule",
    "lipschitz",
    "lsmr",
    "lsqr",
    "minimize",
    "primal_dual",
    "projected",
    "projected_gradient",
    "projected_gradient_norm",
    "projections",
    "proximal",
    "sgd",
    "spectral_projected_gradient",
    "step_schedule",
    "warmup_schedule",
]
