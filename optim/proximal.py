"""Penalties with their proximal maps, for `optim.accelerated_proximal_gradient`."""

from optim._penalties import Penalty, indicator, soft_threshold
from optim._total_variation import total_variation

__all__ = ["Penalty", "indicator", "soft_threshold", "total_variation"]
