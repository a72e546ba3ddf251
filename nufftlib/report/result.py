"""Results as their files hold them, and the pages that there are for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from nufftlib.report.calibration import calibration_page
from nufftlib.report.learning import learning_page
from nufftlib.report.page import Page

Arrays = Mapping[str, Any]


class Result(NamedTuple):
    """A result of a job.

    Attributes
    ----------
    record : dict
        What ``result.json`` holds.
    arrays : dict of ndarray
        What ``result.npz`` holds.
    course : dict of ndarray
        What ``learning.npz`` holds; empty without one.
    """

    record: Mapping[str, Any]
    arrays: Arrays
    course: Arrays

    @classmethod
    def read(cls, record: Path, arrays: Path, course: Path) -> Result:
        """Return the result in three files, the last of which need not be there."""
        text = record.read_text(encoding="utf-8")
        return cls(json.loads(text), loaded(arrays), loaded(course) if course.exists() else {})


def loaded(file: Path | BinaryIO) -> Arrays:
    """Return the arrays of a file by name."""
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


PAGES: Mapping[str, Callable[[Result], Page]] = {
    "learn-trajectory": lambda r: learning_page(r.record, r.arrays, r.course),
    "calibrate-psf": lambda r: calibration_page(r.record, r.arrays),
}
"""What makes the page of a job's result."""


def refusal(result: Result) -> str:
    """Say why there is no page of a result; empty if there is one."""
    job, settings = result.record.get("job"), result.record.get("settings", {})
    if job not in PAGES:
        return f"the result is of {job}; want one of {' or '.join(PAGES)}"
    if job == "calibrate-psf" and not any(name.startswith("losses_") for name in result.arrays):
        return "the result is of calibrate-psf with --grid; want one PSF for the whole picture"
    if job == "calibrate-psf" and settings.get("ndim") == 3:
        return "the result is of calibrate-psf with --ndim 3; want a PSF of two axes"
    return ""


def write_page(result: Result, file: BinaryIO) -> None:
    """Write the page of a result, for which there is no `refusal`, as HTML."""
    file.write(PAGES[result.record["job"]](result).html().encode())
