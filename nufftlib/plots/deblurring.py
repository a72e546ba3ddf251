"""The figure of a deblurring: pictures, PSF, residual, and whether the residual is white."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm

from nufftlib.blur.deblur.job import DeblurredPicture
from nufftlib.core.run import count
from nufftlib.plots.figures import (
    RESIDUAL,
    Real,
    around_zero,
    colours,
    draw_borders,
    draw_difference,
    new_figure,
    number,
    picture,
    residual_title,
    root_mean_square,
    save,
    scale_beside,
)

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
    figure = new_figure(17.0, 4.2)
    axes = figure.subplots(1, 5)
    ends = float(blurred.min()), float(blurred.max())
    black, white = (0.0, 1.0) if ends[0] >= -0.1 and ends[1] <= 1.1 else ends
    grey = Normalize(black, white)
    picture(axes[0], colours(blurred, black, white), "Blurred", grey)
    draw_psfs(axes[1], psf)
    after = f"Deblurred, {count(result.steps)}"
    picture(axes[2], colours(result.picture, black, white), after, grey)
    r = result.residual.astype(np.float64)
    rms = root_mean_square(r)
    scale = around_zero(3 * (result.noise or rms))
    title = f"{residual_title(len(r), rms)}\nnoise {number(result.noise)}"
    shown = draw_difference(axes[3], r.mean(axis=0), title, scale)
    scale_beside(shown, RESIDUAL, extend="both")
    draw_correlation(axes[4], correlation(r))
    save(figure, file)


def draw_psfs(axes: Axes, psf: Real) -> None:
    """Show a PSF, or those of a grid side by side with lines between them."""
    rows, columns, height, width = psf.shape if psf.ndim == 4 else (1, 1, *psf.shape)
    tiles = np.moveaxis(psf.reshape(rows, columns, height, width), 2, 1)
    title = "PSF" if psf.ndim == 2 else f"PSFs at {rows} x {columns} nodes"
    whole, light = tiles.reshape(rows * height, columns * width), float(psf.max())
    shown = picture(axes, whole, title, PowerNorm(0.5, 0, light), "magma")
    draw_borders(axes, (rows, columns), (height, width))
    scale_beside(shown, "PSF weight")


def draw_correlation(axes: Axes, c: Real) -> None:
    """Show the correlation of a residual with itself, by lags."""
    # The lag zero has 1, off the scale.
    most = max(0.1, float(np.sort(np.abs(c), axis=None)[-2]))
    near = f"{beside(c, 0):.2f} down, {beside(c, 1):.2f} across"
    near = near.replace("-", "\N{MINUS SIGN}")
    shown = draw_difference(axes, c, f"Its correlation; neighbours\n{near}", around_zero(most))
    down, across = ((n // 2) + 0.5 for n in c.shape)
    shown.set_extent((-across, across, down, -down))
    axes.set_axis_on()
    axes.set(xlabel="lag [pixels]", ylabel="lag [pixels]")
    scale_beside(shown, "correlation", extend="max")


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
