"""Draw scanner-limits.png and scanner-learning.png, and print the table of docs/scanner.md.

The table takes some ten minutes.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.plots.waveforms import waveforms

SHOTS, SAMPLES = 32, 512
SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
PROTOCOL = nl.mri.Protocol(SCANNER, fov=0.24, shape=(256, 256))
RECEIVER = nl.mri.receiver(PROTOCOL, SAMPLES)
CENTRE = (0.0, 0.0)
IMAGE = data.brain()
COILS = nl.mri.birdcage_maps(6, IMAGE.shape)
LEARNED = (("ones", True), ("ones", False), ("estimated", False))
"""Maps, and whether the gradient holds them and the density constant, of the table's losses."""


def in_out():
    """Return spokes from edge to edge, with the centre in the middle of the readout."""
    angle = np.pi * np.arange(SHOTS) / SHOTS
    along = (np.arange(SAMPLES) - SAMPLES // 2) / SAMPLES
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]


def spiral(turns):
    """Return the arms of an Archimedean spiral as a function."""
    arms = np.exp(2j * np.pi * np.arange(SHOTS) / SHOTS)[:, None]

    def curve(p):
        z = 0.5 * p * np.exp(2j * np.pi * turns * p) * arms
        return np.stack([z.real, z.imag], axis=-1)

    return curve


def projected(k, fixed):
    """Return the nearest trajectory within the limits, and how far it is in 1/m."""
    result = nl.mri.project_trajectory(k, PROTOCOL, fixed=fixed)
    return result.trajectory, result.certificate.distance


def loss(k, maps):
    """Return the loss of job 1 at what the receiver samples of a trajectory."""
    k = RECEIVER(k).astype(np.float32)
    F = nl.NUFFT(k, IMAGE.shape, eps=1e-4)
    return float(workflows.TrajectoryObjective(IMAGE, COILS, F, maps).value_and_grad(k)[0])


def errors(k, steps=15):
    """Return the relative errors of two reconstructions with true maps, of samples at k.

    The density-compensated one has `pipe_menon`'s default weights, and the other is that of
    conjugate gradients.
    """
    x = IMAGE.astype(np.complex128)
    F = nl.NUFFT(k.astype(np.float64), x.shape, eps=1e-6)
    A = F @ nl.Sense(COILS.astype(np.complex128))
    y = A(x)
    a = A.H(nl.mri.pipe_menon(F) * y)
    r = A.H(y)
    image, p, square = np.zeros_like(x), r, np.vdot(r, r).real
    for _ in range(steps):
        q = A.H(A(p))
        step = square / np.vdot(p, q).real
        image, r = image + step * p, r - step * q
        last, square = square, np.vdot(r, r).real
        p = r + square / last * p
    found = a * np.vdot(a, x) / np.vdot(a, a), image
    return [np.linalg.norm(z - x) / np.linalg.norm(x) for z in found]


def learn(k, maps, constants=False, **settings):
    """Return the result of 100 steps."""
    k = k.astype(np.float32)
    return workflows.learn_trajectory(IMAGE, COILS, k, maps=maps, constants=constants, **settings)


