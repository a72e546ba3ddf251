"""That a figure which cannot be read is found, by the helper that watches all of them."""

import numpy as np
import pytest
from legible import drawn_texts, faults
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize

from nufftlib.plots.figures import DIVERGING, around_zero, new_figure, number, picture, scale_beside


@pytest.fixture
def _legible():
    """In place of the one that fails at once."""


def good():
    """Return a figure with a curve and a picture, which can be read."""
    figure = new_figure(6.0, 3.0)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1, 2], [0, 1, 4], label="a curve")
    left.set(xlabel="step", ylabel="loss", title="Loss")
    left.legend(loc="upper left")
    shown = picture(right, np.ones((4, 4)), "Residual", around_zero(2.0), DIVERGING)
    scale_beside(shown, "measured - model")
    return figure, left, right


def found(figure):
    with drawn_texts() as texts:
        FigureCanvasAgg(figure).draw()
    return faults(figure, texts)


def test_a_good_figure_has_no_fault():
    assert found(good()[0]) == []


def upon_each_other(figure, left, _):
    figure.text(0.5, 0.02, "one text")
    figure.text(0.52, 0.03, "and another")


def turned_upon_each_other(figure, left, _):
    figure.text(0.5, 0.4, "a text", rotation=30)
    figure.text(0.5, 0.4, "and another", rotation=-30)


def beyond_the_edge(figure, left, _):
    figure.text(0.95, 0.02, "a text that is cut")


def a_wide_title(figure, left, right):
    right.set_title("a title so wide that it lies upon the axes beside it", loc="right", y=0.9)


def through_a_text(figure, left, _):
    left.annotate("3.9", (1, 1), (0, -4), textcoords="offset points")


def under_the_legend(figure, left, _):
    left.plot([0, 0.8], [3.6, 3.7])


def a_wide_legend(figure, left, _):
    left.legend(["a curve with very many words for so small axes"], loc="upper center")


def small(figure, left, _):
    left.set_xlabel("step", fontsize=5)


def a_computers_number(figure, left, _):
    left.set_title("weight 1.5e+02")


def digits(figure, left, _):
    left.set(yticks=[0, 0.928935, 4], yticklabels=["0", "0.928935", "4"])


def no_name(figure, left, _):
    left.set_ylabel("")


def no_bar(figure, left, right):
    picture(right, np.ones((4, 4)), "Residual", Normalize(0, 1), "magma")


def other_colours(figure, left, right):
    right.images[0].set_cmap("RdBu")


def aslant(figure, left, right):
    right.images[0].set_clim(-1, 2)


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (upon_each_other, "overlap: 'one text' and 'and another'"),
        (turned_upon_each_other, "overlap: 'a text' and 'and another'"),
        (beyond_the_edge, "sticks out: 'a text that is cut'"),
        (a_wide_title, "upon another panel: 'a title so wide"),
        (through_a_text, "upon a curve: '3.9'"),
        (under_the_legend, "upon a curve: 'a curve'"),
        (a_wide_legend, "a legend across its frame: 'Loss'"),
        (small, "small letters: 'step'"),
        (a_computers_number, "a computer's number: 'weight 1.5e+02'"),
        (digits, "a computer's number: '0.928935'"),
        (no_name, "numbers without a name: axis y of 'Loss'"),
        (no_bar, "no colour bar: 'Residual'"),
        (other_colours, f"the colours RdBu in place of {DIVERGING}: 'Residual'"),
        (aslant, "zero is not in the middle of the colours: 'Residual'"),
    ],
)
def test_a_fault_is_found(plant, said):
    figure, *axes = good()
    plant(figure, *axes)
    assert any(fault.startswith(said) for fault in found(figure)), found(figure)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (0.0, "0"),
        (0.0015, "0.0015"),
        (150.0, "150"),
        (20000.0, "20000"),
        (0.12345, "0.123"),
        (-0.5, "\N{MINUS SIGN}0.5"),
        (1e-5, "$10^{-5}$"),
        (3.9e-7, r"$3.9\times10^{-7}$"),
        (-2e6, r"$-2\times10^{6}$"),
    ],
)
def test_numbers_are_written_as_people_do(x, said):
    assert number(x) == said
