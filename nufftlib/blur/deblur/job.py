"""Deblurring as a job: a picture and its PSF in, the sharp picture out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import optim
from nufftlib.blur.deblur.model import Model, model_of
from nufftlib.blur.deblur.richardson_lucy import richardson_lucy
from nufftlib.blur.deblur.spectrum import Choice, noise_at, wiener_weight
from nufftlib.blur.deblur.variation import deblur_by_variation, variation_weight
from nufftlib.blur.deblur.wiener import Wiener
from nufftlib.blur.space_varying import SpaceVaryingBlur
from nufftlib.core.arrays import Array, namespace
from nufftlib.core.kinds import choice, flag, integer, not_negative, optional_function
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed

Method = Literal["wiener", "richardson-lucy", "tv"]
METHODS: tuple[Method, ...] = get_args(Method)
"""The names of the methods."""

STEPS: dict[Method, int] = {"wiener": 200, "richardson-lucy": 100, "tv": 300}
"""Steps at most, by default."""

ROUNDS = 2
"""How often pixels that do not count are found before noise and weight are."""

QUIET = 100
"""The least noise that a weight is chosen for, in units of the brightest pixel's precision."""


@dataclass(frozen=True, eq=False, repr=False)
class DeblurredPicture(Run):
    """The result of `deblur`.

    Parameters
    ----------
    losses : list of float
        The loss at the start and after each step: of ``"wiener"`` the error of the linear system
        (see `optim.conjugate_gradient`), of the others the objective.
    seconds : float
        Duration of the optimisation loop; of one that went on from a checkpoint with the time
        before that.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    picture : array, of the blurred one's shape
        The sharp picture, on the pixels of the blurred one.
    with_margins : array
        The same with the margins that the blurred one saw, larger by the PSF's size less one;
        with a boundary other than ``"valid"`` the same array.
    residual : array, of the blurred picture's shape
        ``y - A x - background``, which is noise if picture and PSF are right.
    noise : float
        The standard deviation of the noise, given or estimated.
    weight : float
        The weight of the penalty, given or chosen.
    converged : bool
        Whether the tolerance was met; of ``"richardson-lucy"``, whether the residual came down
        to where the steps end.
    seconds_setup : float
        Duration of the preparations: noise and weight.
    """

    picture: Array
    with_margins: Array
    residual: Array
    noise: float
    weight: float
    converged: bool
    seconds_setup: float

    thumbnails = (("picture", picture),)


