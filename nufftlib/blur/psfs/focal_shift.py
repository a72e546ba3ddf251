"""The wavefront of a shift along the optical axis, exact at any aperture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.kinds import out_of_range, positive, real_values


@dataclass(frozen=True)
class FocalShift:
    r"""The wavefront of a shift along the axis, in waves per unit of length.

    .. math:: D(x) = \sqrt{(n / \lambda)^2 - |\nu|^2} - n / \lambda, \qquad
              \nu = x\, \mathrm{NA} / \lambda

    with the pupil coordinate ``x`` in the unit disk. A shift by ``z`` is the wavefront
    ``z D``: a mode of `Diffraction` with the coefficient ``z``.

    Parameters
    ----------
    wavelength : float
        Wavelength in vacuum, in metres. Shifts have its unit.
    aperture : float
        Numerical aperture NA, less than `index`.
    index : float
        Refractive index of the immersion.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If one is no number.

    Notes
    -----
    At a small aperture ``z D`` is ``-z NA^2 |x|^2 / (2 n lambda)``: defocus of
    ``-z NA^2 / (4 sqrt(3) n lambda)`` waves, of the polynomial 4. The phase
    at the centre of the pupil, which no PSF shows, is left out.

    Up to the ratio 0.95 of aperture and index the square root is real on all samples of the
    pupil with weight; beyond, it is cut at zero on the outermost ones. Its slope grows towards
    the rim: at 1.25 in water, a shift by two wavelengths, the error of the PSF is 1e-3 of the
    peak. The model is scalar; polarisation, which matters at large apertures, is not in it.

    References
    ----------
    B. M. Hanser et al., "Phase-retrieved pupil functions in wide-field fluorescence
    microscopy", J. Microsc. 216 (2004) 32-48, equations 3 and 4.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> shift = nl.blur.FocalShift(wavelength=520e-9, aperture=0.8)
    >>> optics = nl.blur.Diffraction(25, indices=(11,), cutoff=0.3, modes=(shift,))
    >>> optics(np.asarray([[0.05, 0.0], [0.05, 1e-6]])).shape  # in focus, and off by 1 um
    (2, 25, 25)
    """

    wavelength: float
    aperture: float
    index: float = 1.0

    def __post_init__(self) -> None:
        call = "FocalShift"
        for name in ("wavelength", "aperture", "index"):
            object.__setattr__(self, name, positive(call, name, getattr(self, name)))
        if self.aperture >= self.index:
            raise out_of_range(call, "aperture", self.aperture, f"less than index, {self.index}")

    # sqrt(n^2 - s^2) - n = -s^2 / (n + sqrt(n^2 - s^2)) keeps the digits at small s = NA |x|
    def __call__(self, x0: Any, x1: Any) -> Any:
        """Return ``D`` at pupil coordinates.

        Parameters
        ----------
        x0, x1 : array-like
            Coordinates, 1 at the rim.

        Returns
        -------
        ndarray
            Waves per unit of length.
        """
        x0, x1 = (real_values("FocalShift.__call__", n, x) for n, x in (("x0", x0), ("x1", x1)))
        s2 = self.aperture**2 * (x0 * x0 + x1 * x1)
        root = np.sqrt(np.maximum(self.index**2 - s2, 0.0))
        return -s2 / (self.index + root) / self.wavelength
