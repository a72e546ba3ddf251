"""The pictures of a point or a bead through focus, as a map of the aberrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import device

from nufftlib.blur.operator import Blur
from nufftlib.blur.psfs.diffraction import Diffraction
from nufftlib.blur.psfs.focal_shift import FocalShift
from nufftlib.blur.psfs.zernike import zernike
from nufftlib.core.arrays import Array, Namespace, blank, check_real, common_namespace, namespace
from nufftlib.core.caching import remembered
from nufftlib.core.kinds import flag, instance, not_negative, out_of_range, real_values
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.shapes import Exchanged


@dataclass(frozen=True, eq=False, repr=False)
class ThroughFocus(Map):
    r"""The map from Zernike coefficients to PSFs at several known defoci.

    .. math:: h_m = T * \mathrm{PSF}(W_m), \qquad W_m = \sum_k a_k Z_{j_k} + \delta_m D

    with the PSF of `Diffraction`, the defocus ``delta_m`` of plane ``m``, and a convolution
    with ``T``, the bead's projection and the area of a pixel.

    Parameters
    ----------
    size : int or tuple of int
        Height and width of each picture in pixels.
    defocus : sequence of float, length P
        Defocus of each plane: waves of the Zernike polynomial 4, or with `focus` shifts in the
        unit of its wavelength.
    indices : sequence of int, optional
        Noll's indices of the polynomials; by default 4 to 15, from defocus to the order 4.
    cutoff : float, optional
        The incoherent cutoff frequency ``2 NA pixel / wavelength`` in cycles per pixel, as of
        `Diffraction`; at most 1/2.
    focus : FocalShift, optional
        The wavefront ``D`` of a shift along the axis; by default the polynomial 4.
    bead : float, optional
        Radius of a uniformly fluorescent ball in place of a point, in pixels.
    pixel : bool, optional
        Whether a pixel integrates the light over its area, as a camera does; else the PSF is
        sampled at its middle.

    Raises
    ------
    ValueError
        If an argument is out of range.
    TypeError
        If one is of the wrong kind, or the coefficients are not real floating-point numbers.

    Notes
    -----
    Coefficients, of shape (..., K), are in waves, root mean square; PSFs have the shape
    (..., P, height, width), and each sums to one over its pixels.

    Ball and pixel multiply the optical transfer function by
    ``3 (sin q - q cos q) / q^3`` with ``q = 2 pi r |u|``, and by ``sinc u_0 sinc u_1``. This is
    exact, since PSFs are band-limited, but for light near the edges: the convolution is circular.
    The ball is thin against the depth of focus.

    References
    ----------
    B. M. Hanser et al., "Phase-retrieved pupil functions in wide-field fluorescence
    microscopy", J. Microsc. 216 (2004) 32-48.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> optics = nl.blur.ThroughFocus(32, defocus=(-0.5, 0.0, 0.5), indices=(5, 7, 11))
    >>> h = optics(np.asarray([0.05, 0.0, -0.03]))  # waves
    >>> h.shape, h.sum(axis=(1, 2)).round(12).tolist()
    ((3, 32, 32), [1.0, 1.0, 1.0])
    """

    size: int | tuple[int, int]
    defocus: Sequence[float]
    indices: Sequence[int] = tuple(range(4, 16))
    cutoff: float = 0.25
    focus: FocalShift | None = None
    bead: float = 0.0
    pixel: bool = True

    def __post_init__(self) -> None:
        call = "ThroughFocus"
        defocus = real_values(call, "defocus", self.defocus)
        if defocus.ndim != 1 or defocus.size == 0 or not np.all(np.isfinite(defocus)):
            wish = "a finite number for each plane, one at least"
            raise out_of_range(call, "defocus", self.defocus, wish)
        if self.focus is not None:
            instance(call, "focus", self.focus, FocalShift, "a FocalShift or None")
        bead, pixel = not_negative(call, "bead", self.bead), flag(call, "pixel", self.pixel)
        lens = self.lens  # which checks the others
        settings = {
            "size": lens.size,
            "defocus": tuple(defocus.tolist()),
            "indices": lens.indices,
            "cutoff": lens.cutoff,
            "bead": bead,
            "pixel": pixel,
        }
        for name, value in settings.items():
            object.__setattr__(self, name, value)

    @cached_property
    def lens(self) -> Diffraction:
        """The map of one plane; its last coefficient is that of the defocus."""
        mode = noll_defocus if self.focus is None else self.focus
        return Diffraction(self.size, self.indices, self.cutoff, modes=(mode,))

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the PSFs of the coefficients and their Jacobian."""
        self._checked(x)
        h, J = self.lens.linearize(of_planes(self, x[..., None, :]))
        J, blur = J @ Spread(x, len(self.defocus)), camera(self, x)
        return (h, J) if blur is None else (blur(h), blur @ J)

    def outline(self, x: Array) -> Array:
        """Like the PSFs."""
        self._checked(x)
        planes = blank(x, (*x.shape[:-1], len(self.defocus), x.shape[-1] + 1), complex=False)
        return self.lens.outline(planes)

    def at(self, defocus: Sequence[float]) -> ThroughFocus:
        """Return the same optics at other planes.

        Parameters
        ----------
        defocus : sequence of float
            Defocus of each plane, in the unit of this one's.

        Returns
        -------
        ThroughFocus
            The map to PSFs at these planes.
        """
        return replace(self, defocus=defocus)

    def _checked(self, x: Array) -> Namespace:
        """Refuse coefficients that are not real, or not one for each index."""
        call = "ThroughFocus(a)"
        xp = common_namespace(call, a=x)
        check_real(xp, call, "a", x)
        if x.ndim < 1 or x.shape[-1] != len(self.indices):
            msg = (
                f"{call}: a has the shape {tuple(x.shape)}; want (..., {len(self.indices)}), a "
                f"coefficient for each of the indices {self.indices}"
            )
            raise ValueError(msg)
        return xp


