r"""The PSF at the nodes of a grid over the picture, from a sharp and a blurred picture.

.. math:: \min_{h_k \in \Delta} \; \tfrac1{2 n} \Big\| \sum_k w_k \, (h_k * x) - y \Big\|^2
          + \tfrac\mu2 \sum_{k \sim l} \| h_k - h_l \|^2, \qquad
          \mu = s\, \frac{\sigma^2 P}{n\, \|h\|^2},

with hats ``w_k`` and ``k ~ l`` for neighbours in the grid. The penalty is the prior that a pixel
of two neighbours differs by ``|h| / sqrt(s P)``, where ``h`` is the best single PSF of ``P``
pixels. It gives a node over a flat part of the picture the mean of its neighbours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

import optim
from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.calibrate.field.equations import (
    FieldEquations,
    field_equations,
)
from nufftlib.blur.calibrate.objective import first_psf, fitting
from nufftlib.blur.calibrate.sources import noise_level
from nufftlib.blur.operator import Blur, margins
from nufftlib.blur.psf_grid import Values, hats, nodes_of, outer
from nufftlib.blur.space_varying import SpaceVaryingBlur
from nufftlib.core.arrays import Array
from nufftlib.core.kinds import choice, flag, integer, not_negative, optional_function
from nufftlib.core.noise import on_cpu
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed

MOST_BYTES = 2**32
"""Largest memory of the quadratic function's matrices."""

SINGLE_STEPS = 200
"""Steps to the best single PSF, the start."""

FLAT = 1e-6
"""Least curvature that steps are scaled for, in units of the largest."""

SIMPLEX = optim.projections.simplex(axes=(-2, -1))


@dataclass(frozen=True, eq=False, repr=False)
class CalibratedField(Run):
    """The result of `calibrate_field`.

    Parameters
    ----------
    losses : list of float
        The loss before each step, and after the last: half the squared error divided by the
        number of samples, and the penalty. `psfs` has the lowest.
    seconds : float
        Duration of the optimisation loop; of one that went on from a checkpoint with the time
        before that.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    psfs : array, shape (rows, columns, height, width)
        The PSF at each node: see `nufftlib.blur.grid_weights`.
    single : array, shape (height, width)
        The best single PSF for the whole picture, the start at all nodes.
    operator : SpaceVaryingBlur
        The blur with these PSFs, from the sharp picture to the pixels that were used.
    residual : array
        ``y - A x`` on the pixels that were used.
    noise : float
        The standard deviation of the noise, given or estimated.
    weight : float
        The weight of the penalty.
    converged : bool
        Whether the norm of the projected gradient came down to the tolerance.
    seconds_setup : float
        Duration of the preparations: the matrices, and the single PSF.
    """

    psfs: Array
    single: Array
    operator: SpaceVaryingBlur
    residual: Array
    noise: float
    weight: float
    converged: bool
    seconds_setup: float

    thumbnails = (("psfs", picture),)


