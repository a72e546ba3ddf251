"""What the figure of a retrieved pupil shows."""

import io

import numpy as np
import pytest
from PIL import Image

import nufftlib as nl
from nufftlib import plots, workflows
from nufftlib.plots import phase

OPTICS = nl.blur.ThroughFocus(16, np.linspace(-0.5, 0.5, 9), indices=(5, 7, 11))
TRUTH = np.asarray([0.05, 0.02, -0.03])
STACK = nl.blur.poisson_noise(1e4 * OPTICS(TRUTH) + 1.0, seed=0)
FOUND = workflows.retrieve_phase(STACK, OPTICS, gain=1.0)


def test_pictures_model_residual_wavefront_and_coefficients_are_drawn(monkeypatch):
    drawn = []
    monkeypatch.setattr(phase, "save", lambda figure, _: drawn.append(figure))
    plots.draw_phase(STACK, FOUND, io.BytesIO(), truth=TRUTH)
    *images, wavefront, coefficients = drawn[0].axes
    assert len(images) == 3 * phase.MOST
    shown = [np.asarray(axes.images[0].get_array()) for axes in images]
    by_title = {axes.get_title(): s for axes, s in zip(images, shown, strict=True)}
    np.testing.assert_array_equal(by_title["measured,\ndefocus -0.5"], STACK[0])
    np.testing.assert_array_equal(by_title["measured,\ndefocus 0.5"], STACK[-1])
    np.testing.assert_allclose(shown[0] - shown[1], shown[2], atol=1e-12)
    np.testing.assert_allclose(shown[2], FOUND.residual[0])
    W = np.ma.filled(wavefront.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(W, FOUND.wavefront())
    assert f"{FOUND.strehl_ratio:.2f}" in wavefront.get_title()
    true, *_ = coefficients.lines
    np.testing.assert_array_equal(true.get_ydata(), TRUTH)
    points, _, bars = coefficients.containers[0]
    np.testing.assert_array_equal(points.get_ydata(), FOUND.coefficients)
    lengths = [np.ptp(segment[:, 1]) / 2 for segment in bars[0].get_segments()]
    np.testing.assert_allclose(lengths, FOUND.deviations)
    assert [t.get_text() for t in coefficients.get_xticklabels()] == ["5", "7", "11"]


def test_it_is_a_png():
    file = io.BytesIO()
    plots.draw_phase(STACK, FOUND, file)
    assert Image.open(file).format == "PNG"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stack": STACK[1:]}, r"stack has the shape \(8, 16, 16\); want \(9, 16, 16\)"),
        ({"truth": TRUTH[1:]}, r"truth has the shape \(2,\); want \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    settings = {"stack": STACK, "result": FOUND, "file": io.BytesIO()} | change
    with pytest.raises(ValueError, match=message):
        plots.draw_phase(**settings)