@dataclass(frozen=True, eq=False, repr=False)
class Spread(LinearOperator):
    """``(S x)_m = (x, 0)``: coefficients of all planes, and no change of their defocus.

    Parameters
    ----------
    like : array, shape (..., K)
        An array of the precision.
    planes : int
        Number of planes.
    """

    like: Array
    planes: int

    @cached_property
    def shapes(self) -> Exchanged:
        """An axis of planes comes in front, and an entry for the defocus."""
        terms = int(self.like.shape[-1])
        return Exchanged((terms,), (self.planes, terms + 1))

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Coefficients are real."""
        return False

    # (x, 0) for each m
    def _apply(self, x: Array) -> Array:
        xp = namespace(x)
        padded = xp.concat([x, xp.zeros_like(x[..., :1])], axis=-1)[..., None, :]
        return xp.broadcast_to(padded, (*x.shape[:-1], self.planes, x.shape[-1] + 1))

    # sum_m y_m, without the entry of the defocus
    def _adjoint(self, y: Array) -> Array:
        return namespace(y).sum(y[..., :-1], axis=-2)


def of_planes(optics: ThroughFocus, x: Array) -> Array:
    """Return the lens's coefficients of all planes: those given, and the defocus.

    Parameters
    ----------
    optics : ThroughFocus
        The planes.
    x : array, shape (..., P or 1, K)
        Coefficients of each plane, or of all.

    Returns
    -------
    array, shape (..., P, K + 1)
        Coefficients of the lens.
    """
    xp, planes = namespace(x), len(optics.defocus)
    lead, terms = x.shape[:-2], x.shape[-1]
    d = xp.asarray(optics.defocus, dtype=x.dtype, device=device(x))
    d = xp.broadcast_to(d[:, None], (*lead, planes, 1))
    return xp.concat([xp.broadcast_to(x, (*lead, planes, terms)), d], axis=-1)


def camera(optics: ThroughFocus, like: Array) -> Blur | None:
    """Return the convolution with bead and pixel, or None where both are points.

    Parameters
    ----------
    optics : ThroughFocus
        Bead and pixel.
    like : array
        An array whose library, precision and device the kernel has.

    Returns
    -------
    Blur or None
        The convolution of pictures.
    """
    if optics.bead == 0 and not optics.pixel:
        return None
    xp, size = namespace(like), optics.lens.size
    assert isinstance(size, tuple)  # since its __post_init__
    kernel = spread_of_light(*size, optics.bead, optics.pixel)
    return Blur(xp.asarray(kernel, dtype=like.dtype, device=device(like)), "circular")


def noll_defocus(x0: Any, x1: Any) -> Any:
    """Return the polynomial 4 at pupil coordinates."""
    return zernike(4, np.hypot(x0, x1), np.arctan2(x1, x0))


@remembered(maxsize=8)
def spread_of_light(height: int, width: int, bead: float, pixel: bool) -> Any:
    """Return the kernel of a circular convolution with a ball's projection and with a pixel."""
    u0, u1 = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    T = ball_transfer(2 * np.pi * bead * np.hypot(u0, u1))
    if pixel:
        T = T * np.sinc(u0) * np.sinc(u1)
    return np.fft.fftshift(np.fft.ifft2(T).real)


def ball_transfer(q: Any) -> Any:
    """Return ``3 (sin q - q cos q) / q^3``, to rounding where its terms cancel as well."""
    from scipy.special import spherical_jn

    near = np.abs(q) < 1e-4
    safe = np.where(near, 1.0, q)
    return np.where(near, 1 - q * q / 10, 3 * spherical_jn(1, safe) / safe)
