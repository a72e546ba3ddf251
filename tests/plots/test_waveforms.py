"""What the figure of the waveforms shows."""

import io

import numpy as np
import pytest
from PIL import Image

import nufftlib as nl
from nufftlib.plots import waveforms
from nufftlib.plots.figures import BLUE, ORANGE

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
PROTOCOL = nl.mri.Protocol(SCANNER, fov=0.24, shape=(64, 48))


@pytest.fixture
def drawn(monkeypatch):
    """Return the figure that is drawn."""

    def draw(k, protocol, **settings):
        found = []
        monkeypatch.setattr(waveforms, "save", lambda figure, _: found.append(figure))
        waveforms.draw_waveforms(k, protocol, io.BytesIO(), **settings)
        return found[0]

    return draw


def ramp(protocol, samples=30, shots=3):
    """Return shots at half of the slew rate's limit, up and down."""
    g = np.minimum(np.arange(1, samples), np.arange(1, samples)[::-1])
    g = 0.5 * SCANNER.smax * SCANNER.raster * g[:, None] * np.eye(protocol.ndim)[0]
    return nl.mri.trajectory_from_gradients(np.tile(g, (shots, 1, 1)), protocol)


def lines(axes, shots):
    return np.stack([line.get_xydata() for line in axes.lines[:shots]])


@pytest.mark.parametrize("norm", ["l2", "max"])
@pytest.mark.parametrize("rest", ["both", "start", "end", None])
def test_gradients_and_slew_rates_of_all_shots_are_drawn_at_their_times(drawn, norm, rest):
    scanner = nl.mri.Scanner(40e-3, 180.0, 10e-6, norm=norm)
    protocol = nl.mri.Protocol(scanner, 0.24, (64, 48), rest=rest)
    k = np.cumsum(np.random.default_rng(0).uniform(-1e-4, 1e-4, (3, 9, 2)), axis=1)
    _, upper, lower = drawn(k, protocol).axes
    size = (
        (lambda x: np.max(abs(x), -1)) if norm == "max" else (lambda x: np.linalg.norm(x, axis=-1))
    )
    starts, ends = rest in ("both", "start"), rest in ("both", "end")
    g = np.pad(size(nl.mri.gradients(k, protocol)), ((0, 0), (int(starts), int(ends))))
    times = 0.01 * np.arange(-0.5 if starts else 0.5, 8 + ends, 1)
    want = np.stack([np.stack([times, 1e3 * shot], -1) for shot in g])
    np.testing.assert_allclose(lines(upper, 3), want, rtol=1e-12, atol=1e-15)
    s = size(nl.mri.slew_rates(k, protocol))
    times = 0.01 * np.arange(0 if starts else 1, 8 + ends, 1)
    want = np.stack([np.stack([times, shot], -1) for shot in s])
    np.testing.assert_allclose(lines(lower, 3), want, rtol=1e-12, atol=1e-15)
    assert {line.get_drawstyle() for line in lower.lines[:3]} == {"steps-mid"}
    word = "largest axis" if norm == "max" else "magnitude"
    assert [axes.get_ylabel() for axes in (upper, lower)] == [f"{word} [mT/m]", f"{word} [T/m/s]"]


def said(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_limits_are_lines_and_nothing_is_marked_within_them(drawn):
    _, upper, lower = drawn(ramp(PROTOCOL), PROTOCOL).axes
    assert said(upper) == ["limit 40"]
    assert said(lower) == ["limit 180"]
    assert upper.lines[3].get_ydata() == [40, 40]
    assert lower.lines[3].get_ydata() == [180, 180]
    assert lower.get_title("left") == "Slew rate: up to 0.5 of the limit"
    assert max(upper.get_ylim()) > 40


@pytest.mark.parametrize("times", [2.5, 9.0])
def test_what_exceeds_a_limit_is_marked_and_in_sight(drawn, times):
    k = ramp(PROTOCOL)
    k[1] = k[1] * times
    _, upper, lower = drawn(k, PROTOCOL).axes
    assert said(lower) == ["limit 180", "exceeded"]
    marks = lower.lines[4].get_xydata()
    slew = np.linalg.norm(nl.mri.slew_rates(k, PROTOCOL), axis=-1)
    shots, rows = np.nonzero(slew > 180)
    assert set(shots) == {1}
    np.testing.assert_allclose(marks[:, 0], 0.01 * rows, atol=1e-12)
    top = max(lower.get_ylim())
    np.testing.assert_allclose(marks[:, 1], np.minimum(slew[shots, rows], top))
    assert top == pytest.approx(1.08 * 180 * min(times / 2, 2))
    assert lower.get_title("left") == f"Slew rate: up to {times / 2:.3g} of the limit"
    assert ("exceeded" in said(upper)) == (times > 3)


def test_a_trajectory_at_its_limits_is_not_marked(drawn):
    _, _, lower = drawn(2 * ramp(PROTOCOL), PROTOCOL).axes
    assert said(lower) == ["limit 180"]
    assert lower.get_title("left") == "Slew rate: up to 1 of the limit"


def test_a_shot_is_highlighted_in_all_panels(drawn):
    k = ramp(PROTOCOL)
    k[1] = k[1] / 2
    kspace, upper, lower = drawn(k, PROTOCOL, shot=1).axes
    np.testing.assert_array_equal(kspace.lines[0].get_xydata(), k[1, :, ::-1])
    for axes, limit in ((upper, "limit 40"), (lower, "limit 180")):
        assert said(axes) == [limit, "shot 1"]
        found = axes.lines[-1]
        np.testing.assert_array_equal(found.get_xydata(), axes.lines[1].get_xydata())
        assert (found.get_color(), axes.lines[1].get_color()) == (ORANGE, BLUE)
    with pytest.raises(ValueError, match=r"draw_waveforms\(shot\): shot is 3; want 0 to 2"):
        drawn(k, PROTOCOL, shot=3)


def test_a_trajectory_and_a_protocol_have_the_same_axes(drawn):
    with pytest.raises(ValueError, match=r"draw_waveforms\(k, protocol\): .*want"):
        drawn(ramp(PROTOCOL), nl.mri.Protocol(SCANNER, fov=0.24, shape=(64, 48, 32)))


def test_an_array_of_any_library_becomes_a_picture(row):
    file = io.BytesIO()
    waveforms.draw_waveforms(row.array(ramp(PROTOCOL), "float64"), PROTOCOL, file)
    with Image.open(file) as picture:
        assert picture.format == "PNG"
