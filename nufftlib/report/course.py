"""The moments of a learning that a page shows, few enough for its size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nufftlib.mri.scanner import Protocol, Scanner
from nufftlib.plots.figures import Real
from nufftlib.plots.learned import Plane, planes

MOST = 2_900_000
"""Bytes of a page's moments; as text they are four for every three."""
WORD = 2
"""Bytes of a number on the page."""


class Packed(NamedTuple):
    """Numbers of 16 bits: ``values * scale``, to half of `scale`.

    Attributes
    ----------
    values : ndarray of int16
        The numbers.
    scale : float
        Their unit.
    """

    values: Any
    scale: float

    @classmethod
    def of(cls, x: Any) -> Packed:
        """Return real numbers, packed."""
        scale = float(np.abs(x).max()) / 32767 or 1.0
        return cls(np.rint(np.asarray(x, np.float64) / scale).astype(np.int16), scale)


class Strip(NamedTuple):
    """A plane of an image along the learning.

    Attributes
    ----------
    title : str
        Which one it is.
    image : ndarray, shape (rows, columns)
        The image.
    reconstructions : ndarray, shape (moments, rows, columns)
        Its reconstructions.
    """

    title: str
    image: Real
    reconstructions: Real


class Losses(NamedTuple):
    """A curve of losses.

    Attributes
    ----------
    values : list of float
        The losses.
    first : float
        After how many steps or epochs the first of them is; the others follow by one.
    """

    values: list[float]
    first: float = 0.0

    @property
    def at(self) -> Any:
        """After how many steps or epochs they are."""
        return np.arange(len(self.values)) + self.first

    def after(self, step: int) -> float | None:
        """Return the loss after so many steps, if there is one."""
        return None if self.first else self.values[step]


class Course(NamedTuple):
    """Moments of a learning.

    Attributes
    ----------
    unit : {"step", "epoch"}
        What is counted.
    number : int
        How many there were.
    best : int
        After how many the result was found.
    steps : list of int
        Steps or epochs of the moments.
    trajectories : ndarray, shape (moments, shots, samples, axes)
        The trajectories then.
    every : int
        Only every so many shots are among them.
    strips : list of Strip
        Planes of the images.
    losses : dict of str to Losses
        The losses by name, those first by which the result was chosen.
    protocol : Protocol or None
        The scanner's limits.
    """

    unit: str
    number: int
    best: int
    steps: list[int]
    trajectories: Real
    every: int
    strips: list[Strip]
    losses: Mapping[str, Losses]
    protocol: Protocol | None


def course_of(
    record: Mapping[str, Any], arrays: Mapping[str, Any], kept: Mapping[str, Any]
) -> Course:
    """Return the moments of a result: those that were kept, or else the first and the best."""
    on_set = "training" in arrays
    losses = set_losses(arrays) if on_set else {"loss": Losses(arrays["losses"].tolist())}
    unit, number, best = (
        ("epoch", record["epochs"], record["best_epoch"])
        if on_set
        else ("step", record["steps"], record["step_best"])
    )
    start, end = arrays["trajectory_start"], arrays["trajectory"]
    steps, trajectories = [0, best], np.stack([start, end])
    images: dict[str, tuple[Real, Real]] = {}
    if on_set:
        for which in ("worst", "best"):
            if f"image_{which}" in arrays:
                names = (f"reconstruction_start_{which}", f"reconstruction_{which}")
                found = np.stack([arrays[name] for name in names])
                images[f"{which} of the held-out images"] = arrays[f"image_{which}"], found
    elif kept:
        steps, trajectories = kept["steps"].tolist(), kept["trajectories"]
        images[""] = arrays["image"], kept["reconstructions"].astype(np.float32)
    else:
        found = np.stack([arrays["reconstruction_start"], arrays["reconstruction"]])
        images[""] = arrays["image"], found
    trajectories = trajectories.reshape(len(steps), -1, *trajectories.shape[-2:])
    strips = [strip for title, of in images.items() for strip in strips_of(title, *of)]
    protocol = protocol_of(record["settings"]["protocol"])
    course = Course(unit, number, best, steps, trajectories, 1, strips, losses, protocol)
    return thinned(course)


def set_losses(arrays: Mapping[str, Any]) -> dict[str, Losses]:
    """Return the losses of a learning on a set."""
    found = {
        "held out, mean": Losses(arrays["validation"].tolist()),
        "held out, worst": Losses(arrays["validation_worst"].tolist()),
        # The mean over an epoch is that of its middle.
        "training, mean": Losses(arrays["training"].tolist(), 0.5),
    }
    return {name: losses for name, losses in found.items() if losses.values}


def strips_of(title: str, image: Real, reconstructions: Real) -> list[Strip]:
    """Return an image, or the middle planes of a volume, along the learning."""
    moments = [planes(x) for x in reconstructions]
    return [
        Strip(which(title, plane), plane.values, np.stack([m[i].values for m in moments]))
        for i, plane in enumerate(planes(image))
    ]


def which(title: str, plane: Plane) -> str:
    """Return the title of a plane."""
    return title or (plane.across and f"{plane.down}; {plane.across}")


def protocol_of(stored: Mapping[str, Any] | None) -> Protocol | None:
    """Return the scanner's limits that a record holds."""
    if stored is None:
        return None
    return Protocol(**{**stored, "scanner": Scanner(**stored["scanner"])})


def thinned(course: Course) -> Course:
    """Leave moments out, the first and the last excepted, and shots, where a page has no room."""
    _, shots, samples, axes = course.trajectories.shape
    per_sample = axes if course.protocol is None else axes + 2
    # Two moments always have room, and their shots half of it.
    every = max(1, math.ceil(4 * WORD * shots * samples * per_sample / MOST))
    trajectories = course.trajectories[:, ::every]
    of_shots = WORD * trajectories.shape[1] * samples * per_sample
    moment = of_shots + WORD * sum(strip.image.size for strip in course.strips)
    number = max(2, min(len(course.steps), MOST // moment))
    at = np.unique(np.rint(np.linspace(0, len(course.steps) - 1, number)).astype(int))
    return course._replace(
        steps=[course.steps[i] for i in at],
        trajectories=trajectories[at],
        every=every,
        strips=[s._replace(reconstructions=s.reconstructions[at]) for s in course.strips],
    )
