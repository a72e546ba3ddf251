"""Density compensation by a fixed point, and its derivative by the trajectory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from array_api_compat import array_namespace

from nufftlib.core.arrays import Array, blank, check_alike, check_precision, common_namespace
from nufftlib.core.kinds import instance, integer, sizes
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.shapes import Fixed
from nufftlib.mri.density.scaling import Scaling
from nufftlib.nufft.engines.gridding import Gridding, Iteration
from nufftlib.nufft.operator import NUFFT


def pipe_menon(
    F: NUFFT,
    *,
    width: int = 4,
    grid: tuple[int, ...] | None = None,
    iterations: int = 30,
    start: Array | None = None,
) -> Array:
    r"""Density-compensation weights by the fixed point of Pipe and Menon.

    .. math:: w \leftarrow w / |C w|, \qquad C = \text{interpolate} \circ \text{spread},

    from ``w = 1``, or from `start`. The weights are then scaled to
    :math:`\langle x, F^H w F x \rangle = \langle x, x \rangle` for the image :math:`x = F^H (w v)`
    with the spectrum :math:`v = 1 / (1 + \sum_a (N_a k_a)^2)` of a usual picture. For every
    norm of ``F`` the density-compensated adjoint thus has the scale of the image.

    Parameters
    ----------
    F : NUFFT
        Gives the trajectory, the image shape, the engine and the norm.
    width : int
        Width of the kernel in cells of the grid, 2 to 16.
    grid : tuple of int, optional
        Size of the periodic grid that divides one period of k-space, by default twice the
        image's shape, or ``2 * width`` where that is more. Points closer than about
        ``width / grid`` share density.
    iterations : int
        Number of iterations.
    start : array, shape trajectory.shape[:-1], real, optional
        Positive weights of any scale to begin at, such as those of a trajectory that has moved a
        little since. By default all are one.

    Returns
    -------
    array, shape trajectory.shape[:-1], real
        Weights, of the trajectory's dtype; positive.

    Raises
    ------
    ValueError
        If width, grid or iterations is out of range, or `start` does not fit the trajectory or is
        not positive.
    TypeError
        If one of them is no integer, `start` no such array, or `F` no NUFFT.

    Notes
    -----
    At the fixed point ``C w = 1`` the point spread function of the weights is that of a
    perfect sampling, multiplied by the transform of the kernel of ``C``. An image asks for it
    at all differences of two voxels, thus on twice the image along each axis (Johnson and
    Pipe): the grid of twice the image holds just these, and its kernel should be narrow. On
    the image's own grid differences of more than half the image are aliased. ``width=7,
    grid=F.shape, iterations=10`` are the settings of mri-nufft's example of a learned
    trajectory, and of `learn_trajectory`.

    ``bench/peers/density.py`` compares settings on radial, spiral and random trajectories.
    The defaults are the best there, or near it; of a grid of three times the image, or of more
    iterations, only trajectories with crowded centres gain.

    An iteration spreads and interpolates ``M * width**d`` numbers, and fills and reads a grid
    of ``2**d`` times the image. For 256 x 256 x 256 voxels in single precision that is 0.5 GB;
    with ``grid=F.shape`` an eighth.

    All engines spread with the same kernel, by our own loops or, if ``"direct"``, by matrices:
    the kernels of finufft and cufinufft have no derivative by the points. `PipeMenon` is the same
    as a map of the trajectory, with its derivative.

    References
    ----------
    J. G. Pipe and P. Menon, "Sampling density compensation in MRI: rationale and an
    iterative numerical solution", Magn. Reson. Med. 41 (1999) 179-186.

    K. O. Johnson and J. G. Pipe, "Convolution kernel design and efficient algorithm for
    sampling density correction", Magn. Reson. Med. 61 (2009) 439-447, doi:10.1002/mrm.21840.

    N. R. Zwart, K. O. Johnson and J. G. Pipe, "Efficient sample density estimation by
    combining gridding and an optimized kernel", Magn. Reson. Med. 67 (2012) 701-710,
    doi:10.1002/mrm.23041.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(8, 16)
    >>> w = nl.mri.pipe_menon(nl.NUFFT(k, (32, 32)))
    >>> w.shape, bool(w[0, 1] < w[0, 8])  # more points near the centre, less weight each
    ((8, 16), True)
    """
    width, grid, iterations = checked("pipe_menon", F, width, grid, iterations)
    if start is not None:
        check_start("pipe_menon", F, start)
    weights = PipeMenon(F, width=width, grid=grid, iterations=iterations, start=start)
    return weights(F.trajectory)


def checked(
    call: str, F: NUFFT, width: int, grid: tuple[int, ...] | None, iterations: int
) -> tuple[int, tuple[int, ...], int]:
    """Return the settings of density weights, or refuse them."""
    instance(call, "F", F, NUFFT, "a NUFFT")
    width = integer(call, "width", width, least=2, most=16)
    iterations = integer(call, "iterations", iterations, least=0)
    default = tuple(2 * max(n, width) for n in F.shape)
    wish = f"for a kernel {width} wide {len(F.shape)} sizes"
    given = default if grid is None else grid
    grid = sizes(call, "grid", given, wish, counts=(len(F.shape),), least=2 * width)
    return width, grid, iterations


def check_start(call: str, F: NUFFT, start: Array, name: str = "start") -> None:
    """Refuse weights to begin at that are not one positive number for each point."""
    call = f"{call}({name})"
    check_alike(call, name, start, "the points", F.trajectory[..., 0])
    xp = F.transform.xp
    good = xp.isfinite(start) & (start > 0)
    if not bool(xp.all(good)):
        bad = int(xp.sum(xp.astype(~good, xp.int32)))
        msg = f"{call}: {bad} of the weights are not positive, or not finite; want them positive"
        raise ValueError(msg)


def constant_start(start: Array) -> Array:
    """Return weights to begin at, the largest of which is 1: whatever becomes of those given.

    The scaled weights do not depend on the scale of the first ones, whose squares would leave
    the range of single precision.
    """
    return start / array_namespace(start).max(start)


@dataclass(frozen=True, eq=False, repr=False)
class PipeMenon(Map):
    """The map ``k -> w`` from a trajectory to the weights of `pipe_menon`.

    Its derivative is that of the iteration as it is computed, and of the scaling after it. No
    iteration takes an FFT; the scaling takes four transforms of one image, with their derivatives.
    The Jacobian keeps ``(d + 1) * M`` numbers of each iteration if they fit the operator's
    `memory_limit`, else and on CUDA its weights alone.

    Parameters
    ----------
    F : NUFFT
        Gives the image shape, the engine and the norm; its trajectory is replaced.
    width : int
        Width of the kernel in cells of the grid, see `pipe_menon`.
    grid : tuple of int, optional
        Size of the periodic grid.
    iterations : int
        Number of iterations.
    start : array, optional
        Weights to begin at. They are a constant: the derivative is that of the iterations from
        there, however few.

    Raises
    ------
    ValueError
        If width, grid or iterations is out of range, or `start` does not fit the trajectory or is
        not positive.
    TypeError
        If one of them is no integer, `start` no such array, or `F` no NUFFT.

    Notes
    -----
    The kernel ends with a small step, of about 1e-6 of its height at a width of 7 and of 1e-3 at
    4. Where a point's kernel gains a cell and loses another, so do the weights; the derivative
    is that on either side.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(8, 16, dtype=np.float64)
    >>> weights = nl.mri.PipeMenon(nl.NUFFT(k, (32, 32)), iterations=3)
    >>> w, J = weights.linearize(k)
    >>> w.shape, J.adjoint(np.ones_like(w)).shape
    ((8, 16), (8, 16, 2))
    """

    F: NUFFT
    width: int = field(default=4, kw_only=True)
    grid: tuple[int, ...] | None = field(default=None, kw_only=True)
    iterations: int = field(default=30, kw_only=True)
    start: Array | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        settings = checked("PipeMenon", self.F, self.width, self.grid, self.iterations)
        if self.start is not None:
            check_start("PipeMenon", self.F, self.start)
            object.__setattr__(self, "start", constant_start(self.start))
        for name, value in zip(("width", "grid", "iterations"), settings, strict=True):
            object.__setattr__(self, name, value)

    def __call__(self, x: Array) -> Array:
        """Return the weights, of which only the last are kept."""
        F = self._at(x)
        C, start = begun(self, F)
        return Scaling(F, C.iterate(start, self.iterations)).weights

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the weights and their Jacobian by the trajectory.

        Parameters
        ----------
        x : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        weights : array, shape (...), real
            As of `pipe_menon`.
        jacobian : LinearOperator
            From directions of the trajectory's shape to those of the weights'.
        """
        jacobian = PipeMenonJacobian(self, self._at(x))
        return jacobian.scaling.weights, jacobian

    def outline(self, x: Array) -> Array:
        """Like one real number for each point."""
        self._check(x)
        return blank(x, tuple(x.shape[:-1]), complex=False)

    def _check(self, k: Array) -> None:
        xp = common_namespace("PipeMenon(k)", k=k, trajectory=self.F.trajectory)
        check_precision(xp, "PipeMenon(k)", k=k, trajectory=self.F.trajectory)
        if self.start is not None:
            check_alike("PipeMenon(k)", "k", k, "the trajectory of start", self.F.trajectory)

    def _at(self, k: Array) -> NUFFT:
        self._check(k)
        return self.F if k is self.F.trajectory else replace(self.F, trajectory=k)


