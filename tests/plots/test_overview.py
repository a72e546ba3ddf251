"""What the figures of k-space, density and point spread show, and the page that has them all."""

import io

import numpy as np
import pytest
from PIL import Image

import nufftlib as nl
from nufftlib import plots
from nufftlib.plots import density, kspace, overview, point_spread
from nufftlib.plots.figures import BLUE, ORANGE

SHAPES = {2: (24, 20), 3: (16, 12, 10)}
SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)


def trajectory(axes, shots=5, samples=40):
    return np.random.default_rng(0).uniform(-0.45, 0.45, (shots, samples, axes))


@pytest.fixture
def drawn(monkeypatch):
    """Return the figure that a function draws."""

    def draw(function, module, *arguments, **settings):
        found = []
        monkeypatch.setattr(module, "save", lambda figure, _: found.append(figure))
        function(*arguments, io.BytesIO(), **settings)
        return found[0]

    return draw


# --- k-space --------------------------------------------------------------------------------------


def test_shots_are_lines_in_the_plane_with_axis_0_downwards(drawn):
    k = trajectory(2)
    axes = drawn(plots.draw_kspace, kspace, k, shot=2).axes[0]
    (shots,) = axes.collections
    np.testing.assert_array_equal(shots.get_segments(), k[..., ::-1])
    line, first = axes.lines
    np.testing.assert_array_equal(line.get_xydata(), k[2, :, ::-1])
    np.testing.assert_array_equal(first.get_xydata(), k[2, :1, ::-1])
    assert line.get_color() == first.get_color() == ORANGE
    bottom, top = axes.get_ylim()
    assert bottom > 0.5 > -0.5 > top
    assert axes.get_title() == "5 shots, 2 in orange"
    assert drawn(plots.draw_kspace, kspace, k[:1]).axes[0].get_title() == "1 shot"


def test_shots_are_lines_in_space(drawn):
    k = trajectory(3)
    axes = drawn(plots.draw_kspace, kspace, k, shot=2).axes[0]
    *shots, line, first = [np.stack(line.get_data_3d(), -1) for line in axes.lines]
    np.testing.assert_array_equal(shots, k)
    np.testing.assert_array_equal(line, k[2])
    np.testing.assert_array_equal(first, k[2, :1])
    assert [line.get_color() for line in axes.lines] == [BLUE] * 5 + [ORANGE] * 2


@pytest.mark.parametrize(("shots", "shown"), [(200, 200), (201, 101), (401, 134), (1000, 200)])
def test_some_of_many_shots_are_shown_in_space_and_the_title_says_so(drawn, shots, shown):
    axes = drawn(plots.draw_kspace, kspace, trajectory(3, shots, 3)).axes[0]
    assert len(axes.lines) == shown
    some = f"{shown} of " if shown < shots else ""
    assert axes.get_title() == f"{some}{shots} shots"


def test_what_lies_beyond_the_band_is_in_sight(drawn):
    axes = drawn(plots.draw_kspace, kspace, 4 * trajectory(2)).axes[0]
    assert axes.get_xlim()[1] > abs(4 * trajectory(2)).max()


def test_the_hole_is_drawn_where_it_is(drawn):
    k = trajectory(2)
    hole = nl.mri.largest_hole(k)
    (circle,) = drawn(plots.draw_kspace, kspace, k, hole=hole).axes[0].patches
    np.testing.assert_allclose(circle.center, hole.centre[::-1])
    assert circle.width == circle.height == 2 * hole.radius
    k = trajectory(3)
    hole = nl.mri.largest_hole(k)
    (ball,) = drawn(plots.draw_kspace, kspace, k, hole=hole).axes[0].collections
    points = np.concatenate(ball._segments3d)
    np.testing.assert_allclose(np.linalg.norm(points - hole.centre, axis=-1), hole.radius)


