"""Namespaces, devices and dtypes: the questions every public entry asks of its arrays."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import array_api_compat
from array_api_compat import array_namespace, is_array_api_obj, size

from nufftlib.core.kinds import class_of, is_array, not_negative, out_of_range, wrong_kind
from nufftlib.core.shapes import broadcasts

Array = Any
"""Any array of the Python array API standard (NumPy, CuPy, torch, ...)."""
Namespace = Any
"""The module that implements the standard for an array."""


NAMESPACES: dict[type, Namespace] = {}
"""Namespaces of the array types seen so far: to ask for one takes longer than a small product."""
ON_ONE_DEVICE: dict[type, Namespace] = {}
"""Those of types whose arrays all live on one device: the host's."""


def common_namespace(caller: str, /, **arrays: Array) -> Namespace:
    """Return the one namespace of `arrays`, or say which of them live apart.

    Parameters
    ----------
    caller : str
        The user's call, quoted first in the error.
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
    if known := ON_ONE_DEVICE.get(type(first)):
        for _, array in rest:
            if type(array) is not type(first):
                break
        else:
            return known
    for name, array in arrays.items():
        if not is_array(array):
            msg = f"{caller}: {name} is {class_of(array)}; want an array (array API)"
            raise TypeError(msg)
    xp = namespace(first)
    if library(xp) == "numpy":
        ON_ONE_DEVICE[type(first)] = xp
    for name, array in rest:
        other = namespace(array)
        if other is not xp:
            msg = (
                f"{caller}: {first_name} is a {library(xp)} array and {name} a {library(other)} "
                f"array; want both in one library (convert one of them yourself: "
                f"nothing is copied silently)"
            )
            raise TypeError(msg)
        devices = array_api_compat.device(array), array_api_compat.device(first)
        # JAX's tracers have no device: they are compiled for the device of other operands.
        if devices[0] != devices[1] and None not in devices:
            msg = (
                f"{caller}: {first_name} is on {array_api_compat.device(first)} and {name} on "
                f"{array_api_compat.device(array)}; want both on one device "
                f"(move one of them yourself: nothing is copied silently)"
            )
            raise ValueError(msg)
    return xp


def check_traced(caller: str, x: Array) -> None:
    """Refuse JAX's tracers, which have no numbers that native code could read."""
    if any(cls.__name__ == "Tracer" for cls in type(x).__mro__):
        msg = (
            f"{caller}: an array is a {type(x).__name__}, which has no values yet; want the "
            f"operator as nufftlib.interop.jax.wrap(operator) under jit, grad and vmap"
        )
        raise TypeError(msg)


@lru_cache(maxsize=32)
def library(xp: Namespace) -> str:
    """Return the plain name of a namespace, such as ``"numpy"``."""
    return str(xp.__name__).removeprefix("array_api_compat.").split(".")[0]


def summary(x: object) -> str:
    """Return how to show a field: an array by shape and dtype, others as they are."""
    if not is_array_api_obj(x):
        return repr(x)
    array: Array = x
    return f"<{tuple(array.shape)} {array.dtype}>"


def is_complex(xp: Namespace, x: Array) -> bool:
    """Tell whether `x` holds complex numbers."""
    return of_kind(xp, x.dtype, ("complex64", "complex128"))


@lru_cache(maxsize=256)
def of_kind(xp: Namespace, dtype: Any, names: tuple[str, ...]) -> bool:
    """Tell whether a dtype is one of those named; asked of every array, and so remembered."""
    return any(dtype == getattr(xp, name) for name in names)


@lru_cache(maxsize=256)
def are_complex(xp: Namespace, *dtypes: Any) -> tuple[bool | None, ...]:
    """Tell for each dtype whether it is complex, None where it is not floating point."""
    known = ("complex64", "complex128")
    return tuple(of_kind(xp, d, known) if precision(xp, d) else None for d in dtypes)


def real_part(xp: Namespace, x: Array) -> Array:
    """Return the real part, of a real array the array itself."""
    return xp.real(x) if is_complex(xp, x) else x


def conj(x: Array) -> Array:
    """Return the conjugate, of a real array the array itself."""
    return conjugate(namespace(x), x)


def namespace(x: Array) -> Namespace:
    """Return the namespace of an array that has been checked."""
    kind = type(x)
    if kind not in NAMESPACES:
        NAMESPACES[kind] = array_namespace(x)
    return NAMESPACES[kind]


