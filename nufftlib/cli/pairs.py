"""The images of a calibration: a simulation with a known PSF, or the user's own."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from numpy.typing import NDArray

from nufftlib import data, workflows
from nufftlib.blur.psfs.mixture import Kind, kinds_of
from nufftlib.cli import stacks
from nufftlib.cli.devices import Device
from nufftlib.cli.files import PSFS, Writer
from nufftlib.cli.jobs import Command, read, together
from nufftlib.core.arrays import Array
from nufftlib.io.formats.files import explained_import, split_part
from nufftlib.io.pictures import Encoding, Picture, load_sized
from nufftlib.io.psfs import Format, psf_writer

KINDS: tuple[Kind, ...] = get_args(Kind)
SLACK = 0.1
"""Part of the sharp picture's range for an offset or an exposure that is a little off."""


@dataclass(frozen=True)
class Pairs:
    """Sharp and blurred images, on the device.

    Parameters
    ----------
    sharp, blurred : list of array, shape (channels, height, width) or with depth in front of these
        The images.
    size : tuple of int
        Height and width of the PSF, or depth, height and width.
    truth : array or None
        The PSF, where it is known.
    noise : float or None
        Standard deviation of the noise, where it is known.
    settings : dict
        The images' origin, for the record.
    pixel_size : tuple of float or None
        Steps along depth, if there is one, rows and columns in metres, where the files say them.
    """

    sharp: list[Array]
    blurred: list[Array]
    size: tuple[int, ...]
    truth: Array | None
    noise: float | None
    settings: dict[str, Any]
    pixel_size: tuple[float, ...] | None = None

    def named(self, device: Device) -> dict[str, NDArray[Any]]:
        """Return the images on the host by name, numbered where there are several."""
        images = {"sharp": self.sharp, "blurred": self.blurred}
        return numbered({n: [device.to_host(x) for x in found] for n, found in images.items()})

    @property
    def contents(self) -> dict[str, Any]:
        """The arrays by their names in messages, with which a checkpoint is compared."""
        return {
            "the sharp images": self.sharp,
            "the blurred images": self.blurred,
            "the true PSF": self.truth,
        }


