r"""
How fast
========

The time of a step of learning: the loss of the data and its gradient by the trajectory, for an
image that stays. Our own engine, ``"grid"``, transforms the image once; value and gradient then
are one pass over the samples. With finufft each step is three transforms.

The second figure has the transform itself, forward, by the number of coils. All times are the
least of several, measured on the machine that built this page, which did other things as well:
what counts are the ratios. The benchmarks of the repository are measured with more care.
"""

import os
import time

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data

rng = np.random.default_rng(0)
print(f"{os.cpu_count()} cores")


def least(f, repeats=4):
    """Return the least time of several calls in milliseconds."""
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[1:])


sizes, steps = (64, 128, 256), {"grid": [], "finufft": []}
for n in sizes:
    x = data.brain()[:: 256 // n, :: 256 // n] + 0j
    k = nl.mri.trajectories.radial(n // 4, 2 * n)
    y = rng.standard_normal((4, *k.shape[:-1])).astype(np.complex64)
    coil_images = nl.mri.birdcage_maps(4, x.shape) * x
    for engine, times in steps.items():
        F = nl.NUFFT(k, x.shape, eps=1e-4, engine=engine)
        loss = nl.HalfSquaredError(y) @ F.as_map("trajectory", coil_images)
        times.append(least(lambda loss=loss, k=k: loss.value_and_grad(1.001 * k)))

coils, transforms = (1, 4, 16), {"grid": [], "finufft": []}
k = nl.mri.trajectories.radial(32, 256)
for engine, times in transforms.items():
    F = nl.NUFFT(k, (128, 128), eps=1e-4, engine=engine)
    for c in coils:
        x = rng.standard_normal((c, 128, 128)).astype(np.complex64)
        times.append(least(lambda F=F, x=x: F(x)))

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for shift, (engine, color) in enumerate({"grid": "C0", "finufft": "C1"}.items()):
    axes[0].bar(np.arange(3) + 0.35 * shift, steps[engine], 0.35, color=color, label=engine)
    axes[1].bar(np.arange(3) + 0.35 * shift, transforms[engine], 0.35, color=color, label=engine)
axes[0].set_xticks(np.arange(3) + 0.17, [f"{n} x {n}" for n in sizes])
axes[0].set(title="loss and gradient, 4 coils", xlabel="image", ylabel="milliseconds", yscale="log")
axes[1].set_xticks(np.arange(3) + 0.17, coils)
axes[1].set(
    title="forward transform, 128 x 128", xlabel="coils", ylabel="milliseconds", yscale="log"
)
for axis in axes:
    axis.legend()
plt.show()

for n, a, b in zip(sizes, steps["grid"], steps["finufft"], strict=True):
    print(f"{n} x {n}: a step of grid {a:.2f} ms, of finufft {b:.2f} ms")

# %%
# :doc:`/grid-engine` explains where the time goes; :doc:`/comparison` has the other libraries.
