"""The L-curve: residual and penalty of a range of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import optim
from nufftlib.core.arrays import Array
from nufftlib.core.kinds import choice, instance, integer
from nufftlib.inverse.resuming import begun
from nufftlib.mri.reconstruct.job import (
    METHODS,
    STEPS,
    Method,
    ReconstructedImage,
    check_scan,
    prepared,
)
from nufftlib.mri.reconstruct.model import model_of

FACTORS = tuple(10.0 ** (i / 2) for i in range(-4, 5))
"""Of the weight: two powers of ten to each side, two steps in each."""

TOLERANCE = 1e-6
"""Of conjugate gradients. A small weight leaves parts along small eigenvalues of the system, which
are the last to converge."""

MOST: dict[Method, int] = {**STEPS, "cg": 300}
"""Steps at most, by default."""


@dataclass(frozen=True)
class LCurve:
    """Residual and penalty of a range of weights, see `l_curve`.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        The weights, from the least to the largest.
    residuals : ndarray, shape (n,)
        Root mean squares of ``A x - y``. They rise.
    penalties : ndarray, shape (n,)
        Penalties without their weight. They fall likewise.
    """

    weights: Any
    residuals: Any
    penalties: Any


def l_curve(
    data: Array,
    trajectory: Array,
    shape: tuple[int, ...],
    found: ReconstructedImage,
    *,
    method: Method = "cg",
    field_map: Array | None = None,
    times: Array | None = None,
    steps: int | None = None,
    checkpoint: optim.Checkpoint | None = None,
) -> LCurve:
    """Reconstruct with weights around the one that was taken.

    Drawn against each other on two logarithmic axes, residual and penalty often have a corner. To
    one side of it a smaller weight fits noise, to the other a larger one leaves signal out.

    Parameters
    ----------
    data : array, shape (coils, *samples), complex
        The samples of all coils.
    trajectory : array, shape (*samples, d), real
        Where they are in k-space, in cycles per voxel.
    shape : tuple of int
        Shape of the image.
    found : ReconstructedImage
        Its result, whose maps are used, and whose weight is in the middle.
    method : {"cg", "tv", "wavelet"}
        The method.
    field_map, times : array, optional
        Off-resonance, as for `reconstruct`.
    steps : int, optional
        Steps at most for each weight, by default 300 of ``"cg"``, which ends at an error of 1e-6,
        and 20 of the others.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    LCurve
        Of nine weights, two for each power of ten.

    Raises
    ------
    ValueError
        If the method or the result has no weight, or as of `reconstruct`.
    KeyboardInterrupt
        If Ctrl-C comes: a part of the curve is none. A checkpoint has it, and goes on from there.

    References
    ----------
    P. C. Hansen, "Analysis of discrete ill-posed problems by means of the L-curve", SIAM Review 34
    (1992) 561-580.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> x = data.brain()[::8, ::8].astype(np.complex64)
    >>> k = nl.mri.trajectories.radial(32, 64)
    >>> s = nl.mri.birdcage_maps(4, x.shape)
    >>> rng = np.random.default_rng(0)
    >>> n = 0.05 * rng.standard_normal((2, 4, 32, 64)).astype(np.float32)
    >>> y = nl.NUFFT(k, x.shape, norm="ortho")(s * x) + (n[0] + 1j * n[1])
    >>> found = workflows.reconstruct(y, k, x.shape, maps=s)
    >>> curve = workflows.l_curve(y, k, x.shape, found)
    >>> curve.weights.shape, bool(curve.residuals[8] > 2 * curve.residuals[4])
    ((9,), True)
    >>> bool(np.all(np.diff(curve.penalties) < 0))
    True
    """
    call = "l_curve"
    instance(call, "found", found, ReconstructedImage, "a ReconstructedImage")
    choice(call, "method", method, tuple(m for m in METHODS if m != "adjoint"))
    if not found.weight > 0:
        msg = f"{call}(found): the weight of found is {found.weight}; want a positive one"
        raise ValueError(msg)
    steps = MOST[method] if steps is None else integer(call, "steps", steps, least=0)
    shape = check_scan(call, data, trajectory, shape, found.maps, field_map, times)
    model = model_of(data, trajectory, shape, found.maps, field_map, times)
    settings = {
        "data": data,
        "trajectory": trajectory,
        "shape": shape,
        "maps": found.maps,
        "weight": found.weight,
        "method": method,
        "field_map": field_map,
        "times": times,
        "steps": steps,
    }
    points: list[tuple[float, float]] = begun(call, checkpoint, settings, data) or []
    weights = [f * found.weight for f in FACTORS]
    for i, weight in enumerate(weights):
        if i < len(points):
            continue
        solve, penalty = prepared(model, method, weight, TOLERANCE)
        result = solve(steps=steps, checkpoint=checkpoint and checkpoint.part(f"weight {i}"))
        if result.interrupted:
            raise KeyboardInterrupt
        points = [*points, (model.residual(result.params), penalty(result.params))]
        if checkpoint is not None:
            checkpoint.save(points)
            checkpoint.drop(f"weight {i}")
    if checkpoint is not None:
        checkpoint.flush()
    residuals, penalties = np.asarray(points).T
    return LCurve(np.asarray(weights), residuals, penalties)
