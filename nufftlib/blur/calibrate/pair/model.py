"""A pair of pictures, and how they differ but for the blur."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nufftlib.blur.calibrate.pair.between import (
    REACH,
    SMOOTHING,
    between_pixels,
    between_twice,
    slopes_between,
    smoothed,
)
from nufftlib.blur.calibrate.pair.statistics import Centred, Sharp, centred
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, namespace
from nufftlib.core.convert import fetched
from nufftlib.warp.operator import Warp

MARGIN = 3
"""Pixels beyond the largest displacement by a rotation that are left out at the edge."""

LEAST = 16
"""Pixels of a side that a motion has to leave."""

STILL = (0.0, 0.0, 0.0, 1.0)


class Overlap(NamedTuple):
    """Which part of the given pictures a pair is, where these are far apart.

    Attributes
    ----------
    sharp, blurred : tuple of int
        The first row and column of either.
    shape : tuple of int
        Of the sharp picture that was given.
    """

    sharp: tuple[int, int]
    blurred: tuple[int, int]
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Pair:
    """A sharp and a blurred picture, and how they differ but for the blur.

    Parameters
    ----------
    blur : Blur
        With the PSF's shape and the boundary "valid", in double precision.
    x : array, shape (channels, height, width), double precision
        The sharp picture.
    y : array, double precision
        The valid part of the blurred one, as it is stored.
    seen : array of bool
        Which pixels of `y` count.
    motion : tuple of float
        Shift along both axes, rotation and scale of a `Warp` of the sharp picture.
    gamma : float
        The blurred picture is stored as the power ``1 / gamma`` of the light.
    edge : int
        Pixels that are left out at the edge, or more if the motion asks for it.
    filled : array or None
        If given, both pictures are compared without their finest detail. It is `y` with other
        values where pixels do not count, since the filter reaches them.
    overlap : Overlap or None
        Which part of the given pictures this is; all, if None.
    vignette, black : array or None
        Which part of the light each pixel of `y` got, and the channels' offsets behind which it
        was lost.
    """

    blur: Blur
    x: Array
    y: Array
    seen: Array
    motion: tuple[float, ...] = STILL
    gamma: float = 1.0
    edge: int = 0
    filled: Array | None = None
    overlap: Overlap | None = None
    vignette: Array | None = None
    black: Array | None = None

    @property
    def turned(self) -> bool:
        """Whether the sharp picture is not only shifted."""
        return self.motion[2:] != STILL[2:]

    @cached_property
    def margin(self) -> int:
        """How far from its edge the moved picture may show what lies outside of it."""
        if self.motion == STILL:
            return self.edge
        *shift, angle, scale = self.motion
        half = max(int(n) for n in self.x.shape[-2:]) / 2
        far = max(map(abs, shift)) + half * (abs(angle) + abs(scale - 1))
        return max(self.edge, math.ceil(far) + REACH + (MARGIN if self.turned else 0))

    @property
    def open(self) -> bool:
        """Whether the motion leaves pixels within the margin."""
        least: int = min(self.y.shape[-2:])
        return least - 2 * (self.margin + SMOOTHING) >= LEAST

    def inner(self, a: Array, more: int = 0) -> Array:
        """Return what lies within the margin."""
        m = self.margin + more
        return a[..., m : a.shape[-2] - m, m : a.shape[-1] - m]

    @property
    def warp(self) -> Warp:
        """The operator of the motion, with rotation and scale among its parameters."""
        xp: Any = namespace(self.x)
        shift, *rest = list(self.motion[:2]), *self.motion[2:]
        like = {"dtype": self.x.dtype, "device": self.x.device}
        return Warp(*(xp.asarray(v, **like) for v in (shift, *rest)))

    # c + M (n + b - c) + t = a + c' + M (n - c') + t' for all n
    @property
    def given_motion(self) -> tuple[float, ...]:
        """The motion of the sharp picture as it was given."""
        if self.overlap is None:
            return self.motion
        a, b, c, own = (
            np.asarray(v)
            for v in (*self.overlap[:2], centre(self.overlap.shape), centre(self.x.shape))
        )
        M = np.asarray(fetched(self.warp.matrix))
        t = a + own - c + np.asarray(self.motion[:2]) - M @ (b + own - c)
        return (float(t[0]), float(t[1]), *self.motion[2:])

    @property
    def shift(self) -> tuple[float, float]:
        """The shift along both axes."""
        return self.motion[0], self.motion[1]

    @cached_property
    def whole(self) -> Sharp:
        """The moved picture within the margin, with all its detail."""
        if self.motion == STILL:
            x = self.inner(self.x)
        elif self.turned:
            x = self.every_other(self.finer_warp(between_twice(self.x)))
        else:
            x = between_pixels(self.x, self.shift, self.margin)
        return Sharp(self.blur, x, self.inner(self.seen))

    def slopes(self, *, turned: bool) -> list[Array]:
        """Return the moved picture's derivatives by the shift, or by rotation and scale too."""
        if not turned:
            return slopes_between(self.x, self.shift, self.margin)
        columns = self.finer_warp.columns(between_twice(self.x))[1]
        units = (2.0, 2.0, 1.0, 1.0)
        return [unit * self.every_other(columns[i, ...]) for i, unit in enumerate(units)]

    @property
    def finer_warp(self) -> Warp:
        """The operator of the motion for pixels of half the size."""
        return replace(self.warp, shift=2 * self.warp.shift)

    def every_other(self, a: Array) -> Array:
        """Return what lies within the margin, of pixels of half the size from `REACH` on."""
        rows, columns = (
            slice(2 * (self.margin - REACH), 2 * (n - self.margin - REACH), 2)
            for n in self.x.shape[-2:]
        )
        return a[..., rows, columns]

    @cached_property
    def sharp(self) -> Sharp:
        """The moved picture as it is compared."""
        if self.filled is None:
            return self.whole
        return Sharp(self.blur, smoothed(self.whole.x), self.inner(self.seen, SMOOTHING))

    @cached_property
    def light(self) -> Array:
        """The blurred picture as it is compared, linear in the light."""
        y = self.inner(self.y if self.filled is None else self.filled)
        y = self.brightened(self.decoded(y))
        return y if self.filled is None else smoothed(y)

    def brightened(self, light: Array) -> Array:
        """Return light within the margin without the vignette."""
        if self.vignette is None or self.black is None:
            return light
        return (light - self.black[:, None, None]) / self.inner(self.vignette) + self.black[
            :, None, None
        ]

    def darkened(self, light: Array) -> Array:
        """Return light within the margin, less its offset, with the vignette."""
        return light if self.vignette is None else self.inner(self.vignette) * light

    def decoded(self, y: Array) -> Array:
        """Return the light of stored values; noise below zero stays there."""
        xp: Any = namespace(y)
        return y if self.gamma == 1 else xp.sign(y) * xp.abs(y) ** self.gamma

    def stored(self, light: Array) -> Array:
        """Return light as the blurred picture stores it."""
        xp: Any = namespace(light)
        return light if self.gamma == 1 else xp.sign(light) * xp.abs(light) ** (1 / self.gamma)

    def sums(self, *, free: bool) -> Centred:
        """Return the sums over the pixels."""
        return centred(self.sharp, self.light, free=free)

    def framed(self, model: Array) -> Array:
        """Return `y` with the model, which lies within the margin, where pixels do not count."""
        xp: Any = namespace(self.y)
        return xp.where(self.seen, self.y, self.within(self.y, model))

    def within(self, a: Array, inner: Array) -> Array:
        """Return an array with other values within the margin."""
        xp: Any = namespace(a)
        m = self.margin
        rows, columns = (n - m for n in a.shape[-2:])
        middle = [a[..., m:rows, :m], inner, a[..., m:rows, columns:]]
        return xp.concat([a[..., :m, :], xp.concat(middle, axis=-1), a[..., rows:, :]], axis=-2)

    def overlapping(self) -> Pair:
        """Return what both pictures show, whose shift is half a pixel at most."""
        (H, W), (P, Q) = self.x.shape[-2:], self.blur.psf.shape
        whole = [round(t) for t in self.motion[:2]]
        a, b = ([max(sign * k, 0) for k in whole] for sign in (1, -1))
        height, width = H - abs(whole[0]), W - abs(whole[1])
        inside = (..., slice(b[0], b[0] + height - P + 1), slice(b[1], b[1] + width - Q + 1))
        part = replace(
            self,
            x=self.x[..., a[0] : a[0] + height, a[1] : a[1] + width],
            y=self.y[inside],
            seen=self.seen[inside],
            overlap=Overlap((a[0], a[1]), (b[0], b[1]), (H, W)),
        )
        away = [t - s for t, s in zip(self.motion, part.given_motion, strict=True)]
        motion = tuple(t + d for t, d in zip(self.motion, away, strict=True))
        return replace(part, motion=motion)

    def cropped(self, size: int) -> Pair:
        """Return the middle of the pair, where it is larger; the centre stays the centre."""
        (H, W), (P, Q) = self.x.shape[-2:], self.blur.psf.shape
        height, width = min(H, size + P - 1), min(W, size + Q - 1)
        if (height, width) == (H, W):
            return self
        r, c = H // 2 - height // 2, W // 2 - width // 2
        inside = (..., slice(r, r + height - P + 1), slice(c, c + width - Q + 1))
        return replace(
            self,
            x=self.x[..., r : r + height, c : c + width],
            y=self.y[inside],
            seen=self.seen[inside],
            filled=None if self.filled is None else self.filled[inside],
            vignette=None if self.vignette is None else self.vignette[inside],
        )

    def as_in(self, part: Pair) -> Pair:
        """Return the pair with the differences that were found on a part of it."""
        filled = None if part.filled is None else self.y
        edge = part.edge
        return replace(self, gamma=part.gamma, motion=part.motion, edge=edge, filled=filled)

    def with_gamma(self, gamma: float) -> Pair:
        """Return the pair with another exponent; the sums of the sharp picture are kept."""
        other = replace(self, gamma=gamma)
        for name in ("whole", "sharp"):
            other.__dict__[name] = getattr(self, name)
        return other


def centre(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the pixel about which a motion turns."""
    return shape[-2] // 2, shape[-1] // 2
