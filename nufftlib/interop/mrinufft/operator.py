"""The operator that mri-nufft makes for the backend ``"nufftlib"``."""

# mypy: allow-subclassing-any
# (mri-nufft need not be installed)

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mrinufft.operators import FourierOperatorBase

from nufftlib.core.arrays import Array, blank
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.operator import LinearOperator
from nufftlib.interop.mrinufft.arrays import given, on_host, radians, taken
from nufftlib.mri.density.pipe_menon import pipe_menon
from nufftlib.mri.sense import Sense
from nufftlib.nufft.operator import NUFFT


class MRINufftlib(FourierOperatorBase):
    r"""The Fourier operator of mri-nufft, computed by this library.

    .. math:: y_{bc} = \frac{1}{\sqrt{2^d \prod_a N_a}}\, F\, s_c\, x_b

    Parameters
    ----------
    samples : array, shape (..., d), real
        Trajectory of ``d`` = 1, 2 or 3 axes, by mri-nufft's rule in cycles per voxel if no
        coordinate exceeds 0.5001, and else in radians per voxel; ``samples`` of the operator
        are in radians, shape (K, d). Arrays on a CUDA device, CuPy's or torch's, are computed
        there (not yet run on a GPU), all others by NumPy's.
    shape : tuple of int
        Image shape.
    density : bool, str, callable, dict or array of shape (K,)
        Density weights or their method, as of mri-nufft's other operators; True is `pipe`.
    n_coils, n_batchs : int
        Coils and batches.
    n_trans : int
        Accepted for code that sets it: all transforms go at once, as far as memory allows.
    smaps : array, shape (n_coils, \*shape), str, callable or dict, optional
        Coil maps or their method.
    squeeze_dims : bool
        Whether results lack the axes of one batch and of one coil.
    eps : float
        Relative accuracy.

    Raises
    ------
    TypeError, ValueError
        If the samples are not finite or not real, or a setting is out of range.

    Notes
    -----
    Images have the shape (n_batchs, n_coils, \*shape), with maps (n_batchs, 1, \*shape); data
    have (n_batchs, n_coils, K). Arrays of any library and precision are taken and cast to the
    operator's, and results are of the argument's library, as mri-nufft has it.

    Weights are in the adjoint alone, as mri-nufft has it: ``adj_op`` is then ``A^H W`` and
    not the adjoint of ``op``.

    ``make_autograd`` (``get_operator("nufftlib", wrt_data=True, wrt_traj=True)``) has this
    library's gradients by images, data, samples and maps, with weights and for any size and unit.

    Examples
    --------
    >>> import mrinufft
    >>> import numpy as np
    >>> import nufftlib.interop.mrinufft
    >>> k = mrinufft.initialize_2D_radial(8, 16)
    >>> maps = np.ones((4, 32, 32), np.complex64)
    >>> A = mrinufft.get_operator("nufftlib")(k, (32, 32), n_coils=4, smaps=maps)
    >>> A.op(np.ones((32, 32))).shape
    (4, 128)
    """

    backend = "nufftlib"
    available = True
    autograd_available = True

    def __init__(
        self,
        samples: Any,
        shape: tuple[int, ...],
        density: Any = False,
        n_coils: int = 1,
        n_batchs: int = 1,
        n_trans: int = 1,
        smaps: Any = None,
        squeeze_dims: bool = True,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.n_coils, self.n_batchs, self.n_trans = n_coils, n_batchs, n_trans
        self.squeeze_dims = squeeze_dims
        self.eps = eps
        self._home: Array | None = None
        self._method: Any = None
        self.update_samples(samples)
        self.compute_density(density)
        self.compute_smaps(smaps)

    @property
    def samples(self) -> Array:
        """The trajectory in radians per voxel, shape (K, d)."""
        return self._home

    @samples.setter
    def samples(self, samples: Any) -> None:
        self.update_samples(samples)

    def update_samples(self, new_samples: Any, *, unsafe: bool = False) -> None:
        """Set the trajectory, and the weights by the method that made them.

        Parameters
        ----------
        new_samples : array, shape (..., d), real
            As `samples` of the operator.
        unsafe : bool
            Whether they are in radians in any case.
        """
        k = taken(new_samples, self._home)
        k = k.reshape((-1, k.shape[-1])) if unsafe else radians(k)
        # The NUFFT checks the points and copies them, so that it comes first.
        F = NUFFT(k / (2 * math.pi), self.shape, norm="ortho", eps=self.eps)
        self._F, self._home, self.dtype = F, k, np.dtype(str(k.dtype))
        if self._method is not None:
            super().compute_density(self._method)

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return int(self.samples.shape[0])

    def compute_density(self, method: Any = None) -> None:
        """Set the weights, an array or by a method, which later samples will have, too."""
        values = hasattr(method, "ndim")
        self._method = None if values or method is False else method
        if values:
            self.density = method  # of any library and layout
        else:
            super().compute_density(method)

    def compute_smaps(self, method: Any = None) -> None:
        r"""Set the coil maps, an array of shape (n_coils, \*shape) or by a method."""
        if hasattr(method, "ndim"):
            self.smaps = on_host(method)  # of any library and layout
        else:
            super().compute_smaps(method)

    @property
    def model(self) -> LinearOperator:
        """``A`` as an operator of this library, its trajectory in cycles per voxel.

        Its parameters are ``trajectory`` and, with maps, ``maps``.
        """
        F: LinearOperator = 2 ** (-self.ndim / 2) * self._F
        return F @ Sense(self._cast(self.smaps)) if self.uses_sense else F

    def op(self, data: Any) -> Any:
        r"""Return ``A x``, of an image or images (n_batchs, n_coils or 1, \*shape)."""
        self.check_shape(image=data)
        return self._result(self._forward(data), self.ksp_full_shape, data)

    def adj_op(self, coeffs: Any) -> Any:
        """Return ``A^H W y``, of data (n_batchs, n_coils, K)."""
        self.check_shape(ksp=coeffs)
        y = self._cast(coeffs).reshape(self.ksp_full_shape)
        return self._result(self._backward(y), self.img_full_shape, coeffs)

    def data_consistency(self, image_data: Any, obs_data: Any) -> Any:
        """Return ``A^H W (A x - y)``."""
        self.check_shape(image=image_data, ksp=obs_data)
        y = self._cast(obs_data).reshape(self.ksp_full_shape)
        x = self._backward(self._forward(image_data) - y)
        return self._result(x, self.img_full_shape, image_data)

    def make_autograd(
        self, *, wrt_data: bool = True, wrt_traj: bool = False, paired_batch: bool = False
    ) -> Any:
        """Return the operator for torch, whose gradients are this library's.

        Parameters
        ----------
        wrt_data : bool
            Whether images and data get gradients.
        wrt_traj : bool
            Whether the samples do.
        paired_batch : bool
            Whether there is an axis of batches more in front, each with samples and maps of its
            own.

        Returns
        -------
        DifferentiableNUFFT
            With ``op``, ``adj_op`` and ``samples``.

        Raises
        ------
        ValueError
            If dimensions are squeezed.
        """
        from nufftlib.interop.mrinufft.autograd import DifferentiableNUFFT

        return DifferentiableNUFFT(self, wrt_data, wrt_traj, paired_batch)

    @classmethod
    def pipe(
        cls, kspace_loc: Any, volume_shape: tuple[int, ...], max_iter: int = 10, osf: float = 2
    ) -> Array:
        """Return density weights by `nufftlib.mri.pipe_menon`, in mri-nufft's scale.

        Parameters
        ----------
        kspace_loc : array, shape (..., d), real
            The samples.
        volume_shape : tuple of int
            Image shape.
        max_iter : int
            Number of iterations.
        osf : float
            Cells of the grid for each voxel of an axis.

        Returns
        -------
        array, shape (K,)
            Weights for which ``A^H W A`` of an image of ones is one in absolute mean.
        """
        k = radians(taken(kspace_loc, None)) / (2 * math.pi)
        F = NUFFT(k, volume_shape, norm="ortho")
        grid = tuple(max(round(osf * n), 8) for n in F.shape)  # the least for the kernel
        w = pipe_menon(F, grid=grid, iterations=max_iter)
        ones = 1 + blank(k, F.shape, complex=True)
        return 2 ** len(F.shape) * w / abs(F.H(w * F(ones))).mean()

    def _forward(self, data: Any) -> Array:
        # With maps there is no axis of coils before their operator.
        shape = (self.n_batchs, *self.shape) if self.uses_sense else self.img_full_shape
        return self.model(self._cast(data).reshape(shape))

    def _backward(self, y: Array) -> Array:
        A = self.model.H
        return (A @ Diagonal(self._cast(self.density, self.dtype)) if self.uses_density else A)(y)

    def _cast(self, x: Any, dtype: Any = None) -> Array:
        """Return an array in the operator's library and precision, by default complex."""
        return taken(x, self._home).astype(dtype or self.cpx_dtype, copy=False)

    def _result(self, x: Array, full: tuple[int, ...], like: Any) -> Any:
        lead = [n for n in full[:2] if n > 1] if self.squeeze_dims else full[:2]
        return given(x.reshape((*lead, *full[2:])), like)
