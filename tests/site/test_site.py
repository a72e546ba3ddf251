"""The built site: every link inside of it, and its pages in a browser without a network.

The README has the command that builds it into ``out/site``. The browser is Debian's ``chromium``,
driven by playwright; without a site, or one of these, the tests skip.
"""

import re
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from browsers import quiet_tab
from packages import PACKAGES

SITE = Path(__file__).parents[2] / "out" / "site"
PAGES = ("index", "get-started", "comparison", "coming-from/sigpy", "api", "api/nufftlib.NUFFT")
PAGES += ("api/nufftlib.mri", "api/optim.spectral_projected_gradient", "derivations/nufft")
PAGES += ("derivations/projection", "source/nufftlib/core/losses.py", "gallery/index")
PAGES += ("gallery/jobs/learn_a_trajectory", "gallery/operators/in_notebooks")
PAGES += ("gallery/adapters/torch_training", "gallery/limits/when_it_fails")

pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").exists(), reason="no site in out/site: see the README"
)


@cache
def names(page):
    """Return what links can lead to within a page."""
    return set(re.findall(r'\b(?:id|name)="([^"]+)"', page.read_text(encoding="utf-8")))


def links(page):
    """Yield path and anchor of each link of a page that leads to the site."""
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r'\b(?:href|src)="([^"]*)"', text):
        path, _, anchor = unquote(unescape(link)).partition("#")
        if ":" not in path:
            path = path.partition("?")[0]
            yield (page.parent / path).resolve() if path else page, anchor


def test_every_link_leads_to_a_file_and_a_place_in_it():
    lost = {
        f"{page.relative_to(SITE)}: {target}#{anchor}"
        for page in SITE.rglob("*.html")
        if page.parent.name != "_static"  # a template of the theme
        for target, anchor in links(page)
        if not target.is_file()
        or (anchor and target.suffix == ".html" and anchor not in names(target))
    }
    assert not lost


def test_every_public_name_has_a_page():
    names = {f"{package.__name__}.{name}" for package in PACKAGES for name in package.__all__}
    pages = {page.stem.removesuffix("-class") for page in (SITE / "api").glob("*.html")}
    assert not names - pages


@pytest.fixture(params=[1400, 420])
def tab(browser, request):
    """Open a tab, and want no error in the console and nothing from a network."""
    context = browser.new_context(viewport={"width": request.param, "height": 900}, offline=True)
    tab, said = quiet_tab(context)
    yield tab
    context.close()
    assert not said


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_and_draws_its_formulas(tab, page):
    tab.goto((SITE / f"{page}.html").as_uri())
    tab.evaluate("async () => { if (window.MathJax) await MathJax.startup.promise }")
    fits = "all => all.every(part => part.scrollWidth <= part.clientWidth)"
    assert tab.locator("html, .bd-article-container").evaluate_all(fits)
    assert tab.locator("mjx-container").count() == tab.locator(".math").count()
    assert tab.locator("mjx-merror, [data-mml-node=merror]").count() == 0


def test_the_search_finds_density_weights(tab):
    tab.goto((SITE / "search.html").as_uri() + "?q=density")
    tab.get_by_role("link", name="Density weights", exact=True).wait_for()
