"""Operators as SciPy's matrices, losses and residuals as functions of flat vectors."""

from nufftlib.interop.scipy.adapt import as_linear_operator, as_objective, as_residuals
from nufftlib.interop.scipy.objective import Objective, Residuals

__all__ = ["Objective", "Residuals", "as_linear_operator", "as_objective", "as_residuals"]
