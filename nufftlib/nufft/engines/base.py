r"""The interface of an engine, and the derivatives that follow from its two transforms.

Throughout, images have the shape ``(B, *shape)`` and data ``(B, M)``; of the images ``s_c x_b`` of
coils, data have the shape ``(B C, M)``. ``points`` is the
result of the engine's ``prepare`` for a trajectory ``(M, d)``.

The derivative of :math:`y_j = \sum_n x_n e^{-2\pi i k_j \cdot n}` by :math:`k_{ja}` is
:math:`-i G_a` with :math:`G_a = F(2\pi n_a x)`, so that

.. math::
    \mathrm{d}F[\mathrm{d}k]\,x = -i \sum_a \mathrm{d}k_a G_a, \qquad
    B(x, y)_a = \sum_b \operatorname{Im}(\bar y_b\, G_{ab}).

Sample ``j`` depends on point ``j`` alone: first derivatives by the trajectory are pointwise,
and second derivatives are one ``d x d`` block for each point.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import array_api_compat

from nufftlib.core.arrays import Array, Namespace, conj, item_bytes, library
from nufftlib.nufft.engines.gridding import Gridding


@dataclass(frozen=True, eq=False)
class Points:
    """A trajectory in an engine's form: the engine's own copy, which nobody changes.

    Parameters
    ----------
    axes : tuple of array, each of shape (M,)
        One coordinate each, in the engine's unit and library.
    """

    axes: tuple[Any, ...]

    @property
    def size(self) -> int:
        """Number of points."""
        return int(self.axes[0].shape[0])


@dataclass(frozen=True, eq=False)
class CoilImages:
    """The images ``s_c x_b`` of coils, each computed where it is used.

    They are numbered ``b C + c``, like their data.

    Parameters
    ----------
    x : array, shape (B, *shape), complex
        Images.
    maps : array, shape (C, *shape), real or complex
        What the coils multiply them by; at least one.
    """

    x: Array
    maps: Array

    @property
    def size(self) -> int:
        """Number of images."""
        return int(self.x.shape[0] * self.maps.shape[0])

    def blocks(self, most: int) -> Iterator[tuple[slice, Array]]:
        """Yield their numbers and a stack of them, `most` at a time; of none, one empty stack."""
        coils = self.maps.shape[0]
        for b in range(self.x.shape[0]):
            for some in batch_blocks(coils, most):
                numbers = slice(b * coils + some.start, b * coils + some.stop)
                yield numbers, self.maps[some, ...] * self.x[b : b + 1, ...]
        if self.x.shape[0] == 0:
            yield slice(0, 0), self.x


class FixedImages(Protocol):
    """An image prepared for sampling at any trajectory, with derivatives.

    An engine keeps here all results that do not depend on the trajectory. An engine that
    samples one oversampled FFT shares it between value and derivatives.
    """

    def values(self, points: Points) -> Array:
        """Return ``F x``, shape (B, M)."""

    def jvp(self, points: Points, dk: Array) -> Array:
        """Return ``dF[dk] x``, shape (B, M), for ``dk`` of shape (M, d)."""

    def vjp(self, points: Points, y: Array) -> Array:
        """Return ``B(x, y)``, shape (M, d), summed over the batch."""

    def linearize(self, points: Points) -> tuple[Array, TrajectoryJacobian]:
        """Return ``F x`` and its Jacobian (M, d) -> (B, M) by the trajectory."""

    def curvature(self, points: Points, r: Array) -> Array:
        """Return ``Re sum_b conj(r_b) d_a d_c (F x)_b``, shape (M, d, d), symmetric."""


class Engine(ABC):
    """Computes the sums for one image shape, at one accuracy, under one memory bound.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    shape : tuple of int
        Image shape.
    dtype : dtype
        Real dtype of the trajectory.
    eps : float
        Relative accuracy.
    memory_limit : int
        Bytes that intermediate arrays may take.
    """

    exact = False
    """Whether the sums are exact for every `eps`."""

    def __init__(
        self, xp: Namespace, shape: tuple[int, ...], dtype: Any, eps: float, memory_limit: int
    ) -> None:
        self.xp = xp
        self.shape = shape
        self.dtype = dtype
        self.eps = eps
        self.memory_limit = memory_limit

    @property
    def double(self) -> bool:
        """Whether a library that rounds points to the precision of its grids needs double ones."""
        single = self.dtype == self.xp.float32
        return not single or too_long_for_single(self.shape, self.eps)

    def with_shape(self, shape: tuple[int, ...]) -> Engine:
        """Return the same engine for another grid; prepared points serve both."""
        return type(self)(self.xp, shape, self.dtype, self.eps, self.memory_limit)

    @abstractmethod
    def prepare(self, trajectory: Array) -> Points:
        """Copy a finite trajectory (M, d) in cycles per voxel into the engine's form."""

    @abstractmethod
    def forward(self, points: Points, x: Array) -> Array:
        """Return ``F x``: (B, *shape) -> (B, M)."""

    @abstractmethod
    def adjoint(self, points: Points, y: Array) -> Array:
        """Return ``F^H y``: (B, M) -> (B, *shape)."""

    @abstractmethod
    def gridding(self, trajectory: Array, shape: tuple[int, ...], width: int) -> Gridding:
        """Return spreading from points (M, d) to a grid of this shape, and interpolation there.

        The kernel is `width` cells wide; along each axis the grid has twice as many, at least.
        """

    def gridding_at(
        self, points: Points, trajectory: Array, shape: tuple[int, ...], width: int
    ) -> Gridding:
        """Return `gridding` at points (M, d) that have been prepared as well."""
        return self.gridding(trajectory, shape, width)

    def fix(self, x: Array, *, lasting: bool = False) -> FixedImages:
        """Prepare images (B, *shape) for sampling at any trajectory.

        If they are `lasting`, they are for many trajectories: what does not depend on these is
        kept, and the result does not change with the array `x`. An engine that reads the images
        again has to copy them. Else they are for one use.
        """
        return ImageStack(self, self.xp.asarray(x, copy=True) if lasting else x)

    def fix_adjoint(self, points: Points, y: Array) -> FixedImages:
        """Return the images ``F^H y`` of data (B, M), prepared as by `fix` and lasting."""
        return self.fix(self.adjoint(points, y), lasting=True)

    # --- coils: sums over stacks of images that nobody keeps -------------------------------

    def coil_forward(self, points: Points, images: CoilImages) -> Array:
        """Return ``F (s_c x_b)``: (B C, M)."""
        whole = Whole(self.xp, images.size)
        most = self.stacks(images.x, points.size, count=1, images=2, data=1)[0]
        for part, stack in images.blocks(most):
            whole.put(part, self.forward(points, stack))
        return whole.result

    def coil_adjoint(self, points: Points, y: Array, maps: Array, dk: Array | None = None) -> Array:
        """Return ``sum_c conj(s_c) F^H y_bc``, or with ``dF[dk]`` in place of ``F``.

        It takes data (B C, M) and maps (C, *shape) to images (B, *shape).
        """
        xp, coils = self.xp, maps.shape[0]
        whole = Whole(xp, y.shape[0] // coils)
        most = self.stacks(y, points.size, count=1, images=3, data=1)[0]
        for start in range(0, y.shape[0], coils):
            total: Array = 0.0
            for some in batch_blocks(coils, most):
                data = y[start + some.start : start + some.stop, :]
                if dk is None:
                    images = self.adjoint(points, data)
                else:
                    images = self.derivative_adjoint(points, dk, data)
                total = total + xp.sum(conj(maps[some, ...]) * images, axis=0, keepdims=True)
            whole.put(slice(start // coils, start // coils + 1), total)
        return whole.result if y.shape[0] else self.adjoint(points, y)

    def weighted_adjoint(self, points: Points, y: Array, weights: Array, maps: Array) -> Array:
        """Return ``sum_c conj(s_c) F^H (w y_bc)`` with weights ``w`` of shape (M,)."""
        return self.coil_adjoint(points, weights * y, maps)

    # of <x, S^H F^H (w y)>: w B(x, y), w F S x, and Re conj(y) F S x, summed over all images
    def weighted_adjoint_vjp(
        self, points: Points, images: CoilImages, y: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of the inner product of images and `weighted_adjoint`.

        They are by the points (M, d), by the data (B C, M) and by the weights (M,).
        """
        xp = self.xp
        data, jacobian = self.coil_fix(images).linearize(points)
        products = xp.real(y) * xp.real(data) + xp.imag(y) * xp.imag(data)
        by_points = weights[:, None] * jacobian.adjoint(y)
        return by_points, weights * data, xp.sum(products, axis=0)

    def coil_fix(self, images: CoilImages, *, lasting: bool = False) -> FixedImages:
        """Prepare the images of coils for sampling at any trajectory, as `fix` does."""
        if lasting:
            copies = (self.xp.asarray(a, copy=True) for a in (images.x, images.maps))
            images = CoilImages(*copies)
        return CoilStacks(self, images)

    def transform_bytes(self) -> int:
        """Return the bytes that a transform of one image takes beside image and data."""
        return 0

    # (dF[dk])^H y = i sum_a 2 pi n_a F^H(dk_a y)
    def derivative_adjoint(self, points: Points, dk: Array, y: Array) -> Array:
        """Return ``(dF[dk])^H y``: (B, M) -> (B, *shape)."""
        xp, d, M = self.xp, len(self.shape), y.shape[-1]
        ramps = self.ramps(y)
        whole = Whole(xp, y.shape[0])
        # An image and its data, twice; the sum, and a term of it.
        batch, axes = self.stacks(y, M, d, images=1, data=2, beside=2)
        for part in parts(y.shape[0], batch):
            rows: Array = y[part, :]
            total: Array = 0.0
            for some in parts(d, axes):
                stack = xp.concat([dk[:, a] * rows for a in range(d)[some]], axis=0)
                images = self.adjoint(points, stack)
                images = xp.reshape(images, (len(ramps[some]), rows.shape[0], *self.shape))
                del stack
                for i, ramp in enumerate(ramps[some]):
                    total += ramp * images[i, ...]
            total *= 1j
            whole.put(part, total)
        return whole.result

    def ramps(self, like: Array) -> list[Array]:
        """Return ``2 pi n_a`` for each axis, broadcastable to the image."""
        return [
            2.0 * math.pi * voxel_index(self.xp, size, self.dtype, like, (a, len(self.shape)))
            for a, size in enumerate(self.shape)
        ]

    def stacks(
        self, x: Array, samples: int, count: int, images: int, data: int, beside: int = 0
    ) -> tuple[int, int]:
        """Return how much of a stack of `count` transforms for each of a batch fits `memory_limit`.

        Each transform takes so many images and data. They, and the images that are beside those
        of one of the batch, get a half of the limit; the other half is for the transforms.

        Returns
        -------
        batch, transforms : int
            How many of the batch at a time, with how many of the transforms: all, unless
            not even one of the batch fits.
        """
        image, item = math.prod(self.shape), item_bytes(self.xp, x)
        half, each = self.memory_limit // (2 * item), images * image + data * samples
        batch = half // (count * each + beside * image)
        return max(batch, 1), min(max((half - beside * image) // each, 1), count)


@dataclass(frozen=True, eq=False)
class ImageStack:
    """Fixed images of an engine that only transforms; derivatives take a stack of ramped images."""

    engine: Engine
    x: Array

    def values(self, points: Points) -> Array:
        """``F x``."""
        return self.engine.forward(points, self.x)

    def jvp(self, points: Points, dk: Array) -> Array:
        """``-i sum_a dk_a G_a``."""
        whole = Whole(self.engine.xp, self.x.shape[0])
        for part, G in self._derivatives(points):
            whole.put(part, StackJacobian(G).apply(dk))
        return whole.result

    def vjp(self, points: Points, y: Array) -> Array:
        """``sum_b Im(conj(y_b) G_ab)``."""
        return reduce(
            operator.add,
            (StackJacobian(G).adjoint(y[part, :]) for part, G in self._derivatives(points)),
        )

    # d_a d_c y = F(-(2 pi)^2 n_a n_c x)
    def curvature(self, points: Points, r: Array) -> Array:
        """``-sum_b Re(conj(r_b) F((2 pi)^2 n_a n_c x_b))``."""
        xp = self.engine.xp
        ramps = self.engine.ramps(self.x)
        pairs = [(a, c) for a in range(len(ramps)) for c in range(a, len(ramps))]
        terms = (
            xp.sum(xp.real(r[part, :]) * xp.real(K) + xp.imag(r[part, :]) * xp.imag(K), axis=1)
            for part, K in self._ramped(points, [ramps[a] * ramps[c] for a, c in pairs])
        )
        total = -reduce(operator.add, terms)
        return symmetric(xp, {pair: total[i, ...] for i, pair in enumerate(pairs)})

    def linearize(self, points: Points) -> tuple[Array, StackJacobian]:
        """Transform value and derivatives as one stack."""
        xp = self.engine.xp
        values, derivatives = (Whole(xp, self.x.shape[0], axis) for axis in (0, 1))
        for part, y in self._ramped(points, [1.0, *self.engine.ramps(self.x)]):
            values.put(part, y[0, ...])
            derivatives.put(part, y[1:, ...])
        return values.result, StackJacobian(derivatives.result)

    def _derivatives(self, points: Points) -> Iterator[tuple[slice, Array]]:
        """Yield ``G`` of shape (d, b, M) for each chunk of the batch."""
        return self._ramped(points, self.engine.ramps(self.x))

    def _ramped(self, points: Points, ramps: list[Any]) -> Iterator[tuple[slice, Array]]:
        """Yield ``F(ramp x)``, shape (ramps, b, M), for each chunk of the batch."""
        xp, engine, samples = self.engine.xp, self.engine, points.size
        # The stack and its parts; its data, and the products that are made of them.
        batch, transforms = engine.stacks(self.x, samples, len(ramps), images=2, data=2)
        for part in parts(self.x.shape[0], batch):
            x, whole = self.x[part, ...], Whole(xp, len(ramps))
            for some in parts(len(ramps), transforms):
                stack = xp.concat([ramp * x for ramp in ramps[some]], axis=0)
                y = engine.forward(points, stack)
                del stack
                whole.put(some, xp.reshape(y, (len(ramps[some]), x.shape[0], samples)))
            yield part, whole.result


@dataclass(frozen=True, eq=False)
class CoilStacks:
    """Fixed images of coils, for an engine that only transforms: one stack after the other."""

    engine: Engine
    images: CoilImages

    def values(self, points: Points) -> Array:
        """``F (s_c x_b)``."""
        return self.engine.coil_forward(points, self.images)

    def jvp(self, points: Points, dk: Array) -> Array:
        """As of a stack."""
        whole = Whole(self.engine.xp, self.images.size)
        for part, stack in self._stacks(points):
            whole.put(part, stack.jvp(points, dk))
        return whole.result

    def vjp(self, points: Points, y: Array) -> Array:
        """The sum over the stacks."""
        stacks = self._stacks(points)
        return reduce(operator.add, (stack.vjp(points, y[part, :]) for part, stack in stacks))

    def curvature(self, points: Points, r: Array) -> Array:
        """The sum over the stacks."""
        stacks = self._stacks(points)
        return reduce(operator.add, (stack.curvature(points, r[part, :]) for part, stack in stacks))

    def linearize(self, points: Points) -> tuple[Array, TrajectoryJacobian]:
        """Values and derivatives of all stacks."""
        values, derivatives = (Whole(self.engine.xp, self.images.size, axis) for axis in (0, 1))
        for part, stack in self._stacks(points):
            y, jacobian = stack.linearize(points)
            values.put(part, y)
            derivatives.put(part, jacobian.G)
        return values.result, StackJacobian(derivatives.result)

    def _stacks(self, points: Points) -> Iterator[tuple[slice, ImageStack]]:
        # As many as get all their ramps at once.
        ramps = 1 + len(self.engine.shape)
        most = self.engine.stacks(self.images.x, points.size, ramps, images=2, data=2, beside=1)[0]
        for part, stack in self.images.blocks(most):
            yield part, ImageStack(self.engine, stack)


class TrajectoryJacobian(ABC):
    """The Jacobian (M, d) -> (B, M) of ``k -> F(k) x``, block diagonal."""

    @abstractmethod
    def apply(self, dk: Array) -> Array:
        """Return the directional derivative, (M, d) -> (B, M)."""

    @abstractmethod
    def adjoint(self, y: Array) -> Array:
        """Return the gradient at a cotangent, (B, M) -> (M, d)."""

    @abstractmethod
    def gauss_newton(self) -> Array:
        """Return ``J^H J``, one symmetric block for each point: (M, d, d)."""


@dataclass(frozen=True, eq=False)
class StackJacobian(TrajectoryJacobian):
    """``dk -> -i sum_a dk_a G_a``, of ramped images transformed in a stack.

    Parameters
    ----------
    G : array, shape (d, B, M)
        ``F(2 pi n_a x_b)``.
    """

    G: Array

    # dy = -i sum_a dk_a G_a
    def apply(self, dk: Array) -> Array:
        """Return the directional derivative, (M, d) -> (B, M)."""
        return -1j * sum(dk[:, a] * self.G[a, ...] for a in range(self.G.shape[0]))

    # B(x, y)_a = sum_b Im(conj(y_b) G_ab)
    def adjoint(self, y: Array) -> Array:
        """Return the gradient at a cotangent, (B, M) -> (M, d)."""
        xp, G = array_api_compat.array_namespace(self.G, y), self.G
        return xp.stack(
            [
                xp.sum(xp.imag(G[a, ...]) * xp.real(y) - xp.real(G[a, ...]) * xp.imag(y), axis=0)
                for a in range(G.shape[0])
            ],
            axis=-1,
        )

    # N_ac = sum_b Re(conj(-i G_ab) (-i G_cb)) = sum_b Re(conj(G_ab) G_cb)
    def gauss_newton(self) -> Array:
        """Return ``J^H J``, one symmetric block for each point: (M, d, d)."""
        xp, G = array_api_compat.array_namespace(self.G), self.G
        re, im = xp.real(G), xp.imag(G)
        blocks = {
            (a, c): xp.sum(re[a, ...] * re[c, ...] + im[a, ...] * im[c, ...], axis=0)
            for a in range(G.shape[0])
            for c in range(a, G.shape[0])
        }
        return symmetric(xp, blocks)


SINGLE_BITS, DOUBLE_BITS = 24, 53


def phase_rounding(shape: tuple[int, ...], bits: int) -> float:
    r"""Return the relative l2 error of a white image whose points were rounded to `bits` bits.

    A coordinate with the relative error :math:`\delta` turns the phase :math:`2\pi k n` by
    :math:`2\pi k n \delta`: at the edge of the period, :math:`|k| = 1/2`, by
    :math:`\pi N \delta / \sqrt{12}`, the root mean square over an axis of :math:`N` voxels.
    A native library rounds when it takes radians, when it folds them, and when it multiplies them
    by the size of its grid, and its :math:`\delta` was measured to be one unit, ``2**-bits``.
    The errors of the axes add in squares.
    """
    return math.hypot(*shape) * 2.0**-bits


def parts(size: int, step: int) -> Iterator[slice]:
    """Cut an axis into pieces; one without entries is one empty piece."""
    for start in range(0, max(size, 1), step):
        yield slice(start, min(start + step, size))


def symmetric(xp: Namespace, upper: Mapping[tuple[int, int], Array]) -> Array:
    """Return the blocks (M, d, d) of the entries (M,) at ``a <= c``."""
    axes = range(max(upper)[0] + 1)
    rows = [xp.stack([upper[min(a, c), max(a, c)] for c in axes], axis=-1) for a in axes]
    return xp.stack(rows, axis=-2)


class Whole:
    """An array put together from parts along one axis.

    NumPy's and CuPy's are written as they come, so that no part outlives its turn. Other
    libraries' arrays may be immutable, or seen by a transformation: these are kept, and
    concatenated.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    size : int
        Length along the axis.
    axis : int
        The axis, not negative.
    into : array, optional
        What to write to where arrays are written; nobody needs its values any more.
    """

    def __init__(self, xp: Namespace, size: int, axis: int = 0, into: Array | None = None) -> None:
        self._xp, self._size, self._axis = xp, size, axis
        self._parts: list[Array] = []
        self._written: Array | None = None
        self._into = into

    def put(self, part: slice, value: Array) -> None:
        """Take the next part."""
        xp = self._xp
        if part.stop - part.start == self._size or library(xp) not in ("numpy", "cupy"):
            self._parts.append(value)
            return
        if self._written is None:
            self._written = self._into
        if self._written is None:
            shape = [*value.shape]
            shape[self._axis] = self._size
            device = array_api_compat.device(value)
            self._written = xp.empty(tuple(shape), dtype=value.dtype, device=device)
        self._written[(slice(None),) * self._axis + (part, ...)] = value

    @property
    def result(self) -> Array:
        """The array."""
        if self._written is not None:
            return self._written
        parts = self._parts
        return parts[0] if len(parts) == 1 else self._xp.concat(parts, axis=self._axis)


def too_long_for_single(shape: tuple[int, ...], eps: float) -> bool:
    """Tell whether points rounded to single precision leave less than half of `eps`.

    The other half is for the kernel of the library that rounds them; in squares, an eighth is lost.
    """
    return 2.0 * phase_rounding(shape, SINGLE_BITS) > eps


def batch_blocks(batch: int, most: int) -> Iterator[slice]:
    """Cut a batch into blocks of nearly one size, of `most` at most, or of one if that is none."""
    count = -(-batch // max(1, most))
    for block in range(count):
        yield slice(batch * block // count, batch * (block + 1) // count)


def voxel_index(
    xp: Namespace, size: int, dtype: Any, like: Array, axis: tuple[int, int] = (0, 1)
) -> Array:
    """Return ``-(N // 2) ... N - N // 2 - 1`` along axis ``axis[0]`` of ``axis[1]``."""
    n = xp.arange(size, dtype=dtype, device=array_api_compat.device(like)) - float(size // 2)
    a, ndim = axis
    return xp.reshape(n, (*(1 for _ in range(a)), size, *(1 for _ in range(ndim - a - 1))))


def fold(xp: Namespace, trajectory: Array) -> Array:
    """Bring points into one period, ``[-1/2, 1/2]``; exact, and always a copy."""
    return trajectory - xp.round(trajectory)