@pytest.mark.parametrize(
    ("k", "settings", "error", "said"),
    [
        (np.zeros((3, 4, 1)), {}, ValueError, r"want \(\.\.\., samples, 2 or 3\)"),
        (np.zeros((3, 4, 2), int), {}, TypeError, "want float32 or float64"),
        (np.full((3, 4, 2), np.nan), {}, ValueError, "not finite"),
        (trajectory(2), {"shot": 5}, ValueError, "shot is 5; want 0 to 4"),
    ],
)
def test_what_cannot_be_drawn_is_refused(k, settings, error, said):
    with pytest.raises(error, match=rf"draw_kspace\(.*\): .*{said}"):
        plots.draw_kspace(k, io.BytesIO(), **settings)


# --- density --------------------------------------------------------------------------------------


def grid(shape):
    """Return the points of the Cartesian grid, one in the middle of each cell."""
    each = [(np.arange(n) - n // 2 + 0.5 * (n % 2 == 0)) / n for n in shape]
    return np.stack(np.meshgrid(*each, indexing="ij"), axis=-1).reshape(-1, len(shape))


@pytest.mark.parametrize("shape", [(64, 64), (63, 63), (64, 32), (20, 130)])
def test_the_cartesian_grid_has_one_sample_in_each_cell(shape):
    found = density.density_map(grid(shape), shape)
    inner = found[1:-1, 1:-1]  # at the edge a bin may be half beyond the band
    assert inner.size
    np.testing.assert_array_equal(inner, 1)


@pytest.mark.parametrize("shape", [(64, 64), (64, 32), (32, 32, 32), (32, 24, 16)])
def test_the_profile_of_the_cartesian_grid_is_one(shape):
    radius, found = density.density_profile(np.tile(grid(shape), (3, 1)), shape)
    assert np.all(np.diff(radius) > 0)
    far = radius > 0.2
    np.testing.assert_allclose(found[far], 3, rtol=0.35)
    assert np.mean(found[far]) == pytest.approx(3, rel=0.03)


def test_a_spoke_thins_out_as_one_over_the_radius():
    k = nl.mri.trajectories.radial(200, 4000, dtype=np.float64)
    radius, found = density.density_profile(k.reshape(-1, 2), (64, 64))
    want = 200 * 4000 / 0.5 / (2 * np.pi * radius) / 64**2
    np.testing.assert_allclose(found[2:], want[2:], rtol=0.02)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_map_and_the_profile_are_drawn(drawn, axes):
    k, shape = trajectory(axes, 50, 200), SHAPES[axes]
    left, right = drawn(plots.draw_density, density, k, shape).axes[:2]
    points = k.reshape(-1, axes)
    if axes == 3:  # within two steps: four cells thick
        points = points[abs(points[:, 2]) <= 2 / shape[2]]
    want = density.density_map(points, shape) / (4 if axes == 3 else 1)
    found = np.ma.filled(left.images[0].get_array(), 0)
    np.testing.assert_allclose(found, np.where(want > 0, want, 0))
    assert left.images[0].get_extent() == [-0.5, 0.5, 0.5, -0.5]
    x, y = density.density_profile(k.reshape(-1, axes), shape)
    np.testing.assert_array_equal(right.lines[0].get_xydata()[:, 0], x)
    np.testing.assert_array_equal(np.nan_to_num(right.lines[0].get_ydata()), y)


@pytest.mark.parametrize("draw", [plots.draw_density, plots.draw_point_spread, plots.draw_overview])
def test_a_shape_of_other_axes_is_refused(draw):
    with pytest.raises(ValueError, match=rf"{draw.__name__}\(shape\): .*along 2 axes"):
        draw(trajectory(2), (8, 8, 8), io.BytesIO())


# --- point spread ---------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [2, 3])
def test_the_point_spread_is_drawn_in_decibels_about_the_centre(drawn, axes):
    k, shape = trajectory(axes, 20, 100), SHAPES[axes]
    spread = nl.mri.point_spread(k, shape)
    left, right = drawn(plots.draw_point_spread, point_spread, k, shape).axes[:2]
    image = left.images[0]
    values = spread.values if axes == 2 else spread.values[..., shape[2]]
    np.testing.assert_allclose(image.get_array(), 20 * np.log10(values), atol=1e-3)
    x0, x1, y1, y0 = image.get_extent()
    rows, columns = values.shape
    row, column = np.unravel_index(np.argmax(values), values.shape)
    assert y0 + (row + 0.5) * (y1 - y0) / rows == pytest.approx(0)
    assert x0 + (column + 0.5) * (x1 - x0) / columns == pytest.approx(0)
    assert (x1 - x0, y1 - y0) == (columns / 2, rows / 2)
    for line, (x, y) in zip(right.lines[:axes], spread.sections, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), x)
        np.testing.assert_allclose(line.get_ydata(), 20 * np.log10(np.maximum(y, 1e-6)), atol=1e-3)
    said = [text.get_text() for text in right.get_legend().get_texts()]
    assert said == [f"{axis}: {width:.2f}" for axis, width in enumerate(spread.widths)]
    assert f"sidelobe {20 * np.log10(spread.sidelobe):.1f} dB" in right.get_title()


# --- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("limited", [False, True])
def test_the_page_has_all_panels(drawn, axes, limited):
    k, shape = trajectory(axes), SHAPES[axes]
    protocol = nl.mri.Protocol(SCANNER, 0.24, shape) if limited else None
    figure = drawn(plots.draw_overview, overview, k, shape, protocol=protocol, shot=3)
    titles = [axes.get_title() or axes.get_title("left") for axes in figure.axes]
    begins = ["5 shots, 3 in orange\nhole", "Density", "Point spread", "Sections; sidelobe"]
    begins += ["Gradient: up to", "Slew rate: up to"] if limited else ["Shot 3"]
    titles = [title for title in titles if title]
    assert len(titles) == len(begins)
    assert all(t.startswith(b) for t, b in zip(titles, begins, strict=True)), titles
    hole = nl.mri.largest_hole(k * np.asarray(shape))
    assert titles[0].endswith(f"radius {hole.radius:.3g}/FOV")


def test_a_hole_that_is_round_in_steps_is_no_circle_in_cycles_per_voxel(drawn):
    k = trajectory(2)
    hole = nl.mri.largest_hole(k * np.asarray(SHAPES[2]))
    figure = drawn(plots.draw_overview, overview, k, SHAPES[2], hole=hole)
    (ellipse,) = figure.axes[0].patches
    np.testing.assert_allclose(ellipse.center, (hole.centre / SHAPES[2])[::-1])
    np.testing.assert_allclose(
        (ellipse.height, ellipse.width), 2 * hole.radius / np.asarray(SHAPES[2])
    )


def test_without_limits_the_coordinates_of_the_shot_are_drawn(drawn):
    k = trajectory(3)
    below = drawn(plots.draw_overview, overview, k, SHAPES[3], shot=4).axes[-1]
    np.testing.assert_array_equal([line.get_ydata() for line in below.lines], k[4].T)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"shot": 5}, ValueError, r"draw_overview\(shot\): shot is 5; want 0 to 4"),
        ({"hole": 3.0}, TypeError, r"hole is 3\.0; want a Hole or None"),
        ({"spread": "a"}, TypeError, r"spread is 'a'; want a PointSpread or None"),
        ({"protocol": SCANNER}, TypeError, r"draw_overview\(k, protocol\)|want a Protocol"),
    ],
)
def test_other_things_are_refused(settings, error, said):
    with pytest.raises(error, match=said):
        plots.draw_overview(trajectory(2), SHAPES[2], io.BytesIO(), **settings)


def test_an_array_of_any_library_becomes_a_page(row):
    file = io.BytesIO()
    plots.draw_overview(row.array(trajectory(2), "float64"), SHAPES[2], file)
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        assert picture.height > picture.width  # upright
