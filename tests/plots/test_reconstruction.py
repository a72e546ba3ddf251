"""What the figures of a reconstruction and of its L-curve show."""

import io

import numpy as np
import pytest

from nufftlib import workflows
from nufftlib.plots import curve, reconstruction
from nufftlib.plots.figures import MASKED, ORANGE, number

SHAPE = (12, 10)


def result(shape=SHAPE, **changes):
    """Return a reconstruction with a dark corner and a phase that turns."""
    rng = np.random.default_rng(0)
    image = (1 + rng.random(shape)) * np.exp(2j * rng.random(shape))
    image[:3, :3] = 0.05
    maps = 0.5 * rng.random((5, *shape)) + 0j
    given = {
        "losses": [1.0, 0.1, 0.01],
        "seconds": 1.0,
        "interrupted": False,
        "image": image,
        "maps": maps,
        "residual": 0.03,
        "noise": 0.029,
        "weight": 0.0388,
        "penalty": 460.0,
        "converged": True,
        "seconds_setup": 0.1,
    }
    return workflows.ReconstructedImage(**(given | changes))


@pytest.fixture
def drawn(monkeypatch):
    """Return what draws, as it is written, and gives the figure."""

    def draw(module, function, *arguments):
        found, save = [], module.save
        monkeypatch.setattr(module, "save", lambda f, file: (found.append(f), save(f, file)))
        function(*arguments, io.BytesIO())
        return found[0]

    return draw


def test_the_phase_is_grey_where_the_image_is_dark_and_has_a_bar_in_radians(drawn):
    found = result()
    figure = drawn(reconstruction, reconstruction.draw_reconstruction, found, "cg", 2)
    magnitude, phase, maps, _ = figure.axes
    assert magnitude.get_title() == "Magnitude, 2 steps,\nthe first of 2 frames"
    assert phase.get_title() == "Phase;\ngrey: magnitude\nbelow 10% of the largest"
    (shown,) = phase.images
    dark = np.abs(found.image) <= 0.1 * np.abs(found.image).max()
    assert np.array_equal(np.ma.getmaskarray(np.ma.masked_invalid(shown.get_array())), dark)
    np.testing.assert_allclose(shown.get_array()[~dark], np.angle(found.image)[~dark])
    assert shown.get_clim() == pytest.approx((-np.pi, np.pi))
    assert shown.get_cmap()(np.nan)[:3] == pytest.approx([float(MASKED)] * 3, abs=0.01)
    (bar,) = phase.child_axes
    assert bar.get_ylabel() == "phase [rad]"
    assert len(maps.lines) == 3  # between 2 x 3 tiles
    tiles = maps.images[0].get_array()
    assert np.ma.getmaskarray(tiles)[12:, 20:].all()  # the sixth is no coil
    assert np.isfinite(np.ma.getdata(tiles)[:, :20]).all()


@pytest.mark.parametrize(
    ("method", "title", "label"),
    [
        ("cg", "Relative residual of\nthe normal equations $H x = b$", "|H| |x| + |b|"),
        ("tv", "Objective", "and the penalty"),
        ("wavelet", "Objective", "and the penalty"),
    ],
)
def test_the_course_says_what_falls(drawn, method, title, label):
    figure = drawn(reconstruction, reconstruction.draw_reconstruction, result(), method, 1)
    course = figure.axes[3]
    assert course.get_title() == title
    assert label in course.get_ylabel()
    assert course.lines[0].get_ydata().tolist() == [1.0, 0.1, 0.01]


def test_of_a_volume_the_titles_say_the_plane(drawn):
    found = result((*SHAPE, 7), losses=[1.0])
    figure = drawn(reconstruction, reconstruction.draw_reconstruction, found, "adjoint", 1)
    assert all("middle plane" in axes.get_title() for axes in figure.axes[:3])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), np.abs(found.image[..., 3]))


CURVES = {
    "steep": (1e-2, [0.0267, 0.0268, 0.02685, 0.0269, 0.027, 0.0277, 0.032, 0.053, 0.12]),
    "concave": (50.0, [0.074, 0.17, 0.35, 0.6, 0.83, 1.0, 1.05, 1.08, 1.085]),
    "tiny": (1e-6, [1e-6 * (1 + 0.1 * i) for i in range(9)]),
}


@pytest.mark.parametrize("name", CURVES)
def test_some_weights_lie_beside_the_l_curve_and_the_taken_one_is_marked(drawn, name):
    middle, residuals = CURVES[name]
    weights = middle * 10 ** (np.arange(-4, 5) / 2)
    penalties = 500 / (1 + np.arange(9.0) ** (3 if name == "concave" else 0.3))
    found = result(weight=middle, residual=residuals[4], penalty=penalties[4])
    figure = drawn(
        curve, curve.draw_l_curve, curve.LCurve(weights, np.asarray(residuals), penalties), found
    )
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.texts]
    assert set(labels) <= {number(w) for w in weights[::2]}
    assert len(labels) >= 3
    line, mark, noise = axes.lines
    assert line.get_xdata().tolist() == residuals
    assert (mark.get_xdata().tolist(), mark.get_color()) == ([residuals[4]], ORANGE)
    assert mark.get_label() == f"weight that was taken: {number(middle)}"
    assert noise.get_label() == "noise: 0.029"