def begun(weights: PipeMenon, F: NUFFT) -> tuple[Gridding, Array]:
    """Return the gridding at the trajectory of an operator, and the first weights."""
    T = F.transform
    assert weights.grid is not None  # it has been settled
    k = T.flat_points(F.trajectory)
    C = T.engine.gridding_at(T.points, k, weights.grid, weights.width)
    first = T.xp.ones_like(F.trajectory[..., 0]) if weights.start is None else weights.start
    return C, T.xp.reshape(first, (-1,))


@dataclass(frozen=True, eq=False, repr=False)
class PipeMenonJacobian(LinearOperator):
    """The Jacobian ``dk -> dw`` of density weights: of the iteration, and of the scaling.

    Parameters
    ----------
    weights : PipeMenon
        The weights.
    nufft : NUFFT
        The operator at the point of linearisation.
    """

    weights: PipeMenon
    nufft: NUFFT

    @cached_property
    def shapes(self) -> Fixed:
        """From the trajectory to the weights."""
        k = self.nufft.trajectory
        return Fixed(tuple(k.shape), tuple(k.shape[:-1]))

    @cached_property
    def iteration(self) -> Iteration:
        """The iteration at that point."""
        C, start = begun(self.weights, self.nufft)
        return C.linearize(start, self.weights.iterations)

    @cached_property
    def scaling(self) -> Scaling:
        """The scaling after the last step."""
        return Scaling(self.nufft, self.iteration.weights)

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}  # the trajectory is the argument

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        k = self.nufft.trajectory
        like = k if label == "x" else k[..., 0]
        check_alike(call, label, x, "trajectory" if label == "x" else "the points", like)

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Never."""
        return False

    def _apply(self, x: Array) -> Array:
        dk = self.nufft.transform.flat_points(x)
        return self.scaling.tangent(dk, self.iteration.tangent(dk))

    def _adjoint(self, y: Array) -> Array:
        xp, k = self.nufft.transform.xp, self.nufft.trajectory
        k_bar, w_bar = self.scaling.cotangents(xp.reshape(y, (-1,)))
        return xp.reshape(k_bar + self.iteration.cotangent(w_bar), k.shape)
