"""The command ``learn-trajectory`` on a set of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, get_args

import click
import numpy as np
from numpy.typing import NDArray

import optim
from nufftlib import mri, workflows
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.files import ARRAYS, FIGURE, REPORT, WAVEFORMS, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Each,
    Real,
    Whole,
    arrays_file,
    crossed,
    finish,
    json_file,
    plain,
    report,
    versions,
    with_page,
    write,
)
from nufftlib.cli.learning import (
    EPS,
    LEAST,
    Settings,
    check_loss,
    check_pypulseq,
    files_of_limits,
    fixed_samples,
    learning_rate,
    limits_kept,
    solves_told,
)
from nufftlib.cli.refusals import refused
from nufftlib.cli.scans import DEFAULT, check_centre, coil_maps_of, start_of
from nufftlib.core.arrays import Array
from nufftlib.core.extras import install
from nufftlib.core.kinds import SettingError
from nufftlib.io.image_sets import Plane

if TYPE_CHECKING:
    from nufftlib.interop.dask import Workers

VALIDATE, EPOCHS, BATCH = 0.25, 10, 4
CHANGES = ("flips", "turns", "phase", "coils")
PHASE = 0.5
"""Standard deviation of the random phase of ``--augment phase``, in radians."""
RADII = (1.3, 2.0)
"""Smallest and largest radius of the random coils of ``--augment coils``."""

Command = TypeVar("Command", bound=Callable[..., Any])


class Slices(click.ParamType):  # type: ignore[type-arg] # generic in the newest click alone
    """A range of slices, as 40:140 or 40:140:2; the last one is not among them."""

    name = "first:last[:step]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        """Return the range."""
        try:
            numbers = [int(part) for part in plain(self, value, param, ctx).split(":")]
            found = range(*numbers) if len(numbers) in (2, 3) else range(0)
        except ValueError:  # no numbers, or a step of 0
            found = range(0)
        if not found or found.step < 0 or found.start < 0:
            self.fail(f"{value!r} is no range; want first:last or first:last:step", param, ctx)
        return found


@dataclass(frozen=True)
class SetSettings(Settings):
    """The options of the learning on a set of images.

    Parameters
    ----------
    images : Path
        File or folder of the images.
    plane : {"axial", "coronal", "sagittal"} or None
        Plane of a volume's slices.
    slices : range or None
        Which of them.
    validate : float
        Part of the images to hold out.
    epochs, batch : int
        How often each image is seen, and images of a step.
    patience : int or None
        Epochs without a new best one that end the learning.
    noise : float
        Standard deviation of the noise relative to each image's mean.
    augment : tuple of str
        Random changes of the images.
    cluster : str or None
        Who evaluates the images: workers that are started here, or those of a scheduler.
    workers : int or None
        How many.
    """

    images: Path
    plane: Plane | None
    slices: range | None
    validate: float | None
    epochs: int | None
    batch: int | None
    patience: int | None
    noise: float | None
    augment: tuple[str, ...] | None
    cluster: str | None
    workers: int | None

    @property
    def stored(self) -> bool:
        """Whether the images stay in their files, and are read where they are evaluated."""
        return self.cluster is not None or self.images.name.lower().endswith(".zarr")

    @property
    def part_held_out(self) -> float:
        """Part of the images to hold out."""
        return VALIDATE if self.validate is None else self.validate

    @property
    def course(self) -> dict[str, Any]:
        """The settings of the learning, as `learn_on_images` names them."""
        return {
            "maps": self.maps,
            "reconstruction": self.reconstruction,
            "loss": self.loss,
            "epochs": self.epochs or EPOCHS,
            "batch": self.batch or BATCH,
            "seed": self.seed or 0,
            "patience": self.patience,
            "noise": self.noise or 0.0,
        }

    @property
    def augmentation(self) -> workflows.Augmentation | None:
        """The random changes of the images."""
        if self.augment is None:
            return None
        return workflows.Augmentation(
            flips="flips" in self.augment,
            quarter_turns="turns" in self.augment,
            phase=PHASE if "phase" in self.augment else 0.0,
            coils=RADII if "coils" in self.augment else None,
        )


OPTIONS = [
    click.option(
        "--images",
        type=click.Path(path_type=Path),
        help="Learn on a set of images, all of one shape: a volume (.nii, .nii.gz) by its slices, "
        "an array (.npy, .zarr, .npz with the name images) of shape (n, rows, columns), the planes "
        "of a .tif, .fits or .dcm, or a folder of such files and of pictures (.png, .jpg). Images "
        "of .zarr are read as they are needed, and may be larger than the memory.",
    ),
    click.option(
        "--plane",
        type=click.Choice(get_args(Plane)),
        help="Plane of the slices of a volume.  [default: axial]",
    ),
    click.option(
        "--slices",
        type=Slices(),
        help="Which slices of a volume to take, as 40:140 or 40:140:2, from the lowest, the front "
        "or the right one, which is 0.  [default: all] Empty ones are left out: those whose mean "
        "is at most a tenth of the largest.",
    ),
    click.option(
        "--validate",
        type=Real(min=0, max=1, max_open=True),
        metavar="FRACTION",
        help="Part of the images to hold out, which choose the best epoch; 0 for none. They are "
        "two blocks, in the middle of each half, and a twentieth of all on each side of a block is "
        "in neither part. Of several volumes or stacks, whole ones are held out.  "
        f"[default: {VALIDATE:g}]",
    ),
    click.option(
        "--epochs",
        type=Whole(min=1),
        help=f"How often each image is seen, at most.  [default: {EPOCHS}]",
    ),
    click.option(
        "--batch", type=Whole(min=1), help=f"Number of images in a step.  [default: {BATCH}]"
    ),
    click.option(
        "--patience",
        type=Whole(min=1),
        help="End the learning when so many epochs brought no new best one.",
    ),
    click.option(
        "--noise",
        type=Real(min=0),
        help="Noise in the data: its standard deviation in an image that one coil samples fully, "
        "relative to the image's mean.  [default: 0]",
    ),
    click.option(
        "--augment",
        type=Each("change", click.Choice(CHANGES)),
        help="Random changes of the images in each step, with commas between them: "
        f"{', '.join(CHANGES)} (flips and quarter turns, a smooth phase of {PHASE:g} radians, "
        "coils at another angle and distance).",
    ),
    click.option(
        "--cluster",
        metavar="ADDRESS|local",
        help="Evaluate the images on workers of Dask: of a scheduler, as tcp://10.0.0.1:8786, or "
        "started here. They read the images, for which the path has to hold there. The result does "
        "not depend on how many there are, on the last bit either.",
    ),
    click.option(
        "--workers",
        type=Whole(min=1),
        help="How many workers to start, or to wait for.  [default: one for each processor, or "
        "those that are there]",
    ),
]
OF_SETS = [
    "plane",
    "slices",
    "validate",
    "epochs",
    "batch",
    "patience",
    "noise",
    "augment",
    "cluster",
    "workers",
]
"""Options of the learning on a set alone."""


def options_of_sets(command: Command) -> Command:
    """Add the options of a set."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Images:
    """The images of both parts, each brought to the largest value 1.

    Parameters
    ----------
    found : ImageSet or StoredImages
        What was read, or is to be.
    training, held_out : ndarray of int
        The images to learn from, and those held out.
    """

    found: workflows.ImageSet | workflows.StoredImages
    training: NDArray[np.intp]
    held_out: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of an image."""
        return shape_of(self.found)

    def read(self, which: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """Return some of them."""
        found = self.found
        if isinstance(found, workflows.ImageSet):
            return found.images[list(which)]
        return found.read([*which]) if len(which) else np.zeros((0, *self.shape), np.float32)

    def parts(self, device: Device) -> tuple[Any, Any]:
        """Return both parts as `learn_on_images` takes them."""
        if isinstance(self.found, workflows.ImageSet):
            parts = (device.xp.asarray(self.read(part)) for part in (self.training, self.held_out))
            return tuple(parts)
        n = len(self.training)
        both = [*self.training.tolist(), *self.held_out.tolist()]
        return self.found.take(both), range(n, len(both))

    def __str__(self) -> str:
        """Return how many there are."""
        total, training, held_out = map(len, (self.found.names, self.training, self.held_out))
        between = total - training - held_out
        parts = [f"{training} to learn from", f"{held_out} held out"]
        parts += [f"{between} between them in neither part"] * bool(between)
        parts += [f"{self.found.left_out} empty slices left out"] * bool(self.found.left_out)
        return f"Images of {crossed(self.shape)}: {', '.join(parts)}"

    def own_fov(self) -> tuple[float, ...] | None:
        """Return their field of view in metres, if their files say one and the same."""
        known = {
            fov and tuple(round(length, 6) for length in fov): fov
            for fov in self.found.fields_of_view
        }
        if len(known) > 1:
            said = ", ".join("none" if fov is None else crossed(fov) for fov in known)
            msg = f"--fov: the images have several fields of view in metres ({said}); want one"
            raise click.UsageError(msg)
        return next(iter(known.values()))


def shape_of(found: workflows.ImageSet | workflows.StoredImages) -> tuple[int, ...]:
    """Return rows and columns."""
    whole = found.images.shape if isinstance(found, workflows.ImageSet) else found.shape
    return tuple(whole[1:])


@dataclass(frozen=True)
class Shown:
    """The worst and the best held-out image, on the host.

    Parameters
    ----------
    places : tuple of int
        Which of the held-out images they are; empty if there are none.
    image, reconstruction_start, reconstruction : ndarray, shape (2, rows, columns)
        They, and their reconstructions with both trajectories.
    """

    places: tuple[int, ...]
    image: NDArray[Any]
    reconstruction_start: NDArray[Any]
    reconstruction: NDArray[Any]


def learn_on_images(ctx: click.Context, settings: SetSettings) -> None:
    """Learn the trajectory, write the result and report it."""
    device = open_device(settings.device_name)
    with workers_of(settings) as pool:
        learn_with(ctx, settings, device, pool)


def learn_with(
    ctx: click.Context, settings: SetSettings, device: Device, pool: Workers | None
) -> None:
    """Learn with the workers of a cluster, if there is one."""
    images = read_images(ctx, settings, pool)
    limits = settings.protocol(images.shape, images.own_fov)
    if settings.pulseq:
        check_pypulseq()
    k = start_of(settings.beginning(), images.shape, None if limits is None else limits.fov)
    if settings.maps == "estimated":
        check_centre(k)
    maps = coil_maps_of(settings.coil_maps, settings.coils, images.shape)
    with settings.claimed_folder(*pictures_with(limits), resume=settings.resume) as folder:
        click.echo(images, err=True)
        found = images.found
        said = found.images if isinstance(found, workflows.ImageSet) else found.digest
        read = {"the images": said, "the coil maps": maps, "the start": k}
        checkpoint = settings.checkpoint(ctx, folder, device.xp.asarray(k), read)
        learned, shown = learn(
            settings, device, images, (maps, k), limits, ctx.obj, checkpoint, pool
        )
        files = files_of(settings, learned, shown)
        record = json_file(record_of(settings, device, images, maps, learned))
        pictures = {}
        if not settings.no_figures:
            pictures = with_page(files, record, pictures_of(images, learned, shown))
        written = write(folder, files, record, pictures, ctx.obj, interrupted=learned.interrupted)
    tell(learned, images)
    where = f"after {learned.steps} of {epochs(settings.course['epochs'])}"
    finish(ctx, written, where if learned.interrupted else "")


@contextmanager
def workers_of(settings: SetSettings) -> Iterator[Workers | None]:
    """Yield the workers that are asked for, if any are."""
    if settings.cluster is None:
        if settings.workers is not None:
            msg = "--workers is given; want --cluster with it, an address or local"
            raise click.UsageError(msg)
        yield None
        return
    if settings.device_name != "cpu":
        msg = f"--device {settings.device_name} is given with --cluster; want cpu"
        raise click.UsageError(msg)
    try:
        from nufftlib.interop.dask import connect
    except ImportError as error:
        msg = f"--cluster needs Dask, which in a clone of nufftlib comes with: {install('dask')}"
        raise click.ClickException(msg) from error
    address = None if settings.cluster == "local" else settings.cluster
    with ExitStack() as stack:
        try:
            pool = stack.enter_context(connect(address, settings.workers))
        except SettingError as error:
            raise refused(error, "--cluster", {"address": "--cluster"}) from error
        except (ConnectionError, RuntimeError) as error:
            msg = f"--cluster {settings.cluster}: {error}"
            raise click.ClickException(msg) from error
        yield pool


def read_images(ctx: click.Context, settings: SetSettings, pool: Workers | None) -> Images:
    """Read the images, or open them, bring the largest value of each to one, and hold some out."""
    which: dict[str, Any] = {"plane": settings.plane, "slices": settings.slices}
    found: workflows.ImageSet | workflows.StoredImages
    try:
        if settings.stored:
            found = workflows.open_images(
                settings.images, settings.size, bright=True, pool=pool, **which
            )
        else:
            found = workflows.load_images(settings.images, settings.size, progress=True, **which)
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), ctx, param_hint="'--images'") from error
    except ImportError as error:  # its text says how to install the package
        raise click.ClickException(str(error)) from error
    shape = shape_of(found)
    if min(shape) < LEAST:
        msg = (
            f"{settings.images}: the images are of shape {shape}; want at least {LEAST} voxels "
            f"along each axis, for the kernel of the density weights"
        )
        raise click.BadParameter(msg, ctx, param_hint="'--images'")
    if "turns" in (settings.augment or ()) and shape[0] != shape[1]:
        msg = f"turns: the images are of shape {shape}; want squares, as with --size"
        raise click.BadParameter(msg, ctx, param_hint="'--augment'")
    if settings.patience is not None and not settings.part_held_out:
        msg = "--patience is given with --validate 0; want images held out"
        raise click.UsageError(msg)
    try:
        training, held_out = found.split(settings.part_held_out)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param_hint="'--validate'") from error
    if isinstance(found, workflows.ImageSet):
        found.images[...] /= found.images.max(axis=(1, 2), keepdims=True)
    images = Images(found, training, held_out)
    check_loss(ctx, settings.loss, images.read([0])[0])
    return images


def learn(
    settings: SetSettings,
    device: Device,
    images: Images,
    start: tuple[NDArray[Any], NDArray[Any]],
    limits: mri.Protocol | None,
    interrupts: Interrupts,
    checkpoint: optim.Checkpoint,
    pool: Workers | None,
) -> tuple[workflows.LearnedOnImages, Shown]:
    """Learn the trajectory; return the result on the host, and images to show."""
    course, total = settings.course, settings.course["epochs"]
    maps, k = map(device.xp.asarray, start)

    def mark(epoch: int, _training: float | None, _validation: float | None, _k: Array) -> None:
        interrupts.step_done(last=epoch == total)

    said = f"{epochs(total)}, {course['reconstruction']}, {course['loss']}, maps {course['maps']}"
    click.echo(f"Learning on the {device.title}: {said}", err=True)
    given, held_out = images.parts(device)
    with solves_told(), device.compilation_told():
        learned = workflows.learn_on_images(
            given,
            maps,
            k,
            validation=held_out if len(images.held_out) else None,
            augment=settings.augmentation,
            learning_rate=learning_rate(images.shape),
            eps=EPS,
            protocol=limits,
            fixed=fixed_samples(k, limits, settings.control_points),
            control_points=settings.control_points,
            callback=mark,
            progress=True,
            checkpoint=checkpoint.part("learning"),
            pool=pool,
            **course,
        )
        interrupts.hold()
        losses = [score.loss for score in learned.scores]
        places = (losses.index(max(losses)), losses.index(min(losses))) if losses else ()
        before, after = (
            device.to_host(learned.reconstruct(trajectory, places)) if places else np.zeros(0)
            for trajectory in (learned.trajectory_start, learned.trajectory)
        )
    shown = Shown(places, images.read([images.held_out[i] for i in places]), before, after)
    return device.fetch(replace(learned, held_out=None)), shown


def epochs(number: int) -> str:
    """Say a number of epochs."""
    return f"{number} epoch{'' if number == 1 else 's'}"


def pictures_with(protocol: mri.Protocol | None) -> tuple[str, ...]:
    """Return the names of the pictures."""
    return (FIGURE, REPORT) if protocol is None else (FIGURE, WAVEFORMS, REPORT)


def files_of(
    settings: SetSettings, learned: workflows.LearnedOnImages, shown: Shown
) -> dict[str, Writer]:
    """Return writers of the data by name."""
    arrays = {
        "trajectory": learned.trajectory,
        "trajectory_start": learned.trajectory_start,
        "training": np.asarray(learned.training),
        "validation": np.asarray(learned.validation),
        "validation_worst": np.asarray(learned.validation_worst),
    }
    if shown.places:
        for i, which in enumerate(("worst", "best")):
            arrays[f"image_{which}"] = shown.image[i]
            arrays[f"reconstruction_{which}"] = shown.reconstruction[i]
            arrays[f"reconstruction_start_{which}"] = shown.reconstruction_start[i]
    files = {ARRAYS: arrays_file(**arrays)}
    return files | files_of_limits(learned, pulseq=settings.pulseq)


def record_of(
    settings: SetSettings,
    device: Device,
    images: Images,
    maps: NDArray[Any],
    learned: workflows.LearnedOnImages,
) -> dict[str, Any]:
    """Return the record."""
    names = images.found.names
    return {
        "job": "learn-trajectory",
        "settings": {
            "images": str(settings.images),
            "size": settings.size,
            "plane": settings.plane,
            "slices": settings.slices and str(settings.slices),
            "shape": images.shape,
            "validate": settings.part_held_out,
            "training": [names[i] for i in images.training],
            "held_out": [names[i] for i in images.held_out],
            "empty_slices_left_out": images.found.left_out,
            "coils": len(maps),
            "coil_maps": settings.coil_maps and str(settings.coil_maps),
            "start": settings.start or DEFAULT[2],
            "shots": learned.trajectory.shape[0],
            "samples": learned.trajectory.shape[1],
            **settings.course,
            "augment": settings.augment,
            "learning_rate": learning_rate(images.shape),
            "eps": EPS,
            "device": device.name,
            "cluster": settings.cluster,
            "workers": settings.workers,
            "protocol": learned.protocol and asdict(learned.protocol),
            "control_points": settings.control_points,
        },
        "certificate": learned.certificate and asdict(learned.certificate),
        "versions": versions(device) | dask_version(settings),
        "training": learned.training,
        "validation": learned.validation,
        "validation_worst": learned.validation_worst,
        "best_epoch": learned.best_epoch,
        "epochs": learned.steps,
        "stopped_early": learned.stopped_early,
        "scores": [
            {"image": names[i], "start": known(asdict(start)), "learned": known(asdict(end))}
            for i, start, end in zip(
                images.held_out, learned.scores_start, learned.scores, strict=True
            )
        ],
        "mean": {when: known(mean_of(scores)) for when, scores in both(learned)},
        "worst": {when: known(worst_of(scores)) for when, scores in both(learned)},
        "seconds": learned.seconds,
        "interrupted": learned.interrupted,
    }


def dask_version(settings: SetSettings) -> dict[str, str]:
    """Return the version of Dask, if it takes part."""
    return {} if settings.cluster is None else {"dask": version("dask")}


Scores = Sequence[workflows.ImageScore]
KINDS: dict[str, Callable[[Iterable[float]], float]] = {"loss": max, "psnr": min, "ssim": min}
"""Kinds of scores, and which of several is the worst."""


def both(learned: workflows.LearnedOnImages) -> list[tuple[str, Scores]]:
    """Return the scores with the two trajectories, if images are held out."""
    if not learned.scores:
        return []
    return [("start", learned.scores_start), ("learned", learned.scores)]


def mean_of(scores: Scores) -> dict[str, float]:
    """Return the mean of each kind of score."""
    return {name: fmean(asdict(score)[name] for score in scores) for name in KINDS}


def worst_of(scores: Scores) -> dict[str, float]:
    """Return the worst of each kind of score, of whichever image."""
    return {name: pick(asdict(score)[name] for score in scores) for name, pick in KINDS.items()}


def known(scores: dict[str, float]) -> dict[str, float | None]:
    """Return scores for JSON, which has no infinity: the PSNR of an image without an error."""
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}


def tell(learned: workflows.LearnedOnImages, images: Images) -> None:
    """Print the scores of the held-out images, and how the learning went."""
    done = f"{epochs(learned.steps)} in {learned.seconds:.1f} s"
    best = f"the best after {epochs(learned.best_epoch)}"
    if learned.best_epoch == 0:
        best = "none better than the start, which is the result"
    ended = ", ended by --patience" if learned.stopped_early else ""
    below = [f"{done}, {best}{ended}", *limits_kept(learned)]
    if not learned.scores:
        losses = f"{learned.training[0]:.4g}", f"{min(learned.training):.4g}"
        report(("training loss", "first", "best"), [("mean of an epoch", *losses)], *below)
        return
    rows = [
        (f"{which}, {when}", f"{of['loss']:.4g}", f"{of['psnr']:.2f}", f"{of['ssim']:.4f}")
        for which, combine in (("mean", mean_of), ("worst", worst_of))
        for when, scores in both(learned)
        for of in [combine(scores)]
    ]
    report((f"{len(images.held_out)} held out", "loss", "PSNR [dB]", "SSIM"), rows, *below)


def pictures_of(
    images: Images, learned: workflows.LearnedOnImages, shown: Shown
) -> dict[str, Writer]:
    """Return writers of the pictures by name."""
    from nufftlib.plots import learning, waveforms

    examples = [
        learning.Example(
            images.found.names[images.held_out[place]],
            shown.image[i],
            shown.reconstruction_start[i],
            shown.reconstruction[i],
            learned.scores_start[place],
            learned.scores[place],
        )
        for i, place in enumerate(shown.places)
    ]

    def draw_limits(file: BinaryIO) -> None:
        assert learned.protocol is not None
        waveforms.draw_waveforms(learned.trajectory, learned.protocol, file)

    writers: dict[str, Writer] = {
        FIGURE: lambda file: learning.draw_learning_on_images(learned, examples, file),
        WAVEFORMS: draw_limits,
    }
    return {name: writers[name] for name in pictures_with(learned.protocol) if name in writers}
