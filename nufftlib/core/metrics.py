"""Numbers by which images are reported: PSNR, SSIM and the relative error."""

from __future__ import annotations

from collections.abc import Sequence

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    common_namespace,
)
from nufftlib.core.images import (
    check_mask,
    check_range,
    count_within,
    image_axes,
    over_images,
    range_of,
    refuse_complex,
    within,
)
from nufftlib.core.ssim import PUBLISHED, SSIM, MultiScaleSSIM
from nufftlib.core.windows import Window


def psnr(
    image: Array,
    reference: Array,
    data_range: float | None = None,
    *,
    mask: Array | None = None,
    ndim: int | None = None,
) -> Array:
    """Peak signal-to-noise ratio in decibels, ``10 log10(L^2 / mean |image - reference|^2)``.

    Parameters
    ----------
    image, reference : array, real
        Two images, or two batches of one shape.
    data_range : float, optional
        The range ``L`` of the data; by default the maximum less the minimum of each image of
        the reference. Reports that divide by the maximum give it here.
    mask : array of bool, optional
        The pixels over which the mean is taken, of a shape that broadcasts to the images'.
    ndim : int, optional
        How many of the last axes are an image's; the others are a batch. By default all.

    Returns
    -------
    array
        One number for each image, infinite where the two are equal; of one image, an
        array of no dimensions.

    Raises
    ------
    TypeError
        If an image is complex: its magnitude is meant.
    ValueError
        If shapes differ, or an image of the reference is constant and no range is given.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> reference = np.asarray([[0.0, 1.0], [0.5, 0.5]])
    >>> round(float(nl.psnr(reference + 0.1, reference)), 6)
    20.0
    """
    xp = checked_real("psnr(image, reference)", image, reference)
    ndim = image_axes("psnr", reference, ndim)
    if mask is not None:
        check_mask("psnr", mask, "reference", reference, ndim)
    data_range = check_range("psnr", "reference", reference, data_range, ndim)
    r = within(xp, mask, (image - reference) / range_of(xp, reference, data_range, ndim))
    mean = sum_of_squares(xp, r, ndim) / count_within(xp, mask, r, ndim)
    equal = mean == 0
    decibels = -10.0 * xp.log10(xp.where(equal, xp.ones_like(mean), mean))
    return xp.where(equal, xp.full_like(mean, float("inf")), decibels)


def nrmse(
    image: Array, reference: Array, *, mask: Array | None = None, ndim: int | None = None
) -> Array:
    """Relative error ``|image - reference| / |reference|``, by the norms over each image.

    Parameters
    ----------
    image, reference : array, real or complex
        Two images, or two batches of one shape.
    mask : array of bool, optional
        The pixels that count, of a shape that broadcasts to the images'.
    ndim : int, optional
        How many of the last axes are an image's; the others are a batch. By default all.

    Returns
    -------
    array
        One number for each image, 0 where the two are equal.

    Raises
    ------
    ValueError
        If shapes differ, or an image of the reference is zero.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> round(float(nl.nrmse(np.asarray([3.3, 4.4]), np.asarray([3.0, 4.0]))), 6)
    0.1
    """
    call = "nrmse(image, reference)"
    xp = checked(call, image, reference)
    ndim = image_axes("nrmse", reference, ndim)
    if mask is not None:
        check_mask("nrmse", mask, "reference", reference, ndim)
    wanted, error = within(xp, mask, reference), within(xp, mask, image - reference)
    largest = xp.max(xp.abs(wanted), axis=over_images(ndim), keepdims=True)
    if not bool(xp.all(largest > 0)):
        msg = f"{call}: reference has an image that is zero; want one to which errors relate"
        raise ValueError(msg)
    # Squares of numbers of about one stay in range.
    size, squares = (sum_of_squares(xp, a / largest, ndim) for a in (wanted, error))
    return xp.sqrt(squares / size)