def calibrate_field(
    sharp: Array,
    blurred: Array,
    *,
    grid: int | tuple[int, int] = 3,
    size: int | tuple[int, int] = 25,
    boundary: str = "valid",
    smoothness: float = 1.0,
    noise: float | None = None,
    steps: int = 300,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
) -> CalibratedField:
    """Find the PSFs at the nodes of a grid, of which a picture is blurred by bilinear means.

    Every PSF is nonnegative and sums to one. All are found together: a pixel between four nodes
    tells of all four.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real
        The sharp picture; all leading axes share the PSFs.
    blurred : array, real
        The blurred picture, of the size that the boundary gives. With ``"valid"`` it may have
        the size of the sharp one; then only its valid part is used. The grid spans it as given.
    grid : int or tuple of int
        Rows and columns of the grid. Its outermost nodes are on the outermost pixels.
    size : int or tuple of int
        Height and width of each PSF.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur, see `Blur`.
    smoothness : float
        Weight of the penalty on differences of neighbours. At 1 neighbours are expected to differ
        by as much as a PSF is large; larger values expect less. 0: no penalty.
    noise : float, optional
        Standard deviation of the noise, by default from second differences of the blurred picture.
    steps : int
        Number of steps of the spectral projected gradient method.
    tolerance : float
        The loop ends when the norm of the projected gradient is at most this; 0: never.
    callback : callable, optional
        ``callback(step, loss, psfs)`` at the start, where `step` is 0, and after each step; a
        true value stops the loop.
    progress : bool
        Whether to show a progress bar with the loss.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    CalibratedField
        After Ctrl-C, the result of the steps done so far.

    Raises
    ------
    TypeError
        If a picture is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If a name is unknown, the shapes do not fit, a picture is not finite, the grid has more
        nodes than the picture pixels, or its matrices would need more than 4 GiB.
    KeyboardInterrupt
        If Ctrl-C comes before the first loss is known.

    Notes
    -----
    The squared error is a quadratic function of all PSFs. Its matrices, ``(2 rows - 1)
    (2 columns - 1)`` of ``8 P^2`` bytes for PSFs of ``P`` pixels, are made once, in double
    precision; steps do not see the pictures. See docs/psf-field.md.

    References
    ----------
    M. Hirsch, S. Sra, B. Scholkopf and S. Harmeling, "Efficient filter flow for space-variant
    multiframe blind deconvolution", Proc. CVPR (2010) 607-614.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> sharp = data.astronaut()[:, ::2, ::2]
    >>> left, right = (nl.blur.gaussian_psf(9, s) for s in (0.8, 2.0))
    >>> weights = nl.blur.grid_weights((1, 2), (120, 120))
    >>> blurred = nl.SpaceVaryingBlur(np.stack([left, right]), weights)(sharp)
    >>> blurred = nl.blur.gaussian_noise(blurred, 0.005, seed=0)
    >>> result = workflows.calibrate_field(sharp, blurred, grid=(1, 2), size=9, steps=50)
    >>> result.psfs.shape
    (1, 2, 9, 9)
    >>> one, two = (workflows.psf_error(h, right) for h in (result.single, result.psfs[0, 1]))
    >>> two < 0.2 < one
    True
    """
    call = "calibrate_field"
    nodes = nodes_of(call, grid)
    smoothness = not_negative(call, "smoothness", smoothness)
    noise = noise if noise is None else not_negative(call, "noise", noise)
    steps = integer(call, "steps", steps, least=0)
    tolerance = not_negative(call, "tolerance", tolerance)
    optional_function(call, "callback", callback)
    progress = flag(call, "progress", progress)
    clock = time.perf_counter()
    start = first_psf(call, [sharp], size)
    blur = Blur(start, choice(call, "boundary", boundary, BOUNDARIES))
    y = fitting(blur, sharp, blurred, call)
    check_grid(nodes, tuple(start.shape), tuple(y.shape[-2:]))
    rows, columns = (
        seen_hats(n, m, axis, blur, used)
        for axis, (n, m, used) in enumerate(
            zip(nodes, blurred.shape[-2:], y.shape[-2:], strict=True), -2
        )
    )
    if noise is None:
        noise = noise_of(y)

    xp = array_namespace(start)
    wide = {"dtype": xp.float64, "device": device(start)}
    weights = xp.asarray(outer(rows, columns), **wide)
    x64, y64, h64 = (xp.astype(a, xp.float64, copy=False) for a in (sharp, y, start))
    unknown = xp.broadcast_to(h64, (nodes[0] * nodes[1], *start.shape))
    A = SpaceVaryingBlur(unknown, weights, boundary)
    equations = field_equations(A, (rows, columns), x64, y64)
    samples = math.prod(y.shape)
    one = single_psf(equations, h64)
    weight = smoothness * noise**2 * h64.shape[0] * h64.shape[1]
    weight /= samples * float(xp.sum(one * one))

    # Steps are in u = h / scale, where the curvature of all nodes is about one.
    curved = equations.curvatures() / samples + weight * degrees(xp, one, nodes)
    floor = FLAT * float(xp.max(curved)) or 1.0
    scale = 1 / xp.sqrt(xp.clip(curved, floor, None))

    def on_simplices(u: Array) -> Array:
        return SIMPLEX(scale * u) / scale

    # (|A x - y|^2 / n + w sum |h_k - h_l|^2) / 2
    def value_and_grad(u: Array) -> tuple[float, Array]:
        h = scale * u
        value, gradient = equations.value_and_grad(h)
        rough, slope = roughness(h)
        total = max(value, 0.0) / samples + weight * rough  # rounding may be negative
        return total, scale * (gradient / samples + weight * slope)

    def psfs_of(u: Array) -> Array:
        return xp.astype(scale * u, start.dtype, copy=False)

    def follow(step: int, loss: float, u: Array) -> object:
        return callback is not None and callback(step, loss, psfs_of(u))

    settings = {
        "sharp": sharp,
        "blurred": blurred,
        "grid": nodes,
        "size": tuple(start.shape),
        "boundary": boundary,
        "smoothness": smoothness,
        "noise": noise,
        "tolerance": tolerance,
    }
    begun(call, checkpoint, settings, start)
    loop = time.perf_counter()
    result = optim.spectral_projected_gradient(
        value_and_grad,
        one / scale,
        on_simplices,
        steps=steps + 1,  # the start counts
        tolerance=tolerance,
        callback=follow,
        progress=progress,
        checkpoint=checkpoint and checkpoint.part("loop"),
    )
    seconds = elapsed(checkpoint, loop)
    if not result.history:  # Ctrl-C came before the first loss
        raise KeyboardInterrupt
    psfs = psfs_of(result.best_params)
    found = A.replace(
        psf=xp.reshape(psfs, unknown.shape), weights=xp.astype(weights, start.dtype, copy=False)
    )
    return CalibratedField(
        losses=result.history,
        seconds=seconds,
        interrupted=result.interrupted,
        psfs=psfs,
        single=xp.astype(one, start.dtype, copy=False),
        operator=found,
        residual=y - found.apply(sharp),
        noise=noise,
        weight=weight,
        converged=result.converged,
        seconds_setup=loop - clock,
    )


