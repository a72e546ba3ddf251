"""How long loops were compiled, apart from what measures it, which imports Numba."""

from dataclasses import dataclass


@dataclass
class Compiled:
    """How long loops were compiled for this processor.

    Parameters
    ----------
    seconds : float
        So far.
    """

    seconds: float = 0.0
