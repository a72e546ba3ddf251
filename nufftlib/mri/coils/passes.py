r"""Passes over all voxels between coil images and their maps, and back.

Coil images :math:`s` and magnitudes :math:`g` are splines of few `Nodes`:

.. math::
    u = s / \|s\|, \quad p = u / |u|, \quad t = g\, p, \quad S = t / \|t\|

with the root sum of squares over the coils :math:`\|\cdot\|`. `ArrayPasses` writes them out for
any array library, `FusedPasses` goes through the voxels of arrays on the host once each, with
all coils of a voxel in the cache. Where a root or a magnitude is zero, zero is used.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.dlpack import as_numpy, empty, from_numpy, zeros
from nufftlib.core.pointwise import magnitude_and_phase
from nufftlib.mri.coils.nodes import Nodes, Spline
from nufftlib.mri.coils.normalize import Normalized


class Passes(Protocol):
    r"""The passes of one set of coil images, with arrays (coils, \*nodes) but for the maps."""

    def magnitudes(self) -> Array:
        """Return the transpose of the spline of ``|u|``."""

    def maps(self, g: Array) -> Array:
        """Return the maps, shape (coils, *image shape)."""

    def magnitudes_bar(self, g: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``g`` at a cotangent of the maps."""

    def images_bar(self, g: Array, a_bar: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``s``, at a cotangent ``a_bar`` of `magnitudes` too."""


class ArrayPasses:
    r"""The passes by the array API.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    nodes : Nodes
        The spline.
    s : array, shape (coils, \*nodes), complex
        The coil images.
    """

    def __init__(self, xp: Namespace, nodes: Nodes, s: Array) -> None:
        self.xp, self.nodes = xp, nodes
        self.images = Normalized(xp, nodes.up(xp, s))
        self.magnitude, self.phase = magnitude_and_phase(
            "low_frequency_maps(data)", self.images.value
        )

    def magnitudes(self) -> Array:
        """Return the transpose of the spline of ``|u|``."""
        return self.nodes.down(self.xp, self.magnitude)

    def maps(self, g: Array) -> Array:
        """Return the maps."""
        return self._smoothed(self.nodes.up(self.xp, g)).value

    # d|u| = Re(conj(p) du)
    def magnitudes_tangent(self, ds: Array) -> Array:
        """Return the change of `magnitudes` along a change of ``s``."""
        xp = self.xp
        return self.nodes.down(xp, xp.real(self._turned(ds)))

    # dt = dg p + g dp,  dp = i p Im(conj(p) du) / |u|
    def maps_tangent(self, g: Array, dg: Array, ds: Array) -> Array:
        """Return the change of the maps along changes of ``g`` and ``s``."""
        xp, p, smooth = self.xp, self.phase, self.nodes.up(self.xp, g)
        dp = 1j * p * (xp.imag(self._turned(ds)) * self._inverse_magnitude)
        return self._smoothed(smooth).derivative(self.nodes.up(xp, dg) * p + smooth * dp)

    def magnitudes_bar(self, g: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``g``."""
        xp = self.xp
        t_bar = self._smoothed(self.nodes.up(xp, g)).derivative(maps_bar)
        return self.nodes.down(xp, xp.real(xp.conj(self.phase) * t_bar))

    # u_bar = p (a_bar + i g Im(conj(p) t_bar) / |u|)
    def images_bar(self, g: Array, a_bar: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``s``."""
        xp, p, smooth = self.xp, self.phase, self.nodes.up(self.xp, g)
        t_bar = self._smoothed(smooth).derivative(maps_bar)
        turn = smooth * xp.imag(xp.conj(p) * t_bar) * self._inverse_magnitude
        s_bar = self.images.derivative(p * self.nodes.up(xp, a_bar) + 1j * p * turn)
        return self.nodes.down(xp, s_bar)

    def _smoothed(self, smooth: Array) -> Normalized:
        return Normalized(self.xp, smooth * self.phase)

    def _turned(self, ds: Array) -> Array:
        """``conj(p) du``."""
        xp = self.xp
        return xp.conj(self.phase) * self.images.derivative(self.nodes.up(xp, ds))

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
    xp, nodes, s
        As of `ArrayPasses`; of the axes between the first and the last all voxels are nodes.
    """

    def __init__(self, xp: Namespace, nodes: Nodes, s: Array) -> None:
        self.xp, self.nodes = xp, nodes
        self.s = real_rows(s)

    def magnitudes(self) -> Array:
        """Return the transpose of the spline of ``|u|``."""
        from nufftlib.mri.coils.loops import MAGNITUDES

        coils, rows, reals = self.s.shape
        out = zeros((coils, rows, reals // 2), self.s.dtype)
        self._run(MAGNITUDES, out)
        return self._shaped(out, self.nodes.shape)

    def maps(self, g: Array) -> Array:
        """Return the maps."""
        from nufftlib.mri.coils.loops import MAPS

        shape = self.nodes.image_shape
        out = empty((len(self.s), math.prod(shape[:-1]), 2 * shape[-1]), self.s.dtype)
        self._run(MAPS, out, real_rows(g))
        return self._shaped(as_complex(out), shape)

    def magnitudes_bar(self, g: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``g``."""
        from nufftlib.mri.coils.loops import MAGNITUDES_BAR

        smooth = real_rows(g)
        out = zeros(smooth.shape, smooth.dtype)
        self._run(MAGNITUDES_BAR, out, smooth, maps_bar=real_rows(maps_bar))
        return self._shaped(out, self.nodes.shape)

    def images_bar(self, g: Array, a_bar: Array, maps_bar: Array) -> Array:
        """Return the gradient by ``s``."""
        from nufftlib.mri.coils.loops import IMAGES_BAR

        out = zeros(self.s.shape, self.s.dtype)
        self._run(IMAGES_BAR, out, real_rows(g), real_rows(a_bar), maps_bar=real_rows(maps_bar))
        return self._shaped(as_complex(out), self.nodes.shape)

    def _shaped(self, x: Any, shape: tuple[int, ...]) -> Array:
        return from_numpy(self.xp, x.reshape(len(x), *shape))

    def _run(self, kind: int, out: Any, *given: Any, maps_bar: Any = None) -> None:
        """Go through all voxels; what a pass does not read is the images, of the same type."""
        from nufftlib.mri.coils.loops import HEIGHT, passes
        from nufftlib.nufft.engines.grid.cpu.parallel import run

        rows, *middle, columns = (*(Spline(1, 1),) * (len(self.nodes.axes) == 1), *self.nodes.axes)
        lines = math.prod(axis.nodes for axis in middle)
        where = as_known(rows, self.s.dtype), lines, as_known(columns, self.s.dtype)
        splines = (self.s, *given, self.s, self.s)[:3]
        read = self.s if maps_bar is None else maps_bar
        strips = [(n, min(n + HEIGHT, rows.size)) for n in range(0, rows.size, HEIGHT)]
        # Strips of one kind add to no common node.
        for some in (strips[0::2], strips[1::2]):
            run(passes, some, kind, splines, *where, read, out)


def as_known(axis: Spline, dtype: Any) -> Any:
    """Return what the loops know of an axis."""
    from nufftlib.mri.coils.loops import PLACES, TAPS, Axis

    places, count = axis.taps.shape
    taps = np.zeros((PLACES, TAPS), dtype)
    taps[:places, :count] = axis.taps
    of_places = tuple(map(tuple, taps))
    return Axis(axis.size, axis.skipped, axis.start, places, count, of_places)


def real_rows(x: Array) -> Any:
    """View an array (coils, ..., columns) as rows of reals, (coils, rows, reals)."""
    data = np.ascontiguousarray(as_numpy(x))
    reals = data.view(data.real.dtype)
    rows = reals.reshape(len(data), -1, reals.shape[-1])
    rows.flags.writeable = False  # as those of some libraries are: one type for the loop
    return rows


def as_complex(x: Any) -> Any:
    """View reals as complex numbers."""
    return x.view(np.result_type(x.dtype, np.complex64))
