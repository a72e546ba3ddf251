"""Zernike coefficients of a pupil from pictures of a bead at several known defoci."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import device

import optim
from nufftlib.blur.phase.fit import Counts, Fit, Gaussian, Noise, Planes, Shifts, over
from nufftlib.blur.psfs.diffraction import SAMPLES, pupil
from nufftlib.blur.psfs.through_focus import ThroughFocus
from nufftlib.blur.psfs.zernike import zernike
from nufftlib.core.arrays import (
    Array,
    Namespace,
    beside,
    check_beside,
    check_finite,
    check_real,
    common_namespace,
    namespace,
)
from nufftlib.core.kinds import (
    choice,
    generator,
    instance,
    integer,
    is_array,
    not_negative,
    optional_function,
    out_of_range,
    positive,
)
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed

SHIFTS: tuple[Shifts, ...] = ("common", "each")
START = 0.2  # waves, root mean square of a start that is not zero
CLOSE = 5.0  # standard deviations from 1 within which the misfit ends the search


@dataclass(frozen=True, eq=False, repr=False)
class RetrievedPhase(Run):
    """The result of `retrieve_phase`.

    Parameters
    ----------
    losses : list of float
        The loss after each evaluation, from the start that led to the lowest one.
    seconds : float
        Duration of all starts; of a run that went on from a checkpoint with the time before that.
    interrupted : bool
        Whether Ctrl-C ended the search early.
    optics : ThroughFocus
        The model of the pictures.
    coefficients : array, shape (K,)
        Zernike coefficients in waves, root mean square, of the optics' indices.
    covariance : array, shape (K, K)
        Their covariance by the noise, from the information on them: the Cramer-Rao bound.
        Very large entries belong to what the pictures do not determine.
    shift : array, shape (2,) or (P, 2)
        Shift of the pictures in pixels, along the first and the second axis, or of each.
    amplitude, background : array, shape (P,)
        The sum of each picture without its background, and the background of each pixel, in
        units of the stack.
    psf : array, shape (P, height, width)
        PSFs of a point at the planes, without the shift, each of sum one.
    residual : array, shape (P, height, width)
        The stack minus the model.
    misfit : float
        The squared residual in units of the noise's variance, for each degree of freedom: 1 if the
        model explains the pictures. If the noise is not known, the variance itself.
    converged : bool
        Whether the last step was shorter than the tolerance.
    """

    optics: ThroughFocus
    coefficients: Array
    covariance: Array
    shift: Array
    amplitude: Array
    background: Array
    psf: Array
    residual: Array
    misfit: float
    converged: bool

    thumbnails = (("psf", picture),)

    @property
    def deviations(self) -> Array:
        """Standard deviations of the coefficients by the noise, in waves, shape (K,)."""
        xp = namespace(self.covariance)
        return xp.sqrt(xp.linalg.diagonal(self.covariance))

    @property
    def strehl_ratio(self) -> float:
        """Strehl ratio at the defocus 0: the peak relative to that without aberrations."""
        phases, w = pupil(SAMPLES, tuple(self.optics.indices))
        phi = np.asarray(self._plain() @ phases).reshape(w.shape)
        return float(np.abs(np.sum(w * np.exp(1j * phi)) / np.sum(w)) ** 2)

    def psf_at(self, defocus: Sequence[float]) -> Array:
        """Return the three-dimensional PSF of a point, at any planes.

        Parameters
        ----------
        defocus : sequence of float
            Defocus of each plane, in the unit of the optics'.

        Returns
        -------
        array, shape (planes, height, width)
            PSFs, each of sum one.
        """
        return replace(self.optics, defocus=defocus, bead=0.0)(self.coefficients)

    def wavefront(self, samples: int = 128) -> Any:
        """Return the wavefront on the pupil, in waves.

        Parameters
        ----------
        samples : int
            Samples across the pupil.

        Returns
        -------
        ndarray, shape (samples, samples)
            The wavefront at the middles of cells; NaN beyond the pupil.
        """
        samples = integer("RetrievedPhase.wavefront", "samples", samples, least=1)
        x = (np.arange(samples) + 0.5) * (2 / samples) - 1
        r, theta = np.hypot(x[:, None], x), np.arctan2(x[None, :], x[:, None])
        terms = zip(self._plain(), self.optics.indices, strict=True)
        W = sum(a * zernike(j, r, theta) for a, j in terms)
        return np.where(r <= 1, W, np.nan)

    def _plain(self) -> Any:
        """Return the coefficients as a NumPy array."""
        K = self.coefficients.shape[0]
        return np.asarray([float(self.coefficients[k]) for k in range(K)])


def retrieve_phase(
    stack: Array,
    optics: ThroughFocus,
    *,
    gain: float | None = None,
    std: Array | float | None = None,
    shifts: Shifts = "common",
    starts: int = 5,
    steps: int = 60,
    tolerance: float = 1e-6,
    seed: int = 0,
    callback: Callable[[int, float, Array], object] | None = None,
    checkpoint: optim.Checkpoint | None = None,
) -> RetrievedPhase:
    r"""Find the aberrations of a lens from pictures of a bead at several known defoci.

    .. math:: y_m \approx s_m h_m(a) + b_m

    with the PSFs ``h_m`` of `ThroughFocus`, shifted. The likelihood is maximised by
    the aberrations ``a``, the shift, and amplitude ``s`` and background ``b`` of each plane.

    Parameters
    ----------
    stack : array, shape (P, height, width), real
        The pictures, a plane for each defocus of the optics. A camera's offset has been
        subtracted.
    optics : ThroughFocus
        Planes, polynomials from the index 4 on, and optics.
    gain : float, optional
        Increase of the data by one count: the noise is that of counting, as of
        `blur.poisson_noise`. The background is then 0 or more.
    std : float or array, optional
        Standard deviation of Gaussian noise, positive. With `gain` it is that of reading, one
        number, as of `blur.poisson_gaussian_noise`. With neither, all pixels have the same
        noise, and the residual says how much.
    shifts : {"common", "each"}
        Whether all planes are shifted alike, or each by its own shift.
    starts : int
        Starts at most. The first is a lens without aberrations; the others have 0.2 waves of
        them at random. The search ends early where the misfit says that the model explains the
        noise, if that is known.
    steps : int
        Evaluations at most from each start.
    tolerance : float
        A descent has converged when its next step is at most so many waves.
    seed : int
        Seed of the starts.
    callback : callable, optional
        ``callback(step, loss, coefficients)`` after each evaluation, with the best
        coefficients of the current start; a true value ends the search.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    RetrievedPhase
        After Ctrl-C, the best so far.

    Raises
    ------
    TypeError
        If the stack is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If the stack does not fit the optics or is not finite, a plane is constant, counts are
        negative, or a setting is out of range.
    KeyboardInterrupt
        If Ctrl-C comes before the first loss is known.

    Notes
    -----
    One plane does not determine the sign that all even polynomials share; two planes with
    different known defoci do. If all defoci are given with the wrong sign, even coefficients
    come out with the wrong sign, too.

    The computation is in double precision. Each evaluation costs ``K + 2`` Jacobian products
    of `Diffraction` for each plane.

    References
    ----------
    B. M. Hanser et al., "Phase-retrieved pupil functions in wide-field fluorescence
    microscopy", J. Microsc. 216 (2004) 32-48.

    P. N. Petrov, Y. Shechtman and W. E. Moerner, "Measurement-based estimation of global pupil
    functions in 3D localization microscopy", Opt. Express 25 (2017) 7945-7959: by maximum
    likelihood.

    G. H. Golub and V. Pereyra, "Separable nonlinear least squares: the variable projection
    method and its applications", Inverse Probl. 19 (2003) R1-R26.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import workflows
    >>> optics = nl.blur.ThroughFocus(32, defocus=(-0.5, 0.0, 0.5), indices=(4, 5, 6, 7, 8, 11))
    >>> truth = np.asarray([0.02, -0.05, 0.03, 0.04, 0.0, -0.05])  # waves
    >>> stack = nl.blur.poisson_noise(1e5 * optics(truth) + 2.0, seed=0)
    >>> result = workflows.retrieve_phase(stack, optics, gain=1.0)
    >>> bool(abs(result.coefficients - truth).max() < 0.005), round(result.misfit, 1)
    (True, 1.0)
    """
    call = "retrieve_phase"
    clock = time.perf_counter()
    xp = check_stack(call, stack, optics)
    shifts = choice(call, "shifts", shifts, SHIFTS)
    starts = integer(call, "starts", starts, least=1)
    steps = integer(call, "steps", steps, least=1)
    tolerance = not_negative(call, "tolerance", tolerance)
    rng = generator(call, seed)
    optional_function(call, "callback", callback)
    fit = Fit(noise_of(call, xp, stack, gain, std), optics, shifts)
    known = gain is not None or std is not None
    settings = {
        "stack": stack,
        "optics": optics,
        "gain": gain,
        "std": std,
        "shifts": shifts,
        "tolerance": tolerance,
        "seed": seed,
    }
    begun(call, checkpoint, settings, stack)
    points = starting_points(fit, rng, starts)
    best = search(fit, points, steps, tolerance, known, callback, checkpoint)
    if not best.history:  # Ctrl-C came before the first loss
        raise KeyboardInterrupt
    planes = fit.planes(best.params)
    misfit = misfit_of(fit, planes)
    _, _, information = fit.evaluate(best.params)
    covariance = inverse(xp, information)[fit.tilts :, fit.tilts :] * (1.0 if known else misfit)
    tilts = best.params[: fit.tilts]
    read = 0.0 if gain is None or std is None else float(std) ** 2 / gain

    def given(x: Array) -> Array:
        return xp.astype(x, stack.dtype, copy=False)

    coefficients = given(best.params[fit.tilts :])
    return RetrievedPhase(
        losses=best.history,
        seconds=elapsed(checkpoint, clock),
        interrupted=best.interrupted,
        optics=optics,
        coefficients=coefficients,
        covariance=given(covariance),
        shift=given(
            4 / optics.cutoff * (tilts if shifts == "common" else xp.reshape(tilts, (-1, 2)))
        ),
        amplitude=given(planes.amplitude),
        background=given(planes.background - read),
        psf=replace(optics, bead=0.0)(coefficients),
        residual=given(xp.astype(stack, xp.float64, copy=False) + read - planes.mean),
        misfit=misfit,
        converged=best.converged,
    )


def check_stack(call: str, stack: Array, optics: ThroughFocus) -> Namespace:
    """Refuse pictures that do not fit the optics; return their namespace."""
    instance(call, "optics", optics, ThroughFocus, "a ThroughFocus")
    if min(optics.indices) < 4:
        wish = (
            "polynomials from the index 4 on (piston is not seen, and tilts are found as the shift)"
        )
        raise out_of_range(call, "optics.indices", optics.indices, wish)
    xp = common_namespace(f"{call}(stack)", stack=stack)
    check_real(xp, f"{call}(stack)", "stack", stack)
    assert isinstance(optics.lens.size, tuple)
    want = (len(optics.defocus), *optics.lens.size)
    if tuple(stack.shape) != want:
        msg = (
            f"{call}(stack): stack has the shape {tuple(stack.shape)}; want {want}, the planes and "
            f"the size of the optics"
        )
        raise ValueError(msg)
    check_finite(xp, f"{call}(stack)", "stack", stack)
    constant = xp.max(stack, axis=(-2, -1)) == xp.min(stack, axis=(-2, -1))
    if bool(xp.any(constant)):
        msg = f"{call}(stack): {int(xp.count_nonzero(constant))} planes are constant; want pictures"
        raise ValueError(msg)
    return xp


def noise_of(
    call: str, xp: Namespace, stack: Array, gain: float | None, std: Array | float | None
) -> Noise:
    """Return the pictures in double precision with their noise."""
    y = xp.astype(stack, xp.float64, copy=False)
    if gain is None:
        std = 1.0 if std is None else beside(call, "std", std, "stack", stack)
        one = xp.ones_like(y)
        std = xp.astype(std, xp.float64, copy=False) * one if is_array(std) else std * one
        if not bool(xp.all(std > 0)):
            msg = f"{call}(std): some entries of std are 0; want positive numbers"
            raise ValueError(msg)
        return Gaussian(y, 1 / std**2)
    gain = positive(call, "gain", gain)
    if std is None:
        check_beside(call, "stack", stack, "stack", stack)
        return Counts(y, gain)
    # Data and mean are moved until their variance is that of counts: see PoissonLikelihood.
    return Counts(xp.maximum(y + positive(call, "std", std) ** 2 / gain, 0.0), gain)


def starting_points(fit: Fit, rng: np.random.Generator, starts: int) -> Iterator[Array]:
    """Yield the unknowns to start from, tilts by the pictures' centre."""
    y = fit.noise.data
    xp, K = namespace(y), len(fit.optics.indices)
    tilts = centre(xp, y, fit) * fit.optics.cutoff / 4
    for n in range(starts):
        draw = rng.standard_normal(K)
        draw *= START / np.linalg.norm(draw) if n else 0.0
        yield xp.concat([tilts, xp.asarray(draw, dtype=y.dtype, device=device(y))])


