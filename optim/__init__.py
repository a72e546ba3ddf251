"""Constrained optimisers on the array API: optimisers, schedules, projections and one loop."""

from optim import projections
from optim._levenberg_marquardt import levenberg_marquardt
from optim._minimize import NonFiniteError, Result, minimize
from optim.optimizers import Optimizer, adam, adamw, projected_gradient, sgd
from optim.schedules import constant, linear_schedule

__all__ = [
    "NonFiniteError",
    "Optimizer",
    "Result",
    "adam",
    "adamw",
    "constant",
    "levenberg_marquardt",
    "linear_schedule",
    "minimize",
    "projected_gradient",
    "projections",
    "sgd",
]
