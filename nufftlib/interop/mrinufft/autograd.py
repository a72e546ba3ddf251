"""mri-nufft's operator of torch tensors, with this library's derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import repeat
from typing import Any, final

import torch
from array_api_compat import is_cupy_array
from torch import Tensor

from nufftlib.interop.mrinufft.arrays import given, radians
from nufftlib.interop.torch import wrap


@final
class DifferentiableNUFFT:
    """A `MRINufftlib` as functions of tensors that torch differentiates.

    It reads as the operator that it wraps. Samples, maps and density can be set.

    Parameters
    ----------
    nufft_op : MRINufftlib
        The operator.
    wrt_data : bool
        Whether images and data get gradients.
    wrt_traj : bool
        Whether the samples do.
    paired_batch : bool
        Whether there is an axis of batches more in front, each with samples and maps of its own.

    Notes
    -----
    Samples that are set are kept as they are: a tensor of the caller's gets its gradient, in its
    own unit. Maps that are given to a call get a gradient, too. Weights are constants.
    """

    # Others cannot be set, so that none is set here and read from the operator.
    __slots__ = ("_samples", "nufft_op", "paired_batch", "wrt_data", "wrt_traj")

    def __init__(self, nufft_op: Any, wrt_data: bool, wrt_traj: bool, paired_batch: bool) -> None:
        if nufft_op.squeeze_dims:
            msg = "make_autograd: squeeze_dims is True; want False"
            raise ValueError(msg)
        self.nufft_op = nufft_op
        self.wrt_data, self.wrt_traj, self.paired_batch = wrt_data, wrt_traj, paired_batch
        samples = nufft_op.samples
        like = torch.empty(0, device=samples.device.id if is_cupy_array(samples) else "cpu")
        self._samples: Tensor = given(samples, like).clone().requires_grad_(wrt_traj)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.nufft_op, name)

    @property
    def samples(self) -> Tensor:
        """The samples that were set last; at first the operator's."""
        return self._samples

    @samples.setter
    def samples(self, samples: Tensor) -> None:
        self.update_samples(samples)

    def update_samples(self, new_samples: Tensor, *, unsafe: bool = False) -> None:
        """Set the samples, as `MRINufftlib.update_samples` does."""
        self.nufft_op.update_samples(new_samples, unsafe=unsafe)
        self._samples = new_samples

    @property
    def smaps(self) -> Any:
        """The operator's maps."""
        return self.nufft_op.smaps

    @smaps.setter
    def smaps(self, smaps: Any) -> None:
        self.nufft_op.smaps = smaps

    @property
    def density(self) -> Any:
        """The operator's weights."""
        return self.nufft_op.density

    @density.setter
    def density(self, density: Any) -> None:
        self.nufft_op.density = density

    def op(self, x: Tensor, smaps: Any = None, samples: Tensor | None = None) -> Tensor:
        r"""Return ``A x``.

        Parameters
        ----------
        x : tensor, shape (n_batchs, 1 or n_coils, \*shape)
            Images; with ``paired_batch``, an axis more in front, here and of the others.
        smaps : array or tensor, shape (n_coils, \*shape), optional
            Maps for this call alone, where the operator has maps.
        samples : tensor, shape (K, d), optional
            Samples for this call alone.

        Returns
        -------
        tensor, shape (n_batchs, n_coils, K)
            Data.
        """
        return self._paired(self._forward, x, smaps, samples)

    def adj_op(self, kspace: Tensor, smaps: Any = None, samples: Tensor | None = None) -> Tensor:
        r"""Return ``A^H W y``.

        Parameters
        ----------
        kspace : tensor, shape (n_batchs, n_coils, K)
            Data; with ``paired_batch``, an axis more in front, here and of the others.
        smaps : array or tensor, shape (n_coils, \*shape), optional
            Maps for this call alone, where the operator has maps.
        samples : tensor, shape (K, d), optional
            Samples for this call alone; the weights are the operator's.

        Returns
        -------
        tensor, shape (n_batchs, 1 or n_coils, \*shape)
            Images.
        """
        return self._paired(self._backward, kspace, smaps, samples)

    def _paired(
        self, f: Callable[..., Tensor], x: Tensor, smaps: Any, samples: Tensor | None
    ) -> Tensor:
        if not self.paired_batch:
            return f(x, smaps, samples)
        for name, of_each in (("smaps", smaps), ("samples", samples)):
            if of_each is not None and len(of_each) != len(x):
                msg = f"paired_batch: {len(of_each)} {name} for {len(x)} batches; want as many"
                raise ValueError(msg)
        pairs = zip(x, *(repeat(None) if a is None else a for a in (smaps, samples)), strict=False)
        return torch.stack([f(*pair) for pair in pairs])

    def _forward(self, x: Tensor, smaps: Any, samples: Tensor | None) -> Tensor:
        A = self.nufft_op
        A.check_shape(image=x)
        shape = (A.n_batchs, *A.shape) if A.uses_sense else A.img_full_shape
        own = self._parameters(x, smaps, samples)
        y: Tensor = wrap(A.model)(self._data(x).reshape(shape), **own)
        return y

    def _backward(self, y: Tensor, smaps: Any, samples: Tensor | None) -> Tensor:
        A = self.nufft_op
        A.check_shape(ksp=y)
        own = self._parameters(y, smaps, samples)
        y = self._data(y).reshape(A.ksp_full_shape)
        if A.uses_density:
            y = given(A.density, y).to(y.dtype) * y
        x: Tensor = wrap(A.model).adjoint(y, **own).reshape(A.img_full_shape)
        return x

    def _data(self, x: Tensor) -> Tensor:
        x = x.to(getattr(torch, str(self.nufft_op.cpx_dtype)))
        return x if self.wrt_data else x.detach()

    def _parameters(self, x: Tensor, smaps: Any, samples: Tensor | None) -> dict[str, Tensor]:
        """Return what is not the operator's own, or gets a gradient."""
        own = {}
        if samples is not None or self.wrt_traj:
            k = radians(self._samples if samples is None else samples) / (2 * math.pi)
            own["trajectory"] = k if self.wrt_traj else k.detach()
        if smaps is not None:
            maps = smaps if isinstance(smaps, Tensor) else given(smaps, x)
            own["maps"] = maps.to(getattr(torch, str(self.nufft_op.cpx_dtype)))
        return own
