"""The PSF of a field of stars: what it finds, what it rejects, and what it refuses."""

from functools import cache

import numpy as np
import pytest

from nufftlib import workflows
from nufftlib.blur.calibrate import stars

NODES, WEIGHTS = (a / 2 for a in np.polynomial.legendre.leggauss(4))
WIDTHS, ANGLE, BETA = (2.6, 1.9), 0.5, 3.0
SIZE = 17


def pixels(y, x):
    """An elliptical Moffat function of integral one, integrated over pixels by quadrature."""
    c, s = np.cos(ANGLE), np.sin(ANGLE)
    total = 0.0
    for a, u in zip(NODES, WEIGHTS, strict=True):
        for b, v in zip(NODES, WEIGHTS, strict=True):
            along, across = c * (y + a) + s * (x + b), c * (x + b) - s * (y + a)
            r2 = (along / WIDTHS[0]) ** 2 + (across / WIDTHS[1]) ** 2
            total = total + u * v * (1 + r2) ** -BETA
    return total * (BETA - 1) / (np.pi * WIDTHS[0] * WIDTHS[1])


def truth(shape, s):
    q = [(np.arange(n) - n // 2) / s for n in shape]
    h = pixels(q[0][:, None], q[1])
    return h / h.sum()


def picture_of(p, flux, shape, noise=1.0, seed=1):
    n = [np.arange(float(k)) for k in shape]
    light = sum(
        f * pixels(n[0][:, None] - row, n[1] - column)
        for (row, column), f in zip(p, flux, strict=True)
    )
    return 100 + light + noise * np.random.default_rng(seed).standard_normal(shape)


@cache
def field(seed=0):
    """25 stars on a loose grid, of a signal-to-noise ratio of 80 to 500."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(13.0, 120, 24)] * 2, indexing="ij"), -1).reshape(-1, 2)
    p = grid + rng.uniform(-4, 4, grid.shape)
    flux = np.exp(rng.uniform(np.log(400), np.log(2500), len(p)))
    return picture_of(p, flux, (122, 124)), p, flux


@cache
def calibrated():
    return workflows.calibrate_from_stars(field()[0], size=SIZE, oversampling=2)


def matched(found, p):
    return np.argmin(np.linalg.norm(found.positions[:, None] - p, axis=-1), axis=1)


def test_it_finds_the_psf_of_finer_pixels():
    found = calibrated()
    assert found.psf.shape == (2 * SIZE + 1, 2 * SIZE + 1)
    assert workflows.psf_error(found.psf, truth(found.psf.shape, 2)) < 0.03
    assert found.psf.min() >= 0
    assert found.psf.sum() == pytest.approx(1)
    q = np.arange(2 * SIZE + 1) - SIZE
    assert abs(found.psf.sum(1) @ q) < 0.02
    assert abs(found.psf.sum(0) @ q) < 0.02


def test_positions_and_fluxes_are_as_far_off_as_their_deviations_say():
    found, (_, p, flux) = calibrated(), field()
    m = matched(found, p)
    assert sorted(m) == sorted(set(m))
    assert len(m) == 25
    off = (found.positions - p[m]) / found.position_deviations
    # All positions share the error of the PSF's centre of gravity.
    assert 0.6 < np.std(off, axis=0).mean() < 1.5
    assert np.abs(found.positions - p[m]).max() < 0.1
    ratio = found.fluxes / flux[m]
    assert np.median(ratio) == pytest.approx(1, abs=0.02)  # of light within the PSF's size
    assert 0.5 < np.std((ratio / np.median(ratio) - 1) * flux[m] / found.flux_deviations) < 1.7
    assert found.backgrounds == pytest.approx(100, abs=0.5)
    assert found.chi2 == pytest.approx(1, abs=0.25)
    assert found.residuals.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("oversampling", [1, 3])
def test_other_oversamplings(oversampling):
    found = workflows.calibrate_from_stars(
        field()[0], size=13, oversampling=oversampling, rounds=8, background="plane"
    )
    assert workflows.psf_error(found.psf, truth(found.psf.shape, oversampling)) < 0.06
    assert found.backgrounds.shape == (25, 3)


def test_hidden_saturated_and_cut_stars_are_told_apart():
    _, p, flux = field()
    more = np.concatenate([p, [p[12] + [4.0, 0.5], [1.5, 60.0]]])
    lights = np.concatenate([flux, [0.4 * flux[12], 1500.0]])
    picture = picture_of(more, lights, (122, 124))
    middle = np.rint(p[6]).astype(int)
    cap = picture[middle[0], middle[1]] - 1
    found = workflows.calibrate_from_stars(
        np.minimum(picture, 1e9), size=SIZE, saturation=None, rounds=8
    )
    reasons = {r.reason for r in found.rejected}
    assert {"crowded", "edge"} <= reasons
    assert workflows.psf_error(found.psf, truth(found.psf.shape, 2)) < 0.035
    saturated = workflows.calibrate_from_stars(picture, size=SIZE, saturation=cap, rounds=1)
    there = [r.position for r in saturated.rejected if r.reason == "saturated"]
    assert any(np.linalg.norm(np.asarray(q) - p[6]) < 1 for q in there)


def test_a_blob_that_is_no_star_does_not_enter():
    picture, p, _ = field()
    n = np.arange(122.0)[:, None], np.arange(124.0)
    blob = 60 * np.exp(-0.5 * (((n[0] - 60) / 5) ** 2 + ((n[1] - 25) / 2.5) ** 2))
    found = workflows.calibrate_from_stars(
        picture + blob,
        size=SIZE,
        positions=np.concatenate([p, [[60.0, 25.0]]]),
        rounds=8,
    )
    assert "misfit" in {r.reason for r in found.rejected}
    assert all(np.linalg.norm(q - [60, 25]) > 2 for q in found.positions)


def test_the_callback_sees_each_round_and_ends_them():
    seen = []
    found = workflows.calibrate_from_stars(
        field()[0],
        size=SIZE,
        positions=field()[1],
        callback=lambda step, loss, psf: seen.append((step, loss, psf.shape)) or step == 1,
    )
    assert [s[0] for s in seen] == [0, 1]
    assert found.losses == [s[1] for s in seen]


def test_ctrl_c_keeps_the_rounds_that_were_done():
    def interrupt(step, *_):
        if step == 1:
            raise KeyboardInterrupt

    found = workflows.calibrate_from_stars(
        field()[0], size=SIZE, positions=field()[1], callback=interrupt
    )
    assert found.interrupted
    assert len(found.losses) == 2


def test_the_gradient_of_the_psf_step_is_that_of_its_value(monkeypatch):
    picture, p, _ = field()
    caught = []

    def catch(value_and_grad, start, *_, **__):
        caught.append((value_and_grad, start))
        raise RuntimeError

    monkeypatch.setattr(stars.optim, "spectral_projected_gradient", catch)
    with pytest.raises(RuntimeError):
        workflows.calibrate_from_stars(picture, size=SIZE, positions=p)
    (f, x), d = caught[0], np.random.default_rng(0).standard_normal(caught[0][1].shape)
    h = 1e-3 * np.linalg.norm(x) / np.linalg.norm(d)
    slope = (f(x + h * d)[0] - f(x - h * d)[0]) / (2 * h)  # exact for a quadratic
    assert slope == pytest.approx(np.sum(f(x)[1] * d), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"positions": np.asarray([[3.0, 900.0]])}, "1 of 1 positions are outside"),
        ({"positions": np.zeros(3)}, "want \\(stars, 2\\)"),
        ({"positions": np.asarray([[3.0, np.nan]])}, "not finite"),
        ({"size": 90}, "at least twice the size"),
        ({"threshold": 1e9}, "0 stars were found"),
        ({"positions": np.asarray([[0.0, 0.0]])}, "1 rejected: edge"),
        ({"oversampling": 5}, "want 1 to 4"),
        ({"noise": 0.0}, "want positive deviations"),
        ({"noise": np.ones(7)}, "broadcasts to the shape"),
    ],
)
def test_what_it_refuses(settings, words):
    with pytest.raises(ValueError, match=words):
        workflows.calibrate_from_stars(field()[0], **{"size": SIZE, **settings})


# --- a PSF that varies ----------------------------------------------------------------------


def wide(y, x, a, b):
    """A Gaussian of these widths."""
    return np.exp(-0.5 * ((y / a) ** 2 + (x / b) ** 2)) / (2 * np.pi * a * b)


def test_a_grid_finds_a_psf_that_varies():
    """The PSF of a star is the bilinear mean of four Gaussians; without a grid few are used."""
    _, p, flux = field()
    n, corners = np.arange(124.0), [[(1.3, 1.1), (1.3, 2.1)], [(2.3, 1.1), (2.3, 2.1)]]
    picture = 10 + np.random.default_rng(2).standard_normal((122, 124))
    for (row, column), f in zip(p, flux, strict=True):
        t = row / 121, column / 123
        for r, c in np.ndindex(2, 2):
            share = (t[0] if r else 1 - t[0]) * (t[1] if c else 1 - t[1])
            light = wide(n[:122, None] - row, n - column, *corners[r][c])
            picture += 3 * f * share * light
    settings = {"size": 13, "oversampling": 1, "positions": p, "rounds": 8}
    seen = []
    found = workflows.calibrate_from_stars(
        picture, **settings, grid=2, callback=lambda _n, _loss, h: seen.append(h.shape)
    )
    assert found.psf.shape == (2, 2, 13, 13)
    assert set(seen) == {found.psf.shape}
    np.testing.assert_allclose(found.psf.sum(axis=(-2, -1)), 1, rtol=1e-12)
    q = np.arange(13.0) - 6
    pairs = [(found.psf[k], wide(q[:, None], q, *corners[k[0]][k[1]])) for k in np.ndindex(2, 2)]
    one = workflows.calibrate_from_stars(picture, **settings)
    errors = [workflows.psf_error(h, truth) for h, truth in pairs]
    alone = [workflows.psf_error(one.psf, truth) for _, truth in pairs]
    assert (len(found.fluxes), max(errors) < 0.1) == (25, True), (len(found.fluxes), errors, alone)
    assert np.mean(errors) < 0.2 * np.mean(alone)
    assert np.median(found.chi2) < 0.5 * np.median(one.chi2)
