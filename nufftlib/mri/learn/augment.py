r"""Augmentation: other images and coils that a scanner could have seen, made of the given ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.core.arrays import Array, Namespace, complex_dtype
from nufftlib.core.kinds import flag, generator, not_negative, out_of_range, positive, wrong_kind
from nufftlib.mri.coils.birdcage import birdcage_maps
from nufftlib.mri.learn.images import check_images, pairs

WAVES = 3
"""Half periods of a phase along each axis, at most."""


@dataclass(frozen=True)
class Augmentation:
    r"""Random changes of images and of the coils that see them.

    Parameters
    ----------
    flips : bool
        Flip each image along each axis with a probability of one half.
    quarter_turns : bool
        Turn each image in the plane of its first two axes, of equal length, by 0, 90, 180 or 270
        degrees.
    phase : float
        Multiply each image by :math:`e^{i \varphi}` with a random smooth phase whose standard
        deviation is this, in radians.
    coils : tuple of float, optional
        In place of the given coils, those of a birdcage at a random angle, with a radius between
        these two, see `birdcage_maps`: as many coils.

    Notes
    -----
    Coils turn and flip with their image. So maps that are zero where the image is, fit on.

    The phase is a sum of cosines along the axes,

    .. math:: \varphi(p) = \sigma \sum_{m \ne 0} c_m \, w_m \prod_a
              \sqrt{2}^{\,[m_a > 0]} \cos(\pi m_a p_a), \qquad
              w_m \propto |m|^{-2}, \quad \sum_m w_m^2 = 1,

    where :math:`p_a` goes from 0 to 1 along the axis `a`, :math:`m_a` from 0 to 3, and the
    :math:`c_m` are drawn from the standard normal distribution. Its mean over the image is zero:
    a constant phase changes no magnitude.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> images = data.brain()[None, ::4, ::4]
    >>> coil_maps = nl.mri.birdcage_maps(4, images.shape[1:])
    >>> change = workflows.Augmentation(flips=True, phase=0.5, coils=(1.3, 2.0))
    >>> x, s = change(images, coil_maps, seed=0)
    >>> x.shape, str(x.dtype), s.shape
    ((1, 64, 64), 'complex64', (1, 4, 64, 64))
    """

    flips: bool = False
    quarter_turns: bool = False
    phase: float = 0.0
    coils: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        call = "Augmentation"
        for name in ("flips", "quarter_turns"):
            object.__setattr__(self, name, flag(call, name, getattr(self, name)))
        object.__setattr__(self, "phase", not_negative(call, "phase", self.phase))
        if self.coils is None:
            return
        if not isinstance(self.coils, tuple | list) or len(self.coils) != 2:
            raise wrong_kind(call, "coils", self.coils, "the least and the largest radius, or None")
        least, most = (positive(call, "coils", radius) for radius in self.coils)
        if least > most:
            raise out_of_range(call, "coils", self.coils, "the least radius before the largest")
        object.__setattr__(self, "coils", (least, most))

    def __call__(self, images: Array, coil_maps: Array, *, seed: int) -> tuple[Array, Array]:
        """Return changed images, and the maps of the coils that see them.

        Parameters
        ----------
        images : array, shape (n, *shape), real or complex
            Images or volumes.
        coil_maps : array, shape (coils, *shape) or (n, coils, *shape), complex
            Maps of the coils that see all images, or each its own.
        seed : int
            Seed; one seed gives the same in every library and on every device.

        Returns
        -------
        images : array, shape (n, *shape)
            Complex, if a phase is asked for.
        coil_maps : array, shape (coils, *shape) or (n, coils, *shape)
            Of each image, if coils change.
        """
        call = "Augmentation.__call__"
        check_images(f"{call}(images, coil_maps)", images, coil_maps)
        xp = array_namespace(images)
        shape = tuple(images.shape[1:])
        if self.quarter_turns and shape[0] != shape[1]:
            msg = (
                f"{call}(images): images have the shape {shape}; "
                f"want as many rows as columns for quarter turns"
            )
            raise ValueError(msg)
        rng = generator(call, seed)
        moves = self.flips or self.quarter_turns
        changed = []
        for x, s in pairs(images, coil_maps):
            if self.coils is not None:
                s = birdcage(xp, rng, self.coils, s)
            if moves:
                x, s = self._moved(rng, x, s)
            if self.phase:
                x = xp.astype(x, complex_dtype(xp, x)) * phase_factor(xp, rng, self.phase, x)
            changed.append((x, s))
        x = xp.stack([x for x, _ in changed])
        if not (moves or self.coils):
            return x, coil_maps
        return x, xp.stack([s for _, s in changed])

    def _moved(self, rng: np.random.Generator, x: Array, s: Array) -> tuple[Array, Array]:
        """Return an image and its maps, turned and flipped alike."""
        turns = int(rng.integers(4)) if self.quarter_turns else 0
        flips = rng.integers(2, size=x.ndim) if self.flips else np.zeros(x.ndim)
        # The axes of an image are the last ones of the maps.
        axes = tuple(a - x.ndim for a in range(x.ndim) if flips[a])
        return moved(x, turns, axes, x.ndim), moved(s, turns, axes, x.ndim)


def moved(x: Array, turns: int, flips: tuple[int, ...], ndim: int) -> Array:
    """Turn by quarters in the plane of the first two of the last `ndim` axes, then flip."""
    xp = array_namespace(x)
    rows, columns = -ndim, 1 - ndim
    if turns % 2:
        x = xp.flip(xp.moveaxis(x, rows, columns), axis=rows)
    if turns >= 2:
        x = xp.flip(x, axis=(rows, columns))
    return xp.flip(x, axis=flips) if flips else x


def phase_factor(xp: Namespace, rng: np.random.Generator, std: float, x: Array) -> Array:
    """Return ``e^{i phi}`` with a random smooth phase, of the shape of `x`."""
    modes = [m for m in product(range(WAVES + 1), repeat=x.ndim) if any(m)]
    weights = np.asarray([1 / sum(n * n for n in m) for m in modes])
    weights *= std / math.sqrt(float(np.sum(weights**2)))
    phase: Any = np.zeros(tuple(x.shape))
    for m, c in zip(modes, weights * rng.standard_normal(len(modes)), strict=True):
        phase = phase + c * math.prod(
            np.reshape(cosine(n, size), (-1, *(1 for _ in range(axis + 1, x.ndim))))
            for axis, (n, size) in enumerate(zip(m, x.shape, strict=True))
        )
    return xp.asarray(np.exp(1j * phase), dtype=complex_dtype(xp, x), device=device(x))


def cosine(waves: int, size: int) -> Any:
    """Return so many half periods of a cosine, of a mean square of one."""
    p = (np.arange(size) + 0.5) / size
    return (math.sqrt(2.0) if waves else 1.0) * np.cos(math.pi * waves * p)


def birdcage(
    xp: Namespace, rng: np.random.Generator, radii: tuple[float, float], s: Array
) -> Array:
    """Return the maps of a random birdcage, in place of `s`."""
    radius, angle = rng.uniform(*radii), rng.uniform(0, 2 * math.pi)
    return birdcage_maps(
        s.shape[0],
        tuple(s.shape[1:]),
        radius=radius,
        angle=angle,
        xp=xp,
        dtype=s.dtype,
        device=device(s),
    )
