"""Operators for deepinv: a physics with exact adjoint, and gradients by its parameters."""

from __future__ import annotations

import inspect
from typing import Any

from nufftlib.core.kinds import flag, instance
from nufftlib.core.operator import LinearOperator
from nufftlib.interop.packages import missing

try:
    import deepinv
except ModuleNotFoundError as error:
    raise missing("deepinv") from error  # noqa: EM101  # it makes the message

import torch

from nufftlib.interop.torch.buffers import at_buffers
from nufftlib.interop.torch.wrapped import WrappedOperator, wrap

__all__ = ["OperatorPhysics", "as_physics"]

Tensor = torch.Tensor


def as_physics(op: LinearOperator, *, two_channels: bool = False) -> OperatorPhysics:
    """Return an operator as a deepinv `LinearPhysics`.

    Parameters
    ----------
    op : LinearOperator
        The operator; of NumPy arrays for tensors on the CPU, of CuPy arrays for those on a
        GPU, or of torch tensors.
    two_channels : bool
        Whether images and data are real tensors of shape (B, 2, ...), the real and the
        imaginary parts, as those of deepinv's MRI are. Otherwise they are handed to `op` as
        they are: (B, C, H, W), real or complex.

    Returns
    -------
    OperatorPhysics
        With a buffer for each of the operator's parameters, under its name.

    Raises
    ------
    TypeError
        If `op` is no linear operator, or `two_channels` neither True nor False.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import nufftlib as nl
    >>> from nufftlib.interop.deepinv import as_physics
    >>> physics = as_physics(nl.Blur(np.full((3, 3), 1 / 9)))
    >>> x = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    >>> physics(x).shape
    torch.Size([2, 3, 14, 14])
    >>> bool(physics.adjointness_test(x) < 1e-12)
    True
    >>> psf = torch.full((3, 3), 1 / 9, dtype=torch.float64, requires_grad=True)
    >>> physics(x, psf=psf).square().sum().backward()
    >>> psf.grad.shape
    torch.Size([3, 3])
    """
    instance("as_physics", "op", op, LinearOperator, "a LinearOperator")
    return OperatorPhysics(op, flag("as_physics", "two_channels", two_channels))


class Shared:
    """Holds an operator, which is immutable, for a module and its copies.

    ``physics.clone()`` searches all attributes that it finds for random generators, modules such
    as NumPy included, but not the slots; and it copies deeply.
    """

    __slots__ = ("wrapped",)

    def __init__(self, wrapped: WrappedOperator) -> None:
        self.wrapped = wrapped

    def __deepcopy__(self, memo: dict[int, Any]) -> Shared:
        return self