def deblur(
    blurred: Array,
    psf: Array | SpaceVaryingBlur,
    *,
    ndim: int = 2,
    method: Method = "tv",
    noise: float | None = None,
    weight: float | None = None,
    boundary: str = "valid",
    nonnegative: bool = True,
    background: float = 0.0,
    seen: Array | None = None,
    steps: int | None = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
) -> DeblurredPicture:
    r"""Find the sharp picture of a blurred one whose PSF is known, or the sharp stack.

    Parameters
    ----------
    blurred : array, shape (..., height, width), real
        The blurred picture, with ``ndim=3`` a stack (..., depth, height, width). Channels and
        batch share the blur, the noise and the weight.
    psf : array, shape (height, width) or (rows, columns, height, width), or SpaceVaryingBlur
        The PSF, such as `calibrate_psf` finds it; or a grid of them over the picture, with bilinear
        means between them, such as `calibrate_field` finds it: see `nufftlib.blur.grid_weights`.
        That of a stack has the shape (depth, height, width).
    ndim : {2, 3}
        Number of axes that are blurred, the last ones. All neighbours of a voxel count alike in
        ``D``, however far they are.
    method : {"tv", "wiener", "richardson-lucy"}
        With the differences ``D`` of neighbours and the weight ``w``:

        - ``"tv"``: the least ``|A x - y|^2 / 2 + w sum_n |(D x)_n|``, whose edges are sharp.
        - ``"wiener"``: the least ``|A x - y|^2 / 2 + w |D x|^2 / 2``, the fastest.
        - ``"richardson-lucy"``: the likelihood of counts, of 0 or more. Its steps end where the
          residual is as small as that of ``"wiener"`` would be.
    noise : float, optional
        Standard deviation of the noise. By default it is estimated, see
        `nufftlib.blur.estimate_noise`.
    weight : float, optional
        The weight ``w``, in units of the picture for ``"tv"`` and positive for ``"wiener"``. By
        default it is chosen from the noise; of ``"richardson-lucy"`` it is the total variation's
        and 0.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur, see `Blur`; a `SpaceVaryingBlur` has its own. Real pictures are
        ``"valid"``: their PSF sees pixels beyond the frame. These are found, too.
    nonnegative : bool
        Whether ``"tv"`` wants a picture of 0 or more.
    background : float
        With ``"richardson-lucy"``: the light of the detector that is in the blurred picture.
    seen : array of bool, of the blurred picture's shape, optional
        Which pixels count: not those that are clipped, hot or dead. Their light is found from the
        others, and the `residual` has what they differ by.
    steps : int, optional
        Steps at most, by default 200, of ``"tv"`` 300 and of ``"richardson-lucy"`` 100.
    callback : callable, optional
        ``callback(step, loss, picture)`` at the start, where `step` is 0, and after each step; a
        true value stops the loop.
    progress : bool
        Whether to show a progress bar with the loss.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    DeblurredPicture
        After Ctrl-C, the result of the steps done so far.

    Raises
    ------
    TypeError
        If picture or PSF is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If a name is unknown, the shapes do not fit, a number is out of its range, or the picture
        is not finite.
    KeyboardInterrupt
        If Ctrl-C comes before the first loss is known.

    Notes
    -----
    The weight of ``"wiener"`` has the least expected squared error for a power law that is fitted
    to the picture's spectrum. That of ``"tv"`` follows from it: both penalties are equally curved
    at twice the root mean square of the Wiener picture's differences. See
    docs/derivations/deblur.md.

    References
    ----------
    L. Condat, "A primal-dual splitting method for convex optimization involving Lipschitzian,
    proximable and linear composite terms", J. Optim. Theory Appl. 158 (2013) 460-479.

    W. H. Richardson, "Bayesian-based iterative method of image restoration", J. Opt. Soc. Am. 62
    (1972) 55-59; L. B. Lucy, "An iterative technique for the rectification of observed
    distributions", Astron. J. 79 (1974) 745-754.

    N. Dey et al., "Richardson-Lucy algorithm with total variation regularization for 3D confocal
    microscope deconvolution", Microsc. Res. Tech. 69 (2006) 260-266.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> sharp = data.astronaut()[:, ::2, ::2]
    >>> psf, blurred = workflows.simulate_blur(sharp, size=9, noise=0.005, seed=0)
    >>> result = workflows.deblur(blurred, psf, method="wiener")
    >>> inner = sharp[:, 4:-4, 4:-4]
    >>> before, after = (float(nl.psnr(x, inner, 1.0)) for x in (blurred, result.picture))
    >>> after > before + 5
    True
    """
    call = "deblur"
    method = choice(call, "method", method, METHODS)
    ndim = integer(call, "ndim", ndim, least=2, most=3)
    noise = noise if noise is None else not_negative(call, "noise", noise)
    weight = weight if weight is None else not_negative(call, "weight", weight)
    background = not_negative(call, "background", background)
    nonnegative, progress = flag(call, "nonnegative", nonnegative), flag(call, "progress", progress)
    steps = STEPS[method] if steps is None else integer(call, "steps", steps, least=0)
    optional_function(call, "callback", callback)
    if background and method != "richardson-lucy":
        msg = f"{call}(background): background is {background}; want 0 with the method {method!r}"
        raise ValueError(msg)
    if method == "wiener" and weight == 0:
        msg = f"{call}(weight): weight is 0; want a positive number with the method 'wiener'"
        raise ValueError(msg)
    clock = time.perf_counter()
    model = model_of(call, blurred, psf, boundary, ndim, seen)
    settings = {
        "blurred": blurred,
        "psf": psf,
        "ndim": ndim,
        "method": method,
        "noise": noise,
        "weight": weight,
        "boundary": boundary,
        "nonnegative": nonnegative,
        "background": background,
        "seen": seen,
    }
    begun(call, checkpoint, settings, blurred)
    model = without_gaps(model, noise, checkpoint)
    noise = noise_of(model) if noise is None else noise

    def follow(step: int, loss: float, x: Array) -> object:
        return callback is not None and callback(step, loss, model.cropped(x))

    taken, solve = prepared(model, method, noise, weight, nonnegative, background, checkpoint)
    loop, own = time.perf_counter(), checkpoint and checkpoint.part("loop")
    result = solve(steps=steps, callback=follow, progress=progress, checkpoint=own)
    seconds = elapsed(own, loop)
    if not result.history:  # Ctrl-C came before the first loss
        raise KeyboardInterrupt
    x = result.best_params
    return DeblurredPicture(
        losses=result.history,
        seconds=seconds,
        interrupted=result.interrupted,
        picture=model.cropped(x),
        with_margins=x,
        residual=blurred - model.blur.apply(x) - background,
        noise=noise,
        weight=taken,
        converged=result.converged,
        seconds_setup=loop - clock,
    )


