"""
When it fails
=============

A calibration finds the minimum of the valley in which it starts. The first figure asks how far off
the points of a trajectory may be: from each distance, in random directions, the part of the points
that are found. Up to half a step of the grid nearly all are; from two steps few. Those that are
lost have a loss that the noise does not explain, so that they can be told from the others.

What would make an answer wrong without notice is refused before anything is computed, with what
was given and what is wanted. The end of the page has some of these messages.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, mri

N, COILS = 48, 6
rng = np.random.default_rng(0)
image = data.brain()[8:248, 8:248].astype(float).reshape(N, 5, N, 5).mean(axis=(1, 3))
S = nl.Sense(mri.birdcage_maps(COILS, (N, N), dtype=np.complex128))
played = mri.trajectories.radial(24, N, dtype=np.float64)
A = nl.NUFFT(played, (N, N), eps=1e-9) @ S
y = A(image)
sigma = 1e-4 * abs(y).max()
y = y + sigma * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))
fixed = A.as_map("trajectory", image)


def function(k):
    """Return the loss of each point, the gradient, and the matrices."""
    value, J = fixed.linearize(k)
    return 0.5 * np.sum(abs(value - y) ** 2, axis=0), J.adjoint(value - y), J.gauss_newton().blocks


distances = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
found, told = [], []
for distance in distances:
    angle = rng.uniform(0, 2 * np.pi, played.shape[:-1])
    off = distance / N * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    result = optim.levenberg_marquardt(function, played + off, steps=25, damping=1.0)
    lost = N * np.linalg.norm(result.params - played, axis=-1) > 0.2
    excess = 2 * result.state.values / sigma**2 / (2 * COILS - 2) > 4
    found.append(1 - lost.mean())
    told.append(np.mean(excess[lost]) if lost.any() else 1.0)

# %%
figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
axis.plot(distances, 100 * np.asarray(found), "o-", label="found")
axis.plot(distances, 100 * np.asarray(told), "s--", label="of those lost, told by their loss")
axis.set(xlabel="distance of the start [steps of 1/FOV]", ylabel="points [%]", ylim=(0, 105))
axis.legend()
plt.show()

# %%
# Messages say what came, then what is wanted.


def attempt(f):
    """Print what a call refuses."""
    try:
        f()
    except (TypeError, ValueError, FloatingPointError, NotImplementedError) as error:
        print(f"{type(error).__name__}: {error}\n")


broken = played.copy()
broken[3, 17] = np.nan
attempt(lambda: nl.NUFFT(broken, (N, N)))
attempt(lambda: A(image.astype(np.float32)))
attempt(lambda: A(np.ones((N, N - 1))))
attempt(lambda: nl.NUFFT(played, (N, N)) @ nl.NUFFT(played, (N, N)))
attempt(lambda: A.vjp("field_map", image, y))
attempt(lambda: nl.Sense(S.maps) @ nl.Sense(2 * S.maps))

# %%
# A solve that was stopped before its tolerance warns, because its derivatives would not be exact:

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    nl.LeastSquares(A, damping=1e-6, steps=5)(y)
print(*(str(w.message) for w in caught), sep="\n")

# %%
# :doc:`/calibrate-trajectory` brings lost points back; :doc:`/conventions` has the rules of all
# errors.
