"""Arrays as flat vectors and operators as matrices, for the functions of SciPy and pylops.

Where vectors have to be real, a complex number is two neighbouring real ones, its real and its
imaginary part: ``x.reshape(-1).view(float)``. The Euclidean product of such vectors is the
library's inner product, so that gradients and real-linear adjoints are exact.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import array_api_compat
import numpy as np
from array_api_compat import array_namespace, is_cupy_array

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_alike,
    common_namespace,
    is_complex,
    is_floating,
    is_single,
    library,
)
from nufftlib.core.dlpack import as_numpy
from nufftlib.core.kinds import sizes, wrong_kind
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.shapes import takes_batch
from nufftlib.core.tree import held_arrays

REAL = {"float32": "float32", "float64": "float64", "complex64": "float32", "complex128": "float64"}


@dataclass(frozen=True)
class Slot:
    """An array's place in a vector.

    ``split`` makes two real entries of a complex one. ``host`` is for optimisers, whose vectors
    are NumPy's and of double precision; others have the array's own library and precision.
    ``home`` is an empty array of that library, on the array's device.
    """

    shape: tuple[int, ...]
    dtype: str
    home: Array
    split: bool = False
    host: bool = False

    @classmethod
    def of(cls, x: Array, *, split: bool = False, host: bool = False) -> Slot:
        """Return the place of an array like `x`."""
        xp = array_namespace(x)
        kind = "complex" if is_complex(xp, x) else "float"
        bits = (32 if is_single(xp, x) else 64) * (2 if kind == "complex" else 1)
        home = xp.zeros((0,), dtype=x.dtype, device=array_api_compat.device(x))
        return cls(tuple(x.shape), f"{kind}{bits}", home, split, host)

    @property
    def xp(self) -> Namespace:
        """The array's namespace."""
        return array_namespace(self.home)

    @property
    def device(self) -> Any:
        """The array's device."""
        return array_api_compat.device(self.home)

    @property
    def is_complex(self) -> bool:
        """Whether the array is complex."""
        return self.dtype.startswith("complex")

    @property
    def entry(self) -> str:
        """The dtype of the vector's entries, in the array's precision."""
        return REAL[self.dtype] if self.split else self.dtype

    @property
    def size(self) -> int:
        """The length of the vector."""
        return math.prod(self.shape) * (2 if self.split and self.is_complex else 1)

    def array(self, v: Array) -> Array:
        """Return a new array of shape (..., *shape), from vectors of shape (..., size)."""
        flat = v.astype(self.entry, order="C").view(self.dtype)
        return self.xp.asarray(flat.reshape((*v.shape[:-1], *self.shape)), device=self.device)

    def vector(self, x: Array, batch: tuple[int, ...] = ()) -> Array:
        """Return the vectors of arrays, shape (*batch, *shape); of a real slot the real parts."""
        x = x if is_cupy_array(x) else readable(x)
        flat = x.reshape((*batch, -1))
        flat = flat if self.is_complex else flat.real
        flat = flat.astype(self.dtype, order="C", copy=False).view(self.entry)
        if self.host:
            flat = (flat.get() if is_cupy_array(flat) else flat).astype(np.float64, copy=False)
        return flat


@dataclass(frozen=True)
class Matrix:
    """The matrix of an operator in the vectors of two slots.

    Where one of the two has complex vectors and the other real ones, it is linear over the real
    numbers alone, and the imaginary parts of real vectors are left out.
    """

    operator: LinearOperator
    domain: Slot
    range: Slot

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.range.size, self.domain.size

    @property
    def dtype(self) -> str:
        """The dtype of its entries."""
        return self.range.entry if "complex" in self.range.entry else self.domain.entry

    @property
    def complex_linear(self) -> bool:
        """Whether both sides' vectors are real, or both complex."""
        return ("complex" in self.domain.entry) == ("complex" in self.range.entry)

    def matvec(self, v: Array) -> Array:
        """``A v``."""
        return self._columns(self.matmat, v)

    def rmatvec(self, v: Array) -> Array:
        """``A^H v``."""
        return self._columns(self.rmatmat, v)

    def matmat(self, V: Array) -> Array:
        """``A V``, of all columns at once where the operator takes a batch."""
        return self._apply(self.operator.apply, self.domain, self.range, "_batches", V)

    def rmatmat(self, V: Array) -> Array:
        """``A^H V``, of all columns at once where the operator takes a batch."""
        return self._apply(self.operator.adjoint, self.range, self.domain, "_adjoint_batches", V)

    def wrapped(self, make: Callable[..., Any], dtype: Any) -> Any:
        """Return SciPy's or cupyx's `LinearOperator`, which `make` is."""
        return make(
            self.shape,
            matvec=self.matvec,
            rmatvec=self.rmatvec,
            matmat=self.matmat,
            rmatmat=self.rmatmat,
            dtype=np.dtype(dtype),
        )

    @staticmethod
    def _columns(f: Callable[[Array], Array], v: Array) -> Array:
        return f(v.reshape(-1, 1)).reshape(-1)

    def _apply(
        self, f: Callable[[Array], Array], source: Slot, target: Slot, batches: str, V: Array
    ) -> Array:
        if V.dtype.kind == "c" and "complex" not in source.entry:
            if not self.complex_linear:
                return self._apply(f, source, target, batches, V.real)
            real, imag = (self._apply(f, source, target, batches, W) for W in (V.real, V.imag))
            return real + 1j * imag
        count = V.shape[1]
        if count > 1 and getattr(self, batches):
            return target.vector(f(source.array(V.T)), (count,)).T
        if count == 0:
            return array_namespace(V).zeros((target.size, 0), dtype=self.dtype)
        result = [target.vector(f(source.array(V[:, i]))) for i in range(count)]
        return result[0].reshape(-1, 1) if count == 1 else array_namespace(V).stack(result, axis=1)

    @cached_property
    def _batches(self) -> bool:
        return takes_batch(self.operator.shapes, self.domain.shape)

    @cached_property
    def _adjoint_batches(self) -> bool:
        return takes_batch(self.operator.H.shapes, self.range.shape)


