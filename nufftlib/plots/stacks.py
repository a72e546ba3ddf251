"""The figures of stacks: sections along all three axes, to the voxels' scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from nufftlib.blur.calibrate.recipes import RECIPES
from nufftlib.blur.deblur.job import DeblurredPicture
from nufftlib.core.run import count
from nufftlib.plots.calibration import (
    Fit,
    Pair,
    Scales,
    draw_deviations,
    draw_errors,
    draw_fit,
    error_title,
    fit_title,
    residual_of,
    scales_of,
)
from nufftlib.plots.figures import (
    DIVERGING,
    RESIDUAL,
    Real,
    around_zero,
    new_figure,
    number,
    residual_title,
    root_mean_square,
    save,
    scale_beside,
)

GAP = 0.08
"""Between the sections, as a part of the mean length of a stack's sides."""
BRIGHT = 0.998
"""Part of the voxels of a stack that the scale shows below its white."""
NARROW = 0.2
"""A side of so small a share has room for one number."""
CUT = ",\ncut at its brightest voxel"


class Frame(NamedTuple):
    """Where the voxels of a stack are, and where it is cut.

    Attributes
    ----------
    first : tuple of float
        Place of the middle of the first voxel, along depth, rows and columns.
    steps : tuple of float
        From one voxel to the next.
    cut : tuple of float
        The place that all three sections go through.
    unit : str
        Unit of all lengths.
    """

    first: tuple[float, ...]
    steps: tuple[float, ...]
    cut: tuple[float, ...]
    unit: str

    def voxel(self, shape: Sequence[int]) -> list[int]:
        """Return the voxel at the cut, of a stack of a shape."""
        found = zip(self.cut, self.first, self.steps, shape, strict=True)
        return [min(max(round((c - f) / s), 0), n - 1) for c, f, s, n in found]

    def ends(self, shape: Sequence[int]) -> list[tuple[float, float]]:
        """Return the outer edges of a stack of a shape along its axes."""
        found = zip(self.first, self.steps, shape, strict=True)
        return [(f - s / 2, f - s / 2 + n * s) for f, s, n in found]


def draw_stack_calibration(
    pair: Pair, fits: Sequence[Fit], file: BinaryIO, pixel_size: tuple[float, ...] | None = None
) -> None:
    """Draw PSFs that were calibrated on stacks: the stacks, and a row for each method.

    Stacks and residuals, of several channels their mean, are cut at the middle; PSFs at the
    brightest voxel of the true one, or of the first that was found. Stacks have a scale of their
    own.

    Parameters
    ----------
    pair : Pair
        The stacks, shape (channels, depth, height, width), and the true PSF where it is known.
    fits : sequence of Fit
        The methods' results.
    file : binary file
        Where to write the PNG.
    pixel_size : tuple of float, optional
        Steps along depth, rows and columns in metres; without them voxels are cubes.
    """
    columns, rows = 4 if pair.truth is None else 5, 1 + len(fits)
    figure = new_figure(4.4 * columns, 4.2 * rows)
    top, *below = figure.subplots(rows, columns)
    residuals = [residual_of(pair, fit.result.psf) for fit in fits]
    scales = scales_of(pair, fits, residuals)
    known = fits[0].result.psf if pair.truth is None else pair.truth
    whole, psf = whole_frame(pair.sharp.shape[1:], pixel_size), psf_frame(known, pixel_size)
    draw_stacks(top, pair, whole, fits[0].result.psf.shape)
    if pair.truth is not None:
        draw_sections(top[2], pair.truth, psf, f"True PSF{CUT}", scales.psf, "magma")
    start = fits[0].result.psf_start
    shown = draw_sections(top[-2], start, psf, "PSF at the start", scales.psf, "magma")
    scale_beside(shown, "PSF weight, one scale for all", axes=top[-2], extend="max")
    draw_deviations(top[-1], pair.deviations)
    for axes, fit, residual in zip(below, fits, residuals, strict=True):
        draw_method(axes, pair, fit, residual, scales, whole, psf)
    save(figure, file)