class OperatorPhysics(deepinv.physics.LinearPhysics):  # type: ignore[misc]  # it has no stubs
    """An operator as deepinv's physics; made by `as_physics`.

    Parameters
    ----------
    op : LinearOperator
        The operator.
    two_channels : bool
        Whether images and data are real, with real and imaginary parts for channels.

    Notes
    -----
    As in deepinv, ``physics(x, trajectory=k)`` and ``physics.update(trajectory=k)`` set the
    parameter for all later calls, and gradients flow to the tensor that was given. Other than
    in deepinv, nothing is cast: a value is refused if the operator refuses it, and a name if
    neither the operator nor the noise model has it.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import nufftlib as nl
    >>> from nufftlib.interop.deepinv import as_physics
    >>> physics = as_physics(nl.NUFFT(np.zeros((4, 2)), (8, 8)), two_channels=True)
    >>> physics.update(trajectory=torch.rand(20, 2, dtype=torch.float64) - 0.5)
    >>> y = physics(torch.rand(1, 2, 8, 8, dtype=torch.float64))
    >>> y.shape, physics.A_adjoint(y).shape
    (torch.Size([1, 2, 20]), torch.Size([1, 2, 8, 8]))
    """

    def __init__(self, op: LinearOperator, two_channels: bool) -> None:
        super().__init__()
        self.two_channels = two_channels
        self._shared = Shared(wrap(op))
        for name, value in op.parameters.items():
            self.register_buffer(name, self._wrapped.arrays.copied(value))

    def A(self, x: Tensor, **parameters: Any) -> Tensor:
        """Return ``A x``.

        Parameters
        ----------
        x : torch.Tensor
            Images.
        **parameters : torch.Tensor
            New values of the operator's parameters, which it keeps.

        Returns
        -------
        torch.Tensor
            Data without noise.
        """
        self.update_parameters(**parameters)
        f, live = self._current()
        return self._given(f(self._taken("A(x)", "x", x), **live))

    def A_adjoint(self, y: Tensor, **parameters: Any) -> Tensor:
        """Return ``A^H y``.

        Parameters
        ----------
        y : torch.Tensor
            Data.
        **parameters : torch.Tensor
            New values of the operator's parameters, which it keeps.

        Returns
        -------
        torch.Tensor
            Images.
        """
        self.update_parameters(**parameters)
        f, live = self._current()
        return self._given(f.adjoint(self._taken("A_adjoint(y)", "y", y), **live))

    def update_parameters(self, **parameters: Any) -> None:
        """Set parameters of the operator.

        Parameters
        ----------
        **parameters : torch.Tensor
            New values by name, kept as they are: neither copied nor cast. None leaves a
            parameter as it is, and those of the noise model are left to that.

        Raises
        ------
        TypeError
            If a value is no tensor, or the operator refuses its dtype.
        ValueError
            If the operator refuses a value, or nobody has a parameter of this name.
        """
        operator, arrays = self._wrapped.operator, self._wrapped.arrays
        noise: Any = self.noise_model
        of_noise = inspect.signature(getattr(noise, "forward", noise)).parameters
        own = {n: v for n, v in parameters.items() if n in operator.parameters and v is not None}
        for name in parameters.keys() - operator.parameters.keys():
            if name not in of_noise and not hasattr(noise, name):
                msg = (
                    f"physics.update: there is no parameter {name!r}; the operator has "
                    f"{sorted(operator.parameters)}, the noise model "
                    f"{sorted(n for n in of_noise if n not in ('x', 'args', 'kwargs'))}"
                )
                raise ValueError(msg)
        arrays.check("physics.update", **own)
        # The operator refuses values here that it does not accept.
        operator.replace(**{name: arrays.array(t) for name, t in own.items()})
        for name, tensor in own.items():
            # A buffer, be it a torch.nn.Parameter: deepinv looks for gradients there.
            delattr(self, name)
            self.register_buffer(name, tensor)

    @property
    def _wrapped(self) -> WrappedOperator:
        return self._shared.wrapped

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self._wrapped.operator.parameters}

    def _current(self) -> tuple[WrappedOperator, dict[str, Tensor]]:
        """Return the operator at the buffers' values, and the tensors to pass to it."""
        wrapped, live = at_buffers("physics", self._wrapped, self._tensors(), ())
        if wrapped is not self._wrapped:
            self._shared = Shared(wrapped)
        return wrapped, live

    def _taken(self, call: str, name: str, x: Tensor) -> Tensor:
        """Return the tensor for the operator, of two channels one of complex numbers."""
        if not self.two_channels:
            return x
        if x.is_complex() or x.ndim < 2 or x.shape[1] != 2:
            msg = (
                f"physics.{call}: {name} has the shape {tuple(x.shape)} and dtype {x.dtype}; want "
                f"(B, 2, ...), real: the real and the imaginary part (two_channels=True)"
            )
            raise ValueError(msg)
        return torch.complex(x[:, 0], x[:, 1])

    def _given(self, y: Tensor) -> Tensor:
        if not self.two_channels:
            return y
        return torch.stack([y.real, y.imag if y.is_complex() else torch.zeros_like(y)], dim=1)
