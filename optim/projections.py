"""Euclidean projections: factories of functions that return the nearest feasible array."""

from optim._balls import affine_sum, l1_ball, l2_ball
from optim._box import box, nonnegative
from optim._simplex import simplex

__all__ = ["affine_sum", "box", "l1_ball", "l2_ball", "nonnegative", "simplex"]
