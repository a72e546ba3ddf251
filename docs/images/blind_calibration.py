"""Draw blind-calibration.png and print the table of docs/blind-calibration.md; some minutes."""

from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data, workflows

SEEDS = range(4)
SIZE = 11  # of the true PSFs


def shapes(seed, count=18, largest=24.0):
    """Return disks and rectangles of flat greys on 110 x 110 pixels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:110, :110]
    image = np.full((110, 110), 0.5)
    for _ in range(count):
        a, b = rows - rng.uniform(0, 110), columns - rng.uniform(0, 110)
        t, r = rng.uniform(0, np.pi), rng.uniform(0.3, 1.0) * largest
        along, across = abs(np.cos(t) * a + np.sin(t) * b), abs(np.cos(t) * b - np.sin(t) * a)
        disk, bar = np.hypot(a, b) < r, (along < r) & (across < r * rng.uniform(0.3, 1.0))
        image[disk if rng.random() < 0.5 else bar] = rng.uniform(0.05, 0.95)
    return image


def texture(seed):
    """Return smooth noise, which has no edges."""
    noise = np.random.default_rng(seed).standard_normal((110, 110))
    smooth = nl.Blur(nl.blur.gaussian_psf(9, 1.0, dtype=np.float64), "circular")(noise)
    return np.clip(0.5 + 0.2 * smooth / smooth.std(), 0, 1)


def photograph(seed):
    """Return a part of the astronaut, in grey."""
    row, column = divmod(seed % 4, 2)
    whole = data.astronaut().mean(axis=0).astype(np.float64)
    return whole[30 + 60 * row :, 30 + 70 * column :][:110, :110]


def psf_of(kind, seed):
    """Return a PSF wide enough to matter."""
    rng = np.random.default_rng(seed)
    if kind == "motion":
        return nl.blur.motion_psf(SIZE, seed=seed, dtype=np.float64)
    if kind == "defocus":
        return nl.blur.defocus_psf(SIZE, rng.uniform(2.0, 4.0), dtype=np.float64)
    std, angle = rng.uniform(0.8, 2.0, 2), rng.uniform(0, np.pi)
    return nl.blur.gaussian_psf(SIZE, std, angle, dtype=np.float64)


def seen(image, size):
    """Return the part of an image that has as many pixels as the blurred one."""
    c = size // 2
    return image[size - 1 - c : image.shape[0] - c, size - 1 - c : image.shape[1] - c]


def psnr(image, sharp, reach=SIZE // 2):
    """Return the PSNR at the best of all shifts by whole pixels, without the margin."""
    inner = slice(reach, -reach)
    shifts = product(range(-reach, reach + 1), repeat=2)
    moved = (np.roll(image, shift, axis=(0, 1))[inner, inner] for shift in shifts)
    return max(-10 * np.log10(np.mean((m - sharp[inner, inner]) ** 2)) for m in moved)


def run(sharp, psf, noise, seed, size=SIZE):
    """Return the result of a calibration, and its errors."""
    _, blurred = workflows.simulate_blur(sharp, psf=psf, noise=noise, seed=seed)
    errors = []

    def follow(_, __, h):
        if h.shape == (size, size):
            errors.append(workflows.shift_aligned_error(h, psf))

    result = workflows.calibrate_blind(blurred, size=size, callback=follow)
    oracle = workflows.deblur(blurred, psf).with_margins
    truth = seen(sharp, SIZE)
    images = blurred, seen(result.image, size), seen(oracle, SIZE)
    error = workflows.shift_aligned_error(result.psf, psf)
    return result, images, errors, (error, *(psnr(image, truth) for image in images))


def line(name, sharp, kind, noise, **settings):
    """Print a row of the table."""
    runs = [run(sharp(s), psf_of(kind, s), noise, s, **settings)[-1] for s in SEEDS]
    error, before, after, oracle = np.median(runs, axis=0)
    low, high = min(r[0] for r in runs), max(r[0] for r in runs)
    print(
        f"| {name} | {kind} | {noise} | {error:.2f} ({low:.2f} to {high:.2f}) "
        f"| {before:.1f} | {after:.1f} | {oracle:.1f} |",
        flush=True,
    )


def table():
    """Print the table."""
    for kind, noise in product(("motion", "defocus", "gaussian"), (0.002, 0.005, 0.01)):
        line("shapes", shapes, kind, noise)
    line("shapes", shapes, "motion", 0.02)
    line("shapes", shapes, "motion", 0.05)
    line("shapes, `size=15`", shapes, "motion", 0.005, size=15)
    line("shapes, `size=7`", shapes, "motion", 0.005, size=7)
    line("small shapes", lambda s: shapes(s, 400, 4.0), "motion", 0.005)
    line("photograph", photograph, "motion", 0.005)
    line("texture", texture, "motion", 0.005)


def draw():
    """Draw a case that works and one that fails."""
    figure = Figure(figsize=(14.0, 5.4), dpi=90, layout="constrained")
    axes = figure.subplots(2, 6)
    for row, sharp in zip(axes, (shapes(1), texture(1)), strict=True):
        psf = psf_of("motion", 1)
        result, images, errors, (error, before, after, oracle) = run(sharp, psf, 0.005, 1)
        pictures = seen(sharp, SIZE), *images[:2], psf, result.psf
        titles = (
            "true image",
            f"blurred: {before:.1f} dB",
            f"restored: {after:.1f} dB\n(with the true PSF {oracle:.1f})",
            "true PSF",
            f"PSF found: error {error:.1%}",
        )
        for place, picture, title in zip(row, pictures, titles, strict=False):
            small = picture.shape == psf.shape
            top = psf.max() if small else 1.0
            place.imshow(picture, "magma" if small else "gray", vmin=0, vmax=top)
            place.set_title(title)
            place.set_axis_off()
        row[5].semilogy(errors)
        row[5].set(xlabel="round, finest pixels", title="error of the PSF", ylim=(0.01, 2))
        row[5].grid(which="both", alpha=0.25)
        row[5].set_box_aspect(1)
    figure.savefig(Path(__file__).with_name("blind-calibration.png"))


if __name__ == "__main__":
    draw()
    table()
