"""What a notebook shows: of every operator, of results and reports; and the pictures' bytes."""

import io
import re
import subprocess
import sys
from base64 import b64decode
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np
import pytest
from cases import CASES, Maker
from PIL import Image
from rows import open_row

import nufftlib as nl
from nufftlib import workflows
from nufftlib.core.arrays import summary
from nufftlib.core.notebook import SIDE, card, picture, png, samples
from nufftlib.core.run import Run

VOID = {"img"}


class Page(HTMLParser):
    """The rows and pictures of a piece of HTML, whose tags must be closed in their order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.cells, self.pictures, self.tags = [], [], {}, set()
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        if tag == "td":
            self.cells.append("")
        if tag == "img":
            head, _, data = given["src"].partition(",")
            assert head == "data:image/png;base64"
            self.pictures[given["alt"]] = np.asarray(Image.open(io.BytesIO(b64decode(data))))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] == "td":
            self.cells[-1] += text

    @property
    def rows(self):
        """Values by their names, of the outermost table first."""
        pairs = list(zip(self.cells[::2], self.cells[1::2], strict=True))
        return dict(reversed(pairs))


def page_of(thing):
    return Page(thing._repr_html_())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_operator_says_its_parameters(case):
    with open_row("numpy") as row:
        operator, _ = case.make(Maker(row, "double", 0))
        html = operator._repr_html_()
        page = Page(html)
        assert f"<strong>{type(operator).__name__}" in html
        for name, value in operator.parameters.items():
            if value.size > 6:
                assert page.rows[name] == summary(value).strip("<>")
            else:
                assert page.rows[name]
        assert ("in \N{RIGHTWARDS ARROW} out" in page.rows) == (operator.shapes is not None)


def test_an_nufft_says_shapes_precision_and_engine():
    rows = page_of(nl.NUFFT(np.zeros((5, 7, 2), np.float32), (8, 9), eps=1e-4)).rows
    assert rows["in \N{RIGHTWARDS ARROW} out"] == "(..., 8, 9) \N{RIGHTWARDS ARROW} (..., 5, 7)"
    assert rows["trajectory"] == "(5, 7, 2) float32"
    assert rows["engine"] == "auto: GridEngine"
    assert rows["eps"] == "0.0001"


def test_a_composition_names_its_parts():
    A = nl.NUFFT(np.zeros((3, 2)), (4, 4)) @ nl.Diagonal(np.ones((4, 4)))
    assert "<strong>Compose(NUFFT, Diagonal)</strong>" in A._repr_html_()
    assert {"trajectory", "weights", "eps"} <= page_of(A.H).rows.keys()


def test_texts_are_escaped():
    bad = "<script>alert('&')</script>"
    report = nl.OperatorReport(bad, {bad: 1.0}, {bad: 0.5})
    assert "script" not in page_of(report).tags

    @dataclass
    class Result:
        text: str
        texts: list[str]
        numbers: dict[str, float]

    page = Page(card(Result(bad, [bad], {bad: 1.0})))
    assert "script" not in page.tags
    assert page.rows["text"] == page.rows["texts"] == bad


class Part(NamedTuple):
    values: np.ndarray
    good: bool
    nothing: None = None


def test_values_are_said_in_few_words():
    @dataclass
    class Result:
        delays: np.ndarray
        losses: list[float]
        part: Part
        image: np.ndarray

    part = Part(np.zeros(9), np.bool_(True))
    rows = Page(card(Result(np.asarray([0.5, 1.25]), [9.0, *range(8), 0.123456], part, None))).rows
    assert rows["delays"] == "[0.5 , 1.25]"
    assert rows["losses"] == "10, from 9 to 0.1235"
    assert (rows["values"], rows["good"], rows["nothing"]) == ("(9,) float64", "yes", "none")
    assert "part" not in rows  # it has a table of its own


@pytest.mark.parametrize("shape", [(5, 9), (1, 1), (4, 6, 3)])
def test_the_bytes_of_a_picture_are_a_png(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


def test_pictures_go_from_zero_to_the_largest_value():
    x = np.asarray([[0.5, 1.0], [2.0, np.nan]], np.float32)
    np.testing.assert_array_equal(picture(x), [[64, 128], [255, 0]])
    np.testing.assert_array_equal(picture(1j * x[:1]), [[128, 255]])
    np.testing.assert_array_equal(picture(np.stack([0 * x, x, 0 * x, 0 * x, 0 * x])), 0)
    assert picture(np.ones((3, 4, 5))).shape == (4, 5, 3)
    assert picture(np.zeros((2, 2))).max() == 0


def test_large_pictures_shrink_and_small_ones_grow():
    x = np.add.outer(np.arange(300.0), np.arange(500.0))
    small = picture(x)
    assert max(small.shape) <= SIDE
    assert small[0, 0] < small[-1, 0] < small[-1, -1] == 255
    shown = page_of(Peak([1.0], 0.0, False, np.eye(5)))
    assert shown.pictures["image"].shape == (125, 125)


@dataclass(frozen=True, eq=False, repr=False)
class Peak(Run):
    image: np.ndarray

    thumbnails = (("image", picture),)


def test_points_of_a_trajectory_stand_where_they_are():
    k = np.asarray([[-0.5, 0.25], [0.0, 0.25]])
    rows, columns = np.nonzero(samples(k))
    np.testing.assert_array_equal(rows, [0, SIDE // 2])  # axis 0 goes down
    np.testing.assert_array_equal(columns, [3 * SIDE // 4] * 2)
    assert samples(np.zeros((4, 1))).max() == 255
    assert samples(np.zeros((4, 5, 3))).max() == 255


def test_results_of_jobs_have_thumbnails_and_numbers():
    rng = np.random.default_rng(0)
    sharp = rng.random((24, 24))
    psf, blurred = workflows.simulate_blur(sharp, size=5)
    found = workflows.calibrate_psf(sharp, blurred, size=5)
    page = page_of(found)
    shown = page.pictures["psf"]
    n = shown.shape[0] // 5
    assert np.argmax(shown[n // 2 :: n, n // 2 :: n]) == np.argmax(psf)
    assert page.rows["losses"].startswith(f"{found.steps} steps, from ")
    assert page_of(workflows.deblur(blurred, psf, method="wiener")).pictures.keys() == {"picture"}

    k = nl.mri.trajectories.radial(4, 16, dtype=np.float64)
    maps = nl.mri.birdcage_maps(2, (16, 16), dtype=np.complex128)
    image = np.pad(rng.random((8, 8)), 4)
    learned = page_of(workflows.learn_trajectory(image, maps, k, steps=2))
    assert learned.pictures.keys() == {
        "trajectory_start",
        "trajectory",
        "reconstruction_start",
        "reconstruction",
    }
    y = (nl.NUFFT(k, image.shape) @ nl.Sense(maps))(image + 0j)
    made = workflows.reconstruct(y, k, image.shape, maps=maps)
    page = page_of(made)
    assert page.pictures["image"].shape == (128, 128)
    assert page.rows["weight"] == f"{made.weight:.4g}"


def test_reports_are_shown_as_they_are_printed():
    protocol = nl.mri.Protocol(nl.mri.Scanner(40e-3, 180.0, 10e-6), fov=0.24, shape=(16, 16))
    k = nl.mri.trajectories.radial(4, 16)
    report = nl.mri.check_trajectory(k, protocol)
    shown = report._repr_html_()
    assert Page(shown).tags == {"div", "strong", "pre"}
    assert "exceeded" in shown
    assert "NOT within the limits" in shown


def test_a_notebook_needs_no_plotting_library():
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['PIL'] = None\n"
        "import numpy as np, nufftlib as nl\n"
        "k = nl.mri.trajectories.radial(4, 16)\n"
        "print(nl.NUFFT(k, (8, 8))._repr_html_(), nl.mri.point_spread(k, (8, 8))._repr_html_())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.search(r'src="data:image/png;base64,[\w+/=]+"', done.stdout)
