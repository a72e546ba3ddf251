r"""Wiener's filter: the least squared error with a penalty of squared differences.

.. math:: \min_x \tfrac12 \|A x - y\|^2 + \tfrac w2 \|D x\|^2, \qquad
          (A^H A + w D^H D)\, x = A^H y .

With a circular boundary both matrices are circular convolutions, and the solution is a filter.
With any other one conjugate gradients solve, and that filter makes their steps few.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

import optim
from nufftlib.blur.deblur.model import Model, laplacian_power
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, complex_dtype
from nufftlib.core.fourier import fft, ifft
from nufftlib.core.operator import LinearOperator

TOLERANCE = 1e-5
FLOOR = 1e-9
"""Least eigenvalue of the circular matrix, relative to the largest."""


@dataclass(frozen=True)
class Wiener:
    """The linear system of a picture.

    Parameters
    ----------
    model : Model
        Picture and blur.
    weight : float
        The weight ``w`` of the squared differences, positive.
    """

    model: Model
    weight: float

    @cached_property
    def laplacian(self) -> LinearOperator:
        """``D^H D``: a circular convolution, or that of a picture that goes on unchanged."""
        y, d = self.model.blurred, self.model.ndim
        kernel = np.zeros((3,) * d)
        kernel[(1,) * d] = 2 * d
        for axis, side in itertools.product(range(d), (0, 2)):
            kernel[tuple(side if a == axis else 1 for a in range(d))] = -1
        circular = self.model.blur.boundary == "circular"
        k = array_namespace(y).asarray(kernel, dtype=y.dtype, device=device(y))
        D2 = Blur(k, "circular" if circular else "replicate", d)
        return D2.rename(psf="kernel")  # the blur has a parameter of this name

    @cached_property
    def matrix(self) -> LinearOperator:
        """``H = A^H A + w D^H D``."""
        return self.model.map.N + self.weight * self.laplacian

    @cached_property
    def filter(self) -> Array:
        """``1 / (|h^|^2 + w |d^|^2)``, with the mean of the power where the PSF varies."""
        shape, y = self.model.pixels, self.model.blurred
        H = self.model.power(shape) + self.weight * laplacian_power(shape)
        H = np.maximum(H, FLOOR * H.max())
        return array_namespace(y).asarray(1 / H, dtype=y.dtype, device=device(y))

    def filtered(self, r: Array) -> Array:
        """Return the solution of the circular system with the right-hand side `r`."""
        xp, shape = array_namespace(r), self.model.pixels
        spectrum = fft(xp, r, shape, real=False) * xp.astype(self.filter, complex_dtype(xp, r))
        return xp.real(ifft(xp, spectrum, shape, real=False))

    def solve(
        self,
        *,
        steps: int,
        callback: Callable[[int, float, Array], object] | None = None,
        progress: bool = False,
        checkpoint: optim.Checkpoint | None = None,
    ) -> optim.Result:
        """Return the solution with its course; it starts from the filter's.

        Parameters
        ----------
        steps : int
            Steps of conjugate gradients at most.
        callback, progress, checkpoint : Any
            As for `optim.conjugate_gradient`.
        """
        b = self.model.map.adjoint(self.model.data)
        settings: dict[str, Any] = {
            "callback": callback,
            "progress": progress,
            "checkpoint": checkpoint,
        }
        return optim.conjugate_gradient(
            self.matrix.apply,
            b,
            self.filtered(b),
            steps=steps,
            tolerance=TOLERANCE,
            axes=tuple(range(-self.model.ndim, 0)),
            precondition=self.filtered,
            **settings,
        )
