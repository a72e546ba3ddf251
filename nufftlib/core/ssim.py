"""Structural similarity of images, at one scale and at several, as losses with their gradients."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

from array_api_compat import size as entries

from nufftlib.core.arrays import Array, Namespace, namespace
from nufftlib.core.images import (
    check_mask,
    check_range,
    image_axes,
    over_images,
    range_of,
    refuse_complex,
)
from nufftlib.core.kinds import choice, flag, integer, out_of_range, positive, real_values
from nufftlib.core.losses import Loss
from nufftlib.core.windows import (
    WINDOWS,
    Window,
    along,
    double,
    halve,
    spread_means,
    window_means,
    window_weights,
)

PUBLISHED = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of five scales, the finest first, as Wang, Simoncelli and Bovik found them."""


@dataclass(frozen=True, eq=False, repr=False)
class Similarity(Loss):
    """What structural similarity has at one scale and at several."""

    data_range: float | None = None
    _: KW_ONLY
    window: Window = "gaussian"
    size: int | None = None
    sigma: float = 1.5
    k1: float = 0.01
    k2: float = 0.03
    sample_covariance: bool = False
    mask: Array | None = None
    ndim: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        call, target = type(self).__name__, self.target
        refuse_complex(f"{call}(target)", "target", target)
        checked = {
            "window": choice(call, "window", self.window, WINDOWS),
            "sample_covariance": flag(call, "sample_covariance", self.sample_covariance),
            **{n: positive(call, n, getattr(self, n)) for n in ("sigma", "k1", "k2")},
            "size": self._size,
            "ndim": self._ndim,
            "data_range": check_range(call, "target", target, self.data_range, self._ndim),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_extent()
        if self.mask is not None:
            check_mask(call, self.mask, "target", target, self._ndim)
            _ = self._references  # which refuse a mask at whose pixels no window fits

    @cached_property
    def _ndim(self) -> int:
        """Number of axes of an image."""
        return image_axes(type(self).__name__, self.target, self.ndim)

    @cached_property
    def _size(self) -> int:
        """Pixels of the window along each axis."""
        if self.size is None:
            return 7 if self.window == "uniform" else 2 * int(3.5 * self.sigma + 0.5) + 1
        call, wish = type(self).__name__, "an odd number of pixels, 3 or more"
        size = integer(call, "size", self.size, least=0, wish=wish)
        if size < 3 or size % 2 == 0:
            raise out_of_range(call, "size", size, wish)
        return size

    @property
    def _scales(self) -> int:
        """Number of scales."""
        return 1

    def _check_extent(self) -> None:
        """Refuse images that are smaller than the coarsest window."""
        shape = tuple(self.target.shape)[-self._ndim :]
        least = self._size * 2 ** (self._scales - 1)
        if min(shape) < least:
            msg = (
                f"{type(self).__name__}(target): target has images of "
                f"{' x '.join(map(str, shape))}; want {least} or more along each axis (a window "
                f"of {self._size} at {self._scales} scale(s); ndim=... tells images from a batch)"
            )
            raise ValueError(msg)

    def _checked(self, x: Array) -> Namespace:
        """Refuse complex images as well."""
        xp = super()._checked(x)
        refuse_complex(f"{type(self).__name__}(z)", "z", x)
        return xp

    @cached_property
    def _centre(self) -> Array:
        """The mean of each image of the target: variances do not see it, and keep their digits."""
        return namespace(self.target).mean(self.target, axis=over_images(self._ndim), keepdims=True)

    @cached_property
    def _range(self) -> Array | float:
        """The range of each image's data, in which all is measured: squares stay in range."""
        return range_of(namespace(self.target), self.target, self.data_range, self._ndim)

    @cached_property
    def _references(self) -> tuple[Reference, ...]:
        """The target at each scale, the finest first."""
        xp, ndim = namespace(self.target), self._ndim
        y, mask, found = (self.target - self._centre) / self._range, None, []
        if self.mask is not None:
            mask = xp.astype(xp.broadcast_to(self.mask, tuple(y.shape)), y.dtype)
        centre, pixels = self._centre / self._range, self._size**ndim
        f = pixels / (pixels - 1) if self.sample_covariance else 1.0
        window = window_weights(self.window, self._size, self.sigma)
        for scale in range(self._scales):
            if scale:
                y = halve(y, ndim)
                mask = None if mask is None else halve(mask, ndim)
            my = window_means(y, window, ndim)
            vy = f * (window_means(y * y, window, ndim) - my * my)
            weights = mean_weights(xp, type(self).__name__, my, mask, self._size, ndim)
            c1, c2 = self.k1**2, self.k2**2
            found.append(Reference(y, my, vy, centre, c1, c2, f, window, weights, ndim))
        return tuple(found)

    def similarity(self, z: Array) -> Array:
        """Return the similarity of each image to the target's, 1 where they are equal."""
        xp = self._checked(z)
        return 1.0 - self._compare(xp, (z - self.target) / self._range)[0]

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """Return the mean of the images' ``1 - similarity``, and its gradient."""
        lack, pull = self._compare(xp, (z - self.target) / self._range)
        return xp.mean(lack), pull(xp.full_like(lack, 1 / entries(lack))) / self._range

    @abstractmethod
    def _compare(self, xp: Namespace, d: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Return each image's ``1 - similarity``, and the gradient of a weighted sum of them.

        The difference ``d = (z - target) / range`` has all its digits where the two are close.
        """


@dataclass(frozen=True, eq=False, repr=False)
class SSIM(Similarity):
    r"""``1 - SSIM``, the structural similarity that an image lacks to its target.

    .. math:: \mathrm{SSIM} = \mathrm{mean} \left(
              \frac{2 \mu_x \mu_y + C_1}{\mu_x^2 + \mu_y^2 + C_1} \cdot
              \frac{2 \sigma_{xy} + C_2}{\sigma_x^2 + \sigma_y^2 + C_2} \right)

    with the means, variances and covariance in a window around each pixel, and the mean
    over all pixels whose window lies within the image. Of a batch it is the mean over
    the images, each with its own similarity.

    Parameters
    ----------
    target : array, real
        The image ``y`` to be matched, or a batch of them.
    data_range : float, optional
        The range ``L`` of the data in ``C1 = (k1 L)^2`` and ``C2 = (k2 L)^2``; by default
        the maximum less the minimum of each image of the target.
    window : {"gaussian", "uniform"}
        Weights of the pixels in a window.
    size : int, optional
        Pixels of the window along each axis, odd. By default 7 of a uniform window, and
        ``2 round(3.5 sigma) + 1`` of a Gaussian one: 11.
    sigma : float
        Standard deviation of the Gaussian window, in pixels.
    k1, k2 : float
        Constants, which keep dark and flat windows from dividing by nothing; positive.
    sample_covariance : bool
        Whether variances and covariance are those of a sample: ``n / (n - 1)`` times
        those of the window, with its ``n`` pixels.
    mask : array of bool, optional
        The pixels, centres of windows, over which the mean is taken; of a shape that
        broadcasts to the target's. A window may reach beyond the mask.
    ndim : int, optional
        How many of the last axes are an image's; the others are a batch. By default all.

    Raises
    ------
    TypeError
        If an image is complex: its magnitude is meant, ``SSIM(...) @ Magnitude()``.
    ValueError
        If a window does not fit into the image, a setting is out of its range, or the
        target is constant and no range is given.

    Notes
    -----
    The default window and constants are those of Wang et al. Values are those of
    scikit-image's ``structural_similarity``, with ``gaussian_weights=True,
    use_sample_covariance=False`` for the default, and with no setting but the range for
    ``window="uniform", sample_covariance=True``. The value is computed as a sum of
    squares, and keeps its digits close to the target, in single precision as well.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from
    error visibility to structural similarity", IEEE Trans. Image Process. 13 (2004)
    600-612, doi:10.1109/TIP.2003.819861.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> image = np.outer(np.arange(16.0), np.ones(16))
    >>> loss = nl.SSIM(image)
    >>> float(loss(image)), round(float(loss(image + 1)), 6)
    (0.0, 0.00899)
    >>> value, gradient = (nl.SSIM(image) @ nl.Magnitude()).value_and_grad(1j * image + 1)
    >>> gradient.dtype
    dtype('complex128')
    """

    def _compare(self, xp: Namespace, d: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Return those of the one scale."""
        found = self._references[0].compare(d)
        return found.value(xp), lambda s: found.gradient(xp, s)


@dataclass(frozen=True, eq=False, repr=False)
class MultiScaleSSIM(Similarity):
    r"""``1 - MS-SSIM``, the structural similarity that an image lacks over several scales.

    .. math:: \text{MS-SSIM} = \prod_{j < M} \max(c_j, 0)^{w_j} \cdot \max(s_M, 0)^{w_M}

    with the similarity ``s_M`` at the coarsest scale and, at the others, the mean ``c_j``
    of its second factor, contrast and structure. A scale halves the one before it by
    means of 2 x 2 pixels (2 x 2 x 2 in a volume), without the last row of an odd number.
    Of a batch it is the mean over the images.

    Parameters
    ----------
    target : array, real
        The image ``y`` to be matched, or a batch of them.
    data_range : float, optional
        As of `SSIM`, and the same at all scales.
    window : {"gaussian", "uniform"}
        As of `SSIM`.
    size : int, optional
        As of `SSIM`. An image needs ``size * 2^(M - 1)`` pixels along each axis for ``M``
        scales: 176 by default.
    sigma : float
        As of `SSIM`.
    k1, k2 : float
        As of `SSIM`.
    sample_covariance : bool
        As of `SSIM`.
    mask : array of bool, optional
        As of `SSIM`. At a coarser scale a pixel has the share of its pixels that is in
        the mask as its weight in the mean.
    ndim : int, optional
        As of `SSIM`.
    weights : sequence of float
        The exponents ``w_j``, positive, of the finest scale first: one for each scale. By
        default the five that were published.

    Raises
    ------
    TypeError
        If an image is complex: its magnitude is meant.
    ValueError
        If the coarsest window does not fit into the image, and as of `SSIM`.

    Notes
    -----
    The mean of contrast and structure is negative for images that are opposed. A power of
    it would not be real: it counts as 0. The similarity of that image is then 0, its loss
    1, and its gradient, which does not exist, is zero.

    References
    ----------
    Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image
    quality assessment", Asilomar Conf. Signals, Systems, Computers (2003) 1398-1402,
    doi:10.1109/ACSSC.2003.1292216.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> image = np.outer(np.arange(32.0), np.ones(32))
    >>> loss = nl.MultiScaleSSIM(image, weights=(0.4, 0.6))
    >>> float(loss(image)), round(float(loss(image + 1)), 6)
    (0.0, 0.001355)
    """

    weights: Sequence[float] = field(default=PUBLISHED, kw_only=True)

    def __post_init__(self) -> None:
        call = type(self).__name__
        values = real_values(call, "weights", self.weights)
        if values.ndim != 1 or len(values) == 0 or not all(0 < w < float("inf") for w in values):
            wish = "one positive number for each scale"
            raise out_of_range(call, "weights", self.weights, wish)
        object.__setattr__(self, "weights", tuple(float(w) for w in values))
        super().__post_init__()

    @property
    def _scales(self) -> int:
        return len(self.weights)

    # log V = sum_j w_j log(1 - q_j), and dV = -V sum_j w_j dq_j / (1 - q_j)
    def _compare(self, xp: Namespace, d: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Return those of all scales."""
        found = []
        for scale, reference in enumerate(self._references, 1):
            found.append(reference.compare(d, luminance=scale == self._scales))
            if scale < self._scales:
                d = halve(d, self._ndim)
        lacks = [comparison.value(xp) for comparison in found]
        similar = lacks[0] < 1
        for q in lacks[1:]:
            similar = similar & (q < 1)
        lacks = [xp.where(similar, q, xp.zeros_like(q)) for q in lacks]
        exponent = sum(w * xp.log1p(-q) for w, q in zip(self.weights, lacks, strict=True))
        lack = xp.where(similar, -xp.expm1(exponent), xp.ones_like(exponent))
        V = xp.where(similar, xp.exp(exponent), xp.zeros_like(exponent))

        def pull(s: Array) -> Array:
            g = None
            for comparison, w, q in reversed([*zip(found, self.weights, lacks, strict=True)]):
                here = comparison.gradient(xp, s * V * w / (1.0 - q))
                g = here if g is None else here + double(xp, g, tuple(here.shape), self._ndim)
            return g

        return lack, pull


@dataclass(frozen=True)
class Reference:
    """The target at one scale, its means, variances and constants."""

    y: Array
    """The target less its centre."""
    my: Array
    """Means of `y` in the windows."""
    vy: Array
    """Variances of `y` in the windows."""
    centre: Array
    c1: float
    c2: float
    f: float
    """Factor of variances, 1 unless they are those of a sample."""
    window: tuple[float, ...]
    weights: Array | float
    """Weights of the windows in the mean."""
    ndim: int

    # a = md^2 / A and b = vd / B are what the two factors lack to 1, with d = x - y
    def compare(self, d: Array, *, luminance: bool = True) -> Comparison:
        """Compare the target plus `d` with the target, in all windows."""
        x = self.y + d
        # One after the other: all three together leave the cache, and take twice as long.
        md, md2, mx2 = (window_means(z, self.window, self.ndim) for z in (d, d * d, x * x))
        mx = self.my + md
        B = self.f * (mx2 - mx * mx) + self.vy + self.c2
        b = self.f * (md2 - md * md) / B
        if not luminance:
            return Comparison(self, x, d, mx, md, B, b, 0.0, 0.0)
        A = (mx + self.centre) ** 2 + (self.my + self.centre) ** 2 + self.c1
        a = md * md / A
        return Comparison(self, x, d, mx, md, B, b, a, 2.0 * (md - a * (mx + self.centre)) / A)


@dataclass(frozen=True)
class Comparison:
    """An image beside its target, in the symbols of docs/derivations/ssim.md."""

    reference: Reference
    x: Array
    d: Array
    mx: Array
    md: Array
    B: Array
    b: Array
    a: Array | float
    """0 without luminance, as its slope is."""
    slope: Array | float
    """``da / M dx``."""

    # q = mean (a + b - a b)
    def value(self, xp: Namespace) -> Array:
        """Return ``1 - SSIM`` of each image."""
        q = self.a + self.b - self.a * self.b
        return xp.sum(self.reference.weights * q, axis=over_images(self.reference.ndim))

    # dq = (1 - b) da + (1 - a) db with
    # da = 2 / A (md - a (mx + c)) M dx and
    # db = 2 f / B (M (d dx) - b M (x dx) + (b mx - md) M dx)
    def gradient(self, xp: Namespace, s: Array) -> Array:
        """Return the gradient of ``sum s q`` over the images."""
        r = self.reference
        w = r.weights * xp.reshape(s, (*s.shape, *(1,) * r.ndim))
        p = (2.0 * r.f) * w * (1.0 - self.a) / self.B
        of_means = w * (1.0 - self.b) * self.slope + p * (self.b * self.mx - self.md)
        of_m, of_d, of_x = (
            spread_means(xp, z, r.window, r.ndim) for z in (of_means, p, p * self.b)
        )
        return of_m + self.d * of_d - self.x * of_x


def mean_weights(
    xp: Namespace, call: str, like: Array, mask: Array | None, size: int, ndim: int
) -> Array | float:
    """Return the weights of the windows in an image's mean: the mask's at their centres."""
    if mask is None:
        return 1.0 / math.prod(like.shape[-ndim:])
    for axis in over_images(ndim):
        mask = mask[along(axis, slice(size // 2, mask.shape[axis] - size // 2))]
    total = xp.sum(mask, axis=over_images(ndim), keepdims=True)
    if not bool(xp.all(total > 0)):
        msg = (
            f"{call}(mask): mask is False in some image at the centres of all windows of {size}; "
            f"want a pixel that is further from the edge"
        )
        raise ValueError(msg)
    return mask / total