def numbered(arrays: Mapping[str, Sequence[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of all pairs by name, numbered where there are several."""
    return {
        name if len(found) == 1 else f"{name}_{i}": array
        for name, found in arrays.items()
        for i, array in enumerate(found)
    }


def encoding_option() -> Callable[[Command], Command]:
    """Add the option that says how pictures encode light."""
    return click.option(
        "--encoding",
        type=click.Choice(get_args(Encoding)),
        default="linear",
        show_default=True,
        help="How the pictures encode light; srgb, as a camera's JPEG does, is decoded, since blur "
        "is linear in light.",
    )


def options_of_files() -> Callable[[Command], Command]:
    """Add the options that say what is in the pictures' files, and in the PSF's."""
    return together(
        [
            encoding_option(),
            click.option(
                "--psf-format",
                type=click.Choice([*PSFS]),
                help=f"Write the best PSF to a file of its own, too: {', '.join(PSFS.values())}.",
            ),
        ]
    )


def check_psf_format(kind: Format | None) -> None:
    """Refuse a format whose package is missing, before the job."""
    if kind is not None:
        try:
            with explained_import(Path(PSFS[kind])):
                psf_writer(kind, np.ones((1, 1), np.float32), None)
        except ImportError as error:  # its text says how to install the package
            raise click.ClickException(str(error)) from error


def psf_file(
    kind: Format | None, psf: NDArray[Any], pixel_size: tuple[float, ...] | None
) -> dict[str, Writer]:
    """Return the writer of a PSF by the file's name, if a format is wanted."""
    if kind is None:
        return {}
    return {PSFS[kind]: psf_writer(kind, psf.astype(np.float32, copy=False), pixel_size)}


class Size(click.ParamType):  # type: ignore[type-arg] # generic in the newest click alone
    """A number of pixels, or of other things, or rows and columns as in 25x31.

    Parameters
    ----------
    things : str
        What is counted.
    """

    name = "N or NxM"

    def __init__(self, things: str = "pixels") -> None:
        self.things = things

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return rows and columns."""
        found = parts_of(value, 2)
        if not found:
            self.fail(f"{value!r} is no size; want {self.things}, as 25, or 25x31", param, ctx)
        return found * 2 if len(found) == 1 else found


class AnySize(click.ParamType):  # type: ignore[type-arg] # generic in the newest click alone
    """A number of pixels, or one for each axis, as in 25x31 or 9x15x15."""

    name = "N, NxM or NxMxK"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers; `on_axes` says what a single one is."""
        found = parts_of(value, 3)
        if not found:
            msg = f"{value!r} is no size; want pixels, as 25, or 25x31, or of a stack 9x15x15"
            self.fail(msg, param, ctx)
        return found


def parts_of(value: Any, most: int) -> tuple[int, ...]:
    """Return one to `most` numbers with x between them; none if it is something else."""
    one = "0*[1-9][0-9]{,8}"
    if not re.fullmatch(f"{one}(x{one}){{,{most - 1}}}", str(value)):
        return ()
    return tuple(map(int, str(value).split("x")))


def on_axes(size: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return the size on each axis, or refuse that of another number of axes."""
    if len(size) not in (1, ndim):
        wish = "height and width, or --ndim 3" if ndim == 2 else "depth, height and width"
        msg = f"{'x'.join(map(str, size))} has {len(size)} axes; want {wish}"
        raise click.BadParameter(msg, param_hint="'--size'")
    return size * ndim if len(size) == 1 else size


def prepare_simulation(
    image: Path | None,
    psf: str,
    size: tuple[int, ...] | None,
    boundary: str,
    noise: float,
    seed: int,
    default: tuple[int, ...],
    encoding: Encoding,
) -> Callable[[Device], Pairs]:
    """Read an image; return a function that blurs it with a PSF of a kind or from a file.

    It is a picture or, if `default` has three axes, a stack.
    """
    ndim, pixel_size = len(default), None
    if ndim == 2:

        def load(path: Path, size: int) -> NDArray[np.float32]:
            color = functools.partial(workflows.load_color, size=size, encoding=encoding)
            return stacks.told_of_stacks(color, path)

        x, bundled = read(load, image, data.astronaut), "astronaut"
    else:
        stack = read(lambda path, _: stacks.load_light(path), image, lambda: stacks.beads(seed))
        x, pixel_size, bundled = *stack, "simulated beads"
    kind = next((k for k in KINDS if k == psf), None)
    if kind and kind not in kinds_of(ndim):
        msg = f"{kind} is a PSF of pictures; want {' or '.join(kinds_of(ndim))}, or a file"
        raise click.BadParameter(msg, param_hint="'--psf'")
    own = None if kind else read_psf(psf, size, ndim)
    pixels = size or default if own is None else own.shape
    check_fits(pixels, x.shape[1:], boundary, "--size" if own is None else "--psf")
    settings = {
        "image": bundled if image is None else str(image),
        "encoding": encoding,
        "pixel_size": pixel_size,
        "shape": x.shape,
        "psf": psf,
        "noise": noise,
        "seed": seed,
    }

    def make(device: Device) -> Pairs:
        xd = device.xp.asarray(x)
        h, y = workflows.simulate_blur(
            xd,
            psf=kind or device.xp.asarray(own),
            size=pixels,
            ndim=ndim,
            boundary=boundary,
            noise=noise,
            seed=seed,
        )
        return Pairs([xd], [y], tuple(pixels), h, noise, settings, pixel_size)

    return make


def read_psf(path: str, size: tuple[int, ...] | None, ndim: int) -> NDArray[np.float32]:
    """Read the PSF of a simulation; `size` is the size that --size gives."""
    if not os.path.isfile(split_part(Path(path))[0]):  # pathlib's fails at a name that is too long
        msg = f"{path} is none of {', '.join(KINDS)}, and there is no such file"
        raise click.BadParameter(msg, param_hint="'--psf'")
    if size is not None:
        msg = f"--size: the PSF {path} has its own; leave one out"
        raise click.UsageError(msg)
    return read(lambda file, _: workflows.load_psf(file, ndim=ndim), Path(path), None, "--psf")


def check_fits(psf: tuple[int, ...], picture: tuple[int, ...], boundary: str, option: str) -> None:
    """Refuse a PSF with pixels that relate no two pixels of the picture.

    With the boundary "valid" each blurred pixel needs all of the PSF.
    """
    most = picture if boundary == "valid" else tuple(2 * n - 1 for n in picture)
    if any(p > n for p, n in zip(psf, most, strict=True)):
        has, seen, fits = (" x ".join(map(str, n)) for n in (psf, picture, most))
        msg = (
            f"a PSF of {has} on a {'picture' if len(psf) == 2 else 'stack'} of {seen}; "
            f"want one of at most {fits} with --boundary {boundary}"
        )
        raise click.BadParameter(msg, param_hint=f"'{option}'")


def prepare_own_pairs(
    sharp: tuple[Path, ...],
    blurred: tuple[Path, ...],
    size: tuple[int, ...],
    boundary: str,
    encoding: Encoding,
    *,
    one_unit: bool = True,
) -> Callable[[Device], Pairs]:
    """Read the user's pairs; return a function that brings them to the device.

    They are pictures or, if `size` has three axes, stacks. With `one_unit` both of a pair have to
    be equally exposed.
    """
    if len(sharp) != len(blurred):
        msg = (
            f"--sharp is given {len(sharp)} and --blurred {len(blurred)} times; want a --blurred "
            f"for every --sharp, in the same order"
        )
        raise click.UsageError(msg)
    found = [
        read_pair(*files, size, boundary, encoding, one_unit=one_unit)
        for files in zip(sharp, blurred, strict=True)
    ]
    pictures = [(x.values, y.values) for x, y in found]
    pixel_size = agreed_size([picture for pair in found for picture in pair])
    settings = {
        "sharp": [str(path) for path in sharp],
        "blurred": [str(path) for path in blurred],
        "encoding": encoding,
        "pixel_size": pixel_size,
        "shape": [x.shape for x, _ in pictures],
    }

    def make(device: Device) -> Pairs:
        x, y = ([device.xp.asarray(p) for p in images] for images in zip(*pictures, strict=True))
        return Pairs(x, y, size, None, None, settings, pixel_size)

    return make


def agreed_size(pictures: list[Picture], option: str = "--blurred") -> tuple[float, ...] | None:
    """Return the size of the pixels that files say; refuse several."""
    sizes = [p.pixel_size for p in pictures if p.pixel_size is not None]
    if not all(np.allclose(sizes[0], size, rtol=1e-3, atol=0) for size in sizes):
        each = dict.fromkeys(" x ".join(f"{step:.4g}" for step in size) for size in sizes)
        different = ", ".join(each)
        axes = "rows and columns" if len(sizes[0]) == 2 else "depth, rows and columns"
        msg = f"the files say pixels of {different} m along {axes}; want one size"
        raise click.BadParameter(msg, param_hint=f"'{option}'")
    return sizes[0] if sizes else None


def read_pair(
    sharp: Path,
    blurred: Path,
    size: tuple[int, ...],
    boundary: str,
    encoding: Encoding,
    *,
    one_unit: bool,
) -> tuple[Picture, Picture]:
    """Read a sharp and a blurred image, or refuse sizes that a PSF of `size` cannot relate."""

    def load(path: Path, _: int) -> Picture:
        if len(size) == 3:
            return stacks.load_planes(path)
        return stacks.told_of_stacks(lambda file: load_sized(file, encoding), path)

    pair = [
        read(load, path, None, option)
        for path, option in ((sharp, "--sharp"), (blurred, "--blurred"))
    ]
    x, y = (picture.values for picture in pair)
    check_fits(size, x.shape[1:], boundary, "--size")
    sizes = [x.shape[1:]]
    if boundary == "valid":
        sizes.append(tuple(n - p + 1 for n, p in zip(x.shape[1:], size, strict=True)))
    if len(y) != len(x) or y.shape[1:] not in sizes:
        msg = (
            f"{blurred} has {len(y)} channels of {y.shape[1:]} pixels and {sharp} {len(x)} of "
            f"{x.shape[1:]}; want as many channels, of {' or '.join(map(str, sizes))} pixels"
        )
        raise click.BadParameter(msg, param_hint="'--blurred'")
    if one_unit:
        check_units(sharp, blurred, x, y, boundary)
    return pair[0], pair[1]


def check_units(
    sharp: Path,
    blurred: Path,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    boundary: str,
) -> None:
    """Refuse a blurred picture whose mean no PSF can make of the sharp one.

    A PSF is nonnegative and sums to one, so that each blurred value is a mean of sharp values
    and, with the boundary "zero", of zeros. Noise moves single values out of their range, but
    not the mean of many. So this takes measurements of any range, and no pairs in two units.
    """
    slack = SLACK * float(np.ptp(x))
    for channel, mean in zip(x, y.mean(axis=(*range(1, y.ndim),), dtype=np.float64), strict=True):
        ends = [float(channel.min()), float(channel.max())] + [0.0] * (boundary == "zero")
        if not min(ends) - slack <= mean <= max(ends) + slack:
            msg = (
                f"the mean of {blurred} is {mean:.4g}, and {sharp} runs from {ends[0]:.4g} to "
                f"{ends[1]:.4g}; want both in one unit (a PSF of sum one makes means)"
            )
            raise click.BadParameter(msg, param_hint="'--blurred'")