def draw_stack_deblurring(
    blurred: Real,
    psf: Real,
    result: DeblurredPicture,
    file: BinaryIO,
    pixel_size: tuple[float, ...] | None = None,
) -> None:
    """Draw the deblurring of a stack by sections through the middle.

    Parameters
    ----------
    blurred : ndarray, shape (channels, depth, height, width)
        The blurred stack.
    psf : ndarray, shape (depth, height, width)
        Its PSF.
    result : DeblurredPicture
        The result, as NumPy arrays.
    file : binary file
        Where to write the PNG.
    pixel_size : tuple of float, optional
        Steps along depth, rows and columns in metres; without them voxels are cubes.
    """
    figure = new_figure(17.6, 4.2)
    axes = figure.subplots(1, 4)
    whole, around = whole_frame(blurred.shape[1:], pixel_size), psf_frame(psf, pixel_size)
    draw_grey(axes[0], blurred, whole, "Blurred")
    norm = PowerNorm(0.5, 0, float(psf.max()))
    shown = draw_sections(axes[1], psf, around, f"PSF{CUT}", norm, "magma")
    scale_beside(shown, "PSF weight", axes=axes[1])
    draw_grey(axes[2], result.picture, whole, f"Deblurred, {count(result.steps)}")
    rms = root_mean_square(result.residual)
    title = f"{residual_title(len(blurred), rms)}; noise {number(result.noise)}"
    r, scale = result.residual.mean(axis=0), around_zero(3 * (result.noise or rms))
    shown = draw_sections(axes[3], r, whole, title, scale, DIVERGING)
    scale_beside(shown, RESIDUAL, axes=axes[3], extend="both")
    save(figure, file)


