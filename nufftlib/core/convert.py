"""Moving operators, and whatever else is made of arrays, between libraries and devices."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any, TypeVar

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array, is_jax_array, to_device

from nufftlib.core.arrays import Array, Namespace, check_library, library, on_device
from nufftlib.core.dlpack import as_numpy
from nufftlib.core.kinds import wrong_kind
from nufftlib.core.tree import Node, is_array, rebuild

Tree = TypeVar("Tree")


def convert(tree: Tree, xp: Namespace, device: Any = None) -> Tree:
    """Return an operator, map or result with its arrays in another library or on another device.

    Parameters
    ----------
    tree : LinearOperator, Map, dataclass, tuple, list or dict
        A tree with arrays at its leaves.
    xp : module
        Array-API namespace of the arrays wanted: NumPy, CuPy, torch, jax.numpy, ...
    device : device, optional
        Where they shall be, by default where `xp` makes arrays.

    Returns
    -------
    object
        Of the type of `tree`, and made anew with the same settings: a NUFFT prepares its points
        again, and ``engine="auto"`` chooses again. An array that stands in several places, as
        the trajectory of ``F.H @ W @ F``, stays one. If every array is there already, it is
        `tree` itself.

    Raises
    ------
    TypeError
        If `xp` makes no arrays of the dtype of one of them, or one has no values or gradient
        that could be kept (JAX's tracers, tensors that require grad).
    ValueError
        If the operator's own constructor refuses, such as an engine without that library.

    Notes
    -----
    Arrays are copied, through the host's memory.

    Examples
    --------
    >>> import array_api_strict
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> A = nl.convert(2.0 * nl.Diagonal(np.ones(3)), array_api_strict)
    >>> A
    Compose(left=Scale(scalar=2.0), right=Diagonal(weights=<(3,) array_api_strict.float64>))
    """
    call = "convert"
    check_library(call, xp)
    made = is_dataclass(tree) and not isinstance(tree, type)
    if not (made or isinstance(tree, Node | tuple | list | dict) or is_array(tree)):
        raise wrong_kind(call, "tree", tree, "a map, or a dataclass, tuple, list or dict")
    target = array_namespace(xp.asarray([0.0]))
    on_device(call, xp, device)
    return rebuild(tree, lambda x: moved(x, target, device))  # type: ignore[no-any-return]  # as it came


def moved(x: Array, xp: Namespace, there: Any) -> Array:
    """Return an array of `xp`; `x` itself if it is one, and there."""
    if array_namespace(x) is xp and (there is None or device(x) == there):
        return x
    host = fetched(x)
    kept = {} if there is None else {"device": there}
    new = xp.asarray(host, copy=True, **kept)
    if np.dtype(host.dtype).name != str(new.dtype).rpartition(".")[2]:
        msg = (
            f"convert(tree, xp): {library(xp)} makes {new.dtype} of an array of {host.dtype}; "
            f"want arrays of its precision (of JAX, "
            f'jax.config.update("jax_enable_x64", True) at the start of the program)'
        )
        raise TypeError(msg)
    return new


def fetched(x: Array) -> Any:
    """Return the values as a NumPy array, from any device."""
    if is_cupy_array(x):
        return x.get()
    if is_jax_array(x):
        return np.asarray(x)
    on_cpu = x.__dlpack_device__()[0] == 1
    return as_numpy(x if on_cpu else to_device(x, "cpu"))