def centre(xp: Namespace, y: Array, fit: Fit) -> Array:
    """Return how far the light's centre of gravity is from the middle pixel, in pixels."""
    height, width = y.shape[-2:]
    rim = over(y) - over(y[:, 1:-1, 1:-1])
    dark = rim / (height * width - max(height - 2, 0) * max(width - 2, 0))
    # Squares, so that the noise of many dark pixels weighs little.
    light = xp.maximum(y - dark[:, None, None], 0.0) ** 2
    if fit.shifts == "common":
        light = xp.sum(light, axis=0, keepdims=True)
    moments = []
    for axis in (1, 2):
        n = y.shape[axis]
        p = xp.arange(n, dtype=y.dtype, device=device(y)) - n // 2
        along = xp.sum(light, axis=3 - axis)
        moments.append(xp.sum(along * p, axis=-1) / xp.sum(along, axis=-1))
    return xp.reshape(xp.stack(moments, axis=-1), (-1,))


def search(
    fit: Fit,
    points: Iterator[Array],
    steps: int,
    tolerance: float,
    known: bool,
    callback: Callable[[int, float, Array], object] | None,
    checkpoint: optim.Checkpoint | None,
) -> optim.Result:
    """Descend from the starts and return the lowest result."""
    ended = False

    def follow(step: int, loss: float, unknowns: Array) -> bool:
        nonlocal ended
        ended = callback is not None and bool(callback(step, loss, unknowns[fit.tilts :]))
        return ended

    best: optim.Result | None = None
    for i, point in enumerate(points):
        result = optim.levenberg_marquardt(
            fit.evaluate,
            point,
            steps=steps,
            tolerance=tolerance,
            callback=follow,
            checkpoint=checkpoint and checkpoint.part(f"start {i}"),
        )
        if best is None or (result.history and result.history[-1] < best.history[-1]):
            best = result
        if result.interrupted:
            return best._replace(interrupted=True)
        if ended or (known and explained(fit, best.params)):
            break
    assert best is not None
    return best


