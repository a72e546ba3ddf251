"""Penalties with their proximal maps, for the solvers that split."""

from optim._penalties import Penalty, group_soft_threshold, indicator, soft_threshold
from optim._total_variation import total_variation

__all__ = ["Penalty", "group_soft_threshold", "indicator", "soft_threshold", "total_variation"]
