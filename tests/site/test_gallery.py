"""The gallery of the built site: every example was run, drawn, and ends where it says.

The site's build runs the examples, and an error in one ends it. What they printed stands on their
pages; without a site the tests skip.
"""

import json
import re
from html import unescape
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
SITE = ROOT / "out" / "site"
NUMBER = r"(\d[\d.e+-]*)"
NEEDS = {"with_torch": "torch", "with_optax": "optax"}
NAMES = [path.relative_to(EXAMPLES).with_suffix("").as_posix() for path in EXAMPLES.rglob("*.py")]

built = pytest.mark.skipif(
    not (SITE / "gallery" / "index.html").exists(), reason="no site in out/site: see the README"
)


def page(name):
    return (SITE / "gallery" / f"{name}.html").read_text(encoding="utf-8")


def printed(name):
    """Return what an example has printed."""
    parts = re.findall(r'<div class="sphx-glr-script-out.*?<pre>(.*?)</pre>', page(name), re.DOTALL)
    return unescape(re.sub("<.*?>", "", "\n".join(parts)))


def figures(name):
    """Return the first number after each name that an example has printed."""
    lines = re.findall(rf"^(\w+)\s[ a-z]*{NUMBER}", printed(name), flags=re.MULTILINE)
    return {name: float(value) for name, value in lines}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_prose_and_ends_with_a_page(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    title, line, *prose = re.match(r'r?"""\n(.*?)"""', text, re.DOTALL)[1].splitlines()
    assert set(line) == {"="}
    assert len(line) == len(title)
    assert 5 <= len(prose) <= 20
    last = text.rstrip().rpartition("# %%\n")[2]
    assert re.search(r":doc:`/[\w/-]+`", last), "want a page at the end"
    assert "plt.show()" in text


def test_an_example_without_its_package_is_shown_and_not_run(monkeypatch):
    spec = spec_from_file_location("examples", ROOT / "docs" / "site" / "examples.py")
    spec.loader.exec_module(examples := module_from_spec(spec))
    monkeypatch.setattr(examples, "find_spec", lambda name: None if name == "torch" else spec)
    run = re.compile(examples.settings()["filename_pattern"])
    left_out = [name for name in NAMES if not run.search(str(EXAMPLES / f"{name}.py"))]
    assert left_out == ["adapters/torch_training"]


@built
def test_there_are_at_least_twenty():
    assert len(NAMES) >= 20
    index = page("index")
    assert {name for name in NAMES if f'"{name}.html"' not in index} == set()


@built
@pytest.mark.parametrize("name", NAMES)
def test_an_example_was_run_and_can_be_downloaded(name):
    text = page(name)
    links = re.findall(r'\bhref="([^"]*_downloads/[^"]*)"', text)
    files = {Path(link).suffix: SITE / "gallery" / Path(name).parent / link for link in links}
    assert files.keys() >= {".py", ".ipynb"}
    cells = json.loads(files[".ipynb"].read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]) == "%matplotlib inline"
    assert ":doc:" not in str(cells)  # a role of Sphinx, which a notebook shows as it stands
    if name != "adapters/torch_training" or find_spec("torch"):
        assert re.search("sphx-glr-(?:single|multi)-img", text)
    assert "Traceback" not in printed(name)


@built
@pytest.mark.parametrize("job", ["trajectory", "psf"])
@pytest.mark.parametrize("driver", ["with_scipy", "with_torch", "with_optax"])
def test_every_driver_ends_at_the_loss_of_our_own_optimiser(job, driver):
    if driver in NEEDS:
        pytest.importorskip(NEEDS[driver])
    ends = figures(f"adapters/four_optimisers_{job}")
    assert ends["with_optim"] < 0.3 * ends["start"]
    if (job, driver) == ("trajectory", "with_scipy"):
        # Trajectories have many minima nearby, and rounding decides in which one L-BFGS-B ends:
        # from nine starts that are 1e-13 apart, at 0.91 to 0.97 of Adam's loss.
        assert 0.85 < ends[driver] / ends["with_optim"] < 1.03
    else:  # the same Adam, in three libraries, or one minimum
        assert ends[driver] == pytest.approx(ends["with_optim"], rel=0.01)


@built
def test_a_trajectory_learned_with_its_network_beats_the_network_alone():
    pytest.importorskip("torch")
    errors = figures("adapters/torch_training")
    assert errors["both"] < 0.6 * errors["network"]
    assert errors["network"] < 0.85 * errors["before"]


@built
def test_a_resumed_run_has_the_same_bits():
    assert printed("solve/checkpoints").startswith("the same bits: True\nthe same losses: True")


@built
def test_a_gradient_agrees_with_its_finite_difference():
    formula, difference = re.findall(r":\s+(\S+)", printed("operators/nufft_and_coils"))[-2:]
    assert float(formula) == pytest.approx(float(difference), rel=1e-6)


@built
def test_pages_of_names_show_the_examples_that_use_them():
    shown = (SITE / "api" / "nufftlib.NUFFT.html").read_text(encoding="utf-8")
    assert "../gallery/operators/nufft_and_coils.html" in shown


@built
def test_operators_and_results_show_themselves():
    text = page("operators/in_notebooks")
    assert "<strong>CoilNUFFT(NUFFT)</strong>" in text
    assert 'src="data:image/png;base64,' in text