def check_grid(nodes: tuple[int, int], psf: tuple[int, ...], picture: tuple[int, ...]) -> None:
    """Refuse grids that are finer than the picture, or too large."""
    call = "calibrate_field(grid)"
    if any(n > m for n, m in zip(nodes, picture, strict=True)):
        msg = f"{call}: grid is {nodes}; want at most the blurred picture's pixels, {picture}"
        raise ValueError(msg)
    bytes_ = 8 * math.prod(2 * n - 1 for n in nodes) * math.prod(psf) ** 2
    if bytes_ > MOST_BYTES:
        msg = (
            f"{call}: {nodes[0]} x {nodes[1]} PSFs of {psf[0]} x {psf[1]} pixels need matrices of "
            f"{bytes_ / 2**30:.1f} GiB; want at most {MOST_BYTES / 2**30:.0f} GiB"
        )
        raise ValueError(msg)


def seen_hats(nodes: int, pixels: int, axis: int, blur: Blur, used: int) -> Values:
    """Return the weights along an axis on the pixels that are used, shape (nodes, used)."""
    before = dict(margin[:2] for margin in margins(blur)).get(axis, 0) if used < pixels else 0
    return hats(nodes, pixels)[:, before : before + used]


def noise_of(y: Array) -> float:
    """Return the standard deviation of the noise of a picture, shape (..., height, width)."""
    planes = on_cpu(y).astype(np.float64).reshape(-1, *y.shape[-2:])
    return float(np.sqrt(np.mean([noise_level(plane) ** 2 for plane in planes])))


def single_psf(equations: FieldEquations, start: Array) -> Array:
    """Return the best PSF for the whole picture."""
    found = optim.spectral_projected_gradient(
        equations.single().value_and_grad, start, SIMPLEX, steps=SINGLE_STEPS
    )
    if found.interrupted:
        raise KeyboardInterrupt
    best: Array = found.best_params
    return best


def degrees(xp: Any, like: Array, nodes: tuple[int, int]) -> Array:
    """Return how many neighbours each node has, of the shape (rows, columns, 1, 1)."""
    along = [np.full(n, 2.0) - (np.arange(n) == 0) - (np.arange(n) == n - 1) for n in nodes]
    count = along[0][:, None] + along[1]
    return xp.asarray(count[:, :, None, None], dtype=like.dtype, device=device(like))


# sum over neighbours of |h_k - h_l|^2 / 2, whose gradient at k is the sum of h_k - h_l
def roughness(h: Array) -> tuple[float, Array]:
    """Return half the squared differences of neighbours in a grid, and their gradient."""
    xp: Any = array_namespace(h)
    down, along = h[1:, ...] - h[:-1, ...], h[:, 1:, ...] - h[:, :-1, ...]
    zeros = xp.zeros_like(h[:1, ...]), xp.zeros_like(h[:, :1, ...])
    slope = xp.concat([zeros[0], down], axis=0) - xp.concat([down, zeros[0]], axis=0)
    slope = slope + xp.concat([zeros[1], along], axis=1) - xp.concat([along, zeros[1]], axis=1)
    return 0.5 * float(xp.sum(down * down) + xp.sum(along * along)), slope