def conjugate(xp: Namespace, x: Array) -> Array:
    """Return the conjugate, of a real array the array itself."""
    return xp.conj(x) if is_complex(xp, x) else x


def is_floating(xp: Namespace, x: Array) -> bool:
    """Tell whether `x` holds real or complex numbers of single or double precision."""
    return of_kind(xp, x.dtype, ("float32", "float64", "complex64", "complex128"))


def is_single(xp: Namespace, x: Array) -> bool:
    """Tell whether `x` is of single precision."""
    return of_kind(xp, x.dtype, ("float32", "complex64"))


def real_dtype(xp: Namespace, x: Array) -> Any:
    """Return the real dtype of the precision of `x`."""
    return xp.float32 if is_single(xp, x) else xp.float64


def complex_dtype(xp: Namespace, x: Array) -> Any:
    """Return the complex dtype of the precision of `x`."""
    return xp.complex64 if is_single(xp, x) else xp.complex128


@lru_cache(maxsize=256)
def precision(xp: Namespace, dtype: Any) -> str | None:
    """Return "single" or "double", or None of a dtype that is not floating point."""
    for bits in ("single", "double"):
        names = ("float32", "complex64") if bits == "single" else ("float64", "complex128")
        if of_kind(xp, dtype, names):
            return bits
    return None


def make_array(caller: str, values: Any, *, xp: Namespace, dtype: Any, device: Any) -> Array:
    """Return NumPy values as an array of the library, dtype and device that the user asks for.

    Parameters
    ----------
    caller : str
        Name of the function that the user called, quoted in the error.
    values : ndarray
        The values, computed in double precision.
    xp : module
        Array-API namespace of the result.
    dtype : dtype or None
        Dtype of the result; None is float32 for real values and complex64 for complex ones.
    device : device or None
        Device of the result; None is the library's default.

    Returns
    -------
    array
        The values.

    Raises
    ------
    TypeError
        If `xp` is no array library, or the dtype is not a floating-point one, or real for complex
        values, or complex for real ones.
    ValueError
        If the library knows no such device.
    """
    check_library(caller, xp)
    known = ("complex64", "complex128") if values.dtype.kind == "c" else ("float32", "float64")
    wish = " or ".join(known)
    try:
        # The user may name a dtype by text or Python's type.
        dtype = xp.zeros((), dtype=getattr(xp, known[0]) if dtype is None else dtype).dtype
    except Exception as error:  # whatever the library raises
        raise wrong_kind(caller, "dtype", dtype, wish) from error
    if not of_kind(xp, dtype, known):
        msg = f"{caller}(dtype): dtype is {dtype}; want {wish}"
        raise TypeError(msg)
    return xp.asarray(values, dtype=dtype, **on_device(caller, xp, device))


def check_library(call: str, xp: Namespace) -> None:
    """Refuse an `xp` that is no array library."""
    if not (hasattr(xp, "asarray") and hasattr(xp, "float32")):
        raise wrong_kind(call, "xp", xp, "an array library, such as numpy")


def on_device(call: str, xp: Namespace, device: Any) -> dict[str, Any]:
    """Return the keyword of a device, none for the library's own; refuse one it does not know."""
    if device is None:
        return {}
    try:
        xp.zeros((), device=device)
    except Exception as error:  # whatever the library raises
        raise out_of_range(call, "device", device, f"a device of {library(xp)}") from error
    return {"device": device}


def check_real(xp: Namespace, call: str, name: str, x: Array) -> None:
    """Refuse an array that is not real of single or double precision."""
    if not of_kind(xp, x.dtype, ("float32", "float64")):
        msg = f"{call}: {name} is {x.dtype}; want float32 or float64 (nothing is cast silently)"
        raise TypeError(msg)


def check_floating(xp: Namespace, call: str, name: str, x: Array) -> None:
    """Refuse an array that is not real or complex of single or double precision."""
    if not is_floating(xp, x):
        msg = f"{call}: {name} has the dtype {x.dtype}; want real or complex floating point"
        raise TypeError(msg)


def check_finite(xp: Namespace, call: str, name: str, x: Array) -> None:
    """Refuse an array with entries that are NaN or infinite."""
    finite = xp.isfinite(x)
    if not bool(xp.all(finite)):
        bad = int(xp.sum(xp.astype(~finite, xp.int64)))
        msg = f"{call}: {name} is not finite in {bad} of {size(x)} entries; want finite values"
        raise ValueError(msg)


