"""Draw stars.png and slanted-edge.png for docs/other-targets.md."""

from pathlib import Path

import numpy as np

from nufftlib import plots, workflows

NODES, WEIGHTS = (a / 2 for a in np.polynomial.legendre.leggauss(4))


def moffat(y, x):
    """Return an elliptical Moffat function of integral one, integrated over pixels."""
    total = 0.0
    for a, u in zip(NODES, WEIGHTS, strict=True):
        for b, v in zip(NODES, WEIGHTS, strict=True):
            along, across = 0.88 * (y + a) + 0.48 * (x + b), 0.88 * (x + b) - 0.48 * (y + a)
            total = total + u * v * (1 + (along / 2.6) ** 2 + (across / 1.9) ** 2) ** -3.0
    return 2 * total / (np.pi * 2.6 * 1.9)


def stars():
    """Draw the calibration from 60 stars of many fluxes, some of them saturated or crowded."""
    rng = np.random.default_rng(2)
    n, field = np.arange(256.0), 100 + rng.standard_normal((256, 256))
    for row, column in rng.uniform(4, 252, (60, 2)):
        flux = np.exp(rng.uniform(np.log(500), np.log(20000)))
        field = field + flux * moffat(n[:, None] - row, n - column)
    field = np.minimum(field, 1100.0)
    found = workflows.calibrate_from_stars(field, size=17, oversampling=2, saturation=1100.0)
    q = (np.arange(35) - 17) / 2
    truth = moffat(q[:, None], q)
    truth = truth / truth.sum()
    print(
        f"stars: error {workflows.psf_error(found.psf, truth):.3f}, {len(found.rejected)} rejected"
    )
    with Path(__file__).with_name("stars.png").open("wb") as file:
        plots.draw_stars(field, found, file, truth=truth)


def slanted_edge():
    """Draw the MTF of an edge behind a line spread function sech^2, whose transform is known."""
    rows, columns = np.mgrid[:200, :100]
    across = (columns - 50) * np.cos(0.09) - (rows - 100) * np.sin(0.09)
    noise = 0.01 * np.random.default_rng(0).standard_normal(across.shape)
    edge = 0.5 + 0.4 * np.tanh(across) + noise
    found = workflows.slanted_edge_mtf(edge)
    x = np.pi**2 * np.maximum(found.frequencies, 1e-9)
    with Path(__file__).with_name("slanted-edge.png").open("wb") as file:
        plots.draw_edge(edge, found, file, truth=x / np.sinh(x))


if __name__ == "__main__":
    stars()
    slanted_edge()
