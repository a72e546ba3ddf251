"""Draw psf-field.png, and print the table of docs/psf-field.md."""

import time
from pathlib import Path

import numpy as np

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.plots import draw_field

SIZE, NOISE, PLACES = 17, 0.005, 20


def psfs_at(kind, u, v):
    """Return the true PSFs at places from -1 to 1 down and across."""
    q = np.arange(SIZE) - SIZE // 2
    down, across = np.meshgrid(q, q, indexing="ij")
    u, v = (np.broadcast_to(a, np.broadcast_shapes(np.shape(u), np.shape(v))) for a in (u, v))
    u, v = u[..., None, None], v[..., None, None]
    r = np.maximum(np.hypot(u, v), 1e-9)
    if kind == "linear":  # widths of 1.2 to 2.8 and 1.0 to 2.2 pixels, and the angle, linear
        angle = 0.6 * u + 0.5 * v
        along = np.cos(angle) * down + np.sin(angle) * across
        beside = np.cos(angle) * across - np.sin(angle) * down
        h = np.exp(-0.5 * ((along / (2 + 0.8 * u)) ** 2 + (beside / (1.6 + 0.6 * v)) ** 2))
    else:
        out, around = (u * down + v * across) / r, (u * across - v * down) / r
        if kind == "corners":  # widths of 0.9 pixels, growing with r^2 to 4.1 and 2.3
            h = np.exp(
                -0.5 * ((out / (0.9 + 1.6 * r**2)) ** 2 + (around / (0.9 + 0.7 * r**2)) ** 2)
            )
        else:  # rotation: a line across the radius, 7 r pixels long, of a width of 0.8
            line = (around - 7 * r * t for t in np.linspace(-0.5, 0.5, 15))
            h = sum(np.exp(-0.5 * (out**2 + a**2) / 0.64) for a in line)
    return h / h.sum(axis=(-2, -1), keepdims=True)


def blurred_by(kind, x):
    """Return the picture with a PSF of its own at every pixel."""
    seen = np.lib.stride_tricks.sliding_window_view(x, (SIZE, SIZE), axis=(-2, -1))[..., ::-1, ::-1]
    rows, columns = seen.shape[1:3]
    v = np.linspace(-1, 1, columns)
    made = [
        np.einsum("cwpq,wpq->cw", seen[:, i], psfs_at(kind, u, v))
        for i, u in enumerate(np.linspace(-1, 1, rows))
    ]
    y = np.stack(made, axis=1)
    return nl.blur.gaussian_noise(y.astype(np.float32), NOISE, seed=0)


def errors(kind, psfs, weights):
    """Return mean and largest error of the PSF at random places."""
    shape = weights.shape[-2:]
    found = []
    for i, j in np.random.default_rng(1).integers(0, shape[0], (PLACES, 2)):
        truth = psfs_at(kind, *(2 * p / (n - 1) - 1 for p, n in zip((i, j), shape, strict=True)))
        found.append(workflows.psf_error(np.tensordot(weights[:, i, j], psfs, 1), truth))
    return f"{np.mean(found):.3f}, {np.max(found):.3f}"


def by_tiles(x, y, n):
    """Return the PSF of each of n x n tiles, calibrated by itself, and its weights."""
    shape, margin = y.shape[-2:], SIZE - 1
    edges = [np.linspace(0, m, n + 1).astype(int) for m in shape]
    psfs, weights = [], np.zeros((n * n, *shape))
    for k, (i, j) in enumerate(np.ndindex(n, n)):
        a, b, c, d = edges[0][i], edges[0][i + 1], edges[1][j], edges[1][j + 1]
        part = x[:, a : b + margin, c : d + margin]
        psfs.append(workflows.calibrate_psf(part, y[:, a:b, c:d], size=SIZE).psf)
        weights[k, a:b, c:d] = 1
    return np.stack(psfs).astype(np.float64), weights


def main():
    """Print the table and draw the field of rotation."""
    x = data.astronaut()
    for kind in ("linear", "corners", "rotation"):
        y = blurred_by(kind, x)
        for n in (3, 5):
            start = time.process_time()
            found = workflows.calibrate_field(x, y, grid=n, size=SIZE)
            seconds = time.process_time() - start
            h = found.psfs.reshape(-1, SIZE, SIZE).astype(np.float64)
            field = errors(kind, h, found.operator.weights)
            one = errors(kind, found.single[None].astype(np.float64), np.ones((1, *y.shape[-2:])))
            tiles = errors(kind, *by_tiles(x, y, n))
            ratio = np.std(found.residual) / NOISE
            print(
                f"| {kind} | {n} x {n} | {one} | {tiles} | {field} | {ratio:.2f} | {seconds:.1f} |"
            )
    with Path(__file__).with_name("psf-field.png").open("wb") as file:
        draw_field(found.psfs, y.shape[-2:], file, residual=found.residual)


if __name__ == "__main__":
    main()