def prepared(
    model: Model,
    method: Method,
    noise: float,
    weight: float | None,
    nonnegative: bool,
    background: float,
    checkpoint: optim.Checkpoint | None,
) -> tuple[float, Callable[..., optim.Result]]:
    """Return the weight, given or chosen, and the function that solves."""
    smooth = smooth_weight(model, noise)
    if method == "richardson-lucy":
        chosen, enough = weight or 0.0, smooth.residual * noise**2
        return chosen, lambda **settings: richardson_lucy(
            model, chosen, residual=enough, background=background, **settings
        )
    if method == "wiener":
        found = smooth.weight if weight is None else weight
        return found, Wiener(model, found).solve
    x = wiener(model, smooth.weight, checkpoint, "start")
    length = variation_weight(smooth.weight, x, model.ndim) if weight is None else weight
    return length, lambda **settings: deblur_by_variation(
        model, length, x, nonnegative=nonnegative, **settings
    )


def wiener(model: Model, weight: float, checkpoint: optim.Checkpoint | None, name: str) -> Array:
    """Return Wiener's picture, with a part of the checkpoint for its steps."""
    found = Wiener(model, weight).solve(
        steps=STEPS["wiener"], checkpoint=checkpoint and checkpoint.part(name)
    )
    if found.interrupted:
        raise KeyboardInterrupt
    picture: Array = found.params
    return picture


def noise_of(model: Model) -> float:
    """Estimate the noise of the picture."""
    y, d = model.blurred, model.ndim
    return noise_at(y, model.power(tuple(y.shape[-d:])), d)


def without_gaps(model: Model, noise: float | None, checkpoint: optim.Checkpoint | None) -> Model:
    """Return the model with pixels that do not count as they would be seen.

    Their own values are nobody's, and gaps have edges: noise and weight would be those of the
    edges. So they are those of Wiener's picture of the others, which is blurred as the rest is.
    """
    if model.seen is None:
        return model
    model = model.filled_by_means()
    for i in range(ROUNDS):
        weight = smooth_weight(model, noise_of(model) if noise is None else noise).weight
        model = model.filled(model.blur.apply(wiener(model, weight, checkpoint, f"gaps {i}")))
    return model


def smooth_weight(model: Model, noise: float) -> Choice:
    """Return the choice for Wiener's filter; noise below the picture's rounding counts as that."""
    xp = namespace(model.blurred)
    rounding = QUIET * float(xp.finfo(model.blurred.dtype).eps)
    brightest = float(xp.max(xp.abs(model.blurred))) or 1.0
    return wiener_weight(model, max(noise, rounding * brightest))
