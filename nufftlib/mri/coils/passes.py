r"""Passes over all voxels between coil images and their maps, and back.

Coil images :math:`s` and magnitudes :math:`g` are splines over the rows, of few nodes (`Rows`):

.. math::
    u = s / \|s\|, \quad p = u / |u|, \quad t = g\, p, \quad S = t / \|t\|

with the root sum of squares over the coils :math:`\|\cdot\|`. `ArrayPasses` writes them out for
any array library, `FusedPasses` goes through the voxels of arrays on the host once each, with
all coils of a voxel in the cache. Where a root or a magnitude is zero, zero is used.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np

from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.dlpack import as_numpy, empty, from_numpy, zeros
from nufftlib.core.pointwise import magnitude_and_phase
from nufftlib.mri.coils.normalize import Normalized
from nufftlib.mri.coils.rows import Rows


class Passes(Protocol):
    """The passes of one set of coil images, with arrays (coils, nodes, ...) but for the maps."""

    def magnitudes(self) -> Array:
        """Return the transpose of the spline of ``|u|``."""

    def maps(self, g: Array) -> Array:
        """Return the maps, shape (coils, *image shape)."""

    def magnitudes_bar(self, g: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``g`` at a cotangent of the maps."""

    def images_bar(self, g: Array, a_bar: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``s``, at a cotangent ``a_bar`` of `magnitudes` too."""


class ArrayPasses:
    """The passes by the array API.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    rows : Rows
        The spline.
    s : array, shape (coils, nodes, ...), complex
        The coil images.
    """

    def __init__(self, xp: Namespace, rows: Rows, s: Array) -> None:
        self.xp, self.rows = xp, rows
        self.images = Normalized(xp, rows.up(xp, s))
        self.magnitude, self.phase = magnitude_and_phase(
            "low_frequency_maps(data)", self.images.value
        )

    def magnitudes(self) -> Array:
        """Return the transpose of the spline of ``|u|``."""
        return self.rows.down(self.xp, self.magnitude)

    def maps(self, g: Array) -> Array:
        """Return the maps."""
        return self._smoothed(self.rows.up(self.xp, g)).value

    # d|u| = Re(conj(p) du)
    def magnitudes_tangent(self, ds: Array) -> Array:
        """Return the change of `magnitudes` along a change of ``s``."""
        xp = self.xp
        return self.rows.down(xp, xp.real(self._turned(ds)))

    # dt = dg p + g dp,  dp = i p Im(conj(p) du) / |u|
    def maps_tangent(self, g: Array, dg: Array, ds: Array) -> Array:
        """Return the change of the maps along changes of ``g`` and ``s``."""
        xp, p, smooth = self.xp, self.phase, self.rows.up(self.xp, g)
        dp = 1j * p * (xp.imag(self._turned(ds)) * self._inverse_magnitude)
        return self._smoothed(smooth).derivative(self.rows.up(xp, dg) * p + smooth * dp)

    def magnitudes_bar(self, g: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``g``."""
        xp = self.xp
        t_bar = self._smoothed(self.rows.up(xp, g)).derivative(maps_bar)
        return self.rows.down(xp, xp.real(xp.conj(self.phase) * t_bar))

    # u_bar = p (a_bar + i g Im(conj(p) t_bar) / |u|)
    def images_bar(self, g: Array, a_bar: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``s``."""
        xp, p, smooth = self.xp, self.phase, self.rows.up(self.xp, g)
        t_bar = self._smoothed(smooth).derivative(maps_bar)
        turn = smooth * xp.imag(xp.conj(p) * t_bar) * self._inverse_magnitude
        s_bar = self.images.derivative(p * self.rows.up(xp, a_bar) + 1j * p * turn)
        return self.rows.down(xp, s_bar)

    def _smoothed(self, smooth: Array) -> Normalized:
        return Normalized(self.xp, smooth * self.phase)

    def _turned(self, ds: Array) -> Array:
        """``conj(p) du``."""
        xp = self.xp
        return xp.conj(self.phase) * self.images.derivative(self.rows.up(xp, ds))

    @cached_property
    def _inverse_magnitude(self) -> Array:
        """``1 / |u|``, zero where the phase is."""
        xp, m = self.xp, self.magnitude
        usable = m >= xp.finfo(m.dtype).smallest_normal
        return xp.where(usable, 1.0 / xp.where(usable, m, xp.ones_like(m)), xp.zeros_like(m))


class FusedPasses:
    """The passes by compiled loops, on arrays on the host.

    Parameters
    ----------
    xp, rows, s
        As of `ArrayPasses`.
    """

    def __init__(self, xp: Namespace, rows: Rows, s: Array) -> None:
        self.xp, self.rows = xp, rows
        self.s = real_rows(s)
        self.rest = tuple(s.shape[2:])

    def magnitudes(self) -> Array:
        """Return the transpose of the spline of ``|u|``."""
        from nufftlib.mri.coils.loops import magnitudes

        coils, nodes, reals = self.s.shape
        out = zeros((coils, nodes, reals // 2), self.s.dtype)
        self._run(magnitudes, out)
        return self._nodes(out)

    def maps(self, g: Array) -> Array:
        """Return the maps."""
        from nufftlib.mri.coils.loops import maps

        out = empty((self.s.shape[0], self.rows.size, self.s.shape[2]), self.s.dtype)
        self._run(maps, real_rows(g), out)
        x = out.view(np.result_type(out.dtype, np.complex64))
        return from_numpy(self.xp, x.reshape(*x.shape[:2], *self.rest))

    def magnitudes_bar(self, g: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``g``."""
        from nufftlib.mri.coils.loops import magnitudes_bar

        g = real_rows(g)
        out = zeros(g.shape, g.dtype)
        self._run(magnitudes_bar, g, real_rows(maps_bar), out)
        return self._nodes(out)

    def images_bar(self, g: Array, a_bar: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``s``."""
        from nufftlib.mri.coils.loops import images_bar

        out = zeros(self.s.shape, self.s.dtype)
        self._run(images_bar, real_rows(g), real_rows(a_bar), real_rows(maps_bar), out)
        return self._nodes(out.view(np.result_type(out.dtype, np.complex64)))

    def _nodes(self, x: Any) -> Array:
        return from_numpy(self.xp, x.reshape(*x.shape[:2], *self.rest))

    def _run(self, loop: Any, *arguments: Any) -> None:
        from nufftlib.mri.coils.loops import WIDTH
        from nufftlib.nufft.engines.grid.cpu.parallel import run, split

        coils, _, reals = self.s.shape
        strips = -(-reals // (2 * WIDTH))
        work = 16 * coils * self.rows.size * reals
        where = self.rows.starts, self.rows.weights.astype(self.s.dtype)
        run(loop, split(strips, work), self.s, *where, *arguments)


def real_rows(x: Array) -> Any:
    """View an array (coils, rows, ...) as rows of reals, (coils, rows, reals)."""
    data = np.ascontiguousarray(as_numpy(x))
    return data.view(data.real.dtype).reshape(*data.shape[:2], -1)
