"""Pages of results: what they hold without a browser, and what moves in one."""

import base64
import gzip
import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from nufftlib.mri import Protocol, Scanner
from nufftlib.plots.waveforms import waveforms
from nufftlib.report import course
from nufftlib.report.page import asset

PAGES = ["learned", "volume", "set", "psf"]
MODEL = "name => Bokeh.documents[0].get_model_by_name(name)"


def document(folder):
    """Return the models of a page by name, and the arguments of what fills it."""
    text = (folder / "report.html").read_text(encoding="utf-8")
    (stored,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    (content,) = json.loads(stored).values()
    return content


def find(node, key, value):
    """Yield all parts of a document with an entry."""
    if isinstance(node, dict):
        if node.get(key) == value:
            yield node
        for part in node.values():
            yield from find(part, key, value)
    elif isinstance(node, list):
        for part in node:
            yield from find(part, key, value)


def entries(node):
    """Return a map of a document as Python's."""
    return dict(node["entries"]) if "entries" in node else node


def array(node):
    """Return an array of a document."""
    data = gzip.decompress(base64.b64decode(node["array"]["data"]))
    return np.frombuffer(data, node["dtype"]).reshape(node["shape"])


def arguments(folder, name):
    """Return the arguments of the script that has one of a name."""
    for script in find(document(folder), "name", "CustomJS"):
        args = entries(script["attributes"]["args"])
        if name in args:
            return args
    raise AssertionError(name)


class Tags(HTMLParser):
    """The open elements of a page."""

    VOID = ("meta", "link", "br", "hr", "img", "input")

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_small_and_leads_nowhere(results, name):
    text = (results / name / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert text.lstrip().startswith("<!DOCTYPE html>")
    assert not tags.open
    assert tags.links == ["data:,"]
    assert len(text) < 6e6


@pytest.mark.parametrize("name", PAGES)
def test_the_command_writes_the_page_that_the_job_wrote(results, run, name):
    page = results / name / "report.html"
    before = page.read_text(encoding="utf-8")
    assert run("report", results / name).strip() == str(page)
    after = page.read_text(encoding="utf-8")
    assert len(after) == pytest.approx(len(before), rel=1e-3)
    assert find_arrays(after) == find_arrays(before)


def find_arrays(text):
    return re.findall(r'"data":"([^"]*)"', text)


def test_the_course_is_that_of_the_job(results):
    folder = results / "learned"
    with np.load(folder / "result.npz") as result, np.load(folder / "learning.npz") as kept:
        record = json.loads((folder / "result.json").read_text())
        assert kept["steps"].tolist()[0] == 0
        assert kept["steps"][-1] == record["step_best"]
        np.testing.assert_array_equal(kept["trajectories"][0], result["trajectory_start"])
        np.testing.assert_array_equal(kept["trajectories"][-1], result["trajectory"])
        for i, name in ((0, "reconstruction_start"), (-1, "reconstruction")):
            close = {"rtol": 2**-10, "atol": 1e-3}
            np.testing.assert_allclose(kept["reconstructions"][i], result[name], **close)


def test_a_page_holds_the_trajectories_and_the_pictures(results):
    folder = results / "learned"
    args = arguments(folder, "pictures")
    with np.load(folder / "result.npz") as result, np.load(folder / "learning.npz") as kept:
        k = kept["trajectories"]
        found = args["unit"] * array(args["k"]).reshape(len(k), 2, *k.shape[1:3])
        np.testing.assert_allclose(np.moveaxis(found, 1, -1), k, rtol=0, atol=0.51 * args["unit"])
        (strip,) = (entries(part) for part in args["pictures"])
        np.testing.assert_array_equal(array(strip["image"]), result["image"].ravel())
        moments = strip["scale"] * array(strip["frames"]).reshape(kept["reconstructions"].shape)
        half = 0.51 * strip["scale"]
        np.testing.assert_allclose(moments, kept["reconstructions"], rtol=0, atol=half)
        assert args["steps"] == kept["steps"].tolist()
        (mark,) = (entries(part) for part in args["marks"])
        assert mark["values"] == [result["losses"][step] for step in kept["steps"]]
        protocol = json.loads((folder / "result.json").read_text())["settings"]["protocol"]
        protocol["scanner"] = Scanner(**protocol["scanner"])
        for part, i in zip(map(entries, args["limited"]), (0, 1), strict=True):
            wave = waveforms(k[-1], Protocol(**protocol))[i]
            shown = part["scale"] * array(part["values"]).reshape(len(k), *wave.values.shape)[-1]
            np.testing.assert_allclose(shown, wave.values, rtol=0, atol=0.51 * part["scale"])


def test_without_its_moments_a_learning_has_two(results, run, tmp_path):
    for name in ("result.json", "result.npz"):
        shutil.copy(results / "learned" / name, tmp_path)
    run("report", tmp_path)
    args = arguments(tmp_path, "pictures")
    with np.load(tmp_path / "result.npz") as result:
        shape = (2, 2, *result["trajectory"].shape[:2])
        found = np.moveaxis(args["unit"] * array(args["k"]).reshape(shape), 1, -1)
        for k, name in zip(found, ("trajectory_start", "trajectory"), strict=True):
            np.testing.assert_allclose(k, result[name], rtol=0, atol=0.51 * args["unit"])


def test_a_page_of_pictures_whose_psf_nobody_knows(results, run, tmp_path):
    sharp, blurred = tmp_path / "sharp.npy", tmp_path / "blurred.npy"
    with np.load(results / "psf" / "result.npz") as result:
        np.save(sharp, result["sharp"])
        np.save(blurred, result["blurred"])
    pair = "--sharp", sharp, "--blurred", blurred
    run("calibrate-psf", *pair, *pair, "--size", 9, "--steps", 3, "--out", tmp_path / "own")
    cuts = [entries(part) for part in arguments(tmp_path / "own", "cuts")["cuts"]]
    with np.load(tmp_path / "own" / "result.npz") as result:
        for cut, name in zip(cuts, ("psf_spectral", "psf_start"), strict=True):
            np.testing.assert_array_equal(array(cut["psf"]), result[name].ravel())


def test_a_page_holds_the_psfs(results):
    cuts = [entries(part) for part in arguments(results / "psf", "cuts")["cuts"]]
    with np.load(results / "psf" / "result.npz") as result:
        methods = ("projected-gradient", "adam", "adamw", "backtracking", "accelerated", "spectral")
        names = ["psf_true", *(f"psf_{name}" for name in methods), "psf_start"]
        for cut, name in zip(cuts, names, strict=True):
            np.testing.assert_array_equal(array(cut["psf"]), result[name].ravel())


@pytest.mark.parametrize("shots", [4, 100, 3000])
def test_moments_and_shots_are_left_out_where_a_page_has_no_room(shots):
    k = np.zeros((9, shots, 500, 3), np.float32)
    strip = course.Strip("", np.zeros((300, 300)), np.zeros((9, 300, 300)))
    full = course.Course("step", 8, 8, [*range(9)], k, 1, [strip], {}, None)
    thin = course.thinned(full)
    assert thin.steps[0] == 0
    assert thin.steps[-1] == 8
    assert (thin.every > 1) == (shots == 3000)
    assert (len(thin.steps) == 9) == (shots == 4)
    assert len(thin.trajectories) == len(thin.steps) == len(thin.strips[0].reconstructions)
    bytes_of = 2 * (thin.trajectories.size + thin.strips[0].reconstructions.size)
    assert bytes_of < course.MOST


def test_the_command_says_what_it_wants(run, tmp_path):
    assert "no result.json" in run("report", tmp_path, code=2)
    (tmp_path / "result.json").write_text('{"job": "deblur", "settings": {}}')
    assert "cannot be read" in run("report", tmp_path, code=2)
    np.savez(tmp_path / "result.npz", deblurred=np.zeros(3))
    said = run("report", tmp_path, code=2)
    assert "of deblur; want one of learn-trajectory or calibrate-psf" in said
    for settings, word in (({"ndim": 3}, "--ndim 3"), ({"ndim": 2}, "--grid")):
        record = {"job": "calibrate-psf", "settings": settings}
        (tmp_path / "result.json").write_text(json.dumps(record))
        np.savez(tmp_path / "result.npz", **{"losses_adam": np.zeros(3)} if "3" in word else {})
        assert word in run("report", tmp_path, code=2)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_is_light(results, visit, name, width):
    tab = visit(results / name / "report.html", width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = tab.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (ink, paper) == ("rgb(34, 34, 34)", "rgb(255, 255, 255)")
    widths = tab.locator(".panels > div").evaluate_all("all => all.map(c => c.clientWidth)")
    assert widths
    assert min(widths) > 250


def shown(tab, source, column="image"):
    """Return what a source of a page holds."""
    values = f"Array.from(({MODEL})(name).data.{column}, row => Array.from(row))"
    return np.asarray(tab.evaluate(f"name => {values}", source))


@pytest.mark.parametrize("name", ["learned", "volume", "set"])
def test_the_slider_moves_pictures_shots_and_marks(results, visit, name):
    folder = results / name
    tab = visit(folder / "report.html")
    pictures = tab.locator(".panels > div")
    before = pictures.nth(0).screenshot()
    with np.load(folder / "result.npz") as result:
        image = result["image" if name != "set" else "image_worst"]
        image = image[:, :, image.shape[2] // 2] if image.ndim == 3 else image
        which = "_worst" if name == "set" else ""
        ends = {
            when: (result[f"trajectory{when}"], result[f"reconstruction{when}{which}"])
            for when in ("", "_start")
        }
    for when, key in (("", "End"), ("_start", "Home")):
        tab.locator(".noUi-handle").press(key)
        tab.wait_for_timeout(300)
        k, picture = ends[when]
        if picture.ndim == 3:
            picture = picture[:, :, picture.shape[2] // 2]
        for axis in range(k.shape[-1]):
            now = shown(tab, "shots", f"k{axis}")
            np.testing.assert_allclose(now, k[..., axis], rtol=0, atol=2e-5)
        scale = 2e-3 * np.abs(picture).max()
        now = shown(tab, "reconstruction 0").reshape(picture.shape)
        np.testing.assert_allclose(now, picture, rtol=0, atol=scale)
        error = shown(tab, "error 0").reshape(picture.shape)
        np.testing.assert_allclose(error, picture - image, rtol=0, atol=scale)
    assert tab.locator("text=/^(Step|Epoch) 0 of/").count() == 1
    assert pictures.nth(0).screenshot() != before


def test_a_shot_is_picked_by_a_tap_and_by_its_number(results, visit):
    tab = visit(results / "learned" / "report.html")
    panel = tab.locator(".panels > div").nth(0)
    before = panel.screenshot()
    indices = "() => Bokeh.documents[0].get_model_by_name('shots').selected.indices"
    number = "() => Bokeh.documents[0].get_model_by_name('shot').value"
    places = """() => {
        const [view] = Bokeh.index.roots.filter(v => v.model.title?.text === "Trajectory")
        const {k0, k1} = Bokeh.documents[0].get_model_by_name('shots').data
        const {x_scale, y_scale} = view.frame, n = k0[5].length - 2
        return [x_scale.compute(k1[5][n]), y_scale.compute(k0[5][n])]
    }"""
    x, y = tab.evaluate(places)
    canvas = panel.locator("canvas").first.bounding_box()
    tab.mouse.click(canvas["x"] + x, canvas["y"] + y)
    tab.wait_for_timeout(300)
    assert tab.evaluate(indices) == [5]
    assert tab.evaluate(number) == 5
    with np.load(results / "learned" / "result.npz") as result:
        k = result["trajectory"]
    for shot in (5, 2):
        if shot == 2:
            field = tab.locator("input[type=text], input[type=number]").first
            field.fill("2")
            field.press("Enter")
            tab.wait_for_timeout(300)
        assert tab.evaluate(indices) == [shot]
        picked = [f"Array.from(({MODEL})('samples').data.k{a})" for a in (0, 1)]
        found = np.asarray([tab.evaluate(f"() => {part}") for part in picked])
        np.testing.assert_allclose(found.T, k[shot], rtol=0, atol=2e-5)
        after = panel.screenshot()
        assert after != before
        before = after
    tab.mouse.click(canvas["x"] + x + 12, canvas["y"] + y + 25)  # beside all
    tab.wait_for_timeout(300)
    assert tab.evaluate(indices) == []
    assert tab.evaluate(number) is None


def test_a_psf_is_cut_where_it_is_tapped(results, visit):
    tab = visit(results / "psf" / "report.html")
    with np.load(results / "psf" / "result.npz") as result:
        psf, truth = result["psf_spectral"], result["psf_true"]
    panel = tab.locator(".panels > div").nth(1)
    before = panel.screenshot()
    i, j = np.unravel_index(np.argmax(truth), truth.shape)

    def cuts(i, j):
        for name, cut in (("row", psf[i]), ("column", psf[:, j])):
            source = f"{name} of Spectral gradient"
            y = tab.evaluate(f"name => Array.from(({MODEL})(name).data.y)", source)
            np.testing.assert_array_equal(np.float32(y), cut)

    cuts(i, j)
    tab.locator(".noUi-handle").nth(0).press("Home")
    tab.wait_for_timeout(300)
    cuts(0, j)
    canvas = panel.locator("canvas").first.bounding_box()
    place = """() => {
        const named = v => String(v.model.title?.text).startsWith("Adam:")
        const [view] = Bokeh.index.roots.filter(named)
        return [view.frame.x_scale.compute(3), view.frame.y_scale.compute(6)]
    }"""
    x, y = tab.evaluate(place)
    tab.locator(".panels > div").nth(2).scroll_into_view_if_needed()
    canvas = tab.locator(".panels > div").nth(2).locator("canvas").first.bounding_box()
    tab.mouse.click(canvas["x"] + x, canvas["y"] + y)
    tab.wait_for_timeout(300)
    cuts(6, 3)
    assert panel.screenshot() != before


LABELS = {
    (0.0113, 0.7): [0.02, 0.05, 0.1, 0.2, 0.5],  # of one decade's beginning
    (2e-4, 4e-3): [2e-4, 5e-4, 1e-3, 2e-3],
    (3e-13, 2.0): [1e-12, 1e-9, 1e-6, 1e-3, 1.0],
    (1.94e-4, 2.06e-4): [1.95e-4, 2e-4, 2.05e-4],
}


@pytest.mark.parametrize("ends", LABELS)
def test_a_logarithmic_axis_has_labels_wherever_it_is(browser, ends):
    context = browser.new_context()
    tab = context.new_page()
    script = f"cb_data => {{ {asset('ticks.js')} }}"
    found = tab.evaluate(script, {"start": ends[0], "end": ends[1]})
    context.close()
    np.testing.assert_allclose(found, LABELS[ends], rtol=1e-9)


def test_losses_have_these_labels(results):
    for name in PAGES:
        tickers = list(find(document(results / name), "name", "CustomJSTicker"))
        found = {unescape(part["attributes"]["major_code"]) for part in tickers}
        assert found == {asset("ticks.js")}
