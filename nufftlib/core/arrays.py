"""Namespaces, devices and dtypes: the questions every public entry asks of its arrays."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat
from array_api_compat import array_namespace, is_array_api_obj

Array = Any
"""Any array of the Python array API standard (NumPy, CuPy, torch, ...)."""
Namespace = Any
"""The module that implements the standard for an array."""


def common_namespace(caller: str, /, **arrays: Array) -> Namespace:
    """Return the one namespace of `arrays`, or say which of them live apart.

    Parameters
    ----------
    caller : str
        What the user called, quoted first in the error.
    **arrays : array
        The arrays by the name that the user knows them by.

    Returns
    -------
    module
        The array-API namespace of all of them.

    Raises
    ------
    TypeError
        If one of them is no array, or two have different namespaces.
    ValueError
        If two are on different devices.
    """
    (first_name, first), *rest = arrays.items()
    for name, array in arrays.items():
        if not is_array_api_obj(array):
            msg = f"{caller}: {name} is a {type(array).__name__}; want an array (array API)"
            raise TypeError(msg)
    xp = array_namespace(first)
    for name, array in rest:
        other = array_namespace(array)
        if other is not xp:
            msg = (
                f"{caller}: {first_name} is a {library(xp)} array and {name} a {library(other)} "
                f"array; want both in one library (convert one of them yourself: "
                f"nothing is copied silently)"
            )
            raise TypeError(msg)
        if array_api_compat.device(array) != array_api_compat.device(first):
            msg = (
                f"{caller}: {first_name} is on {array_api_compat.device(first)} and {name} on "
                f"{array_api_compat.device(array)}; want both on one device "
                f"(move one of them yourself: nothing is copied silently)"
            )
            raise ValueError(msg)
    return xp


def library(xp: Namespace) -> str:
    """Return the plain name of a namespace, such as ``"numpy"``."""
    return str(xp.__name__).removeprefix("array_api_compat.").split(".")[0]


def is_complex(xp: Namespace, x: Array) -> bool:
    """Tell whether `x` holds complex numbers."""
    return bool(xp.isdtype(x.dtype, "complex floating"))


def is_floating(xp: Namespace, x: Array) -> bool:
    """Tell whether `x` holds real or complex floating-point numbers."""
    return bool(xp.isdtype(x.dtype, ("real floating", "complex floating")))


def is_single(xp: Namespace, x: Array) -> bool:
    """Tell whether `x` is of single precision."""
    return x.dtype == xp.float32 or x.dtype == xp.complex64


def real_dtype(xp: Namespace, x: Array) -> Any:
    """Return the real dtype of the precision of `x`."""
    return xp.float32 if is_single(xp, x) else xp.float64


def complex_dtype(xp: Namespace, x: Array) -> Any:
    """Return the complex dtype of the precision of `x`."""
    return xp.complex64 if is_single(xp, x) else xp.complex128


def item_bytes(xp: Namespace, x: Array) -> int:
    """Return the bytes of one entry of `x`."""
    return (4 if is_single(xp, x) else 8) * (2 if is_complex(xp, x) else 1)


def project_like(xp: Namespace, gradient: Array, parameter: Array) -> Array:
    """Bring `gradient` to what a gradient by `parameter` must be.

    A parameter that was broadcast gathers its gradient by a sum over the
    broadcast axes; a real one keeps the real part, since
    ``Re(conj(g) t) = Re(g) t`` for real ``t``.
    """
    if is_complex(xp, gradient) and not is_complex(xp, parameter):
        gradient = xp.real(gradient)
    lead = gradient.ndim - parameter.ndim
    axes = (
        *range(lead),
        *(
            lead + a
            for a, size in enumerate(parameter.shape)
            if size == 1 and gradient.shape[lead + a] != 1
        ),
    )
    if axes:
        gradient = xp.sum(gradient, axis=axes)
    return xp.astype(xp.reshape(gradient, parameter.shape), parameter.dtype, copy=False)


def flatten_batch(xp: Namespace, x: Array, core_ndim: int) -> Array:
    """Merge all but the last `core_ndim` axes of `x` into one."""
    split = x.ndim - core_ndim
    return xp.reshape(x, (math.prod(x.shape[:split]), *x.shape[split:]))
