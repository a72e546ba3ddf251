"""The figure of a deblurring: pictures, PSF, residual, and whether the residual is white."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from matplotlib.colors import Normalize, PowerNorm

from nufftlib.blur.deblur.job import DeblurredPicture
from nufftlib.core.run import count
from nufftlib.plots.figures import Real, colours, new_figure, picture, save, scale_beside

LAGS = 16
"""Pixels up to which the residual's correlation is shown."""


def draw_deblurring(blurred: Real, psf: Real, result: DeblurredPicture, file: BinaryIO) -> None:
    """Draw a deblurring.

    Parameters
    ----------
    blurred : ndarray, shape (channels, height, width)
        The blurred picture.
    psf : ndarray, shape (height, width) or (rows, columns, height, width)
        Its PSF, or a grid of them.
    result : DeblurredPicture
        The result, as NumPy arrays.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(14.0, 3.1)
    axes = figure.subplots(1, 5)
    ends = float(blurred.min()), float(blurred.max())
    black, white = (0.0, 1.0) if ends[0] >= -0.1 and ends[1] <= 1.1 else ends
    grey = Normalize(black, white)
    h = mosaic(psf)
    picture(axes[0], colours(blurred, black, white), "Blurred", grey)
    shown = picture(axes[1], h, "PSF", PowerNorm(0.5, 0, float(h.max())), "magma")
    scale_beside(shown, "")
    after = f"Deblurred, {count(result.steps)}"
    picture(axes[2], colours(result.picture, black, white), after, grey)
    r = result.residual.astype(np.float64)
    rms = float(np.sqrt(np.mean(r**2)))
    limit = 3 * (result.noise or rms) or 1.0
    title = f"Residual, rms {rms:.3g}\nnoise {result.noise:.3g}"
    shown = picture(axes[3], r[0], title, Normalize(-limit, limit), "RdBu")
    scale_beside(shown, "", extend="both")
    c = correlation(r)
    most = max(0.1, float(np.sort(np.abs(c), axis=None)[-2]))
    near = f"Its correlation; neighbours\n{beside(c, 0):.2f} down, {beside(c, 1):.2f} across"
    shown = picture(axes[4], c, near, Normalize(-most, most), "RdBu")
    scale_beside(shown, "", extend="max")
    save(figure, file)


def mosaic(psf: Real) -> Real:
    """Return PSFs of a grid side by side."""
    if psf.ndim == 2:
        return psf
    rows, columns, height, width = psf.shape
    return np.moveaxis(psf, 2, 1).reshape(rows * height, columns * width)


# c[l] = sum_p r[p] r[p + l] / sum r^2, of a residual with zeros around it
def correlation(r: Real) -> Real:
    """Return the correlation of a residual with itself at lags of up to 16 pixels."""
    lags = [min(LAGS, n - 1) for n in r.shape[-2:]]
    sizes = [n + lag for n, lag in zip(r.shape[-2:], lags, strict=True)]
    power = np.sum(np.abs(np.fft.rfft2(r, sizes)) ** 2, axis=tuple(range(r.ndim - 2)))
    c: Real = np.fft.irfft2(power, sizes)
    for axis, lag in enumerate(lags):
        c = np.take(np.roll(c, lag, axis), np.arange(2 * lag + 1), axis)
    largest = float(c[lags[0], lags[1]])
    return c / largest if largest > 0 else c


def beside(c: Real, axis: int) -> float:
    """Return the correlation of neighbours along an axis; 0 if there are none."""
    place = [n // 2 for n in c.shape]
    if c.shape[axis] == 1:
        return 0.0
    place[axis] += 1
    return float(c[place[0], place[1]])
