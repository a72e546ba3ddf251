"""What the figures of stars and of a slanted edge show."""

import io
from functools import cache

import numpy as np
import pytest

from nufftlib import plots, workflows
from nufftlib.plots import targets


@cache
def stars():
    """A field with a saturated star, and its calibration."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(12.0, 70, 20)] * 2, indexing="ij"), -1).reshape(-1, 2)
    n, p = np.arange(68.0), grid + rng.uniform(-2, 2, grid.shape)
    rows, columns = (np.exp(-0.5 * ((n - p[:, [a]]) / s) ** 2) for a, s in ((0, 1.4), (1, 1.7)))
    flux = np.where(np.arange(9) == 4, 900.0, 300.0)
    field = np.minimum(20 + (flux[:, None] * rows).T @ columns, 400.0)
    field = field + rng.standard_normal(field.shape)
    return field, workflows.calibrate_from_stars(field, size=11, saturation=390.0, rounds=6)


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(targets, "save", lambda figure, _: figures.append(figure))
    return figures


def test_stars_model_and_residual_are_in_their_places(drawn):
    field, found = stars()
    plots.draw_stars(field, found, io.BytesIO(), truth=found.psf)
    data, model, residual, psf, cuts = drawn[0].axes
    shown = [np.ma.filled(axes.images[0].get_array(), np.nan) for axes in (data, model, residual)]
    np.testing.assert_array_equal(shown[0], field)
    seen = ~np.isnan(shown[1])
    np.testing.assert_allclose((shown[1] + shown[2])[seen], field[seen])
    # Where the stars are, the model has their light, and what is left is noise.
    at = tuple(np.round(found.positions).astype(int).T)
    assert (shown[1][at] > 200).all()
    assert np.nanstd(shown[2]) < 1.3
    np.testing.assert_array_equal(psf.images[0].get_array(), found.psf)
    used, saturated = data.lines
    np.testing.assert_array_equal(used.get_xydata()[:, ::-1], found.positions)
    assert saturated.get_label() == "saturated"
    assert [len(line.get_xdata()) for line in data.lines] == [8, 1]
    assert cuts.containers[0][0].get_xdata()[0] == pytest.approx(-5.5, abs=0.1)


def test_the_edge_its_profile_and_its_band_are_drawn(drawn):
    rows, columns = np.mgrid[:100, :60]
    across = (columns - 30 - 0.1 * (rows - 50)) / np.hypot(1, 0.1)
    edge = 0.5 + np.tanh(across) / 4 + 0.002 * np.random.default_rng(0).standard_normal((100, 60))
    found = workflows.slanted_edge_mtf(edge)
    plots.draw_edge(edge, found, io.BytesIO(), truth=found.mtf)
    left, middle, right, beside = drawn[0].axes
    np.testing.assert_array_equal(left.images[0].get_array(), edge)
    assert "5.71 degrees" in left.get_title()
    np.testing.assert_array_equal(middle.lines[0].get_ydata(), found.esf)
    assert np.argmax(beside.lines[0].get_ydata()) == pytest.approx(
        np.argmin(np.abs(found.distances)), abs=2
    )
    true, mtf, half, *_ = right.lines
    np.testing.assert_array_equal(true.get_ydata(), mtf.get_ydata())
    assert half.get_xdata()[0] == found.mtf50
    band = right.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx((found.mtf + 2 * found.deviations).max())


def test_pictures_that_do_not_fit_are_refused():
    field, found = stars()
    with pytest.raises(ValueError, match=r"field has the shape \(30, 30\); want the picture of"):
        plots.draw_stars(field[:30, :30], found, io.BytesIO())
    with pytest.raises(ValueError, match=r"truth has the shape \(9, 9\); want \(23, 23\)"):
        plots.draw_stars(field, found, io.BytesIO(), truth=np.ones((9, 9)))
