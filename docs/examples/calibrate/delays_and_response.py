"""
Delays and eddy currents of the gradients
=========================================

Gradients that are late by part of a sample move each spoke off the centre of k-space, and the
image is smeared. ``calibrate_delays`` finds the delays from the data of the scan itself: spokes
that cross near the centre must agree there, whatever the object. Neither image nor coils need be
known.

``GradientResponse`` has eddy currents as well, a decaying memory of the gradients. Of a known
object its six numbers are fitted through the derivative by the trajectory.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, mri

N, SPOKES = 64, 51
rng = np.random.default_rng(0)
image = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
image = image / image.max()
angle = 2 * np.pi * np.arange(SPOKES) / SPOKES
along = (np.arange(2 * N) - N) / (2 * N)
k = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]
S = nl.Sense(mri.birdcage_maps(6, (N, N), dtype=np.complex128))

delays = np.asarray([0.8, -0.6, 0.3])  # samples: along axis 0, along axis 1, between both
y = (nl.NUFFT(mri.GradientDelays(k)(delays), (N, N), engine="direct") @ S)(image)
noise = rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape)
y = y + 0.005 * abs(y).max() * noise

F = nl.NUFFT(k, (N, N))
found = mri.calibrate_delays(F, y)
found

# %%
figure, axes = plt.subplots(1, 4, figsize=(12, 3.1), layout="constrained")
calibrated = F.replace(trajectory=found.trajectory)
for axis, (name, A) in zip(axes, {"planned": F, "calibrated": calibrated}.items(), strict=False):
    x = abs(nl.LeastSquares(A @ S, 10.0, tolerance=1e-3)(y))
    axis.imshow(x, vmin=0, vmax=1, cmap="gray")
    axis.set_title(f"{name}: error {nl.nrmse(x, image):.3f}")
axes[2].imshow(image, vmin=0, vmax=1, cmap="gray")
axes[2].set_title("image")
for axis in axes[:3]:
    axis.set_axis_off()
for spoke in range(0, SPOKES, 3):
    middle = slice(N - 4, N + 5)
    axes[3].plot(*(N * k[spoke, middle]).T[::-1], color="0.8", linewidth=0.8)
    axes[3].plot(*(N * found.trajectory[spoke, middle]).T[::-1], linewidth=0.9)
axes[3].set(title="centre: grey planned", aspect="equal", xlim=(-1.6, 1.6), ylim=(1.6, -1.6))
axes[3].set(xlabel="steps of 1/FOV", ylabel="steps of 1/FOV")
plt.show()

# %%
# Delay, amplitude and rate of an eddy current for each axis, from data of a spiral and the known
# image:

spiral = mri.trajectories.spiral(8, 256, revolutions=3, dtype=np.float64)
system = mri.GradientResponse(spiral)
truth = np.asarray([[0.6, 0.03, 0.02], [-0.4, 0.05, 0.04]])
y = nl.NUFFT(system(truth), (N, N), engine="direct")(S(image))
model = nl.NUFFT(spiral, (N, N), eps=1e-9).as_map("trajectory", S(image))


def fit(p):
    """Return loss, gradient and Gauss-Newton matrix."""
    played, J_k = system.linearize(p.reshape(2, 3))
    value, J_y = model.linearize(played)
    r = (value - y).ravel()
    J = np.stack([J_y(J_k(e.reshape(2, 3))).ravel() for e in np.eye(6)])
    J, r = np.concatenate([J.real, J.imag], axis=1), np.concatenate([r.real, r.imag])
    return 0.5 * r @ r, J @ r, J @ J.T


result = optim.levenberg_marquardt(fit, system.start.ravel(), steps=40)
print("true: ", *truth.ravel())
print("found:", *np.round(result.params, 6))

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
off = N * (system(truth) - spiral)[0]
for axis in range(2):
    axes[0].plot(off[:, axis], label=f"axis {axis}")
axes[0].set(title="played - planned", xlabel="sample of a shot", ylabel="steps of 1/FOV")
axes[0].legend()
axes[1].semilogy(result.history, ".-")
axes[1].set(title="loss of the fit", xlabel="evaluation", ylabel="half squared error")
plt.show()

# %%
# :doc:`/delays` has the accuracy by noise and trajectory, beside BART's.
