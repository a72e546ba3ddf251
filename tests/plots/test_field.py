"""What the figure of PSFs over the field shows."""

import io

import numpy as np
import pytest
from matplotlib.patches import Ellipse
from PIL import Image

import nufftlib as nl
from nufftlib import plots
from nufftlib.plots import field

STDS = [[(2.0, 1.0), (1.0, 2.0), (1.5, 1.5)], [(1.0, 1.0), (2.0, 2.0), (1.2, 0.8)]]
PSFS = np.stack([[nl.blur.gaussian_psf(15, s, dtype=np.float64) for s in row] for row in STDS])
LEFT = np.random.default_rng(0).standard_normal((3, 40, 60))


def drawn(monkeypatch, **more):
    figures = []
    monkeypatch.setattr(field, "save", lambda figure, _: figures.append(figure))
    plots.draw_field(PSFS, (40, 60), io.BytesIO(), **more)
    return figures[0].axes


def test_psfs_widths_and_residual_are_drawn(monkeypatch):
    tiles, widths, left = drawn(monkeypatch, residual=LEFT)
    shown = np.ma.filled(tiles.images[0].get_array(), np.nan)
    assert shown.shape == (31, 47)
    assert np.isnan(shown[15]).all()
    np.testing.assert_allclose(shown[16:, 16:31], PSFS[1, 1], atol=1e-4 * PSFS.max())
    ellipses = [p for p in widths.patches if isinstance(p, Ellipse)]
    assert [e.center for e in ellipses] == [(c, r) for r in (0, 39) for c in (0, 29.5, 59)]
    ratio = [e.width / e.height for e in ellipses]
    assert ratio == pytest.approx([2, 2, 1, 1, 1, 1.5], rel=0.06)
    # The first is long along the rows' axis, which is drawn downwards.
    assert abs(np.sin(np.radians(ellipses[0].angle))) == pytest.approx(1)
    assert abs(np.cos(np.radians(ellipses[1].angle))) == pytest.approx(1)
    assert ellipses[4].height / ellipses[3].height == pytest.approx(2, rel=0.06)
    field_of_widths = widths.images[0].get_array()
    assert field_of_widths[0, 0] == pytest.approx(np.sqrt(2.5), rel=0.05)
    np.testing.assert_allclose(left.images[0].get_array(), field.local_rms(LEFT))
    assert f"{np.sqrt(np.mean(LEFT**2)):.3g}" in left.get_title()


def test_a_turned_psf_has_a_turned_ellipse(monkeypatch):
    figures = []
    monkeypatch.setattr(field, "save", lambda figure, _: figures.append(figure))
    line = np.eye(9)[None, None] / 9  # from the top left to the bottom right
    plots.draw_field(line, 20, io.BytesIO())
    (ellipse,) = (p for p in figures[0].axes[1].patches if isinstance(p, Ellipse))
    assert ellipse.center == (9.5, 9.5)
    assert ellipse.angle % 180 == pytest.approx(45)


def test_cells_share_all_pixels():
    rms = field.local_rms(LEFT)
    assert rms.shape == (11, 16)
    whole = np.ones((1, 32, 16))
    np.testing.assert_allclose(field.local_rms(whole), np.ones((16, 8)))
    spot = np.zeros((1, 32, 16))
    spot[0, 3, 5] = 2.0
    assert field.local_rms(spot)[1, 2] == pytest.approx(1.0)


def test_it_is_a_png():
    file = io.BytesIO()
    plots.draw_field(PSFS.astype(np.float32), 32, file)
    assert Image.open(file).format == "PNG"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"psfs": PSFS[0]}, r"psfs has the shape \(3, 15, 15\); want \(rows, columns, height"),
        ({"psfs": -PSFS}, "want 0 or more, and light"),
        ({"psfs": 0 * PSFS}, "want 0 or more, and light"),
        ({"residual": LEFT[0, 0]}, r"residual has the shape \(60,\); want \(..., height, width\)"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    settings = {"psfs": PSFS, "shape": 32, "file": io.BytesIO()} | change
    with pytest.raises(ValueError, match=message):
        plots.draw_field(**settings)
