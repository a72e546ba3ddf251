"""The job: data and trajectory in, image and coil maps out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import optim
from nufftlib.core.arrays import (
    Array,
    check_finite,
    check_precision,
    check_real,
    common_namespace,
    is_complex,
)
from nufftlib.core.kinds import (
    choice,
    flag,
    integer,
    not_negative,
    optional_function,
    out_of_range,
    sizes,
)
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed
from nufftlib.mri.preconditioner import circulant_preconditioner
from nufftlib.mri.reconstruct.model import Model, model_of, root_mean_square
from nufftlib.mri.reconstruct.penalties import Variation, Wavelets

Method = Literal["adjoint", "cg", "tv", "wavelet"]
METHODS: tuple[Method, ...] = get_args(Method)
"""The names of the methods."""

STEPS: dict[Method, int] = {"adjoint": 0, "cg": 100, "tv": 20, "wavelet": 20}
"""Steps at most, by default."""

TOLERANCE = 1e-4
"""Of conjugate gradients: far below the noise of any scan."""

LEAST = 1e-3
"""The damping of the preconditioner at least, in mean diagonals of ``A^H A``."""

LEAST_WEIGHT = 1e-35
"""The least weight but 0, and its reciprocal the largest: what single precision holds."""

INNER = 5
"""Steps of conjugate gradients for each step of ADMM."""

PRIOR: dict[Method, float] = {"adjoint": 0.0, "cg": 10.0, "tv": 1.0, "wavelet": 1.0}
"""The weight in units of its formula, see `chosen_weight`; docs/reconstruct.md compares others."""


@dataclass(frozen=True, eq=False, repr=False)
class ReconstructedImage(Run):
    """The result of `reconstruct`.

    Parameters
    ----------
    losses : list of float
        At the start and after each step: of ``"cg"`` the error of the linear system (see
        `optim.conjugate_gradient`), of ``"tv"`` and ``"wavelet"`` the objective.
    seconds : float
        Duration of the optimisation loop; of one that went on from a checkpoint with the time
        before that.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    image : array, shape (*shape), complex
        The image.
    maps : array, shape (coils, *shape), complex
        Coil sensitivities, given or estimated.
    residual : float
        The root mean square of ``A x - y``: the noise, if the model is right.
    noise : float or None
        The standard deviation of a complex sample's noise, given or estimated; of ``"adjoint"``,
        which needs none, as given.
    weight : float
        The weight of the penalty, given or chosen; 0 of ``"adjoint"``.
    penalty : float
        The penalty of the image without its weight.
    converged : bool
        Whether the tolerance was met.
    seconds_setup : float
        Duration of the preparations: maps, noise and weight.
    """

    image: Array
    maps: Array
    residual: float
    noise: float | None
    weight: float
    penalty: float
    converged: bool
    seconds_setup: float

    thumbnails = (("image", picture),)


def reconstruct(
    data: Array,
    trajectory: Array,
    shape: tuple[int, ...],
    *,
    method: Method = "cg",
    maps: Array | None = None,
    noise: float | None = None,
    weight: float | None = None,
    field_map: Array | None = None,
    times: Array | None = None,
    steps: int | None = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
) -> ReconstructedImage:
    r"""Reconstruct the image of a scan with several coils.

    Parameters
    ----------
    data : array, shape (coils, *samples), complex
        The samples of all coils.
    trajectory : array, shape (*samples, d), real
        Where they are in k-space, in cycles per voxel.
    shape : tuple of int
        Shape of the image, of ``d`` axes.
    method : {"cg", "adjoint", "tv", "wavelet"}
        With the orthonormal transform ``F``, ``A = F S`` and the weight ``w``:

        - ``"cg"``: the least ``|A x - y|^2 / 2 + w |x|^2 / 2``.
        - ``"adjoint"``: ``A^H W y`` with the density weights of `pipe_menon`, at once.
        - ``"tv"``: the least ``|A x - y|^2 / 2 + w sum_n |(D x)_n|``, with the differences ``D`` of
          neighbours.
        - ``"wavelet"``: the least ``|A x - y|^2 / 2 + w |W x|_1``, the mean over four places of
          Daubechies' wavelets.

    maps : array, shape (coils, *shape), complex, optional
        Coil sensitivities. By default ESPIRiT finds them from the centre of k-space. One coil
        needs a map of ones.
    noise : float, optional
        Standard deviation of the noise of a complex sample, the same in all coils. By default that
        of the residual of a short fit; ``"adjoint"`` needs none.
    weight : float, optional
        The weight ``w``, 0 or 1e-35 to 1e35. By default it is chosen from the noise, see Notes. The
        method ``"adjoint"`` has none.
    field_map : array, shape (*shape), real or complex, optional
        Off-resonance in hertz, or rates in 1/s, see `OffResonance`.
    times : array, real, optional
        With `field_map`: the time of each sample in seconds, which broadcasts to the samples.
    steps : int, optional
        Steps at most, by default 100 of ``"cg"`` and 20 of ``"tv"`` and ``"wavelet"``.
    callback : callable, optional
        ``callback(step, loss, image)`` at the start, where `step` is 0, and after each step; a
        true value stops the loop. ``"adjoint"`` has no steps and calls it not.
    progress : bool
        Whether to show a progress bar.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    ReconstructedImage
        After Ctrl-C, the result of the steps done so far.

    Raises
    ------
    TypeError
        If the arrays are not of one precision and library, or a setting of the wrong kind.
    ValueError
        If the shapes do not fit, data are not finite, a name is unknown, or a number is out of its
        range.
    KeyboardInterrupt
        If Ctrl-C comes before the first loss is known.

    Notes
    -----
    **Weights.** With the noise's standard deviation :math:`\sigma`, the mean diagonal `m` of
    ``A^H A`` (samples by voxels) and the mean square `P` of the image of a short fit, they are
    :math:`10 \sigma^2 / P` of ``"cg"``, and :math:`\sigma \sqrt m` of ``"tv"`` and ``"wavelet"``:
    the noise of a voxel in ``A^H y``. docs/reconstruct.md compares them with the best ones.

    ``"cg"`` is preconditioned by `circulant_preconditioner`, and ends at an error of 1e-4.
    ``"tv"`` and ``"wavelet"`` are solved by `optim.admm`, from the image of ``"adjoint"``.

    References
    ----------
    K. P. Pruessmann et al., "Advances in sensitivity encoding with arbitrary k-space trajectories",
    Magn. Reson. Med. 46 (2001) 638-651.

    M. Lustig, D. Donoho and J. M. Pauly, "Sparse MRI: the application of compressed sensing for
    rapid MR imaging", Magn. Reson. Med. 58 (2007) 1182-1195.

    K. T. Block, M. Uecker and J. Frahm, "Undersampled radial MRI with multiple coils: iterative
    image reconstruction using a total variation constraint", Magn. Reson. Med. 57 (2007) 1086-1098.

    R. R. Coifman and D. L. Donoho, "Translation-invariant de-noising", Wavelets and Statistics,
    Springer (1995) 125-150 (wavelets at several places).

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> x = data.brain()[::4, ::4].astype(np.complex64)
    >>> k = nl.mri.trajectories.radial(48, 128)
    >>> F = nl.NUFFT(k, x.shape, norm="ortho")
    >>> y = F(nl.mri.birdcage_maps(8, x.shape) * x)
    >>> result = workflows.reconstruct(y, k, x.shape)
    >>> float(nl.nrmse(abs(result.image), abs(x))) < 0.1
    True
    """
    call = "reconstruct"
    method = choice(call, "method", method, METHODS)
    noise = noise if noise is None else not_negative(call, "noise", noise)
    weight = weight if weight is None else not_negative(call, "weight", weight)
    progress = flag(call, "progress", progress)
    steps = STEPS[method] if steps is None else integer(call, "steps", steps, least=0)
    optional_function(call, "callback", callback)
    shape = check_scan(call, data, trajectory, shape, maps, field_map, times)
    if weight is not None:
        check_weight(call, method, weight)
    if method == "wavelet":
        Wavelets(shape)  # refuses some shapes, before minutes of work
    clock = time.perf_counter()
    settings = {
        "data": data,
        "trajectory": trajectory,
        "shape": shape,
        "method": method,
        "maps": maps,
        "noise": noise,
        "weight": weight,
        "field_map": field_map,
        "times": times,
    }
    begun(call, checkpoint, settings, data)
    model = model_of(data, trajectory, shape, maps, field_map, times)
    if method == "adjoint":
        weight = 0.0
    else:
        noise = model.noise() if noise is None else noise
        weight = chosen_weight(model, method, noise) if weight is None else weight
    solve, penalty = prepared(model, method, weight, TOLERANCE)
    loop = time.perf_counter()
    # The adjoint is there at once: no loop begins a part.
    own = None if checkpoint is None or method == "adjoint" else checkpoint.part("loop")
    result = solve(steps=steps, callback=callback, progress=progress, checkpoint=own)
    seconds = elapsed(own, loop)
    if not result.history:  # Ctrl-C came before the first loss
        raise KeyboardInterrupt
    x = result.params
    return ReconstructedImage(
        losses=result.history,
        seconds=seconds,
        interrupted=result.interrupted,
        image=x,
        maps=model.maps,
        residual=model.residual(x),
        noise=noise,
        weight=weight,
        penalty=penalty(x),
        converged=result.converged,
        seconds_setup=loop - clock,
    )


def check_scan(
    call: str,
    data: Array,
    trajectory: Array,
    shape: tuple[int, ...],
    maps: Array | None,
    field_map: Array | None,
    times: Array | None,
) -> tuple[int, ...]:
    """Refuse arrays that do not go together; return the shape."""
    shape = sizes(call, "shape", shape, "the voxels along each axis")
    given = {"maps": maps, "field_map": field_map, "times": times}
    more = {name: x for name, x in given.items() if x is not None}
    label = f"{call}({', '.join(('data', 'trajectory', *more))})"
    xp = common_namespace(label, data=data, trajectory=trajectory, **more)
    check_precision(xp, label, data=data, trajectory=trajectory, **more)
    for name, x in (("data", data), ("maps", maps)):
        if x is not None and not is_complex(xp, x):
            msg = f"{call}({name}): {name} is {x.dtype}; want complex numbers"
            raise TypeError(msg)
        if x is not None:
            check_finite(xp, f"{call}({name})", name, x)
    check_real(xp, f"{call}(trajectory)", "trajectory", trajectory)
    if trajectory.ndim < 2 or trajectory.shape[-1] != len(shape):
        msg = (
            f"{call}(trajectory): trajectory has the shape {tuple(trajectory.shape)}; want "
            f"(..., {len(shape)}), one component for each axis of the image {shape}"
        )
        raise ValueError(msg)
    samples = tuple(trajectory.shape[:-1])
    if data.ndim != len(samples) + 1 or tuple(data.shape[1:]) != samples:
        msg = (
            f"{call}(data): data have the shape {tuple(data.shape)}; want "
            f"(coils, {', '.join(map(str, samples))}), the samples of the trajectory"
        )
        raise ValueError(msg)
    if maps is not None and tuple(maps.shape) != (data.shape[0], *shape):
        msg = (
            f"{call}(maps): maps have the shape {tuple(maps.shape)}; want "
            f"({data.shape[0]}, {', '.join(map(str, shape))})"
        )
        raise ValueError(msg)
    if maps is None and data.shape[0] == 1:
        msg = f"{call}(maps): maps is None, and there is one coil; want a map, such as ones"
        raise ValueError(msg)
    if (field_map is None) != (times is None):
        missing, there = ("times", "field_map") if times is None else ("field_map", "times")
        msg = f"{call}({missing}): {missing} is None, and {there} is given; want both"
        raise ValueError(msg)
    return shape


def check_weight(call: str, method: Method, weight: float) -> None:
    """Refuse a weight of a method without one, or out of the range of all precisions."""
    if method == "adjoint":
        raise out_of_range(call, "weight", weight, "none", "the method adjoint has none")
    if weight and not LEAST_WEIGHT <= weight <= 1 / LEAST_WEIGHT:
        wish = f"0, or {LEAST_WEIGHT:g} to {1 / LEAST_WEIGHT:g}"
        raise out_of_range(call, "weight", weight, wish)


def chosen_weight(model: Model, method: Method, noise: float) -> float:
    """Return the weight that the noise asks for."""
    if method == "cg":
        size = root_mean_square(model.trial)
        return PRIOR[method] * (noise / size) ** 2 if size > 0 else 0.0
    return PRIOR[method] * noise * math.sqrt(model.mean_diagonal)


Solver = Callable[..., optim.Result]


def prepared(
    model: Model, method: Method, weight: float, tolerance: float
) -> tuple[Solver, Callable[[Array], float]]:
    """Return the function that solves, and the penalty without its weight.

    The tolerance is that of conjugate gradients; the others take all their steps.
    """
    if method == "adjoint":
        x = model.compensated

        def at_once(**_: object) -> optim.Result:
            return optim.Result(x, [model.residual(x)], None, x, 0.0, 0, False, True)

        return at_once, lambda _: 0.0
    if method == "cg":
        return lambda **settings: squares(
            model, weight, tolerance=tolerance, **settings
        ), lambda x: math.prod(x.shape) * root_mean_square(x) ** 2 / 2
    shape = tuple(model.maps.shape[1:])
    K = Variation(shape) if method == "tv" else Wavelets(shape)
    whole = K.penalty(1.0)

    # The start is a step of admm's.
    return lambda *, steps, **settings: optim.admm(
        model.A.N.apply,
        model.backward,
        K.apply,
        K.adjoint,
        K.penalty(weight),
        guess=model.compensated,
        inner_steps=INNER,
        constant=math.prod(model.y.shape) * root_mean_square(model.y) ** 2 / 2,
        steps=steps + 1,
        **settings,
    ), lambda x: float(whole.value(K.apply(x)))


# (A^H A + w) x = A^H y
def squares(model: Model, weight: float, **settings: Any) -> optim.Result:
    """Solve by conjugate gradients, with the circulant matrix nearest to that of the system."""
    damping = max(weight, LEAST * model.mean_diagonal)
    near = circulant_preconditioner(model.F, model.maps, damping=damping)

    def system(x: Array) -> Array:
        return model.A.N.apply(x) + weight * x

    return optim.conjugate_gradient(system, model.backward, precondition=near.apply, **settings)
