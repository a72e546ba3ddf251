"""The non-uniform fast Fourier transform as an operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from nufftlib.core.arrays import Array, check_traced, common_namespace
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.fourier import NORMS, scale
from nufftlib.core.kinds import choice, integer, sizes
from nufftlib.core.notebook import card
from nufftlib.core.operator import LinearOperator, Map, parameter
from nufftlib.core.shapes import Exchanged
from nufftlib.nufft.derivatives import FixedImage, NUFFTDerivative
from nufftlib.nufft.gram import (
    METHODS,
    ToeplitzGram,
    as_data,
    check_weights,
    lag_spectrum,
    on_lags,
    toeplitz_pays,
)
from nufftlib.nufft.settings import accuracy, check_trajectory, choose_engine
from nufftlib.nufft.transform import TrajectoryOperator, Transform


@dataclass(frozen=True, eq=False, repr=False)
class NUFFT(TrajectoryOperator):
    r"""Non-uniform Fourier transform of images, at a trajectory that can be learned.

    .. math:: (F(k)\,x)_j = \sum_n x_n \, e^{-2\pi i\, k_j \cdot n},

    with the voxel index :math:`n_a = -\lfloor N_a/2 \rfloor \ldots
    N_a - \lfloor N_a/2 \rfloor - 1` on each axis.

    Parameters
    ----------
    trajectory : array, shape (..., d), real floating point
        Points of k-space in cycles per voxel; one period is [-1/2, 1/2), and any finite
        value is accepted. ``d`` is 1, 2 or 3. The points are copied: changing the
        array later changes nothing here.
    shape : tuple of int
        Image shape, of length ``d``.
    norm : {None, "ortho"}
        ``"ortho"`` divides by ``sqrt(prod(shape))``.
    eps : float
        Relative accuracy of an engine that approximates, on axes of any length.
    engine : {"auto", "direct", "grid", "finufft", "cufinufft"}
        Engine that computes the sums. ``"auto"`` takes the fastest for the array's device:
        on a CPU our own, ``"grid"``; ``"cufinufft"`` for CUDA arrays. ``"direct"`` computes
        the exact sums in any library, in O(points * voxels).
    memory_limit : int
        Bytes that intermediate arrays may take; larger batches are computed in chunks.

    Raises
    ------
    TypeError
        If the trajectory is not a real floating-point array.
    ValueError
        If it is not finite, its last axis is not ``len(shape)``, or a setting is
        out of range.

    Notes
    -----
    Images have the shape (\*batch, \*shape), data (\*batch, \*trajectory.shape[:-1]).
    Images and data are complex, of the trajectory's precision.

    Parameter ``trajectory``: ``B(x, y)[..., a] = 2 pi Im(conj(y) * F(n_a x))``, summed
    over the batch, with ``n_a`` the voxel index along axis ``a``.

    References
    ----------
    A. H. Barnett, J. Magland and L. af Klinteberg, "A parallel nonuniform fast Fourier
    transform library based on an 'exponential of semicircle' kernel", SIAM J. Sci.
    Comput. 41 (2019) C479-C504.

    G. Wang and J. A. Fessler, "Efficient approximation of Jacobian matrices involving
    a non-uniform fast Fourier transform", IEEE Trans. Comput. Imaging 9 (2023) 43-54.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = np.asarray([[0.0, 0.0], [0.25, 0.0]])
    >>> F = nl.NUFFT(k, (4, 4))
    >>> x = np.ones((4, 4), dtype=np.complex128)
    >>> np.round(abs(F(x)), 4)
    array([16.,  0.])
    >>> F.vjp("trajectory", x, np.asarray([1j, 1j])).shape
    (2, 2)
    """

    trajectory: Array = parameter()
    shape: tuple[int, ...]  # type: ignore[misc]  # a parameter has no default
    norm: str | None = None
    eps: float = 1e-6
    engine: str = "auto"
    memory_limit: int = 2**30
    transform: Transform = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Choose the engine, and prepare the points."""
        xp = common_namespace("NUFFT(trajectory)", trajectory=self.trajectory)
        check_traced("NUFFT(trajectory)", self.trajectory)
        shape = sizes("NUFFT", "shape", self.shape, "one to three sizes", counts=(1, 2, 3))
        # Copied before it is checked, so that the engine sees the checked points.
        trajectory = xp.asarray(self.trajectory, copy=True)
        check_trajectory(xp, trajectory, shape)
        k = xp.reshape(trajectory, (-1, trajectory.shape[-1]))
        choice("NUFFT", "norm", self.norm, NORMS)
        eps = accuracy(xp, trajectory, shape, self.eps)
        limit = integer(
            "NUFFT", "memory_limit", self.memory_limit, least=1, wish="an integer, bytes"
        )
        engine = choose_engine(xp, k, self.engine)(xp, shape, trajectory.dtype, eps, limit)
        factor = scale(self.norm, shape)
        transform = Transform(engine, engine.prepare(k), trajectory, shape, factor)
        settled = {"trajectory": trajectory, "shape": shape, "eps": eps, "memory_limit": limit}
        for name, value in (settled | {"transform": transform}).items():
            object.__setattr__(self, name, value)

    @cached_property
    def shapes(self) -> Exchanged:
        """From the image's axes to the data's."""
        return self.transform.shapes

    def _repr_html_(self) -> str:
        chosen = type(self.transform.engine).__name__
        limit = f"{self.memory_limit / 2**20:.4g} MiB"
        return card(self, {"engine": f"{self.engine}: {chosen}", "memory_limit": limit})

    # y_j = s sum_n x_n exp(-2 pi i k_j n)
    def _apply(self, x: Array) -> Array:
        return self.transform.forward(x)

    # x_n = s sum_j y_j exp(+2 pi i k_j n)
    def _adjoint(self, y: Array) -> Array:
        return self.transform.adjoint(y)

    # dF[dk] x = -2 pi i sum_a dk_a F(n_a x)
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return NUFFTDerivative(self, dtheta)

    # B(x, y)_a = 2 pi Im(conj(y) F(n_a x)), summed over the batch
    def _form(self, name: str, x: Array, y: Array) -> Array:
        T = self.transform
        return T.as_gradient(T.fix(x).vjp(T.points, T.flat_data(y)))

    def _as_map(self, name: str, x: Array) -> Map:
        return FixedImage(self, x)

    # F^H W F x, by F and F^H or as the convolution with p_l = s^2 sum_j w_j exp(+2 pi i k_j l)
    def gram(self, weights: Array | None = None, method: str = "auto") -> LinearOperator:
        """Return ``F^H W F`` with weights ``W`` on the samples.

        Parameters
        ----------
        weights : array, shape trajectory.shape[:-1], real, optional
            One weight for each sample, of the trajectory's dtype, such as a density
            compensation; by default all are one.
        method : {"auto", "toeplitz", "composed"}
            ``"composed"`` is ``F.H @ Diagonal(weights) @ F``. ``"toeplitz"`` is the same
            operator as a convolution: two FFTs of twice the image size for any number of
            samples, after one adjoint of that size has computed the spectrum. ``"auto"``
            takes the quicker one for many applications, as a solver needs them.

        Returns
        -------
        LinearOperator
            Maps images to images; its parameters are ``trajectory`` and, if given,
            ``weights``.

        Raises
        ------
        TypeError
            If the weights are not an array of the trajectory's dtype.
        ValueError
            If there is not one weight for each sample, or the method is unknown.

        Notes
        -----
        Both agree to the engine's ``eps``. Composed, the operator is positive
        semidefinite to rounding; as a convolution, to ``eps`` of its norm.

        Examples
        --------
        Weighted least squares, by conjugate gradients on the normal equations:

        >>> import numpy as np
        >>> import nufftlib as nl
        >>> rng = np.random.default_rng(0)
        >>> F = nl.NUFFT(rng.uniform(-0.5, 0.5, (400, 2)), (8, 8))
        >>> truth = rng.standard_normal((8, 8)) + 0j
        >>> data, w = F(truth), rng.uniform(0.5, 1.5, 400)
        >>> A = F.gram(w, method="toeplitz")
        >>> x = np.zeros_like(truth)
        >>> r = p = F.H(w * data)
        >>> for _ in range(20):
        ...     Ap = A(p)
        ...     step = nl.inner(r, r) / nl.inner(p, Ap)
        ...     x, old, r = x + step * p, r, r - step * Ap
        ...     p = r + nl.inner(r, r) / nl.inner(old, old) * p
        >>> bool(np.linalg.norm(x - truth) < 1e-5 * np.linalg.norm(truth))
        True
        """
        method = choice("NUFFT.gram", "method", method, METHODS)
        if weights is not None:
            check_weights(self, weights)
        if method == "toeplitz" or (method == "auto" and toeplitz_pays(self)):
            return ToeplitzGram(self, weights)
        return self.H @ self if weights is None else self.H @ Diagonal(weights) @ self

    @property
    def N(self) -> LinearOperator:
        """``F^H F``: ``F.gram()``."""
        return self.gram()

    @cached_property
    def gram_spectrum(self) -> Array:
        """The spectrum of `gram` without weights, shared by all that `gram` and `N` return."""
        return lag_spectrum(self, on_lags(self).adjoint(as_data(self, None)))
