"""An engine at its points, on arrays of the user's shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    common_namespace,
    complex_dtype,
    flatten_batch,
    is_complex,
    is_single,
)
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Exchanged, Shape
from nufftlib.nufft.engines.base import CoilImages, Engine, FixedImages, Points


@dataclass(frozen=True, eq=False)
class Transform:
    """The sums at prepared points, scaled; shared by the NUFFT, its derivatives and its Gram.

    Parameters
    ----------
    engine : Engine
        Computes the sums, on images (B, *shape) and data (B, M).
    points : Points
        The trajectory, prepared by the engine.
    trajectory : array, shape (..., d)
        The trajectory, in the user's shape.
    shape : tuple of int
        The image's shape.
    scale : float
        A factor of every sum: ``1 / sqrt(prod(shape))`` with ``norm="ortho"``, else 1.
    maps : array, shape (coils, *shape), real or complex, optional
        What images are multiplied by before they are transformed. The data then have an axis of
        coils in front of the samples.
    """

    engine: Engine
    points: Points
    trajectory: Array
    shape: Shape
    scale: float
    maps: Array | None = None

    @cached_property
    def xp(self) -> Namespace:
        """The namespace of the arrays."""
        return self.engine.xp

    @cached_property
    def samples(self) -> Shape:
        """The last axes of the data, behind the coils."""
        return tuple(self.trajectory.shape[:-1])

    @cached_property
    def coils(self) -> Shape:
        """The axis of the coils, if there are any."""
        return () if self.maps is None else tuple(self.maps.shape[:1])

    @cached_property
    def shapes(self) -> Exchanged:
        """From the image's axes to the data's."""
        return Exchanged(self.shape, (*self.coils, *self.samples))

    # y_j = s sum_n x_n exp(-2 pi i k_j n)
    def forward(self, x: Array) -> Array:
        """Return the data of images."""
        flat, E = self.flat_images(x), self.engine
        if self.maps is None:
            return self.as_data(E.forward(self.points, flat), x)
        return self.as_data(E.coil_forward(self.points, CoilImages(flat, self.maps)), x)

    # x_n = s sum_j y_j exp(+2 pi i k_j n)
    def adjoint(self, y: Array) -> Array:
        """Return the images of data."""
        flat, E = self.flat_data(y), self.engine
        if self.maps is None:
            return self.as_images(E.adjoint(self.points, flat), y)
        return self.as_images(E.coil_adjoint(self.points, flat, self.maps), y)

    # x = s sum_c conj(s_c) F^H (w y_c)
    def weighted_adjoint(self, y: Array, weights: Array) -> Array:
        """Return the images of the coils' data times weights of the samples."""
        flat, w = self.flat_data(y), self.xp.reshape(weights, (-1,))
        return self.as_images(self.engine.weighted_adjoint(self.points, flat, w, self.maps), y)

    # of <x, S^H F^H (w y)>: w B(x, y), w F S x, and Re conj(y) F S x, summed over batch and coils
    def weighted_adjoint_vjp(
        self, x: Array, y: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of ``<x, weighted_adjoint(y, w)>`` by points, data and weights.

        All three come of one pass over the points.
        """
        images = CoilImages(self.flat_images(x), self.maps)
        flat, w = self.flat_data(y), self.xp.reshape(weights, (-1,))
        by_points, by_data, by_weights = self.engine.weighted_adjoint_vjp(
            self.points, images, flat, w
        )
        by_weights = self.xp.reshape(self.scaled(by_weights), self.samples)
        return self.as_gradient(by_points), self.as_data(by_data, x), by_weights

    # -2 pi i s sum_a dk_a F(n_a x)
    def derivative(self, dk: Array, x: Array) -> Array:
        """Return the change of the data of images along a direction of the points."""
        return self.as_data(self.fix(x).jvp(self.points, self.flat_points(dk)), x)

    # 2 pi i s sum_a n_a F^H(dk_a y)
    def derivative_adjoint(self, dk: Array, y: Array) -> Array:
        """Return the change of the images of data along a direction of the points."""
        flat, along, E = self.flat_data(y), self.flat_points(dk), self.engine
        if self.maps is None:
            return self.as_images(E.derivative_adjoint(self.points, along, flat), y)
        return self.as_images(E.coil_adjoint(self.points, flat, self.maps, along), y)

    # s sum_b conj(x_b) F^H y_bc, with dF[dk] in place of F along a direction: the adjoint for the
    # data of coil c, with the images for its maps
    def by_maps(self, x: Array, y: Array, dk: Array | None = None) -> Array:
        """Return the gradient by the maps of ``<y, F S x>``, or of ``<y, dF[dk] S x>``."""
        xp, images, data = self.xp, self.flat_images(x), self.flat_data(y)
        count = images.shape[0], *self.coils
        data = xp.permute_dims(xp.reshape(data, (*count, data.shape[1])), (1, 0, 2))
        data = xp.reshape(data, (math.prod(count), data.shape[2]))
        along = None if dk is None else self.flat_points(dk)
        if images.shape[0] == 0:
            return xp.zeros_like(self.maps)
        return self.scaled(self.engine.coil_adjoint(self.points, data, images, along))

    def fix(self, x: Array, *, lasting: bool = False) -> FixedImages:
        """Return images prepared for any points; if `lasting`, apart from the array `x`."""
        flat = self.flat_images(x)
        if self.maps is None:
            return self.engine.fix(flat, lasting=lasting)
        return self.engine.coil_fix(CoilImages(flat, self.maps), lasting=lasting)

    def fix_adjoint(self, y: Array) -> FixedImages:
        """Return the images of data, prepared for any points; without maps."""
        return self.engine.fix_adjoint(self.points, self.flat_data(self.scale * y))

    def scaled(self, x: Array) -> Array:
        """Return ``s x``, of an array that is nobody else's: in its place, where it can be."""
        if self.scale != 1.0:
            x *= self.scale
        return x

    # --- shapes ---------------------------------------------------------------------

    def flat_images(self, x: Array) -> Array:
        """Return images in the engine's shape, (B, *shape), and complex."""
        flat = flatten_batch(self.xp, x, len(self.shape))
        return self.xp.astype(flat, complex_dtype(self.xp, flat), copy=False)

    def flat_data(self, y: Array) -> Array:
        """Return data in the engine's shape, (B, M), of all coils."""
        batch = y.shape[: y.ndim - len(self.samples)]
        return self.xp.reshape(y, (math.prod(batch), math.prod(self.samples)))

    def flat_points(self, dk: Array) -> Array:
        """Return directions in the engine's shape, (M, d)."""
        return self.xp.reshape(dk, (-1, dk.shape[-1]))

    def as_data(self, y: Array, x: Array) -> Array:
        """Return the engine's data, scaled, with the batch axes of the images `x`."""
        return self.with_batch(y, tuple(x.shape[: x.ndim - len(self.shape)]))

    def with_batch(self, y: Array, batch: Shape) -> Array:
        """Return the engine's data, scaled, with these batch axes."""
        return self.xp.reshape(self.scaled(y), (*batch, *self.coils, *self.samples))

    def as_images(self, x: Array, y: Array) -> Array:
        """Return the engine's images, scaled, with the batch axes of the data `y`."""
        batch = y.shape[: y.ndim - len(self.coils) - len(self.samples)]
        return self.xp.reshape(self.scaled(x), (*batch, *self.shape))

    def as_gradient(self, g: Array) -> Array:
        """Return the engine's gradient by the points, scaled, in the trajectory's shape."""
        return self.xp.reshape(self.scaled(g), self.trajectory.shape)

    def check(self, call: str, label: str, x: Array) -> None:
        """Refuse images ("x") or data ("y") that the transform does not take."""
        if label == "x":
            self.check_image(call, label, x)
        else:
            self.check_complex(call, label, x)

    def check_image(self, call: str, label: str, x: Array) -> None:
        """Refuse all but complex images; maps that are complex make real ones complex."""
        if self.maps is None or not is_complex(self.xp, self.maps):
            self.check_complex(call, label, x)
            return
        both = {label: x, "maps": self.maps}
        check_precision(common_namespace(call, **both), call, **both)

    def check_complex(self, call: str, label: str, x: Array) -> None:
        """Refuse all but complex arrays of the trajectory's precision, library and device."""
        xp = common_namespace(call, **{label: x}, trajectory=self.trajectory)
        if x.dtype != complex_dtype(xp, self.trajectory):
            want = "complex64" if is_single(xp, self.trajectory) else "complex128"
            msg = (
                f"{call}: {label} has the dtype {x.dtype}; want {want} for a trajectory "
                f"of {self.trajectory.dtype} (nothing is cast silently)"
            )
            raise TypeError(msg)


class Transforming(LinearOperator):
    """An operator that is a transform at a trajectory, of images or of coils: what derives it."""

    transform: Transform

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        self.transform.check(call, label, x)


class TrajectoryOperator(Transforming):
    """A transform of images: the part of the NUFFT that its Gram uses."""

    trajectory: Array
    shape: Shape
    eps: float
    memory_limit: int
    gram_spectrum: Array
