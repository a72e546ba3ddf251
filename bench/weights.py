"""The error of a reconstruction by its weight: how near the chosen one is to the best.

python bench/weights.py
"""

import numpy as np

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.mri.reconstruct.job import PRIOR

SCANS = {
    "32 spokes": nl.mri.trajectories.radial(32, 256),
    "96 spokes": nl.mri.trajectories.radial(96, 256),
    "8 spiral arms": nl.mri.trajectories.spiral(8, 1024),
}
MULTIPLES = {"cg": (1, 4, 10, 30), "tv": (0.5, 1, 1.5, 2.5), "wavelet": (0.5, 1, 1.5, 2.5)}


def main():
    """Print a table."""
    rng = np.random.default_rng(0)
    x = data.brain()[::2, ::2].astype(np.complex64)
    s = nl.mri.birdcage_maps(8, x.shape)
    heads = [f"{m} {f:g}" for m, all_of in MULTIPLES.items() for f in all_of]
    print(f"| scan | noise | estimated | {' | '.join(heads)} |")
    print("|---" * (3 + len(heads)) + "|")
    for name, k in SCANS.items():
        clean = nl.NUFFT(k, x.shape, norm="ortho")(s * x)
        for sigma in (0.01, 0.05, 0.2):
            n = rng.standard_normal((2, *clean.shape), dtype=np.float32)
            y = clean + sigma * (n[0] + 1j * n[1]) / 2**0.5
            cells = [f"{workflows.reconstruct(y, k, x.shape, maps=s, steps=0).noise:.3f}"]
            for method, multiples in MULTIPLES.items():
                settings = {"method": method, "maps": s, "noise": sigma}
                chosen = workflows.reconstruct(y, k, x.shape, steps=0, **settings).weight
                for f in multiples:
                    weight = f / PRIOR[method] * chosen
                    found = workflows.reconstruct(y, k, x.shape, weight=weight, **settings)
                    error = np.linalg.norm(found.image - x) / np.linalg.norm(x)
                    cells.append(f"{error:.3f}")
            print(f"| {name} | {sigma} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
