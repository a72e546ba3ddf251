"""Draw the picture of docs/reconstruct.md: four reconstructions of one scan, and their errors.

python docs/images/reconstruction.py
"""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.plots.figures import new_figure, picture, save, scale_beside

x = data.brain()[::2, ::2].astype(np.complex64)
k = nl.mri.trajectories.radial(28, 256)
s = nl.mri.birdcage_maps(8, x.shape)
rng = np.random.default_rng(0)
y = nl.NUFFT(k, x.shape, norm="ortho")(s * x)
n = rng.standard_normal((2, *y.shape), dtype=np.float32)
y = y + 0.05 * (n[0] + 1j * n[1]) / 2**0.5

figure = new_figure(13.0, 5.4)
axes = figure.subplots(2, 5)
picture(axes[0, 0], abs(x), "Image", Normalize(0, 1))
axes[1, 0].set_axis_off()
for column, method in enumerate(("adjoint", "cg", "wavelet", "tv"), start=1):
    found = abs(workflows.reconstruct(y, k, x.shape, method=method).image)
    error = float(nl.nrmse(found, abs(x)))
    print(f"{method}: {error:.3f}")
    picture(axes[0, column], found, f"{method}: error {error:.3f}", Normalize(0, 1))
    off = picture(axes[1, column], found - abs(x), "", Normalize(-0.3, 0.3), "RdBu_r")
scale_beside(off, "", extend="both")
with (Path(__file__).parent / "reconstruction.png").open("wb") as file:
    save(figure, file)
