"""Draw scanner-limits.png and scanner-learning.png, and print the table of docs/scanner.md.

The table takes some ten minutes.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data, workflows

SHOTS, SAMPLES = 32, 512
SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
PROTOCOL = nl.mri.Protocol(SCANNER, fov=0.24, shape=(256, 256))
RECEIVER = nl.mri.receiver(PROTOCOL, SAMPLES)
CENTRE = (0.0, 0.0)
IMAGE = data.brain()
COILS = nl.mri.birdcage_maps(6, IMAGE.shape)
MAPS = ("ones", "estimated")


def in_out():
    """Return spokes from edge to edge, with the centre in the middle of the readout."""
    angle = np.pi * np.arange(SHOTS) / SHOTS
    along = (np.arange(SAMPLES) - SAMPLES // 2) / SAMPLES
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]


def spiral(turns):
    """Return an Archimedean spiral, and the time in seconds that it takes at full speed.

    It is played as fast as the limits allow, from rest to rest, and then slowed down evenly to
    the time of the readout.
    """
    u = np.linspace(0, 1, 20001)
    w, edge = 2 * np.pi * turns, 0.5 / PROTOCOL.voxel[0]
    first, second = edge * (1 + 1j * w * u), edge * (2j * w - w**2 * u)  # times exp(i w u)
    speed = abs(first)
    curvature = abs((first.conj() * second).imag) / speed**3
    length = np.diff(u) * (speed[1:] + speed[:-1]) / 2
    gmax, smax = SCANNER.gamma * SCANNER.gmax, SCANNER.gamma * SCANNER.smax
    top = np.minimum(gmax**2, smax / curvature)

    def squares(length, curvature, top):
        """Return the squares of the speeds from rest on, at full acceleration."""
        v = np.zeros_like(u)
        for i, step in enumerate(length):
            along = np.sqrt(max(smax**2 - (v[i] * curvature[i]) ** 2, 0))
            v[i + 1] = min(v[i] + 2 * along * step, top[i + 1])
        return v

    there = squares(length, curvature, top)
    back = squares(length[::-1], curvature[::-1], top[::-1])[::-1]
    v = np.sqrt(np.minimum(there, back))
    time = np.concatenate([[0], np.cumsum(2 * length / (v[1:] + v[:-1]))])
    u = np.interp(np.linspace(0, time[-1], SAMPLES), time, u)
    arms = np.exp(2j * np.pi * np.arange(SHOTS) / SHOTS)[:, None]
    z = 0.5 * u * np.exp(1j * w * u) * arms
    return np.stack([z.real, z.imag], axis=-1), time[-1]


def projected(k, fixed):
    """Return the nearest trajectory within the limits, and print how far it is."""
    result = nl.mri.project_trajectory(k, PROTOCOL, fixed=fixed)
    return result.trajectory, result.certificate


def loss(k, maps):
    """Return the loss of job 1 at what the receiver samples of a trajectory."""
    k = RECEIVER(k).astype(np.float32)
    F = nl.NUFFT(k, IMAGE.shape, eps=1e-4)
    return float(workflows.TrajectoryObjective(IMAGE, COILS, F, maps).value_and_grad(k)[0])


def sense_error(k, steps=15):
    """Return the relative error of a reconstruction by conjugate gradients with true maps."""
    x = IMAGE.astype(np.complex128)
    F = nl.NUFFT(RECEIVER(k.astype(np.float64)), x.shape, eps=1e-6)
    A = F @ nl.Sense(COILS.astype(np.complex128))
    r = A.H(A(x))
    image, p, square = np.zeros_like(x), r, np.vdot(r, r).real
    for _ in range(steps):
        q = A.H(A(p))
        step = square / np.vdot(p, q).real
        image, r = image + step * p, r - step * q
        last, square = square, np.vdot(r, r).real
        p = r + square / last * p
    return np.linalg.norm(image - x) / np.linalg.norm(x)


def learn(k, maps, **settings):
    """Return the result of 100 steps."""
    return workflows.learn_trajectory(IMAGE, COILS, k.astype(np.float32), maps=maps, **settings)


def starts():
    """Return the trajectories with which learning starts, and their fixed samples."""
    radial = nl.mri.radial_trajectory(SHOTS, SAMPLES, dtype=np.float64)
    fitting = {t: k for t in np.arange(1, 6, 0.5) for k, time in [spiral(t)] if fits(time)}
    best = min(fitting, key=lambda t: loss(projected(fitting[t], {0: CENTRE})[0], "ones"))
    return {
        "radial, centre-out": (radial, {0: CENTRE}),
        "radial, in-out": (in_out(), {SAMPLES // 2: CENTRE}),
        f"spiral of {best:g} turns": (fitting[best], {0: CENTRE}),
    }


def fits(time):
    """Tell whether a shot is within the time of the readout."""
    return time <= (SAMPLES - 1) * SCANNER.raster


def line(name, k, losses, seconds="", moved=""):
    """Print a row of the table."""
    report = nl.mri.check_trajectory(k, PROTOCOL)
    played = "yes" if report.ok else f"no: {report.slew.ratio:.3g} times the slew rate"
    print(
        f"| {name} | {losses[0]:.4f} | {losses[1]:.4f} | {sense_error(k):.4f} | {played} "
        f"| {moved} | {seconds} |",
        flush=True,
    )


def table():
    """Print the table."""
    for name, (k, fixed) in starts().items():
        line(f"{name}, as it is", k, [loss(k, maps) for maps in MAPS])
        near, certificate = projected(k, fixed)
        losses = [loss(near, maps) for maps in MAPS]
        line(f"{name}, projected", near, losses, moved=f"{certificate.distance:.3g}")
        ends = {index: point for index, point in fixed.items() if index == 0} or None
        kinds = {
            "free": {},
            "samples": {"protocol": PROTOCOL, "fixed": fixed},
            "128 control points": {"protocol": PROTOCOL, "fixed": ends, "control_points": 128},
        }
        for kind, settings in kinds.items():
            learned = [learn(k, maps, **settings) for maps in MAPS]
            seconds = ", ".join(f"{r.seconds:.0f}" for r in learned)
            losses = [r.loss_final for r in learned]
            line(f"learned from it, {kind}", learned[0].trajectory, losses, seconds)


if __name__ == "__main__":
    table()
