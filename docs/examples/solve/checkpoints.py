"""
A run that is ended and goes on
===============================

A trajectory is learned for 80 steps. At step 30 the run is ended, as by a crash or a time limit.
With a checkpoint the next call goes on where it was, and ends at the same trajectory as a run that
nothing ended: the same to the last bit, which the example checks.

The file has the whole state: parameters, the optimiser's moments, the best point, the losses. It
is written every minute, or whenever the loop ends, and replaces the one before in one move.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data

image = data.brain()[::4, ::4].astype(float)
S = nl.Sense(nl.mri.birdcage_maps(4, image.shape, dtype=np.complex128))
spokes = nl.mri.trajectories.radial(8, 64, dtype=np.float64)
F = nl.NUFFT(spokes, image.shape)
weights = nl.mri.pipe_menon(F)
back = (S.H @ F.H @ nl.Diagonal(weights) @ F).as_map("trajectory", S(image))
of_image = nl.MeanSquaredError(image / image.mean()) @ nl.MeanNormalize() @ nl.Magnitude()
loss = of_image @ back
path = Path(tempfile.mkdtemp(), "run.npz")


def run(checkpoint=None, stop_at=None):
    """Learn for 80 steps, or stop before."""
    return optim.minimize(
        loss.value_and_grad,
        spokes,
        optim.adam(optim.cosine_schedule(5e-3, 1e-5, 80)),
        steps=80,
        project=optim.projections.box(-0.5, 0.5),
        callback=lambda step, *_: step == stop_at,
        checkpoint=checkpoint,
    )


ended = run(optim.Checkpoint(path), stop_at=30)
resumed = run(optim.Checkpoint(path, resume=True))
whole = run()
print(f"the same bits: {np.array_equal(resumed.params, whole.params)}")
print(f"the same losses: {resumed.history == whole.history}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
axes[0].semilogy(whole.history, color="0.8", linewidth=6, label="never ended")
axes[0].semilogy(ended.history, "C1", label="ended at step 30")
axes[0].semilogy(range(30, 81), resumed.history[30:], "C0", label="resumed")
axes[0].set(xlabel="step", ylabel="loss")
axes[0].legend()
for axis, (name, result) in zip(
    axes[1:], {"at step 30": ended, "resumed, at step 80": resumed}.items(), strict=True
):
    axis.plot(result.params[..., 1].T, result.params[..., 0].T, ".-", markersize=2, linewidth=0.6)
    axis.set(title=name, aspect="equal", xlabel="cycles per voxel", ylabel="cycles per voxel")
plt.show()

# %%
# A run with another start, other data or another optimiser is refused, and told what differs:

try:
    optim.minimize(
        loss.value_and_grad,
        0.9 * spokes,
        optim.adam(1e-3),
        steps=80,
        checkpoint=optim.Checkpoint(path, resume=True),
    )
except optim.CheckpointError as error:
    print(str(error).replace(str(path), "run.npz"))

# %%
# :doc:`/checkpoints` has the format, the cost, and ``--resume`` of the commands.
