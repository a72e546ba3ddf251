"""Draw registration.png: a picture, its moved copy, and how well the motion between is found."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage

import nufftlib as nl
from nufftlib.data import astronaut

SHIFT, ROTATION, SCALE = np.asarray([13.4, -21.8]), 0.06, 1.03
LEVELS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
DRAWS = 4


def moved(x):
    """Resample by splines of fifth order, which are not the library's."""
    cos, sin = np.cos(ROTATION), np.sin(ROTATION)
    M, c = SCALE * np.asarray([[cos, -sin], [sin, cos]]), np.asarray(x.shape) // 2
    return ndimage.affine_transform(x, M, c + SHIFT - M @ c, order=5, mode="mirror")


def noisy(x, std, seed):
    """Return a picture with noise."""
    return nl.blur.gaussian_noise(x, std, seed=seed)


def errors(x, std):
    """Return the largest error in pixels of each draw, with those expected of one deviation."""
    fixed, found = moved(x), []
    for seed in range(DRAWS):
        r = nl.warp.register(noisy(fixed, std, 2 * seed), noisy(x, std, 2 * seed + 1))
        w = r.warp
        off = [*(w.shift - SHIFT), 128 * (w.rotation - ROTATION), 128 * (w.scale - SCALE)]
        told = [*r.deviations["shift"], *(128 * r.deviations[n] for n in ("rotation", "scale"))]
        found.append((np.max(np.abs(off)), np.max(told)))
    return np.asarray(found)


def draw():
    """Draw both pictures, their difference before and after, and errors by noise."""
    x = ndimage.gaussian_filter(astronaut().mean(axis=0).astype(float), 1.2)
    moving, fixed = noisy(x, 0.005, 0), noisy(moved(x), 0.005, 1)
    found = nl.warp.register(fixed, moving)
    figure = Figure(figsize=(15.0, 3.4), dpi=90, layout="constrained")
    places = figure.subplots(1, 5, width_ratios=(1, 1, 1, 1, 1.25))
    both = {"moving": moving, "fixed": fixed}
    for place, (name, picture) in zip(places, both.items(), strict=False):
        place.imshow(picture, cmap="gray", vmin=0, vmax=1)
        place.set(title=name)
    left = {"moving - fixed": moving - fixed, "warp(moving) - fixed": found.warp(moving) - fixed}
    for place, (name, picture) in zip(places[2:], left.items(), strict=False):
        shown = place.imshow(picture, cmap="RdBu_r", vmin=-0.2, vmax=0.2)
        place.set(title=name)
    figure.colorbar(shown, ax=list(places[2:4]), shrink=0.75)
    for place in places[:4]:
        place.set(xticks=[], yticks=[])
    by_level = np.asarray([errors(x, std) for std in LEVELS])
    for draws in by_level[..., 0].T:
        places[4].loglog(LEVELS, draws, "C0.", alpha=0.6)
    places[4].loglog(LEVELS, by_level[..., 1].mean(axis=1), "k--", label="standard deviation")
    places[4].set(xlabel="noise in both", title="largest error [pixels]")
    places[4].grid(alpha=0.3)
    places[4].legend()
    figure.savefig(Path(__file__).with_name("registration.png"))


if __name__ == "__main__":
    draw()
