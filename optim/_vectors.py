"""Many vectors in one array: the axes that make one, checks of arguments, products."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device

from optim._tree import Array, describe, is_array

Axes: TypeAlias = int | tuple[int, ...] | None
ArrayProjection: TypeAlias = Callable[[Array], Array]

FAR_BELOW = 1e-20  # 1 / this is more than the number of entries


def real_namespace(call: str, x: Array, name: str = "x") -> Any:
    """Return the namespace of `x`, a real floating-point array."""
    if is_array(x):
        xp = array_namespace(x)
        if xp.isdtype(x.dtype, "real floating"):
            return xp
    msg = f"{call}: {name} is {describe(x)}; want a real floating-point array"
    raise TypeError(msg)


def floating_namespace(call: str, x: Array) -> Any:
    """Return the namespace of `x`, a real or complex floating-point array."""
    if is_array(x):
        xp = array_namespace(x)
        if xp.isdtype(x.dtype, ("real floating", "complex floating")):
            return xp
    msg = f"{call}: x is {describe(x)}; want a real or complex floating-point array"
    raise TypeError(msg)


def vector_axes(call: str, axes: Axes, x: Array) -> tuple[int, ...]:
    """Return the axes of one vector, counted from the front; raise if it has no entries."""
    if axes is None:
        vector = tuple(range(x.ndim))
    else:
        vector = axes if isinstance(axes, tuple) else (axes,)
        vector = tuple(a + x.ndim if a < 0 else a for a in vector)
        if len(set(vector)) < len(vector) or not set(vector) <= set(range(x.ndim)):
            msg = f"{call}: axes is {axes} and x has {x.ndim} dimensions; want different axes of x"
            raise ValueError(msg)
    if not vector or any(x.shape[a] == 0 for a in vector):
        msg = f"{call}: axes is {axes} and x is {describe(x)}; want vectors that have entries"
        raise ValueError(msg)
    return vector


def as_rows(xp: Any, x: Array, vector: tuple[int, ...]) -> Array:
    """Return an array in double precision with each vector along the last axis."""
    x = xp.astype(x, xp.float64, copy=False)
    batch = tuple(a for a in range(x.ndim) if a not in vector)
    if batch + vector != tuple(range(x.ndim)):
        x = xp.permute_dims(x, batch + vector)
    return xp.reshape(x, (*x.shape[: len(batch)], -1)) if batch else xp.reshape(x, (-1,))


def from_rows(xp: Any, rows: Array, x: Array, vector: tuple[int, ...]) -> Array:
    """Return rows in the shape of `x`, the inverse of `as_rows`."""
    order = (*(a for a in range(x.ndim) if a not in vector), *vector)
    if order == tuple(range(x.ndim)):
        return xp.reshape(rows, x.shape)
    y = xp.reshape(rows, tuple(x.shape[a] for a in order))
    return xp.permute_dims(y, tuple(order.index(a) for a in range(x.ndim)))


def wide(xp: Any, x: Array) -> Array:
    """Return an array in double precision."""
    is_complex = xp.isdtype(x.dtype, "complex floating")
    return xp.astype(x, xp.complex128 if is_complex else xp.float64, copy=False)


def moduli(xp: Any, x: Array, vector: tuple[int, ...], radius: float) -> tuple[Array, Array]:
    """Return ``|x_i|`` of each vector in a unit, and the unit.

    The unit is the largest real or imaginary part, but not far below `radius`. So moduli and
    their squares neither overflow nor vanish. It is NaN if an entry is not finite.
    """
    y = wide(xp, x)
    parts = [xp.real(y), xp.imag(y)] if xp.isdtype(x.dtype, "complex floating") else [y]
    top = xp.maximum(xp.abs(parts[0]), xp.abs(parts[-1]))
    top = xp.max(top, axis=vector, keepdims=True)
    unit = xp.where(xp.isfinite(top), xp.maximum(top, FAR_BELOW * radius), math.nan)
    return xp.abs(y / unit), unit


def scaled(xp: Any, x: Array, by: float | Array) -> Array:
    """Return ``by * x``, computed in double precision, in the dtype of `x`."""
    return xp.astype(wide(xp, x) * by, x.dtype, copy=False)


def ratio(xp: Any, a: Array, b: Array) -> Array:
    """Return ``a / b``, and zero where ``b`` is zero or negative."""
    nothing = b <= 0
    return xp.where(nothing, 0.0, a) / xp.where(nothing, 1.0, b)


def products(xp: Any, a: Array, b: Array, vector: tuple[int, ...]) -> Array:
    """Return ``Re sum conj(a) b`` of each vector, summed in double precision if there is one."""
    if xp.isdtype(a.dtype, "complex floating"):
        real = products(xp, xp.real(a), xp.real(b), vector)
        return real + products(xp, xp.imag(a), xp.imag(b), vector)
    return xp.sum(wide_real(xp, a) * wide_real(xp, b), axis=vector, keepdims=True)


def wide_real(xp: Any, a: Array) -> Array:
    """Return a real array in double precision; JAX may have been told to do without."""
    kinds = xp.__array_namespace_info__().dtypes(kind="real floating")
    return xp.astype(a, kinds.get("float64", xp.float32), copy=False)


def squares(xp: Any, a: Array, vector: tuple[int, ...]) -> Array:
    """Return ``|a|^2`` of each vector."""
    return products(xp, a, a, vector)


def as_factor(xp: Any, a: Array, like: Array) -> Array:
    """Return real factors in the real precision of an array that they multiply."""
    single = like.dtype in (xp.float32, xp.complex64)
    return xp.astype(a, xp.float32 if single else xp.float64, copy=False)


def first_index(xp: Any, mask: Array) -> tuple[int, ...]:
    """Return the index of the first true entry of `mask`, which has one."""
    flat = int(xp.argmax(xp.astype(xp.reshape(mask, (-1,)), xp.int32)))
    index: tuple[int, ...] = ()
    for n in reversed(mask.shape):
        flat, i = divmod(flat, n)
        index = (i, *index)
    return index


def check_like(call: str, name: str, given: Array, x: Array) -> None:
    """Raise unless `given` broadcasts against `x` and has its namespace, dtype and device."""
    like = (
        array_namespace(given) is array_namespace(x)
        and given.dtype == x.dtype
        and device(given) == device(x)
    )
    # The result has the shape of x: broadcasting may stretch `given`, but not x.
    n = given.ndim
    fits = n <= x.ndim and all(
        b in (1, s) for b, s in zip(given.shape, x.shape[x.ndim - n :], strict=True)
    )
    if not (like and fits):
        msg = f"{call}: {name} is {describe(given)}; want one like x, which is {describe(x)}"
        raise ValueError(msg)