def explained(fit: Fit, unknowns: Array) -> bool:
    """Tell whether the misfit is that of the noise alone."""
    planes = fit.planes(unknowns)
    variance = float(namespace(planes.mean).sum(fit.noise.scatter(planes.mean)))
    off = abs(misfit_of(fit, planes) - 1) * degrees_of_freedom(fit)
    return off < CLOSE * math.sqrt(variance)


def misfit_of(fit: Fit, planes: Planes) -> float:
    """Return Pearson's statistic for each degree of freedom."""
    xp, r = namespace(planes.mean), planes.mean - fit.noise.data
    return float(xp.sum(r * r * fit.noise.information(planes.mean))) / degrees_of_freedom(fit)


def degrees_of_freedom(fit: Fit) -> int:
    """Return the pixels less the unknowns, amplitudes and backgrounds, 1 at least."""
    planes, height, width = (int(n) for n in fit.noise.data.shape)
    unknowns = fit.tilts + len(fit.optics.indices) + 2 * planes
    return max(planes * height * width - unknowns, 1)


def inverse(xp: Namespace, information: Array) -> Array:
    """Return the inverse, with the eigenvalues that are rounding brought up to it."""
    S = xp.sqrt(xp.linalg.diagonal(information))
    v, Q = xp.linalg.eigh(information / S[:, None] / S)
    v = xp.maximum(v, 1e-12)
    return (Q / v) @ xp.matrix_transpose(Q) / S[:, None] / S
