r"""Calibration of an oversampled PSF from a picture of stars or beads.

.. math:: \min_{c \ge 0,\; p,\, f,\, b} \;
          \tfrac12 \sum_i \left\| \frac{A(p, f)\,c - y}{\sigma} \right\|_i^2
          + \tfrac12 \sum_q \frac{(L c)_q^2}{t_q^2}

The stamps of the stars are linear in the coefficients ``c`` of the PSF's cubic spline, and
`PointSources` has their derivatives by the positions. Rounds alternate: all stars' positions,
fluxes and backgrounds at once, then the PSF with the backgrounds eliminated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from array_api_compat import array_namespace, device

import optim
from nufftlib.blur.calibrate.field.calibrate import roughness
from nufftlib.blur.calibrate.objective import check_image
from nufftlib.blur.calibrate.sources import find_sources, noise_level
from nufftlib.blur.operator import Blur
from nufftlib.blur.point_sources import PointSources, centred
from nufftlib.blur.psf_grid import hats_at, nodes_of
from nufftlib.blur.psfs.gaussian import gaussian_psf
from nufftlib.core.arrays import (
    Array,
    Namespace,
    beside,
    check_finite,
    check_real,
    common_namespace,
)
from nufftlib.core.kinds import choice, integer, number, optional_function, out_of_range, positive
from nufftlib.core.noise import on_cpu
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run

Background = Literal["constant", "plane"]
BACKGROUNDS: tuple[Background, ...] = get_args(Background)

MARGIN = 3
"""Pixels of a stamp around the PSF, which tell the background."""
ADAPTED = 5
"""Rounds in which the penalty follows the PSF, and stars may be rejected or taken back."""
MISFIT = 2.0
"""Largest chi-square of a star that is used, in units of the median one."""
SETTLED = 1e-5
"""The rounds end when the loss falls by less than this part of it."""
SMOOTHNESS = 3.0
"""Weight of the penalty. docs/other-targets.md has the errors from 0.3 to 30."""
LEAST = 1e-3
"""Least curvature ``t`` that the penalty expects, in units of the largest."""
SEARCH = 3
"""Rounds before the search for stars that brighter ones hide."""
SHARE = 0.1
"""Least light of a hidden star, in units of the light that the model has at its place."""
STAR_STEPS, PSF_STEPS = 8, 80

NONNEGATIVE = optim.projections.nonnegative()


class RejectedStar(NamedTuple):
    """A star that did not enter the PSF.

    Attributes
    ----------
    position : tuple of float
        Row and column in pixels.
    reason : {"edge", "saturated", "crowded", "misfit"}
        Its centre is near the picture's edge; pixels at its centre are saturated; another one
        is too near; or its chi-square is more than twice the median.
    """

    position: tuple[float, float]
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class CalibratedStars(Run):
    """The result of `calibrate_from_stars`.

    Parameters
    ----------
    losses : list of float
        The loss after each round: half of all chi-squares and the penalty, whose weights
        change in the first rounds.
    seconds : float
        Duration of everything.
    interrupted : bool
        Whether Ctrl-C ended it early.
    psf : array, shape (height, width), with a grid (rows, columns, height, width)
        The PSF on pixels that are finer by the oversampling; its centre of gravity is the
        index ``size // 2``. It has the picture's pixels in it: the convolution of the
        optical PSF with a pixel of the picture.
    oversampling : int
        Its samples per pixel of the picture, on each axis.
    positions, position_deviations : array, shape (stars, 2)
        Row and column of the stars in pixels, and their standard deviations.
    fluxes, flux_deviations : array, shape (stars,)
        Sums over all pixels of a star's light, and their standard deviations.
    backgrounds : array, shape (stars, terms)
        The background at the middle of the stamp; for a plane also its slopes, per pixel.
    chi2 : array, shape (stars,)
        Chi-square of each stamp by its degrees of freedom.
    residuals : array, shape (stars, height, width)
        Data minus model on the stamps; zero at pixels that are not used.
    middles : array, shape (stars, 2)
        Row and column of the stamps' middle pixels, which are near the stars.
    rejected : tuple of RejectedStar
        The stars that did not enter the PSF.
    """

    psf: Array
    oversampling: int
    positions: Array
    position_deviations: Array
    fluxes: Array
    flux_deviations: Array
    backgrounds: Array
    chi2: Array
    residuals: Array
    middles: Array
    rejected: tuple[RejectedStar, ...]

    thumbnails = (("psf", picture),)


def calibrate_from_stars(
    picture: Array,
    *,
    size: int = 21,
    oversampling: int = 2,
    positions: Array | None = None,
    threshold: float = 8.0,
    noise: float | Array | None = None,
    saturation: float | None = None,
    background: Background = "constant",
    grid: int | tuple[int, int] | None = None,
    rounds: int = 20,
    callback: Callable[[int, float, Array], object] | None = None,
) -> CalibratedStars:
    """Find the PSF from one picture with many stars or beads.

    The stars fall on the pixels at many phases, which together tell the PSF on finer pixels.
    Positions, fluxes and backgrounds are estimated with it. Neighbours whose light overlaps
    are fitted together.

    Parameters
    ----------
    picture : array, shape (height, width), real
        The picture.
    size : int
        Height and width of the PSF in pixels of the picture. It is zero beyond.
    oversampling : int
        Samples of the PSF per pixel on each axis, 1 to 4.
    positions : array, shape (stars, 2), real, optional
        Rows and columns of the stars, to two pixels or so; by default they are searched for.
    threshold : float
        Least height of a star in the smoothed picture, in standard deviations of the noise.
    noise : float or array, shape (height, width), optional
        Standard deviation of the noise, by default from second differences.
    saturation : float, optional
        Pixels of this value or more are left out, and stars with such a centre do not enter
        the PSF.
    background : {"constant", "plane"}
        The background of a star.
    grid : int or tuple of int, optional
        Rows and columns of a grid of PSFs over the picture, if the PSF varies: see
        `nufftlib.blur.grid_weights`. The PSF of a star is their bilinear mean at its place.
    rounds : int
        Rounds at most.
    callback : callable, optional
        ``callback(round, loss, psf)`` after each round; a true value ends the rounds.

    Returns
    -------
    CalibratedStars
        After Ctrl-C, the result of the rounds done so far.

    Raises
    ------
    TypeError
        If an array is not real of single or double precision, or a setting of the wrong kind.
    ValueError
        If the picture is smaller than the stamps or not finite, a position is outside of it, no
        star is left to use, or a number is out of its range.
    KeyboardInterrupt
        If Ctrl-C comes before the first round is done.

    Notes
    -----
    Sums are in double precision. The PSF is a cubic spline with nonnegative coefficients, the
    gradient by a position is exact, and deviations of positions and fluxes are those of white
    noise at a known PSF. docs/other-targets.md has measured errors.

    References
    ----------
    J. Anderson and I. R. King, "Toward high-precision astrometry with WFPC2. I. Deriving an
    accurate point-spread function", Publ. Astron. Soc. Pac. 112 (2000) 1360-1382.

    G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least
    squares problems whose variables separate", SIAM J. Numer. Anal. 10 (1973) 413-432.

    Examples
    --------
    >>> import numpy as np
    >>> from nufftlib import workflows
    >>> rng = np.random.default_rng(0)
    >>> n, p = np.arange(64.0), rng.uniform(8, 56, (5, 2))
    >>> y, x = (np.exp(-0.5 * ((n - p[:, [a]]) / 1.5) ** 2) for a in (0, 1))
    >>> picture = 500 * y.T @ x + rng.standard_normal((64, 64))
    >>> result = workflows.calibrate_from_stars(picture, size=13)
    >>> result.psf.shape, bool(abs(result.psf.sum() - 1) < 1e-6)
    ((27, 27), True)
    """
    clock, call = time.perf_counter(), "calibrate_from_stars"
    size = integer(call, "size", size, least=3)
    oversampling = integer(call, "oversampling", oversampling, least=1, most=4)
    rounds = integer(call, "rounds", rounds, least=1)
    threshold = positive(call, "threshold", threshold)
    highest = np.inf if saturation is None else number(call, "saturation", saturation)
    terms = choice(call, "background", background, BACKGROUNDS)
    nodes = None if grid is None else nodes_of(call, grid)
    optional_function(call, "callback", callback)
    check_picture(picture, size)
    xp = array_namespace(picture)
    found = given(picture, positions) if positions is not None else None
    std = deviation(picture, noise)
    y = on_cpu(picture).astype(np.float64)
    if found is None:
        found = find_sources(y, size, threshold)

    def field_at(found: Any) -> Field:
        return cut(picture, y, found, std, highest, size, oversampling, terms, nodes)

    field = field_at(found)
    c = gaussian_psf(field.size, field.size / 12, xp=xp, dtype=xp.float64, device=device(picture))
    c = xp.broadcast_to(c, (field.shares.shape[0], *c.shape))
    if positions is None:
        # Stars that were hidden by brighter ones show in what the first model leaves.
        for first in alternation(field, c, SEARCH):
            c = first.coefficients
        hidden = left_sources(field, first, y, std, threshold)
        field = field_at(np.concatenate([found, hidden]))
    now, losses, interrupted = run_rounds(field, alternation(field, c, rounds), callback)
    return finished(field, now, picture, losses, interrupted, clock)


def check_picture(picture: Array, size: int) -> None:
    """Refuse all but one picture of two stamps or more."""
    check_image("calibrate_from_stars", "picture", picture)
    if picture.ndim != 2 or min(picture.shape) < 2 * size:
        msg = (
            f"calibrate_from_stars(picture): picture has the shape {tuple(picture.shape)}; want "
            f"(height, width), each at least twice the size, {2 * size}"
        )
        raise ValueError(msg)


def given(picture: Array, positions: Array) -> Any:
    """Return the positions that the user gives; refuse what is outside of the picture."""
    call = "calibrate_from_stars(positions)"
    xp = common_namespace(call, positions=positions, picture=picture)
    check_real(xp, call, "positions", positions)
    if positions.ndim != 2 or positions.shape[1] != 2:
        msg = f"{call}: positions has the shape {tuple(positions.shape)}; want (stars, 2)"
        raise ValueError(msg)
    check_finite(xp, call, "positions", positions)
    p = on_cpu(positions).astype(np.float64)
    outside = np.any((p < 0) | (p > np.asarray(picture.shape) - 1), axis=1)
    if outside.any():
        msg = (
            f"{call}: {outside.sum()} of {len(p)} positions are outside of the picture, the first "
            f"at {tuple(map(float, p[outside][0]))}; want rows and columns of its pixels"
        )
        raise ValueError(msg)
    return p


def deviation(picture: Array, noise: Any) -> Any:
    """Return the standard deviation of the noise, a number or an array."""
    call = "calibrate_from_stars"
    std = noise_level(on_cpu(picture)) if noise is None else noise
    std = beside(call, "noise", std, "picture", picture)
    values = np.asarray(std) if isinstance(std, float) else on_cpu(std).astype(np.float64)
    if not np.all(values > 0):
        wish = "positive deviations (given, if the picture has no noise of its own)"
        raise out_of_range(call, "noise", std, wish)
    return values


class Field(NamedTuple):
    """The stamps of a picture.

    Attributes
    ----------
    y, weights : array, shape (stars, n, n)
        The data, and the inverse variances; zero beyond the picture and at saturated pixels.
    basis : array, shape (terms, n, n)
        The background's terms.
    start : array, shape (stars, 3 + terms)
        The first position in the stamp, flux and background of each star.
    corner : array, shape (stars, 2)
        The pixel in the middle of each stamp.
    pairs : tuple of array, shape (pairs,)
        Stars, and others whose light reaches into their stamps.
    shares : array, shape (nodes, stars, 1, 1)
        The part that the PSF at each node of the grid has in each star's; one without a grid.
    grid : tuple of int or None
        Rows and columns of the grid.
    reasons : list of str
        Why a star is rejected before the fit; empty for others.
    size, oversampling : int
        Size of the PSF in its own pixels, and how many of them a pixel has.
    """

    y: Array
    weights: Array
    basis: Array
    start: Array
    corner: Array
    pairs: tuple[Array, Array]
    shares: Array
    grid: tuple[int, int] | None
    reasons: list[str]
    size: int
    oversampling: int


class Estimate(NamedTuple):
    """The parameters of the stars, the PSF's coefficients, and how they fit.

    Attributes
    ----------
    stars : array, shape (stars, 3 + terms)
        Position in the stamp, flux and background.
    coefficients : array, shape (nodes, size, size)
        Coefficients of the PSFs' splines, each of sum one.
    used : array, shape (stars,), bool
        Which stars the PSF is made of.
    chi2, blocks : array, shape (stars,) and (stars, 3 + terms, 3 + terms)
        Chi-squares, and the matrices of Gauss and Newton.
    loss : float
        The loss of the stars that are used.
    """

    stars: Array
    coefficients: Array
    used: Array
    chi2: Array
    blocks: Array
    loss: float


def cut(
    picture: Array,
    y: Any,
    found: Any,
    std: Any,
    saturation: float,
    size: int,
    oversampling: int,
    background: Background,
    nodes: tuple[int, int] | None,
) -> Field:
    """Return the stamps around the positions, on the picture's device; refuse an empty field."""
    half = size // 2 + MARGIN
    n, middle = np.arange(-half, half + 1), np.rint(found).astype(int)
    index = (
        middle[:, 0, None, None] + half + n[:, None],
        middle[:, 1, None, None] + half + n,
    )
    seen = np.pad(np.where(y < saturation, 1 / std**2, 0.0), half)
    stamps, weights = np.pad(y, half)[index], seen[index]
    reasons = judged(found, middle, y < saturation, size)
    if all(reasons):
        msg = (
            f"calibrate_from_stars(picture): {len(found)} stars were found, and {len(reasons)} "
            f"rejected{': ' if reasons else ''}{', '.join(sorted(set(reasons)))}; want at least 1 "
            f"(a lower threshold, a smaller size, or positions)"
        )
        raise ValueError(msg)
    basis = np.ones((1, n.size, n.size))
    if background == "plane":
        basis = np.stack([basis[0], *np.meshgrid(n, n, indexing="ij")])
    level = np.asarray(
        [np.median(s[w > 0]) if w.any() else 0.0 for s, w in zip(stamps, weights, strict=True)]
    )
    flux = np.sum(np.where(weights > 0, stamps - level[:, None, None], 0.0), axis=(1, 2))
    start = np.zeros((len(found), 3 + len(basis)))
    start[:, :2], start[:, 2], start[:, 3] = found - middle, flux, level
    reach = np.abs(middle[:, None] - middle).max(axis=-1) <= half + size // 2 + 1
    near = np.nonzero(reach & ~np.eye(len(found), dtype=bool))
    xp = array_namespace(picture)
    grid = nodes or (1, 1)
    places = [p * (k - 1) / (m - 1) for p, k, m in zip(found.T, grid, y.shape, strict=True)]
    down, along = (hats_at(k, place) for k, place in zip(grid, places, strict=True))
    shares = (down[:, None] * along).reshape(-1, len(found), 1, 1)
    y, weights, terms, first, corner, shares = (
        xp.asarray(a, dtype=xp.float64, device=device(picture))
        for a in (stamps, weights, basis, start, middle, shares)
    )
    there, other = (xp.asarray(a, dtype=xp.int64, device=device(picture)) for a in near)
    fine = 2 * (oversampling * size // 2) + 1
    pairs = there, other
    return Field(
        y, weights, terms, first, corner, pairs, shares, nodes, reasons, fine, oversampling
    )


def judged(found: Any, middle: Any, unsaturated: Any, size: int) -> list[str]:
    """Return for each position why it is rejected, or an empty text."""
    near = size / 4
    apart = np.linalg.norm(found[:, None] - found, axis=-1) + 1e9 * np.eye(len(found))
    last = np.asarray(unsaturated.shape) - 1
    reasons = []
    for p, (row, column), distances in zip(found, middle, apart, strict=True):
        core = unsaturated[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        tests = {
            "edge": np.any((p < near) | (p > last - near)),
            "saturated": not core.all(),
            "crowded": distances.min() < near,
        }
        reasons.append(next((reason for reason, met in tests.items() if met), ""))
    return reasons


def run_rounds(
    field: Field,
    estimates: Iterator[Estimate],
    callback: Callable[[int, float, Array], object] | None,
) -> tuple[Estimate, list[float], bool]:
    """Run the rounds until their end, the callback's true value, or Ctrl-C."""
    losses: list[float] = []
    now = None
    try:
        for step, now in enumerate(estimates):
            losses.append(now.loss)
            if callback is not None and callback(step, now.loss, psf_of(field, now.coefficients)):
                break
    except KeyboardInterrupt:
        if now is None:
            raise
        return now, losses, True
    assert now is not None  # there is at least one round
    return now, losses, False


def alternation(field: Field, c: Array, rounds: int) -> Iterator[Estimate]:
    """Yield the estimate after each round."""
    xp, size = array_namespace(field.y), field.size
    allowed = xp.asarray([not reason for reason in field.reasons], device=device(field.y))
    used, stars = allowed, fitted_stars(field, field.start, c, 3 * STAR_STEPS).params
    penalty = xp.full_like(c, c.shape[0] * size**2 / float(xp.sum(laplacian(c)(c) ** 2)))
    last = None
    for step in range(rounds):
        stars = recentred(field, stars, c)
        c = fitted_psf(field, stars, c, used, penalty)
        total = xp.sum(c, axis=(-2, -1), keepdims=True)
        flux = stars[:, 2:3] * of_stars(field, total)
        stars = xp.concat([stars[:, :2], flux, stars[:, 3:]], axis=1)
        c = c / total
        state = fitted_stars(field, stars, c, STAR_STEPS).state
        stars, chi2 = state.params, 2 * state.values / freedom(field)
        if step < ADAPTED:
            used = allowed & (chi2 <= MISFIT * median(xp, chi2, allowed))
            penalty = curvature_weights(c, field.oversampling)
        curved = 0.5 * xp.sum(penalty * laplacian(c)(c) ** 2)
        loss = float(xp.sum(xp.where(used, state.values, 0.0)) + curved)
        loss += alike(field, c) * roughness(on_grid(field, c))[0]
        yield Estimate(stars, c, used, chi2, state.blocks, loss)
        if step > ADAPTED and last is not None and last - loss < SETTLED * abs(loss):
            return
        last = loss


# --- the two halves of a round -----------------------------------------------------------------


# y_i = sum_k s_ki A_i c_k
class Sources(NamedTuple):
    """The map from the coefficients at all nodes to each star's own light in its stamp."""

    stars: PointSources
    shares: Array

    def __call__(self, c: Array) -> Array:
        """Return the light, shape (stars, n, n)."""
        return array_namespace(c).sum(self.shares * self.stars(c), axis=0)

    def adjoint(self, y: Array) -> Array:
        """Return the adjoint at stamps."""
        return self.stars.H(self.shares * y)


def sources(field: Field, stars: Array, orders: tuple[int, int] = (0, 0)) -> Sources:
    """Return the map from coefficients to each star's own light in its stamp."""
    n, s = field.y.shape[-1], field.oversampling
    made = PointSources(stars[:, :2], stars[:, 2], field.size, n, s, orders)
    return Sources(made, field.shares)


class Neighbours(NamedTuple):
    """The light of other stars in the stamps: each pair's, and their sum by star."""

    pairs: Sources
    gather: Array

    def __call__(self, c: Array) -> Array:
        """Return the light, shape (stars, n, n)."""
        return summed(self.gather, self.pairs(c))

    def adjoint(self, y: Array) -> Array:
        """Return the adjoint at stamps."""
        return self.pairs.adjoint(summed(array_namespace(y).matrix_transpose(self.gather), y))


def summed(matrix: Array, stamps: Array) -> Array:
    """Return the product with a matrix along the first axis."""
    xp = array_namespace(stamps)
    flat = xp.reshape(stamps, (stamps.shape[0], stamps.shape[1] * stamps.shape[2]))
    return xp.reshape(matrix @ flat, (matrix.shape[0], *stamps.shape[1:]))


def neighbours(field: Field, stars: Array) -> Neighbours:
    """Return the operator from coefficients to the light of other stars in each stamp."""
    xp, (there, other) = array_namespace(stars), field.pairs
    apart = xp.take(field.corner, other, axis=0) - xp.take(field.corner, there, axis=0)
    moved = xp.take(stars, other, axis=0)
    moved = xp.concat([moved[:, :2] + apart, moved[:, 2:]], axis=1)
    every = xp.arange(stars.shape[0], dtype=there.dtype, device=device(stars))
    pairs = sources(field._replace(shares=xp.take(field.shares, other, axis=1)), moved)
    return Neighbours(pairs, xp.astype(every[:, None] == there, stars.dtype))


# r = f u + b + (others' light) - y,  J = (f du/dp_0, f du/dp_1, u, terms of b)
def fitted_stars(field: Field, start: Array, c: Array, steps: int) -> optim.Result:
    """Return positions, fluxes and backgrounds at this PSF; others' light is held constant."""
    xp, d = array_namespace(start), start.shape[1]
    count, pixels = field.y.shape[0], field.y.shape[1] * field.y.shape[2]
    data = field.y - neighbours(field, start)(c)
    terms = xp.broadcast_to(field.basis, (count, *field.basis.shape))
    w = xp.reshape(field.weights, (count, 1, pixels))
    one = xp.ones_like(start[:, 2:3])

    def function(p: Array) -> tuple[Array, Array, Array]:
        unit = xp.concat([p[:, :2], one], axis=1)
        u, down, along = (sources(field, unit, k)(c) for k in ((0, 0), (1, 0), (0, 1)))
        f = p[:, 2, None, None]
        J = xp.concat([xp.stack([f * down, f * along, u], axis=1), terms], axis=1)
        J = xp.reshape(J, (count, d, pixels))
        r = f * u + xp.sum(p[:, 3:, None, None] * terms, axis=1) - data
        r = xp.reshape(r, (count, 1, pixels))
        values = 0.5 * xp.sum(w * r * r, axis=(1, 2))
        return values, xp.sum(J * (w * r), axis=-1), (J * w) @ xp.matrix_transpose(J)

    return optim.levenberg_marquardt(function, start, steps=steps)


# min over b of 1/2 |A c + T b - y|_w^2 + 1/2 |L c / t|^2: with the residual r = Q (A c - y), where
# Q takes out the background, the gradient is A^T W r + L^T (L c / t^2)
def fitted_psf(field: Field, stars: Array, c: Array, used: Array, penalty: Array) -> Array:
    """Return nonnegative coefficients at these stars, with the backgrounds eliminated."""
    xp, own, others = array_namespace(c), sources(field, stars), neighbours(field, stars)
    L = laplacian(c)
    w = xp.where(used[:, None, None], field.weights, xp.zeros_like(field.weights))
    Q = without_background(xp, w, field.basis)

    # In the units of c / scale the Hessian has a diagonal of about one: the laplacian has the
    # weights -4, 1, 1, 1, 1, and the squares of a B-spline have the sum 0.48 along an axis.
    light = xp.sum(w, axis=(1, 2), keepdims=True) * stars[:, 2, None, None] ** 2
    light = xp.sum(field.shares**2 * light, axis=1) / (w.shape[1] * w.shape[2])
    held = alike(field, c)
    scale = light * (0.48 * field.oversampling) ** 2 + 20 * penalty + 4 * held
    scale = 1 / xp.sqrt(scale)

    def value_and_grad(x: Array) -> tuple[Array, Array]:
        c = scale * x
        r, Lc = Q(own(c) + others(c) - field.y), L(c)
        wr, curved = w * r, penalty * Lc
        apart, slope = roughness(on_grid(field, c))
        value = 0.5 * xp.sum(wr * r) + 0.5 * xp.sum(curved * Lc) + held * apart
        slope = held * xp.reshape(slope, c.shape)
        return value, scale * (own.adjoint(wr) + others.adjoint(wr) + L.H(curved) + slope)

    found = optim.spectral_projected_gradient(
        value_and_grad, c / scale, NONNEGATIVE, steps=PSF_STEPS
    )
    best: Array = scale * found.best_params
    return best


# Q r = r - T (T^T W T)^-1 T^T W r, the residual of the best background
def without_background(xp: Namespace, w: Array, basis: Array) -> Callable[[Array], Array]:
    """Return the map that takes the background out of stamps."""
    k, pixels = basis.shape[0], basis.shape[1] * basis.shape[2]
    T = xp.reshape(basis, (k, pixels))
    flat = xp.reshape(w, (w.shape[0], 1, pixels))
    gram = (T * flat) @ xp.matrix_transpose(T)
    # Stamps without weight have a gram of zero, and their background does not matter.
    idle = xp.all(w == 0, axis=(1, 2))[:, None, None]
    eye = xp.eye(k, dtype=w.dtype, device=device(w))
    inverse = xp.linalg.inv(xp.where(idle, eye, gram))

    def Q(r: Array) -> Array:
        against = xp.sum(T * flat * xp.reshape(r, (r.shape[0], 1, pixels)), axis=-1)
        b = xp.sum(inverse * against[:, None, :], axis=-1)
        return r - xp.reshape(b @ T, r.shape)

    return Q


def laplacian(c: Array) -> Blur:
    """Return the sum of second differences along both axes, with zeros beyond the PSF."""
    xp = array_namespace(c)
    stencil = np.asarray([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    return Blur(xp.asarray(stencil, dtype=c.dtype, device=device(c)), "zero", method="direct")


# 1 / t^2, with t^2 the local mean of (L c)^2
def curvature_weights(c: Array, oversampling: int) -> Array:
    """Return the weights of the penalty: the PSF is smooth in its wings, and less in its core."""
    xp, std = array_namespace(c), 2.0 * oversampling
    window = gaussian_psf(8 * oversampling + 1, std, xp=xp, dtype=c.dtype, device=device(c))
    local = xp.clip(Blur(window, "zero")(laplacian(c)(c) ** 2), 0.0, None)
    return SMOOTHNESS / (local + LEAST**2 * xp.max(local))


def recentred(field: Field, stars: Array, c: Array) -> Array:
    """Return the stars moved by the PSF's centre of gravity, so that the next PSF is centred."""
    xp = array_namespace(c)
    q = centred(xp, field.size, c)
    at = [xp.sum(c * each, axis=(-2, -1), keepdims=True) for each in (q[:, None], q)]
    total = field.oversampling * xp.sum(c, axis=(-2, -1), keepdims=True)
    moved = [of_stars(field, each / total) for each in at]
    return xp.concat([stars[:, :2] + xp.concat(moved, axis=1), stars[:, 2:]], axis=1)


def of_stars(field: Field, values: Array) -> Array:
    """Return the means that stars have of values at the nodes, of the shape (stars, 1)."""
    xp = array_namespace(values)
    return xp.sum(field.shares * values[:, None, ...], axis=0)[..., 0]


def on_grid(field: Field, c: Array) -> Array:
    """Return values at the nodes by rows and columns of the grid."""
    return array_namespace(c).reshape(c, (*(field.grid or (1, 1)), *c.shape[1:]))


# As for pictures: neighbours differ by as much as a PSF is large. Here the noise has the variance 1
def alike(field: Field, c: Array) -> float:
    """Return the weight of the squared differences of neighbours in the grid."""
    size: int = c.shape[0] * field.size**2
    return size / float(array_namespace(c).sum(c * c))


def psf_of(field: Field, c: Array) -> Array:
    """Return the PSF, or those of the grid."""
    h = sampled(c)
    return h[0, ...] if field.grid is None else on_grid(field, h)


def sampled(c: Array) -> Array:
    """Return the spline at its knots: ``beta(0) = 2/3`` and ``beta(1) = 1/6`` along each axis."""
    xp = array_namespace(c)
    knots = np.outer([1.0, 4.0, 1.0], [1.0, 4.0, 1.0]) / 36
    h = Blur(xp.asarray(knots, dtype=c.dtype, device=device(c)), "zero", method="direct")(c)
    return h / xp.sum(h, axis=(-2, -1), keepdims=True)


def freedom(field: Field) -> Array:
    """Return the degrees of freedom of each stamp, at least 1."""
    xp = array_namespace(field.y)
    seen = xp.sum(xp.astype(field.weights > 0, xp.float64), axis=(1, 2))
    return xp.clip(seen - field.start.shape[1], 1.0, None)


def median(xp: Namespace, values: Array, chosen: Array) -> float:
    """Return the median of the chosen values, of an even number the upper one."""
    count = int(xp.sum(xp.astype(chosen, xp.int64)))
    return float(xp.sort(xp.where(chosen, values, xp.inf))[count // 2])


# At a place p the light h(. - p) has the flux <h, r> / <h, h>, of deviation std / |h|
def left_sources(field: Field, now: Estimate, y: Any, std: Any, threshold: float) -> Any:
    """Return the positions of stars in what a model leaves of the picture."""
    from scipy import ndimage

    one = field._replace(
        y=field.y[:1, ...], shares=field.shares[:, :1, ...] * 0.0 + 1 / field.shares.shape[0]
    )
    middle = now.stars[:1, :] * 0.0
    xp = array_namespace(middle)
    middle = xp.concat([middle[:, :2], middle[:, 2:3] + 1.0], axis=1)
    h = on_cpu(sources(one, middle)(now.coefficients))[0]
    own = on_cpu(sources(field, now.stars)(now.coefficients))
    half = h.shape[0] // 2
    model = np.pad(np.zeros_like(y), half)
    for light, (row, column) in zip(own, on_cpu(field.corner).astype(int), strict=True):
        model[row : row + h.shape[0], column : column + h.shape[0]] += light
    model = model[half:-half, half:-half]
    power = np.sum(h**2)
    left = y - model
    left = left - np.median(left)
    found, known = (ndimage.correlate(a, h, mode="nearest") / power for a in (left, model))
    peak = found == ndimage.maximum_filter(found, 3)
    peak &= (found > threshold * std / np.sqrt(power)) & (found > SHARE * known)
    return np.argwhere(peak).astype(np.float64)


def finished(
    field: Field,
    now: Estimate,
    picture: Array,
    losses: list[float],
    interrupted: bool,
    clock: float,
) -> CalibratedStars:
    """Return the result, in the picture's precision."""
    xp = array_namespace(picture)
    stars, c, used = now.stars, now.coefficients, [bool(u) for u in now.used]
    keep = xp.asarray([n for n, u in enumerate(used) if u], device=device(picture))
    model = sources(field, stars)(c) + neighbours(field, stars)(c)
    terms = xp.broadcast_to(field.basis, (stars.shape[0], *field.basis.shape))
    model = model + xp.sum(stars[:, 3:, None, None] * terms, axis=1)
    left = xp.where(field.weights > 0, field.y - model, xp.zeros_like(model))
    std = xp.sqrt(xp.linalg.diagonal(xp.linalg.inv(xp.take(now.blocks, keep, axis=0))))
    where = stars[:, :2] + field.corner
    rejected = []
    for n, reason in enumerate(field.reasons):
        p = where[n, :]
        if not used[n]:
            rejected.append(RejectedStar((float(p[0]), float(p[1])), reason or "misfit"))

    def cast(a: Array) -> Array:
        return xp.astype(a, picture.dtype, copy=False)

    def kept(a: Array) -> Array:
        return cast(xp.take(a, keep, axis=0))

    return CalibratedStars(
        losses=losses,
        seconds=time.perf_counter() - clock,
        interrupted=interrupted,
        psf=cast(psf_of(field, c)),
        oversampling=field.oversampling,
        positions=kept(where),
        position_deviations=cast(std[:, :2]),
        fluxes=kept(stars[:, 2]),
        flux_deviations=cast(std[:, 2]),
        backgrounds=kept(stars[:, 3:]),
        chi2=kept(now.chi2),
        residuals=kept(left),
        middles=kept(field.corner),
        rejected=tuple(rejected),
    )
