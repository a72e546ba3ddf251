"""The non-uniform fast Fourier transform as an operator."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, reduce
from numbers import Integral
from typing import Any

import array_api_compat

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_alike,
    check_precision,
    check_traced,
    common_namespace,
    complex_dtype,
    flatten_batch,
    is_single,
    library,
)
from nufftlib.core.block_diagonal import BlockDiagonal
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.operator import Constant, LinearOperator, Map
from nufftlib.nufft.engines.base import Engine, Points, Spectrum, TrajectoryJacobian
from nufftlib.nufft.engines.bridge import bridged
from nufftlib.nufft.gram import (
    METHODS,
    ToeplitzGram,
    as_data,
    check_weights,
    lag_spectrum,
    on_lags,
    toeplitz_pays,
)

DEVICE_CPU, DEVICE_CUDA = 1, 2  # DLPack's names for them

ENGINES = ("auto", "direct", "grid", "finufft", "cufinufft")

LONG_LINE = 2**14
"""Voxels of a one-dimensional image from which finufft was measured to be faster."""


@dataclass(frozen=True, eq=False, repr=False)
class NUFFT(LinearOperator):
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
        Relative accuracy of an engine that approximates.
    engine : {"auto", "direct", "grid", "finufft", "cufinufft"}
        Who computes the sums. ``"auto"`` takes the fastest for the array's device and the
        image shape: our own, ``"grid"``, on a CPU, but ``"finufft"`` for long
        one-dimensional images; ``"cufinufft"`` for CUDA arrays. ``"direct"`` computes the
        exact sums in any library, in O(points * voxels).
    memory_limit : int
        Bytes that intermediate arrays may take; larger batches are worked off in
        chunks.

    Raises
    ------
    TypeError
        If the trajectory is no real floating-point array.
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

    trajectory: Array
    shape: tuple[int, ...]
    norm: str | None = None
    eps: float = 1e-6
    engine: str = "auto"
    memory_limit: int = 2**30
    _engine: Engine = field(init=False)
    _points: Points = field(init=False)

    def __post_init__(self) -> None:
        xp = common_namespace("NUFFT(trajectory)", trajectory=self.trajectory)
        check_traced("NUFFT(trajectory)", self.trajectory)
        # Copied before it is checked: what is checked is what the engine sees.
        object.__setattr__(self, "trajectory", xp.asarray(self.trajectory, copy=True))
        check_trajectory(xp, self.trajectory, self.shape)
        check_settings(xp, self)
        k = xp.reshape(self.trajectory, (-1, self.trajectory.shape[-1]))
        object.__setattr__(self, "shape", tuple(map(int, self.shape)))
        make = choose_engine(xp, k, self.engine, self.shape)
        engine = make(xp, self.shape, self.trajectory.dtype, self.eps, self.memory_limit)
        object.__setattr__(self, "_engine", engine)
        object.__setattr__(self, "_points", engine.prepare(k))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made of; plans and namespaces are found again."""
        made_of = (f.name for f in fields(self) if f.init)
        return NUFFT, tuple(getattr(self, name) for name in made_of)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """``trajectory``."""
        return {"trajectory": self.trajectory}

    # y_j = s sum_n x_n exp(-2 pi i k_j n)
    def apply(self, x: Array) -> Array:
        """Return the data ``F x``, shape (*batch, *trajectory.shape[:-1])."""
        self._check_image("NUFFT.apply(x)", "x", x)
        y = self._engine.forward(self._points, self._flat(x))
        return self._data(x, self._scaled(y))

    # x_n = s sum_j y_j exp(+2 pi i k_j n)
    def adjoint(self, y: Array) -> Array:
        """Return the images ``F^H y``, shape (*batch, *shape)."""
        self._check_data("NUFFT.adjoint(y)", "y", y)
        x = self._engine.adjoint(self._points, self._flat_data(y))
        return self._image(y, self._scaled(x))

    # dF[dk] x = -2 pi i sum_a dk_a F(n_a x)
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the operator ``x -> dF[dk] x``."""
        self._require(name)
        self._check_direction(dtheta)
        return NUFFTDerivative(self, dtheta)

    # B(x, y)_a = 2 pi Im(conj(y) F(n_a x)), summed over the batch
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return the gradient by the trajectory of ``Re<y, F x>``."""
        self._require(name)
        self._check_image("NUFFT.vjp(name, x, y)", "x", x)
        self._check_data("NUFFT.vjp(name, x, y)", "y", y, batch=x.shape[: -len(self.shape)])
        spectrum = self._engine.spectrum(self._flat(x))
        gradient = spectrum.vjp(self._points, self._flat_data(y))
        return self._gradient(self._scaled(gradient))

    def as_map(self, name: str, x: Array) -> Map:
        """Return the map ``k -> F(k) x``; what depends on the image alone is kept."""
        self._require(name)
        self._check_image("NUFFT.as_map(name, x)", "x", x)
        batch = x.shape[: -len(self.shape)]
        return SampledSpectrum(self, self._engine.spectrum(self._flat(x)), batch)

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
            as a convolution: two FFTs of twice the image size, whatever the number of
            samples, once their spectrum has been computed by an adjoint of that size.
            ``"auto"`` takes what is quicker for many applications, as solving for an
            image needs them.

        Returns
        -------
        LinearOperator
            Of images to images, with the parameters ``trajectory`` and, if given,
            ``weights``.

        Raises
        ------
        TypeError
            If the weights are no array of the trajectory's dtype.
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
        if method not in METHODS:
            names = ", ".join(map(repr, METHODS))
            msg = f"NUFFT.gram(method): method is {method!r}; want one of {names}"
            raise ValueError(msg)
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
    def _gram_spectrum(self) -> Array:
        """The spectrum of `gram` without weights, kept for all that `gram` and `N` make."""
        return lag_spectrum(self, on_lags(self).adjoint(as_data(self, None)))

    # --- shapes and scale --------------------------------------------------------

    @property
    def _samples(self) -> tuple[int, ...]:
        return tuple(self.trajectory.shape[:-1])

    def _scaled(self, x: Array) -> Array:
        return x if self.norm is None else x / math.sqrt(math.prod(self.shape))

    def _flat(self, x: Array) -> Array:
        return flatten_batch(self._engine.xp, x, len(self.shape))

    def _flat_data(self, y: Array) -> Array:
        split = y.ndim - len(self._samples)
        return self._engine.xp.reshape(y, (math.prod(y.shape[:split]), math.prod(self._samples)))

    def _data(self, x: Array, y: Array) -> Array:
        batch = x.shape[: x.ndim - len(self.shape)]
        return self._engine.xp.reshape(y, (*batch, *self._samples))

    def _image(self, y: Array, x: Array) -> Array:
        batch = y.shape[: y.ndim - len(self._samples)]
        return self._engine.xp.reshape(x, (*batch, *self.shape))

    def _gradient(self, g: Array) -> Array:
        return self._engine.xp.reshape(g, self.trajectory.shape)

    # --- checks --------------------------------------------------------------------

    def _check_array(self, caller: str, label: str, x: Array, want: tuple[int, ...]) -> None:
        xp = common_namespace(caller, **{label: x}, trajectory=self.trajectory)
        if x.dtype != complex_dtype(xp, self.trajectory):
            want_dtype = "complex64" if is_single(xp, self.trajectory) else "complex128"
            msg = (
                f"{caller}: {label} has the dtype {x.dtype}; want {want_dtype} for a trajectory "
                f"of {self.trajectory.dtype} (nothing is cast silently)"
            )
            raise TypeError(msg)
        if x.ndim < len(want) or tuple(x.shape[x.ndim - len(want) :]) != want:
            wanted = ", ".join(map(str, ("...", *want)))
            msg = f"{caller}: {label} has the shape {tuple(x.shape)}; want ({wanted})"
            raise ValueError(msg)

    def _check_image(self, caller: str, label: str, x: Array) -> None:
        self._check_array(caller, label, x, tuple(self.shape))

    def _check_data(
        self, caller: str, label: str, y: Array, batch: tuple[int, ...] | None = None
    ) -> None:
        self._check_array(caller, label, y, self._samples)
        have = tuple(y.shape[: y.ndim - len(self._samples)])
        if batch is not None and have != tuple(batch):
            msg = f"{caller}: {label} has the batch axes {have}; want those of x, {tuple(batch)}"
            raise ValueError(msg)

    def _check_direction(self, dk: Array) -> None:
        check_alike("NUFFT.derivative", "dtheta", dk, "trajectory", self.trajectory)


