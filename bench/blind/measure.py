"""Error ratios of blind calibration, as Levin et al. (2009) have them.

    python bench/blind/measure.py rows.json

A ratio is the squared error of the picture restored with the PSF found over that with the true
one, restored in the same way. `draw.py` makes the figure of the rows.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from setting import PICTURES, SIZES, case_of, restored, squared_error

from nufftlib import workflows

BOUNDS = (1.1, 1.2, 1.5, 2.0, 3.0, 5.0)


def row(picture: str, seed: int) -> dict[str, Any]:
    """Return the errors of a case."""
    case = case_of(picture, seed)
    clock = time.perf_counter()
    psf = workflows.calibrate_blind(case.blurred, size=SIZES[seed]).psf
    seconds = time.perf_counter() - clock
    true = squared_error(case, restored(case, case.psf))
    return {
        "picture": picture,
        "seed": seed,
        "found": squared_error(case, restored(case, psf)) / true,
        "no blur": squared_error(case, case.blurred) / true,
        "psf": workflows.shift_aligned_error(psf, case.psf),
        "seconds": seconds,
    }


def table(rows: list[dict[str, Any]]) -> None:
    """Print the parts of the cases up to each ratio, and the ratios by picture."""
    print("| | " + " | ".join(f"<= {b}" for b in BOUNDS) + " | median | largest |")
    print("|---" * (len(BOUNDS) + 3) + "|")
    for name in ("found", "no blur"):
        ratios = np.asarray([r[name] for r in rows])
        parts = " | ".join(f"{np.mean(ratios <= b):.0%}" for b in BOUNDS)
        print(f"| {name} | {parts} | {np.median(ratios):.2f} | {ratios.max():.2f} |")
    psfs, seconds = ([r[name] for r in rows] for name in ("psf", "seconds"))
    print(f"\nerror of the PSF {np.median(psfs):.2f}, {np.median(seconds):.0f} s (medians)\n")
    for name in PICTURES:
        mine = sorted((r for r in rows if r["picture"] == name), key=lambda r: r["seed"])
        print(f"| {name} | " + " | ".join(f"{r['found']:.2f}" for r in mine) + " |")


if __name__ == "__main__":
    found = [row(picture, seed) for seed, picture in product(range(len(SIZES)), PICTURES)]
    Path(sys.argv[1]).write_text(json.dumps(found))
    table(found)
