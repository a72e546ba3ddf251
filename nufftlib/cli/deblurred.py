"""The result of ``deblur``: its options, the files that hold it, and its table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click
import numpy as np
from numpy.typing import NDArray

from nufftlib import workflows
from nufftlib.blur.deblur.job import STEPS, Method
from nufftlib.cli.checkpoints import LongOptions
from nufftlib.cli.devices import Device
from nufftlib.cli.files import PICTURE, STACK, Writer
from nufftlib.cli.jobs import (
    format_losses,
    format_speed,
    json_file,
    outcome,
    report,
    root_mean_square,
    versions,
)
from nufftlib.io.formats.srgb import encoded_light
from nufftlib.io.pictures import Encoding
from nufftlib.io.psfs import psf_writer

Values = NDArray[np.float32]

TOO_LARGE = 1.3
"""A residual of so many times the noise is no noise alone."""
CLIPPED = 0.005
"""A part of the pixels at the largest value that looks clipped."""
SLACK = 0.1
"""How far beyond 0 and 1 noise may bring the values of a picture that runs from 0 to 1."""


@dataclass(frozen=True)
class Settings(LongOptions):
    """The options of the command.

    Parameters
    ----------
    psf : Path
        File of the PSF.
    method : str
        The method's name.
    noise, weight : float or None
        Noise and weight, where they are given.
    boundary : str
        Boundary of the blur.
    background : float
        Light of the detector.
    saturation : float or None
        From this value on pixels are clipped, and do not count.
    encoding : {"linear", "srgb"}
        How the picture encodes light.
    ndim : {2, 3}
        Axes of the PSF: of a picture, or of a stack.
    """

    psf: Path
    method: Method
    noise: float | None
    weight: float | None
    boundary: str
    background: float
    saturation: float | None
    encoding: Encoding
    ndim: int


@dataclass(frozen=True)
class Deblurred:
    """The result on the host, and its origin.

    Parameters
    ----------
    settings : Settings
        The options.
    device : Device
        Where the method ran.
    blurred, psf : ndarray
        The picture and its PSF, or a grid of them.
    pixel_size : tuple of float or None
        The size of a stack's voxels in metres, where its file or the PSF's says it.
    result : DeblurredPicture
        The result.
    """

    settings: Settings
    device: Device
    blurred: Values
    psf: Values
    pixel_size: tuple[float, ...] | None
    result: workflows.DeblurredPicture

    @property
    def seen(self) -> NDArray[np.bool_] | None:
        """Which pixels count; None: all."""
        level = self.settings.saturation
        return None if level is None else self.blurred < level

    @property
    def residual(self) -> float:
        """The root mean square of the residual, of the pixels that count."""
        seen = self.seen
        return root_mean_square(self.result.residual[... if seen is None else seen])


def steps_of(settings: Settings) -> int:
    """Return the steps at most."""
    return settings.steps or STEPS[settings.method]


def picture_file(done: Deblurred) -> dict[str, Writer]:
    """Return the writer of the picture, or of the stack, by the file's name."""
    x, s = done.result.picture, done.settings
    if s.ndim == 3:
        values = x[0] if len(x) == 1 else x
        return {STACK: psf_writer("tiff", values.astype(np.float32, copy=False), done.pixel_size)}
    return {PICTURE: lambda file: save_picture(x, done.blurred, s.encoding, file)}


def save_picture(picture: Values, blurred: Values, coding: Encoding, file: BinaryIO) -> None:
    """Write a PNG of 8 bits, encoded as the blurred picture was."""
    from PIL import Image

    low, high = float(blurred.min()), float(blurred.max())
    if low >= -SLACK and high <= 1 + SLACK:
        low, high = 0.0, 1.0
    shown = ((picture - low) / (high - low)).clip(0, 1)
    shown = encoded_light(shown) if coding == "srgb" else shown
    pixels = np.round(255 * shown).astype(np.uint8)
    Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)).save(file, "PNG")


def figure_of(done: Deblurred) -> Writer:
    """Return a writer of the figure."""
    if done.settings.ndim == 3:
        from nufftlib.plots.stacks import draw_stack_deblurring

        return lambda file: draw_stack_deblurring(
            done.blurred, done.psf, done.result, file, done.pixel_size
        )
    from nufftlib.plots.deblurring import draw_deblurring

    return lambda file: draw_deblurring(done.blurred, done.psf, done.result, file)


def record_of(done: Deblurred) -> Writer:
    """Return a writer of the record."""
    s, r = done.settings, done.result
    return json_file(
        {
            "job": "deblur",
            "settings": {
                "picture": str(s.image),
                "shape": done.blurred.shape,
                "psf": str(s.psf),
                "psf_shape": done.psf.shape,
                "method": s.method,
                "noise": s.noise,
                "weight": s.weight,
                "ndim": s.ndim,
                "pixel_size": done.pixel_size,
                "boundary": s.boundary,
                "background": s.background,
                "saturation": s.saturation,
                "encoding": s.encoding,
                "steps": steps_of(s),
                "device": done.device.name,
            },
            "versions": versions(done.device),
            "noise": r.noise,
            "weight": r.weight,
            "residual": done.residual,
            **outcome(r),
        }
    )


def print_result(done: Deblurred) -> None:
    """Print the table, noise and weight, and a warning if the residual is no noise."""
    r = done.result
    head = ["method", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"]
    known = "given" if done.settings.noise is not None else "estimated"
    chosen = "given" if done.settings.weight is not None else "chosen"
    below = [
        "",
        f"Noise: {r.noise:.4g} ({known}); residual: {done.residual:.4g}",
        f"Weight: {r.weight:.4g} ({chosen})",
    ]
    report(head, [[done.settings.method, *format_speed(r), *format_losses(r)]], *below)
    if done.residual > TOO_LARGE * r.noise and not r.interrupted:
        said = (
            f"\nCareful: the residual is {done.residual / r.noise:.1f} times the noise. The PSF "
            "may be wrong, or the picture not linear in the light."
        )
        click.echo(said, err=True)
    top = float(done.blurred.max())
    clipped = float(np.mean(done.blurred == top))
    if clipped > CLIPPED and done.seen is None:
        said = (
            f"\nCareful: {clipped:.1%} of the picture has its largest value, {top:.4g}. If it is "
            "clipped there, the light was more than the model is told, and rings surround it: "
            f"leave these pixels out by --saturation {top:.9g}."
        )
        click.echo(said, err=True)
