"""What losses and metrics ask of images: their axes, a mask, the range of their data."""

from __future__ import annotations

import math
from typing import Any

from nufftlib.core.arrays import (
    Array,
    Namespace,
    common_namespace,
    is_complex,
    namespace,
    real_dtype,
)
from nufftlib.core.kinds import integer, positive
from nufftlib.core.shapes import broadcasts


def image_axes(call: str, images: Array, ndim: Any) -> int:
    """Return how many of the last axes are an image's: `ndim`, by default all."""
    if ndim is None:
        return int(images.ndim)
    return integer(call, "ndim", ndim, least=1, most=images.ndim, wish="an integer or None")


def over_images(ndim: int) -> tuple[int, ...]:
    """Return the axes of an image."""
    return tuple(range(-ndim, 0))


def refuse_complex(call: str, name: str, x: Array) -> None:
    """Refuse complex images, which have no order and no range."""
    if is_complex(namespace(x), x):
        msg = (
            f"{call}: {name} is {x.dtype}; want real numbers (of a complex image its magnitude, "
            f"by nl.Magnitude())"
        )
        raise TypeError(msg)


def check_mask(call: str, mask: Array, name: str, images: Array, ndim: int) -> None:
    """Refuse a `mask` that is not boolean, does not broadcast, or is empty in some image."""
    caller = f"{call}(mask)"
    xp = common_namespace(caller, **{"mask": mask, name: images})
    if mask.dtype != xp.bool:
        msg = f"{caller}: mask has the dtype {mask.dtype}; want bool"
        raise TypeError(msg)
    if not broadcasts(tuple(mask.shape), tuple(images.shape)):
        msg = (
            f"{caller}: mask has the shape {tuple(mask.shape)}; want one that broadcasts to the "
            f"shape of {name}, {tuple(images.shape)}"
        )
        raise ValueError(msg)
    if not bool(xp.all(count_within(xp, mask, images, ndim) > 0)):
        msg = f"{caller}: mask is False everywhere in some image; want an entry that is True"
        raise ValueError(msg)


def count_within(xp: Namespace, mask: Array | None, images: Array, ndim: int) -> Array | int:
    """Return how many entries of each image are in the mask, in the precision of the images."""
    shape = tuple(images.shape)
    if mask is None:
        return math.prod(shape[images.ndim - ndim :])
    count = xp.count_nonzero(xp.broadcast_to(mask, shape), axis=over_images(ndim))
    return xp.astype(count, real_dtype(xp, images))


def within(xp: Namespace, mask: Array | None, x: Array) -> Array:
    """Return `x` with zeros outside of the mask, whatever was there."""
    return x if mask is None else xp.where(mask, x, xp.zeros_like(x))


def range_of(xp: Namespace, images: Array, given: float | None, ndim: int) -> Array | float:
    """Return the range that is given, or maximum less minimum of each image, as a batch."""
    if given is not None:
        return given
    axes = over_images(ndim)
    return xp.max(images, axis=axes, keepdims=True) - xp.min(images, axis=axes, keepdims=True)


def check_range(call: str, name: str, images: Array, given: Any, ndim: int) -> float | None:
    """Return the range that is given, as a float; refuse constant images if none is."""
    if given is not None:
        return positive(call, "data_range", given)
    xp = namespace(images)
    if not bool(xp.all(range_of(xp, images, None, ndim) > 0)):
        msg = f"{call}(data_range): {name} has a constant image; want the range of its data"
        raise ValueError(msg)
    return None
