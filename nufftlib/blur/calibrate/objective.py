"""The objective of the calibration: pairs of images, and the two ways of computing it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.blur.calibrate.recipes import RECIPES, Method, Recipe
from nufftlib.blur.normal_equations import normal_equations
from nufftlib.blur.operator import AXES, Blur
from nufftlib.blur.psfs.made import pixels_nd
from nufftlib.core.arrays import (
    Array,
    check_finite,
    check_precision,
    check_real,
    common_namespace,
    item_bytes,
)
from nufftlib.core.kinds import choice
from nufftlib.core.losses import HalfSquaredError, MeanAbsoluteError
from nufftlib.core.operator import Map

Evaluation = Literal["auto", "quadratic", "general"]


PATHS: tuple[Evaluation, ...] = get_args(Evaluation)


LARGEST_MATRIX = 2**30
"""Most bytes of the quadratic function's matrix with ``path="auto"``."""


WORTH = 64
"""Most bytes of matrix for a byte of image: measured, see docs/job-2-calibrate-psf.md."""


def first_psf(
    call: str, images: Sequence[Array], size: int | tuple[int, ...], ndim: int = 2
) -> Array:
    """Return the first PSF of a calibration by these sharp images: a box."""
    if not images:
        msg = f"{call}(sharp): sharp has no images; want at least 1"
        raise ValueError(msg)
    for image in images:
        check_image(call, "sharp", image, ndim)
    sharp, xp = images[0], array_namespace(images[0])
    P = pixels_nd(call, size, ndim)
    box = np.zeros(P)
    box[tuple(slice(p // 5, p - p // 5) for p in P)] = 1.0
    return xp.asarray(box / box.sum(), dtype=sharp.dtype, device=device(sharp))


def check_image(call: str, name: str, image: Array, ndim: int = 2) -> None:
    """Refuse all but finite, real images of `ndim` axes or more."""
    caller = f"{call}({name})"
    xp = common_namespace(caller, **{name: image})
    check_real(xp, caller, name, image)
    if image.ndim < ndim:
        msg = f"{caller}: {name} has the shape {tuple(image.shape)}; want (..., {AXES[ndim]})"
        raise ValueError(msg)
    check_finite(xp, caller, name, image)


def several(images: Array | Sequence[Array]) -> Sequence[Array]:
    """Return images as a sequence, of one alone as well."""
    return images if isinstance(images, list | tuple) else [images]


def as_pairs(
    blur: Blur,
    sharp: Array | Sequence[Array],
    blurred: Array | Sequence[Array],
    caller: str = "calibrate_psf",
) -> list[tuple[Array, Array]]:
    """Return the pairs of images; the blurred ones have the size that the boundary gives."""
    images, data = several(sharp), several(blurred)
    if len(images) != len(data) or not images:
        msg = (
            f"{caller}(sharp, blurred): there are {len(images)} sharp and {len(data)} blurred "
            f"images; want as many, and at least 1"
        )
        raise ValueError(msg)
    return [(x, fitting(blur, x, y, caller)) for x, y in zip(images, data, strict=True)]


def fitting(blur: Blur, x: Array, y: Array, caller: str = "calibrate_psf") -> Array:
    """Return the blurred image of the size that the boundary gives, or refuse it."""
    call = f"{caller}(sharp, blurred)"
    xp = common_namespace(call, sharp=x, blurred=y, psf=blur.psf)
    check_precision(xp, call, sharp=x, blurred=y, psf=blur.psf)
    check_real(xp, call, "blurred", y)
    valid, d = blur.boundary == "valid", blur.ndim
    P, n = tuple(blur.psf.shape), tuple(x.shape[-d:])
    if valid and y.shape == x.shape:
        y = y[(..., *(slice(p - 1 - p // 2, m - p // 2) for p, m in zip(P, n, strict=True)))]
    inner = (m - p + 1 for p, m in zip(P, n, strict=True))
    made = (*x.shape[:-d], *inner) if valid else tuple(x.shape)
    psf = " x ".join(map(str, P))
    if min(made) < 1:
        msg = (
            f"{call}: sharp has the shape {tuple(x.shape)}; want at least "
            f"{f'{psf} pixels, the size of the PSF' if valid else '1 pixel'}"
        )
        raise ValueError(msg)
    if tuple(y.shape) != made:
        msg = (
            f"{call}: blurred has the shape {tuple(y.shape)}; want {made}, which a PSF of "
            f"{psf} with boundary {blur.boundary!r} makes of the sharp image's "
            f"{tuple(x.shape)}"
        )
        raise ValueError(msg)
    check_finite(xp, call, "blurred", y)
    return y


def taken_path(
    recipe: Recipe, blur: Blur, pairs: Sequence[tuple[Array, Array]], path: Evaluation
) -> Literal["quadratic", "general"]:
    """Return how the objective is evaluated."""
    path = choice("calibrate_psf", "path", path, PATHS)
    if path == "quadratic" and recipe.loss != "squared":
        msg = "calibrate_psf(path): path is 'quadratic'; want 'general' for the absolute error"
        raise ValueError(msg)
    if path != "auto":
        return path
    xp = array_namespace(blur.psf)
    matrix = 8 * math.prod(blur.psf.shape) ** 2
    images = sum(math.prod(x.shape) * item_bytes(xp, x) for x, _ in pairs)
    pays = recipe.loss == "squared" and matrix <= min(LARGEST_MATRIX, WORTH * images)
    return "quadratic" if pays else "general"


def objective_of(
    recipe: Recipe, blur: Blur, pairs: Sequence[tuple[Array, Array]], path: str
) -> Map:
    """Return the mean loss over all samples of all pairs, as a function of the PSF."""
    samples = sum(math.prod(y.shape) for _, y in pairs)
    terms: list[Map] = []
    for x, y in pairs:
        if path == "quadratic":
            terms.append((1 / samples) * normal_equations(blur, x, y))
        elif recipe.loss == "squared":
            terms.append((1 / samples) * HalfSquaredError(y) @ blur.as_map("psf", x))
        else:
            part = math.prod(y.shape) / samples
            terms.append(part * MeanAbsoluteError(y) @ blur.as_map("psf", x))
    return sum(terms[1:], start=terms[0])


def loss_at(
    psf: Array,
    sharp: Array | Sequence[Array],
    blurred: Array | Sequence[Array],
    method: Method,
    boundary: str,
) -> float:
    """Return the loss of a method at a PSF."""
    blur = Blur(psf, boundary=boundary, ndim=psf.ndim)
    return float(
        objective_of(RECIPES[method], blur, as_pairs(blur, sharp, blurred), "general")(psf)
    )