def whole_frame(shape: Sequence[int], pixel_size: tuple[float, ...] | None) -> Frame:
    """Return the frame of a stack that begins at 0 and is cut at its middle."""
    steps, unit = steps_of(pixel_size)
    middle = tuple(s * (n // 2) for s, n in zip(steps, shape, strict=True))
    return Frame((0.0,) * 3, steps, middle, unit)


def psf_frame(psf: Real, pixel_size: tuple[float, ...] | None) -> Frame:
    """Return the frame of a PSF, whose centre is at 0, cut at its brightest voxel."""
    steps, unit = steps_of(pixel_size)
    first = tuple(-s * (n // 2) for s, n in zip(steps, psf.shape, strict=True))
    brightest = np.unravel_index(int(np.argmax(psf)), psf.shape)
    cut = tuple(f + s * int(i) for f, s, i in zip(first, steps, brightest, strict=True))
    return Frame(first, steps, cut, unit)


def steps_of(pixel_size: tuple[float, ...] | None) -> tuple[tuple[float, ...], str]:
    """Return the steps between voxels, and their unit."""
    if pixel_size is None:
        return (1.0,) * 3, "voxels"
    return tuple(1e6 * s for s in pixel_size), "µm"


def valid_frame(whole: Frame, pair: Pair, psf: Sequence[int], shape: Sequence[int]) -> Frame:
    """Return the frame of a stack that may be the valid part of the blurred one."""
    found = zip(psf, pair.sharp.shape[1:], shape, whole.steps, strict=True)
    return whole._replace(first=tuple(s * (p - 1 - p // 2) * (n > m) for p, n, m, s in found))


def draw_stacks(axes: Sequence[Axes], pair: Pair, whole: Frame, psf: Sequence[int]) -> None:
    """Show the sharp and the blurred stack."""
    which = f", the first of {pair.pairs} pairs" if pair.pairs > 1 else ""
    draw_grey(axes[0], pair.sharp, whole, f"Sharp{which}")
    shape = pair.blurred.shape[1:]
    part = ": valid part" if shape != pair.sharp.shape[1:] else ""
    draw_grey(axes[1], pair.blurred, valid_frame(whole, pair, psf, shape), f"Blurred{part}")


def draw_grey(axes: Axes, stack: Real, frame: Frame, title: str) -> None:
    """Show a stack, of several channels their mean, to a scale of its own that the title says."""
    values = stack.mean(axis=0)
    # A few bright voxels would leave all others dark.
    black, white = (float(q) for q in np.quantile(values, (1 - BRIGHT, BRIGHT)))
    title += f"\nblack {number(black)}, white {number(white)}"
    draw_sections(axes, values, frame, title, Normalize(black, white))


def draw_method(
    axes: Sequence[Axes],
    pair: Pair,
    fit: Fit,
    residual: Real,
    scales: Scales,
    whole: Frame,
    psf: Frame,
) -> None:
    """Draw the row of a method: PSF, difference, residual, losses and errors."""
    recipe, h = RECIPES[fit.method], fit.result.psf
    draw_sections(axes[0], h, psf, fit_title(fit), scales.psf, "magma")
    if pair.truth is not None and fit.error is not None:
        title, scale = error_title(fit.error), scales.difference
        shown = draw_sections(axes[1], h - pair.truth, psf, title, scale, DIVERGING)
        scale_beside(shown, "found - true", axes=axes[1])
    frame = valid_frame(whole, pair, h.shape, residual.shape[1:])
    title = residual_title(len(residual), root_mean_square(residual))
    shown = draw_sections(axes[-3], residual.mean(axis=0), frame, title, scales.residual, DIVERGING)
    scale_beside(shown, RESIDUAL, axes=axes[-3], extend="both")
    draw_fit(axes[-2], fit, recipe.loss_title)
    draw_errors(axes[-1], fit)


def draw_sections(
    axes: Axes, stack: Real, frame: Frame, title: str, norm: Normalize, cmap: str = "gray"
) -> AxesImage:
    """Show a stack by three sections in one place, all to one scale of lengths.

    Rows run down and columns to the right; below this section is the one along depth and columns,
    beside it the one along rows and depth.
    """
    i, j, k = frame.voxel(stack.shape)
    z, y, x = frame.ends(stack.shape)
    depth, rows, columns = (last - first for first, last in (z, y, x))
    gap = GAP * (depth + rows + columns) / 3
    width, height = columns + gap + depth, rows + gap + depth
    axes.set_axis_off()
    axes.set_box_aspect(height / width)
    names = [f"{name} [{frame.unit}]" for name in ("z", "y", "x")]
    views: list[tuple[Real, tuple[float, ...], list[tuple[float, float]], str, str]] = [
        (stack[i], (0, depth + gap, columns, rows), [x, y], "", names[1]),
        (stack[:, :, k].T, (columns + gap, depth + gap, depth, rows), [z, y], names[0], ""),
        (stack[:, j], (0, 0, columns, depth), [x, z], names[2], names[0]),
    ]
    for values, (left, bottom, wide, high), (across, down), below, beside in views:
        place = (left / width, bottom / height, wide / width, high / height)
        inset = axes.inset_axes(place)
        extent = (*across, down[1], down[0])
        shown = inset.imshow(values, cmap, norm, interpolation="nearest", extent=extent)
        inset.set_aspect("equal")
        inset.set(xlabel=below, ylabel=beside)
        inset.tick_params(labelsize=7, labelbottom=bool(below), labelleft=bool(beside))
        for axis, ends, length in ((inset.xaxis, across, wide), (inset.yaxis, down, high)):
            place_numbers(axis, ends, length / max(width, height))
    axes.set_title(title)
    return shown


def place_numbers(axis: Axis, ends: tuple[float, float], share: float) -> None:
    """Number the side of a section that takes a share of the whole: a narrow one in its middle."""
    if share < NARROW:
        axis.set_ticks([sum(ends) / 2], labels=[number(float(f"{sum(ends) / 2:.2g}"))])
    else:
        # None at the ends, where the numbers of two sections would meet.
        axis.set_major_locator(MaxNLocator(2 + round(4 * share), prune="both"))