@dataclass(frozen=True, eq=False, repr=False)
class NUFFTDerivative(LinearOperator):
    """The operator ``x -> dF[dk] x = -2 pi i sum_a dk_a F(n_a x)``."""

    nufft: NUFFT
    direction: Array

    @property
    def _dk(self) -> Array:
        k = self.direction
        return self.nufft._engine.xp.reshape(k, (-1, k.shape[-1]))

    @property
    def parameters(self) -> Mapping[str, Array]:
        """``trajectory``."""
        return self.nufft.parameters

    def _replaced(self, parameters: Mapping[str, Array], made: dict[Any, Any]) -> LinearOperator:
        F: Any = self.nufft._replaced(parameters, made)
        return NUFFTDerivative(F, self.direction)

    # -2 pi i sum_a dk_a F(n_a x)
    def apply(self, x: Array) -> Array:
        """Return ``dF[dk] x``."""
        F = self.nufft
        F._check_image("NUFFT.derivative(...).apply(x)", "x", x)
        y = F._engine.spectrum(F._flat(x)).jvp(F._points, self._dk)
        return F._data(x, F._scaled(y))

    # 2 pi i sum_a n_a F^H(dk_a y)
    def adjoint(self, y: Array) -> Array:
        """Return ``(dF[dk])^H y``."""
        F = self.nufft
        F._check_data("NUFFT.derivative(...).adjoint(y)", "y", y)
        x = F._engine.derivative_adjoint(F._points, self._dk, F._flat_data(y))
        return F._image(y, F._scaled(x))

    # d(dF[dk])[dk'] x = -i sum_a dk_a dF[dk'] (2 pi n_a x)
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the operator ``x -> d(dF[dk])[dk'] x``."""
        self._require(name)
        F = self.nufft
        dF = F.derivative(name, dtheta)
        terms = (
            Constant(Diagonal(self.direction[..., a])) @ dF @ Constant(Diagonal(ramp))
            for a, ramp in enumerate(F._engine.ramps(F.trajectory))
        )
        return -1j * reduce(operator.add, terms)

    # B(x, y)_a = sum_c dk_c Re(conj(y) d_a d_c (F x)), summed over the batch
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return the gradient by the trajectory of ``Re<y, dF[dk] x>``."""
        self._require(name)
        caller, F = "NUFFT.derivative(...).vjp(name, x, y)", self.nufft
        F._check_image(caller, "x", x)
        F._check_data(caller, "y", y, batch=x.shape[: -len(F.shape)])
        blocks = F._engine.spectrum(F._flat(x)).curvature(F._points, F._flat_data(y))
        gradient = F._engine.xp.sum(blocks * self._dk[:, None, :], axis=-1)
        return F._gradient(F._scaled(gradient))


@dataclass(frozen=True, eq=False, repr=False)
class SampledSpectrum(Map):
    """The map ``k -> F(k) x`` of images that stay fixed."""

    nufft: NUFFT
    spectrum: Spectrum
    batch: tuple[int, ...]

    def __call__(self, k: Array) -> Array:
        """Return ``F(k) x``."""
        F = self._at(k)
        return self._shaped(F, F._scaled(self.spectrum.values(F._points)))

    def linearize(self, k: Array) -> tuple[Array, LinearOperator]:
        """Return ``F(k) x`` and its Jacobian by ``k``, from shared work."""
        F = self._at(k)
        y, jacobian = self.spectrum.linearize(F._points)
        return self._shaped(F, F._scaled(y)), SampledJacobian(F, jacobian, self)

    def _at(self, k: Array) -> NUFFT:
        check_precision(
            common_namespace("k -> F(k) x", k=k, x=self.nufft.trajectory),
            "k -> F(k) x",
            k=k,
            x=self.nufft.trajectory,
        )
        return self.nufft if k is self.nufft.trajectory else replace(self.nufft, trajectory=k)

    def _shaped(self, F: NUFFT, y: Array) -> Array:
        return F._engine.xp.reshape(y, (*self.batch, *F._samples))


@dataclass(frozen=True, eq=False, repr=False)
class SampledJacobian(LinearOperator):
    """The Jacobian of `SampledSpectrum`, in the shapes of the user.

    ``F.linearize(x, wrt="trajectory")`` returns it. Sample j depends on point j alone, so
    that what is of second order is one ``d x d`` block for each point.
    """

    nufft: NUFFT
    jacobian: TrajectoryJacobian
    map: SampledSpectrum

    # -2 pi i s sum_a dk_a F(n_a x)
    def apply(self, x: Array) -> Array:
        """Return ``dF[dk] x`` for the direction ``dk``."""
        F = self.nufft
        F._check_direction(x)
        y = self.jacobian.apply(F._engine.xp.reshape(x, (-1, x.shape[-1])))
        return self.map._shaped(F, F._scaled(y))

    # B(x, y)_a = 2 pi s Im(conj(y) F(n_a x)), summed over the batch
    def adjoint(self, y: Array) -> Array:
        """Return ``B(x, y)``."""
        F = self.nufft
        F._check_data("NUFFT jacobian.adjoint(y)", "y", y, batch=self.map.batch)
        return F._gradient(F._scaled(self.jacobian.adjoint(F._flat_data(y))))

    # N_ac = w s^2 (2 pi)^2 Re sum_b conj(F(n_a x_b)) F(n_c x_b)
    def gauss_newton(self, weights: Array | None = None) -> BlockDiagonal:
        """Return ``J^H W J``, the Hessian of ``1/2 sum w |F(k) x - y|^2`` without curvature.

        Parameters
        ----------
        weights : array, shape trajectory.shape[:-1], real, optional
            A factor for each point's block; by default 1.

        Returns
        -------
        BlockDiagonal
            Positive semidefinite blocks, shape (..., d, d), for weights that
            are not negative. It needs no transform.
        """
        return self._blocks("gauss_newton", self._normal(), weights)

    # N_ac - w s (2 pi)^2 Re sum_b conj(r_b) F(n_a n_c x_b)
    def hessian(self, r: Array, weights: Array | None = None) -> BlockDiagonal:
        """Return the exact Hessian by the trajectory of ``1/2 sum w |F(k) x - y|^2``.

        Parameters
        ----------
        r : array, complex
            The residual ``F(k) x - y``, not weighted.
        weights : array, shape trajectory.shape[:-1], real, optional
            The weight ``w`` of each point; by default 1.

        Returns
        -------
        BlockDiagonal
            Symmetric blocks, shape (..., d, d), indefinite where the residual
            is large. It takes d (d + 1) / 2 transforms of each image of the batch, and none
            with the grid engine.
        """
        F = self.nufft
        F._check_data("NUFFT jacobian.hessian(r)", "r", r, batch=self.map.batch)
        curvature = self.map.spectrum.curvature(F._points, F._flat_data(r))
        return self._blocks("hessian", self._normal() + F._scaled(curvature), weights)

    def _normal(self) -> Array:
        F = self.nufft
        return F._scaled(F._scaled(self.jacobian.gauss_newton()))

    def _blocks(self, method: str, blocks: Array, weights: Array | None) -> BlockDiagonal:
        F = self.nufft
        k = F.trajectory
        blocks = F._engine.xp.reshape(blocks, (*k.shape, k.shape[-1]))
        if weights is not None:
            caller = f"NUFFT jacobian.{method}(weights)"
            check_alike(caller, "weights", weights, "the points", k[..., 0])
            blocks = weights[..., None, None] * blocks
        return BlockDiagonal(blocks)


def check_trajectory(xp: Namespace, trajectory: Array, shape: tuple[int, ...]) -> None:
    """Refuse what is not a finite real trajectory for `shape`."""
    call = "NUFFT(trajectory)"
    if trajectory.dtype not in (xp.float32, xp.float64):
        msg = f"{call}: the dtype is {trajectory.dtype}; want float32 or float64, cycles per voxel"
        raise TypeError(msg)
    if not isinstance(shape, tuple):
        msg = f"NUFFT(shape): shape is a {type(shape).__name__}; want a tuple, as x.shape is"
        raise TypeError(msg)
    if not 1 <= len(shape) <= 3 or not all(isinstance(n, Integral) and n >= 1 for n in shape):
        msg = f"NUFFT(shape): shape is {shape}; want one to three sizes, positive integers"
        raise ValueError(msg)
    if trajectory.ndim < 1 or trajectory.shape[-1] != len(shape) or 0 in trajectory.shape:
        msg = (
            f"{call}: the shape is {tuple(trajectory.shape)}; want (..., {len(shape)}) with at "
            f"least one point, the last axis matching the image shape {shape}"
        )
        raise ValueError(msg)
    finite = xp.all(xp.isfinite(trajectory), axis=-1)
    if not bool(xp.all(finite)):
        bad = xp.reshape(~finite, (-1,))
        first = int(xp.argmax(xp.astype(bad, xp.int8)))
        index: list[int] = []
        for size in reversed(trajectory.shape[:-1]):
            first, i = divmod(first, size)
            index.insert(0, i)
        msg = (
            f"{call}: {int(xp.sum(xp.astype(bad, xp.int32)))} of {bad.shape[0]} points are not "
            f"finite (first at index {tuple(index)}); a trajectory must be finite"
        )
        raise ValueError(msg)


def check_settings(xp: Namespace, nufft: NUFFT) -> None:
    """Refuse settings that no engine can serve."""
    if nufft.norm not in (None, "ortho"):
        msg = f"NUFFT(norm): norm is {nufft.norm!r}; want None or 'ortho'"
        raise ValueError(msg)
    finest = 1.2e-7 if nufft.trajectory.dtype == xp.float32 else 1e-14
    if not finest <= nufft.eps < 1:
        msg = (
            f"NUFFT(eps): eps is {nufft.eps}; want {finest:g} <= eps < 1 for a trajectory of "
            f"{nufft.trajectory.dtype}"
        )
        raise ValueError(msg)
    if nufft.memory_limit < 1:
        msg = f"NUFFT(memory_limit): memory_limit is {nufft.memory_limit}; want bytes, at least 1"
        raise ValueError(msg)


def choose_engine(
    xp: Namespace, k: Array, name: str, shape: tuple[int, ...]
) -> Callable[..., Engine]:
    """Return the engine's class by its name, or for ``"auto"`` the one that is fastest.

    On a CPU that is our own; but finufft for long one-dimensional images, whose FFT is
    little work beside their points (docs/engines.md has the measurements). On CUDA it
    is cufinufft. The engines there are of CuPy arrays; they take others across a bridge.
    """
    if name not in ENGINES:
        msg = f"NUFFT(engine): engine is {name!r}; want one of {ENGINES}"
        raise ValueError(msg)
    device: Any = k.__dlpack_device__()[0]
    if name == "auto":
        long_line = len(shape) == 1 and shape[0] > LONG_LINE
        on_host = "finufft" if long_line else "grid"
        name = "cufinufft" if device == DEVICE_CUDA else on_host
    if name == "direct":
        from nufftlib.nufft.engines.direct import DirectEngine

        return DirectEngine
    if name == "grid" and device == DEVICE_CPU:
        from nufftlib.nufft.engines.grid.cpu.engine import GridEngine

        return GridEngine
    if name == "grid" and device == DEVICE_CUDA:
        from nufftlib.nufft.engines.grid.cuda.engine import CudaGridEngine

        return bridged(xp, CudaGridEngine)
    if name == "finufft" and device == DEVICE_CPU:
        from nufftlib.nufft.engines.finufft import FinufftEngine

        return FinufftEngine
    if name == "cufinufft" and device == DEVICE_CUDA:
        from nufftlib.nufft.engines.cufinufft import CufinufftEngine

        return bridged(xp, CufinufftEngine)
    wanted = {
        "grid": "CPU or CUDA arrays",
        "finufft": "CPU arrays",
        "cufinufft": "CUDA arrays",
    }
    msg = (
        f"NUFFT(engine={name!r}): the trajectory is one of {library(xp)} arrays on "
        f"{array_api_compat.device(k)}; want {wanted[name]} (engine='direct' takes any)"
    )
    raise ValueError(msg)
