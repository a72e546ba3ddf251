"""Patterns of trajectories: ours beside mri-nufft's and BART's, by their numbers.

    bench/peers/.venv/bin/python bench/peers/trajectories.py

It prints a table: what is compared, the largest difference of a coordinate in cycles per voxel,
and whether they are equal to 1e-6, or why not. A difference without a reason is an error, as is a
reason without a difference. BART is left out where its command is not installed.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from importlib.metadata import version

import numpy as np
import torchvision_without_ops  # noqa: F401  # before mri-nufft
from planar_rows import ROWS_2D, Row
from volume_rows import ROWS_3D

EQUAL = 1e-6
ROWS = [*ROWS_2D, *ROWS_3D]


def compared(row: Row) -> bool:
    """Print a row; tell whether it is as expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # theirs divides by zero
        a, b = np.asarray(row.ours()), np.asarray(row.theirs())
    if a.shape == b.shape:
        difference = float(np.abs(a - b).max())
        equal, shown = difference <= EQUAL, f"{difference:.1e}"
    else:
        equal, shown = False, f"{a.shape}, {b.shape}"
    print(f"| {row.name} | {shown} | {'equal' if equal else row.why or '**?**'} |", flush=True)
    return equal == (not row.why)


def main() -> int:
    print(f"mri-nufft {version('mri-nufft')}, NumPy {version('numpy')}, SciPy {version('scipy')}\n")
    print("| | largest difference | |\n|---|---|---|")
    rows = list(ROWS)
    if shutil.which("bart"):
        from bart_rows import ROWS_BART

        rows += ROWS_BART
    unexpected = [row.name for row in rows if not compared(row)]
    if unexpected:
        print("\nnot as expected:", *unexpected, sep="\n- ")
    return len(unexpected) > 0


if __name__ == "__main__":
    sys.exit(main())
