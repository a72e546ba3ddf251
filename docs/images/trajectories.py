"""Draw trajectories-2d.png and trajectories-3d.png: every pattern of the library, by name.

The first shot is orange and thick. Spokes in space have dots at their ends, and lines from one to
the next that is near: the order in which they are played is what tells them apart. Settings are the
defaults, but for SETTINGS, with which a pattern shows what it is.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import nufftlib as nl

SHOTS, SAMPLES = 12, 401
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.75"  # of Okabe and Ito, apart for all eyes
COLUMNS = 4
SPOKES = ("golden-means-radial", "koosh-ball", "park-radial", "phyllotaxis-radial", "wong-radial")
NEAR = 0.32  # Ends of spokes that follow each other are joined up to this distance.
COLORS = 48  # of the file
SETTINGS = {
    "cones-2d": {"shots": 8},
    "eccentric-2d": {"shots": 24, "centre": 0.25},
    "epi": {"shots": 2},
    "fibonacci-spiral": {"shots": 8, "reduction": 5.0},
    "lissajous": {"shots": 8, "ratio": 4.0},
    "polar-lissajous": {"shots": 20, "in_out": True},
    "propeller": {"shots": 16},
    "random-walk": {"shots": 4, "samples": 200},
    "random-walk-3d": {"shots": 4, "samples": 100},
    "rings": {"rings": 6},
    "rosette": {"winding": 1},
    "sinusoid": {"shots": 8, "width": 0.4},
    "spiral": {"shots": 4, "revolutions": 3.0},
    "twirl": {"shots": 8, "straight": 0.06},
    "variable-density-spiral": {"shots": 4, "fov": (48.0, -40.0)},
    "annular-shells": {"shots": 18, "turn": 1.2},
    "cones-3d": {"shots": 24, "revolutions": 4.0, "width": 0.8},
    "eccentric-3d": {"shots": 90, "stacks": 6},
    "floret": {"shots": 15, "revolutions": 2.0, "max_angle": np.pi / 4, "axes": (0, 1, 2)},
    "golden-means-radial": {"shots": 144},
    "helical-shells": {"shots": 6, "reduction": 4.0},
    "koosh-ball": {"shots": 144},
    "park-radial": {"shots": 144, "interleaves": 6},
    "phyllotaxis-radial": {"shots": 144, "interleaves": 8},
    "radial-echo-planar": {"shots": 6, "revolutions": 0.4, "twist": 0.1},
    "seiffert-shells": {"shots": 12, "modulus": 0.8, "revolutions": 2.0},
    "seiffert-spiral": {"shots": 8, "modulus": 0.4, "revolutions": 3.0},
    "turbine": {"shots": 4, "skip": 2},
    "wave-caipi": {"shots": 19, "shape": "circle"},
    "wong-radial": {"shots": 144, "interleaves": 3},
}


def made(name, make):
    """Return a pattern with the settings that show what it is."""
    settings = {"shots": SHOTS, "samples": SAMPLES} | SETTINGS.get(name, {})
    return np.asarray(make(**settings, dtype=np.float64))


def draw(ndim, side):
    """Draw all patterns of the plane, or of the volume."""
    patterns = nl.mri.trajectories.patterns(ndim)
    rows = -(-len(patterns) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * side, rows * (side + 0.22)), dpi=120, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    kind = {"projection": "3d"} if ndim == 3 else {}
    places = figure.subplots(rows, COLUMNS, subplot_kw=kind, squeeze=False).ravel()
    for place, (name, make) in zip(places, patterns.items(), strict=False):
        first, *others = k = made(name, make)
        width, alpha = (0.3, 0.3) if name in SPOKES else (0.55, 0.8)
        for shot in others:
            place.plot(*shot.T, color=BLUE, linewidth=width, alpha=alpha, solid_joinstyle="round")
        if name in SPOKES:
            tips = k[:, -1]
            place.plot(*tips.T, ".", color=BLUE, markersize=2.5)
            near = np.linalg.norm(np.diff(tips, axis=0), axis=-1) < NEAR
            for step in np.flatnonzero(near):
                place.plot(*tips[step : step + 2].T, color=BLUE, linewidth=0.7)
        place.plot(*first.T, color=ORANGE, linewidth=1.7, zorder=5)
        place.plot(*first[0], "o", color=ORANGE, markersize=4, zorder=6)
        place.set_title(name, fontsize=10, pad=2)
        frame(place, ndim)
    for place in places[len(patterns) :]:
        place.set_axis_off()
    drawn = BytesIO()
    figure.savefig(drawn)
    small = Image.open(drawn).convert("RGB").quantize(COLORS)
    small.save(Path(__file__).with_name(f"trajectories-{ndim}d.png"), optimize=True)


def frame(place, ndim):
    """Show the square or the cube of k-space, and nothing else around a pattern."""
    place.set_axis_off()
    if ndim == 2:
        place.set(xlim=(-0.52, 0.52), ylim=(-0.52, 0.52), aspect="equal")
        place.plot(*(np.asarray([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]]) / 2), GREY, linewidth=0.6)
        return
    place.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5), zlim=(-0.5, 0.5))
    place.set_box_aspect((1, 1, 1), zoom=1.05)
    place.set_proj_type("ortho")
    place.view_init(elev=20, azim=-62)
    corners = np.indices((2, 2, 2)).reshape(3, 8).T - 0.5
    for i, a in enumerate(corners):
        for b in corners[:i]:
            if np.abs(a - b).sum() == 1:
                place.plot(*np.stack([a, b], axis=-1), color=GREY, linewidth=0.5, zorder=-1)


if __name__ == "__main__":
    draw(2, 2.0)
    if nl.mri.trajectories.patterns(3):
        draw(3, 2.2)