def starts():
    """Return the trajectories with which learning starts, and their fixed samples."""
    radial = nl.mri.trajectories.radial(SHOTS, SAMPLES, dtype=np.float64)
    curves = {turns: spiral(turns) for turns in np.arange(1, 6, 0.5)}
    fitting = {
        turns: nl.mri.traverse(curve, PROTOCOL, samples=SAMPLES)
        for turns, curve in curves.items()
        if nl.mri.traverse(curve, PROTOCOL).shape[-2] <= SAMPLES
    }
    best = min(fitting, key=lambda turns: loss(fitting[turns], "ones"))
    return {
        "radial, centre-out": (radial, {0: CENTRE}),
        "radial, in-out": (in_out(), {SAMPLES // 2: CENTRE}),
        f"spiral of {best:g} turns": (fitting[best], {0: CENTRE}),
    }


def line(name, k, losses, sampled):
    """Print a row of the table."""
    report = nl.mri.check_trajectory(k, PROTOCOL)
    played = "yes" if report.ok else f"no: {report.slew.ratio:.3g} times the slew rate"
    numbers = " | ".join(f"{value:.4f}" for value in (*losses, *errors(sampled)))
    print(f"| {name} | {numbers} | {played} |", flush=True)


def table():
    """Print the table."""
    for name, (k, fixed) in starts().items():
        near, distance = projected(k, fixed)
        rows = {f"{name}, as it is": k}
        if distance:
            rows[f"{name}, projected: moved by {distance:.2g} 1/m"] = near
        for words, shots in rows.items():
            line(words, shots, [loss(shots, maps) for maps, _ in LEARNED], RECEIVER(shots))
        ends = {index: point for index, point in fixed.items() if index == 0} or None
        kinds = {
            "free": {},
            "by samples": {"protocol": PROTOCOL, "fixed": fixed},
            "by 128 control points": {"protocol": PROTOCOL, "fixed": ends, "control_points": 128},
            "by 32 to 256 control points": {
                "protocol": PROTOCOL,
                "fixed": ends,
                "control_points": (32, 64, 128, 256),
            },
        }
        for words, settings in kinds.items():
            learned = [learn(k, *kind, **settings) for kind in LEARNED]
            shots = learned[1].trajectory
            sampled = RECEIVER(shots) if settings else shots
            line(f"learned from it, {words}", shots, [r.loss_final for r in learned], sampled)


def draw_limits():
    """Draw gradient and slew rate of a spoke, as it is and projected."""
    k = nl.mri.trajectories.radial(1, 64, dtype=np.float64)
    near, _ = projected(k, {0: CENTRE})
    figure = Figure(figsize=(10.0, 3.6), dpi=110, layout="constrained")
    axes = figure.subplots(1, 2)
    lines = ("a spoke of 64 samples", k, "C1"), ("projected", near, "C0")
    for label, shot, color in lines:
        for place, w, style in zip(
            axes, waveforms(shot, PROTOCOL), ("default", "steps-mid"), strict=True
        ):
            place.plot(w.times, w.values[0], color, drawstyle=style, label=label)
    for place, w in zip(axes, waveforms(near, PROTOCOL), strict=True):
        with_limit(place, w)
    peak = waveforms(k, PROTOCOL)[1].values.max()
    axes[1].text(0.02, 203, f"{peak:.0f} at both ends", color="C1", va="bottom")
    axes[0].legend(loc="lower center")
    figure.savefig(Path(__file__).with_name("scanner-limits.png"))


def draw_learning():
    """Draw trajectories learned free and under the limits, their losses, and the waveforms."""
    k = nl.mri.trajectories.radial(SHOTS, SAMPLES, dtype=np.float64)
    limits = {"protocol": PROTOCOL, "fixed": {0: CENTRE}}
    runs = {
        "free": (learn(k, "ones"), "C1"),
        "within the limits": (learn(k, "ones", **limits), "C0"),
        "128 control points": (learn(k, "ones", control_points=128, **limits), "C2"),
    }
    figure = Figure(figsize=(14.0, 9.0), dpi=90, layout="constrained")
    top, (course, *below) = figure.subplots(2, 3)
    for place, (name, (run, color)) in zip(top, runs.items(), strict=True):
        first, *others = np.asarray(run.trajectory)
        for shot in others:
            place.plot(shot[:, 1], shot[:, 0], ".-", color=color, markersize=1.5, linewidth=0.4)
        place.plot(first[:, 1], first[:, 0], "k.-", markersize=1.5, linewidth=0.4)
        place.set(title=f"{name}: loss {run.loss_final:.3f}", xlim=(-0.5, 0.5), ylim=(0.5, -0.5))
        place.set(xlabel="axis 1 [cycles/voxel]", ylabel="axis 0 [cycles/voxel]", aspect="equal")
        course.semilogy(run.losses, color, label=name)
        if name != "free":
            shown = waveforms(first[None].astype(np.float64), PROTOCOL)
            for quantity, w, style in zip(below, shown, ("default", "steps-mid"), strict=True):
                quantity.plot(w.times, w.values[0], color, drawstyle=style)
    course.set(title="loss", xlabel="step")
    course.grid(which="both", alpha=0.25)
    course.legend()
    for quantity, w in zip(below, shown, strict=True):
        with_limit(quantity, w)
        quantity.set(title=f"{w.name} of the black shots, their beginning", xlim=(0, 1))
    figure.savefig(Path(__file__).with_name("scanner-learning.png"))


def with_limit(axes, w):
    """Show the limit of a quantity, and name the axes."""
    axes.axhline(w.limit, color="0.3", linestyle="--")
    where = {"ha": "center", "va": "bottom", "transform": axes.get_yaxis_transform()}
    axes.text(0.5, 1.02 * w.limit, f"limit {w.limit:g}", color="0.3", **where)
    axes.set(title=w.name, xlabel="time [ms]", ylabel=w.unit, ylim=(0, 1.25 * w.limit))
    axes.grid(alpha=0.25)


if __name__ == "__main__":
    draw_limits()
    draw_learning()
    table()