def readable(x: Any) -> Any:
    """Return an array that is no CuPy array, or a number, as a NumPy array."""
    return as_numpy(x) if hasattr(x, "__dlpack__") else np.asarray(x)


def as_matrix(
    call: str, op: LinearOperator, name: str, shape: Any, dtype: Any, *, split: bool
) -> Matrix:
    """Return the matrix of `op` for inputs of this shape and dtype, in the operator's library.

    The user knows the shape by `name`. With `split`, it is linear over its numbers: where one of
    input and output is real and the other complex, the complex one is split.
    """
    if not isinstance(op, LinearOperator):
        hint = ": the Jacobian of a map at x is map.linearize(x)[1]" if isinstance(op, Map) else ""
        msg = f"{call}(op): op is a {type(op).__name__}; want a LinearOperator{hint}"
        raise TypeError(msg)
    shape = sizes(call, name, shape, "the sizes of the input's axes")
    try:
        kind = "none" if dtype is None else np.dtype(dtype).name  # None would be float64
    except (TypeError, ValueError):  # torch's, say
        kind = "none"
    if kind not in REAL:
        raise wrong_kind(call, "dtype", dtype, f"NumPy's {', '.join(REAL)}")
    like = next(held_arrays(op), np.zeros(0))
    xp = array_namespace(like)
    if library(xp) not in ("numpy", "cupy"):
        msg = f"{call}(op): the operator's arrays are of {library(xp)}; want NumPy's or CuPy's"
        raise TypeError(msg)
    number = xp.zeros((), dtype=getattr(xp, kind), device=array_api_compat.device(like))
    x = xp.broadcast_to(number, shape)
    domain, codomain = Slot.of(x), Slot.of(op.outline(x))
    mixed = split and domain.is_complex != codomain.is_complex
    return Matrix(
        op, dataclasses.replace(domain, split=mixed), dataclasses.replace(codomain, split=mixed)
    )


@dataclass(frozen=True)
class Packing:
    """Parameters, one array or several by name, as one real vector of double precision.

    A second mapping is read by name: its order does not matter.
    """

    params: Mapping[str, Array]
    single: bool

    @classmethod
    def of(cls, caller: str, params: Any) -> Packing:
        """Return the packing of parameters like these, floating-point arrays that have entries."""
        single = not isinstance(params, Mapping)
        named = {"": params} if single else dict(params)
        if not named:
            msg = f"{caller}: params is an empty mapping; want an array, or a mapping of arrays"
            raise ValueError(msg)
        for name, p in named.items():
            label = f"params[{name!r}]" if name else "params"
            xp = common_namespace(caller, **{label: p})
            if not is_floating(xp, p):
                msg = f"{caller}: {label} has the dtype {p.dtype}; want real or complex floats"
                raise TypeError(msg)
            if 0 in p.shape:
                msg = f"{caller}: {label} has the shape {tuple(p.shape)}; want entries"
                raise ValueError(msg)
        return cls(named, single)

    @cached_property
    def slots(self) -> Mapping[str, Slot]:
        """The place of each array, in the mapping's order."""
        return {name: Slot.of(p, split=True, host=True) for name, p in self.params.items()}

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(slot.size for slot in self.slots.values())

    def pack(self, caller: str, label: str, tree: Any) -> Any:
        """Return the vector of arrays that are like the parameters."""
        named = {"": tree} if self.single else tree
        if not isinstance(named, Mapping) or named.keys() != self.params.keys():
            have = sorted(named) if isinstance(named, Mapping) else f"a {type(tree).__name__}"
            msg = f"{caller}: {label} is {have}; want a mapping of the names {sorted(self.params)}"
            raise ValueError(msg)
        for name, p in self.params.items():
            of = f" of {name!r}" if name else ""
            check_alike(caller, f"{label}{of}", named[name], f"the parameter{of}", p)
        return np.concatenate([slot.vector(named[name]) for name, slot in self.slots.items()])

    def unpack(self, caller: str, v: Any) -> Any:
        """Return new arrays, in the parameters' shapes, dtypes and libraries."""
        v = np.asarray(v)
        if v.shape != (self.size,) or v.dtype.kind != "f":
            msg = (
                f"{caller}: the vector has the shape {v.shape} and dtype {v.dtype}; "
                f"want ({self.size},) and float64"
            )
            raise ValueError(msg)
        check_finite(ValueError, caller, "the vector", v)
        parts, start = {}, 0
        for name, slot in self.slots.items():
            with np.errstate(over="ignore"):  # beyond single precision: the loss will say so
                parts[name] = slot.array(v[start : start + slot.size])
            start += slot.size
        return parts[""] if self.single else parts


def check_finite(error: type[Exception], caller: str, label: str, v: Any) -> None:
    """Raise `error` where numbers are NaN or infinite."""
    count = np.size(v) - np.count_nonzero(np.isfinite(v))
    if count:
        have = str(v) if np.ndim(v) == 0 else f"not finite in {count} of {np.size(v)} entries"
        msg = f"{caller}: {label} is {have}; want finite values"
        raise error(msg)
