r"""
Find the trajectory that was played
===================================

A scanner does not play the trajectory that it is told: here the readout is half a step of the grid
late, and every point is off at random besides. The data of a known object, such as a phantom,
determine the points. Each sample depends on its own point alone, so that the second derivative is
one matrix of 2 x 2 numbers for each point, and Levenberg-Marquardt takes Newton steps for all
points at once.

Ten evaluations take the median error from half a step of the grid to a hundredth of it. The
matrices also tell how well each point is known: where the image has little signal, the data hardly
depend on the point.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, mri

N = 64
rng = np.random.default_rng(1)
image = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
coil_maps = mri.birdcage_maps(8, (N, N), dtype=np.complex128)
planned = mri.trajectories.radial(48, 64, dtype=np.float64)
played = planned + planned[:, -1:] / N + 0.2 / N * rng.standard_normal(planned.shape)

y = (nl.NUFFT(played, (N, N), engine="direct") @ nl.Sense(coil_maps))(image)
sigma = 1e-4 * abs(y).max()
y = y + sigma * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))

# %%
fixed = (nl.NUFFT(planned, (N, N), eps=1e-9) @ nl.Sense(coil_maps)).as_map("trajectory", image)
medians = []


def function(k):
    """Return the loss of each point, the gradient, and the matrices."""
    value, J = fixed.linearize(k)
    medians.append(np.median(N * np.linalg.norm(k - played, axis=-1)))
    r = value - y
    return 0.5 * np.sum(abs(r) ** 2, axis=0), J.adjoint(r), J.gauss_newton().blocks


result = optim.levenberg_marquardt(function, planned, steps=10, damping=1.0)

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
near = slice(0, 6)
for spoke in range(0, 48, 3):
    axes[0].plot(*(N * planned[spoke, near]).T[::-1], color="0.75", linewidth=1)
    axes[0].plot(*(N * played[spoke, near]).T[::-1], "ko", markersize=5, fillstyle="none")
    axes[0].plot(*(N * result.params[spoke, near]).T[::-1], "C1.", markersize=4)
axes[0].set(title="grey: plan, rings: played, dots: found", aspect="equal")
axes[0].set(xlabel="steps of 1/FOV", ylabel="steps of 1/FOV")
axes[1].semilogy(medians, ".-")
axes[1].set(title="median error of the points", xlabel="evaluation", ylabel="steps of 1/FOV")

after = N * np.linalg.norm(result.params - played, axis=-1).ravel()
smallest = np.linalg.eigvalsh(result.state.blocks)[..., 0].ravel()
expected = N * sigma / np.sqrt(smallest)
axes[2].loglog(expected, after, ".", markersize=3)
ends = np.asarray([expected.min(), expected.max()])
axes[2].loglog(ends, ends, "k--", label="as expected")
axes[2].set(title="each point", xlabel="expected error", ylabel="error [steps of 1/FOV]")
axes[2].legend()
plt.show()

# %%
# Points far above the dashed line ended in another valley; their loss shows it.
# :doc:`/calibrate-trajectory` says how they are brought back.
