"""Whose arrays an operator is made of, and torch tensors as such arrays and back."""

# mypy: allow-untyped-calls
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from array_api_compat import array_namespace, device
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils.dlpack import from_dlpack

from nufftlib.core.arrays import Array, library
from nufftlib.core.cuda import callers_stream
from nufftlib.core.operator import Map
from nufftlib.core.tree import held_arrays

DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


class TorchArrays:
    """Conversions for an operator of torch tensors, or of no arrays: tensors pass unchanged."""

    def check(self, caller: str, /, **tensors: Any) -> None:
        """Refuse all but tensors of the library's dtypes; it compares devices itself."""
        for name, tensor in tensors.items():
            if not isinstance(tensor, Tensor):
                msg = f"{caller}: {name} is a {type(tensor).__name__}; want a torch tensor"
                raise TypeError(msg)
            if tensor.dtype not in DTYPES:
                msg = (
                    f"{caller}: {name} is {tensor.dtype}; want floating point of single or double "
                    f"precision (nothing is cast silently)"
                )
                raise TypeError(msg)

    def running(self, like: Tensor) -> AbstractContextManager[None]:  # as below
        """Return the context to compute in: none, torch runs where it always does."""
        return nullcontext()

    def array(self, tensor: Tensor) -> Any:
        """Return the tensor without its history."""
        return tensor.detach()

    def copied(self, array: Any) -> Tensor:
        """Return a copy of an operator's array as a tensor."""
        copy: Tensor = array.detach().clone()
        return copy

    def call(self, operator: Map, f: Callable[..., Any], *tensors: Tensor) -> Tensor:
        """Return ``f``, a method of the operator, of the tensors."""
        arrays = [self.array(t) for t in tensors]
        return self.result(f(*arrays), *arrays, *held_arrays(operator))

    def result(self, array: Any, *others: Any) -> Tensor:
        """Return a result as a tensor, which may be changed in place.

        It is copied if it shares memory with one of the others, which torch's record of such
        changes would not know of, or with itself.
        """
        memory = array.untyped_storage().data_ptr()
        if repeats(array.stride(), array.shape) or any(
            memory == a.untyped_storage().data_ptr() for a in others if isinstance(a, Tensor)
        ):
            copy: Tensor = array.clone()
            return copy
        owned: Tensor = array.data  # not a view of the operator's result: forward mode takes none
        return owned


@dataclass(frozen=True)
class BorrowedArrays(TorchArrays):
    """Conversions for an operator of NumPy or CuPy arrays, which view a tensor's memory.

    Parameters
    ----------
    library : {"numpy", "cupy"}
        Its name.
    device : {"cpu", "cuda"}
        Torch's name for where its arrays live.
    """

    library: str
    device: str

    @property
    def module(self) -> Any:
        """The library; not a field, which could not be copied."""
        return import_module(self.library)

    def check(self, caller: str, /, **tensors: Any) -> None:
        """Refuse other objects, and tensors that live elsewhere than the operator."""
        super().check(caller, **tensors)
        for name, tensor in tensors.items():
            if tensor.device.type != self.device:
                msg = (
                    f"{caller}: {name} is on {tensor.device} and the operator is made of "
                    f"{self.library} arrays, on {self.device}; want both on one device "
                    f"(move one of them yourself: nothing is copied silently)"
                )
                raise ValueError(msg)

    def running(self, like: Tensor) -> AbstractContextManager[None]:
        """Return the context to compute in: for CuPy the device of `like` and torch's stream."""
        return nullcontext() if self.device == "cpu" else callers_stream(torch, like.device.index)

    def array(self, tensor: Tensor) -> Any:
        """View the tensor; where torch has delayed a conjugation or negation, write it out."""
        plain = tensor.detach().resolve_conj().resolve_neg()
        return plain.numpy() if self.library == "numpy" else self.module.from_dlpack(plain)

    def copied(self, array: Any) -> Tensor:
        """Return a copy of an operator's array as a tensor."""
        return from_dlpack(self.module.array(array, order="C"))

    def result(self, array: Any, *others: Any) -> Tensor:
        """View a result as a tensor, which may be changed in place.

        It is copied if it shares memory with one of the others or with itself, and if it has
        negative strides or is read-only, which a tensor cannot be.
        """
        module = self.module
        array = module.asarray(array)  # a loss may be one of NumPy's scalars
        if (
            any(stride < 0 for stride in array.strides)
            or repeats(array.strides, array.shape)
            or not getattr(array.flags, "writeable", True)  # CuPy's always are
            or any(
                module.may_share_memory(array, a) for a in others if isinstance(a, module.ndarray)
            )
        ):
            array = array.copy()
        tensor: Tensor = torch.from_numpy(array) if self.library == "numpy" else from_dlpack(array)
        return tensor


def repeats(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """Tell whether entries of an array are one in memory."""
    return any(stride == 0 and n > 1 for stride, n in zip(strides, shape, strict=True))


def arrays_of(operator: Map) -> TorchArrays:
    """Return how to reach the arrays that `operator` is made of."""
    first = next(held_arrays(operator), None)
    name = "torch" if first is None else library(array_namespace(first))
    if name == "torch":
        return TorchArrays()
    if name in ("numpy", "cupy"):
        return BorrowedArrays(name, "cpu" if name == "numpy" else "cuda")
    msg = (
        f"wrap(op): the operator is made of {name} arrays; want torch tensors, or NumPy or "
        f"CuPy arrays"
    )
    raise TypeError(msg)


def refuse_lost_gradients(op: Map) -> None:
    """Refuse a map that holds a tensor of which torch wants the derivative."""
    for array in held_arrays(op):
        if differentiated(array):
            msg = (
                f"wrap(op): op holds a tensor of the shape {tuple(array.shape)} that requires "
                f"grad, which it would not get; want a detached one"
            )
            raise ValueError(msg)


def differentiated(array: Any) -> bool:
    """Tell whether an array is a tensor that requires grad, or has a tangent."""
    return isinstance(array, Tensor) and (
        array.requires_grad or forward_ad.unpack_dual(array).tangent is not None
    )


def same(a: Array, b: Array) -> bool:
    """Tell whether two arrays of one library have the same values, as they have it now."""
    return (
        device(a) == device(b)
        and a.dtype == b.dtype
        and a.shape == b.shape
        and bool(array_namespace(a).all(a == b))
    )