def ssim(
    image: Array,
    reference: Array,
    data_range: float | None = None,
    *,
    window: Window = "gaussian",
    size: int | None = None,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    sample_covariance: bool = False,
    mask: Array | None = None,
    ndim: int | None = None,
) -> Array:
    """Structural similarity of images, 1 where they are equal.

    Parameters
    ----------
    image, reference : array, real
        Two images, or two batches of one shape.
    data_range : float, optional
        As of `SSIM`, whose target is the reference; so are all other settings.
    window : {"gaussian", "uniform"}
        As of `SSIM`.
    size : int, optional
        As of `SSIM`.
    sigma : float
        As of `SSIM`.
    k1, k2 : float
        As of `SSIM`.
    sample_covariance : bool
        As of `SSIM`.
    mask : array of bool, optional
        As of `SSIM`.
    ndim : int, optional
        As of `SSIM`.

    Returns
    -------
    array
        One number for each image.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> reference = np.outer(np.arange(16.0), np.ones(16))
    >>> round(float(nl.ssim(reference + 1, reference)), 6)
    0.99101
    """
    checked_real("ssim(image, reference)", image, reference)
    loss = SSIM(
        reference,
        data_range,
        window=window,
        size=size,
        sigma=sigma,
        k1=k1,
        k2=k2,
        sample_covariance=sample_covariance,
        mask=mask,
        ndim=ndim,
    )
    return loss.similarity(image)


def ms_ssim(
    image: Array,
    reference: Array,
    data_range: float | None = None,
    *,
    window: Window = "gaussian",
    size: int | None = None,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    sample_covariance: bool = False,
    mask: Array | None = None,
    ndim: int | None = None,
    weights: Sequence[float] = PUBLISHED,
) -> Array:
    """Structural similarity of images over several scales, 1 where they are equal.

    Parameters
    ----------
    image, reference : array, real
        Two images, or two batches of one shape.
    data_range : float, optional
        As of `SSIM`, whose target is the reference.
    window : {"gaussian", "uniform"}
        As of `SSIM`.
    size : int, optional
        As of `SSIM`.
    sigma : float
        As of `SSIM`.
    k1, k2 : float
        As of `SSIM`.
    sample_covariance : bool
        As of `SSIM`.
    mask : array of bool, optional
        As of `MultiScaleSSIM`.
    ndim : int, optional
        As of `SSIM`.
    weights : sequence of float
        As of `MultiScaleSSIM`.

    Returns
    -------
    array
        One number for each image.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> reference = np.outer(np.arange(32.0), np.ones(32))
    >>> round(float(nl.ms_ssim(reference + 1, reference, weights=(0.4, 0.6))), 6)
    0.998645
    """
    checked_real("ms_ssim(image, reference)", image, reference)
    loss = MultiScaleSSIM(
        reference,
        data_range,
        window=window,
        size=size,
        sigma=sigma,
        k1=k1,
        k2=k2,
        sample_covariance=sample_covariance,
        mask=mask,
        ndim=ndim,
        weights=weights,
    )
    return loss.similarity(image)


def checked(call: str, image: Array, reference: Array) -> Namespace:
    """Refuse arrays that cannot be compared; return their namespace."""
    xp = common_namespace(call, image=image, reference=reference)
    check_precision(xp, call, image=image, reference=reference)
    if image.shape != reference.shape:
        msg = (
            f"{call}: image has the shape {tuple(image.shape)}; want the reference's, "
            f"{tuple(reference.shape)}"
        )
        raise ValueError(msg)
    return xp


def checked_real(call: str, image: Array, reference: Array) -> Namespace:
    """Refuse complex images as well."""
    xp = checked(call, image, reference)
    refuse_complex(call, "image", image)
    refuse_complex(call, "reference", reference)
    return xp


def sum_of_squares(xp: Namespace, x: Array, ndim: int) -> Array:
    """Return ``sum |x|^2`` of each image."""
    return xp.sum(xp.abs(x) ** 2, axis=over_images(ndim))
