"""Radial trajectories beside those of BART's command ``traj``: rows of ``trajectories.py``.

BART's spokes have `x` samples at ``i - (x - 1) / 2`` in cycles per field of view, so that the ends
are half a step inside of k-space; ours are at the edge. The same numbers are `x - 1` times
ours, with the two axes exchanged: its first spoke is along its second axis.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from planar_rows import DOUBLE, Row

from nufftlib import mri

SHOTS, SAMPLES = 13, 64


def bart(*options: str) -> Any:
    """Return the trajectory (shots, samples, 3) that BART makes, in cycles per field of view."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "k"
        size = ("-x", str(SAMPLES), "-y", str(SHOTS))
        subprocess.run(["bart", "traj", *size, *options, str(path)], check=True)
        shape = [int(n) for n in path.with_suffix(".hdr").read_text().split("\n")[1].split()]
        k = np.fromfile(path.with_suffix(".cfl"), np.complex64).real
    return k.reshape(shape[::-1]).squeeze()


def radial(tilt: Any, samples: int = SAMPLES) -> Callable[[], Any]:
    """Return ours with BART's axes and unit, in which a step is 1."""
    k = mri.trajectories.radial(SHOTS, samples, in_out=True, tilt=tilt, **DOUBLE)
    return lambda: k[:, :SAMPLES, ::-1] * (samples - 1)


def golden(order: int) -> float:
    return mri.trajectories.tiny_golden_angle(order)


def row(said: str, tilt: Any, *options: str, samples: int = SAMPLES, why: str = "") -> Row:
    name = f"radial({said}); bart traj {' '.join(options)}"
    # Relative to the extent of k-space, since BART has single precision.
    mine = radial(tilt, samples)
    return Row(name, lambda: mine() / SAMPLES, lambda: bart(*options)[..., :2] / SAMPLES, why)


def koosh(said: str, in_out: bool, *options: str, shots: int = SHOTS, why: str = "") -> Row:
    """Compare the directions of the first spokes, again with the first two axes exchanged."""
    k = mri.trajectories.koosh_ball(SHOTS, 2, in_out=in_out, **DOUBLE)[:shots, -1, [1, 0, 2]]

    def theirs() -> Any:
        last = bart("-r", "-3", *options)[:shots, -1]
        return last / np.linalg.norm(last, axis=-1, keepdims=True)

    command = " ".join(["bart", "traj", "-r", "-3", *options])
    return Row(f"koosh_ball({said}), directions; {command}", lambda: 2 * k, theirs, why)


ROWS_BART = [
    row("in_out", "uniform", "-r"),
    row("in_out, tilt=2 pi / shots", 2 * np.pi / SHOTS, "-r", "-D"),
    row("in_out, one more sample, less the last", "uniform", "-r", "-c", samples=SAMPLES + 1),
    row("in_out, tilt=tiny golden 1", golden(1), "-r", "-G"),
    *(
        row(f"in_out, tilt=tiny golden {order}", golden(order), "-r", "-G", "-s", str(order))
        for order in (1, 2, 3, 5, 7, 10)
    ),
    koosh("", False, "-D"),
    koosh("in_out", True, why="theirs gives the last spoke, at the equator, the azimuth of a pole"),
    koosh("in_out, less the last", True, shots=SHOTS - 1),
]
