"""The coils of a scan before its reconstruction: whitened, compressed, with the user's maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from nufftlib import mri
from nufftlib.io import Scan

ENOUGH = 4
"""Samples of noise for each coil, at least: fewer do not tell its correlations."""
WHITE = float(np.sqrt(2))
"""The standard deviation of a whitened complex sample: 1 of each part."""


@dataclass(frozen=True)
class Coils:
    """A scan whose noise is white if the file says its noise, and what became of its coils.

    Parameters
    ----------
    scan : Scan
        With the coils that are reconstructed.
    maps : ndarray or None
        The user's maps of these coils.
    noise : float or None
        The standard deviation of a complex sample's noise, where it is known.
    kept : float
        Part of the energy that compression left.
    """

    scan: Scan
    maps: NDArray[Any] | None
    noise: float | None
    kept: float


def prepared_coils(scan: Scan, maps: NDArray[Any] | None, virtual: int | None) -> Coils:
    """Whiten the coils by the scan's noise, and compress them to so many; one has a map of ones."""
    noise, kept = None, 1.0
    coils = scan.data.shape[1]
    if scan.noise is not None and scan.noise.shape[1] >= ENOUGH * coils:
        try:
            matrix = mri.whiten(scan.noise, ()).matrix
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'DATA'") from error
        scan, maps = combined(scan, maps, matrix.astype(scan.data.dtype))
        noise = WHITE
    if virtual is not None:
        if not virtual <= coils:
            msg = f"{virtual}, and the scan has {coils} coils; want at most as many"
            raise click.BadParameter(msg, param_hint="'--coils'")
        found = mri.compress_coils(np.moveaxis(scan.data, 1, 0), virtual)
        scan, maps = combined(scan, maps, found.operator.matrix)
        kept = found.kept
    if maps is None and scan.data.shape[1] == 1:
        maps = np.ones((1, *scan.shape))
    return Coils(scan, maps, noise, kept)


def combined(
    scan: Scan, maps: NDArray[Any] | None, matrix: NDArray[Any]
) -> tuple[Scan, NDArray[Any] | None]:
    """Return data and maps of the combinations that the rows of a matrix make."""
    data = np.moveaxis(np.tensordot(matrix, scan.data, (1, 1)), 0, 1)
    if maps is not None:
        maps = np.tensordot(matrix, maps, (1, 0))
    return replace(scan, data=np.ascontiguousarray(data)), maps