def check_precision(xp: Namespace, caller: str, **arrays: Array) -> None:
    """Refuse arrays that are not floating point of one precision."""
    found = {precision(xp, a.dtype) for a in arrays.values()}
    if len(found) > 1 or None in found:
        have = " and ".join(f"{name} is {a.dtype}" for name, a in arrays.items())
        msg = f"{caller}: {have}; want floating point of one precision (nothing is cast silently)"
        raise TypeError(msg)


def check_alike(caller: str, label: str, x: Array, name: str, parameter: Array) -> None:
    """Refuse an `x` that has not the namespace, device, shape and dtype of `parameter`."""
    common_namespace(caller, **{label: x, name: parameter})
    if x.shape != parameter.shape or x.dtype != parameter.dtype:
        msg = (
            f"{caller}: {label} has the shape {tuple(x.shape)} and dtype {x.dtype}; want those "
            f"of {name}, {tuple(parameter.shape)} and {parameter.dtype}"
        )
        raise ValueError(msg)


def item_bytes(xp: Namespace, x: Array) -> int:
    """Return the bytes of one entry of `x`."""
    return (4 if is_single(xp, x) else 8) * (2 if is_complex(xp, x) else 1)


def sum_to(xp: Namespace, x: Array, shape: tuple[int, ...]) -> Array:
    """Sum `x` over the axes along which `shape` was broadcast to it."""
    lead = x.ndim - len(shape)
    stretched = [lead + a for a, n in enumerate(shape) if n == 1 and x.shape[lead + a] != 1]
    axes = (*range(lead), *stretched)
    return xp.reshape(xp.sum(x, axis=axes) if axes else x, shape)


def project_like(xp: Namespace, gradient: Array, parameter: Array) -> Array:
    """Bring `gradient` to the shape and dtype of `parameter`.

    A parameter that was broadcast gathers its gradient by a sum over the
    broadcast axes; a real one keeps the real part, since
    ``Re(conj(g) t) = Re(g) t`` for real ``t``.
    """
    if gradient.shape == parameter.shape and gradient.dtype == parameter.dtype:
        return gradient
    if not is_complex(xp, parameter):
        gradient = real_part(xp, gradient)
    summed = sum_to(xp, gradient, parameter.shape)
    return xp.astype(summed, parameter.dtype, copy=False)


def blank(like: Array, shape: tuple[int, ...], *, complex: bool) -> Array:
    """Return zeros of a shape that share one number's memory, in the precision of `like`."""
    xp = namespace(like)
    dtype = complex_dtype(xp, like) if complex else real_dtype(xp, like)
    return xp.broadcast_to(xp.zeros((), dtype=dtype, device=array_api_compat.device(like)), shape)


def flatten_batch(xp: Namespace, x: Array, core_ndim: int) -> Array:
    """Merge all but the last `core_ndim` axes of `x` into one."""
    split = x.ndim - core_ndim
    return xp.reshape(x, (math.prod(x.shape[:split]), *x.shape[split:]))


def check_beside(call: str, name: str, array: Array, whole_name: str, whole: Array) -> None:
    """Refuse an `array` that is not real, finite, nonnegative, and broadcasts to `whole`."""
    caller, both = f"{call}({name})", {name: array, whole_name: whole}
    xp = common_namespace(caller, **both)
    check_precision(xp, caller, **both)
    if not broadcasts(tuple(array.shape), tuple(whole.shape)):
        msg = (
            f"{caller}: {name} has the shape {tuple(array.shape)}; want one that broadcasts to "
            f"the shape of {whole_name}, {tuple(whole.shape)}"
        )
        raise ValueError(msg)
    if is_complex(xp, array):
        msg = f"{caller}: {name} has the dtype {array.dtype}; want real numbers"
        raise TypeError(msg)
    if not bool(xp.all((array >= 0) & xp.isfinite(array))):
        msg = f"{caller}: some entries of {name} are negative or not finite; want 0 or more"
        raise ValueError(msg)


def beside(call: str, name: str, value: Any, whole_name: str, whole: Array) -> Array | float:
    """Return a number of 0 or more as a float, or an array that `check_beside` lets pass."""
    if is_array(value) and value.ndim > 0:
        check_beside(call, name, value, whole_name, whole)
        return value
    return not_negative(call, name, value, "a number or an array")
