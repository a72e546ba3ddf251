"""Density compensation."""

from __future__ import annotations

from nufftlib.core.arrays import Array, Namespace, complex_dtype
from nufftlib.core.kinds import instance, integer, sizes
from nufftlib.nufft.engines.base import fold
from nufftlib.nufft.operator import NUFFT


def pipe_menon(
    F: NUFFT,
    *,
    width: int = 4,
    grid: tuple[int, ...] | None = None,
    iterations: int = 30,
) -> Array:
    r"""Density-compensation weights by the fixed point of Pipe and Menon.

    .. math:: w \leftarrow w / |C w|, \qquad C = \text{interpolate} \circ \text{spread},

    from ``w = 1``, with the kernel of the operator's own engine. The weights are then
    scaled to :math:`\langle x, F^H w F x \rangle = \langle x, x \rangle` for the image
    :math:`x = F^H (w v)` with the spectrum :math:`v = 1 / (1 + \sum_a (N_a k_a)^2)` of a
    usual picture. For every norm of ``F`` the density-compensated adjoint thus has the
    scale of the image.

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

    Returns
    -------
    array, shape trajectory.shape[:-1], real
        Weights, of the trajectory's dtype; positive.

    Raises
    ------
    ValueError
        If width, grid or iterations is out of range.
    TypeError
        If one of them is no integer, or `F` no NUFFT.

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
    of ``2**d`` times the image: reals, in finufft complex numbers. For 256 x 256 x 256 voxels
    in single precision that is 0.5 GB, in finufft 1 GB; with ``grid=F.shape`` an eighth.

    Kernels of one width differ between engines, and so do the weights: by about one percent,
    and by several at the rim of gaps. In single precision finufft's kernels are at most 8 wide.
    The weights depend on the trajectory; this dependence has no derivative here.

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
    instance("pipe_menon", "F", F, NUFFT, "a NUFFT")
    width = integer("pipe_menon", "width", width, least=2, most=16)
    iterations = integer("pipe_menon", "iterations", iterations, least=0)
    default = tuple(2 * max(n, width) for n in F.shape)
    wish = f"for a kernel {width} wide {len(F.shape)} sizes"
    given = default if grid is None else grid
    grid = sizes("pipe_menon", "grid", given, wish, counts=(len(F.shape),), least=2 * width)
    xp = F.transform.xp
    engine = F.transform.engine.with_shape(grid)
    w = xp.ones_like(xp.reshape(F.trajectory[..., 0], (-1,)))
    for _ in range(iterations):
        w = w / xp.abs(engine.spread_interpolate(F.transform.points, w, width))
    return scaled(F, xp.reshape(w, F.trajectory.shape[:-1]))


def scaled(F: NUFFT, w: Array) -> Array:
    r"""Scale positive weights so that :math:`F^H w F` keeps the size of an image.

    The image is :math:`x = F^H (w v)`, and the factor
    :math:`\|x\|^2 / \sum_j w_j |(F x)_j|^2`. The trajectory sees `x` wherever its samples lie:
    :math:`\sum_j w_j v_j (F x)_j = \|x\|^2`, so that neither sum can vanish.
    """
    xp = F.transform.xp
    k = fold(xp, F.trajectory)
    radius2 = sum((n * k[..., a]) ** 2 for a, n in enumerate(F.shape))
    v = 1.0 / (1.0 + radius2)
    x = F.adjoint(xp.astype(w * v, complex_dtype(xp, w)))
    x = x / xp.max(xp.abs(x))  # the factor is that of every multiple; squares stay in range
    Fx = F.apply(x)
    return w * (xp.sum(abs2(xp, x)) / xp.sum(w * abs2(xp, Fx)))


def abs2(xp: Namespace, x: Array) -> Array:
    """Return ``|x|^2`` without a root."""
    return xp.real(x) ** 2 + xp.imag(x) ** 2
