"""The pages agree with the code, and link to what exists."""

import re
from pathlib import Path

import pytest
from packages import ADAPTERS, PACKAGES
from tables import TABLES, names

ROOT = Path(__file__).parent.parent
NAMES = [*(package.__name__ for package in PACKAGES), *ADAPTERS]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(p for p in ROOT.glob("bench/**/*.md") if ".venv" not in p.parts),
]


def test_the_page_of_names_has_all_packages():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, flags=re.MULTILINE) == NAMES


@pytest.mark.parametrize("page", TABLES)
def test_the_tables_say_what_the_code_says(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text == TABLES[page](text), "run tools/make_tables.py"


def test_the_table_of_names_follows_the_code_and_keeps_its_words():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    row = "| `inner(a, b)` | `Re sum(conj(a) * b)` |\n"
    assert names(page.replace("`inner(a, b)`", "`inner(a, *, b=1)`")) == page
    assert names(page.replace(row, row + "| `outer(a)` | not in the library |\n")) == page


@pytest.mark.parametrize(
    ("row", "end"),
    [("Sense(maps)", "; parameter `maps` |"), ("gaussian_psf(size, std, angle=0.0, *, xp", " |")],
)
def test_a_new_row_of_the_table_of_names_begins_with_the_docstring(row, end):
    def line(page):
        return next(line for line in page.splitlines() if line.startswith(f"| `{row}"))

    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    old, new = line(page), line(names(page.replace(line(page) + "\n", "")))
    assert new.partition(" | ")[0] == old.partition(" | ")[0]
    assert new.endswith(end)


def test_every_page_is_listed():
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {p.relative_to(ROOT / "docs").as_posix() for p in ROOT.glob("docs/**/*.md")}
    assert {page for page in pages if f"]({page})" not in listed} == {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page):
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in link or link.startswith("#"):
            continue
        target = page.parent / link.partition("#")[0]
        inside = target.rglob("*") if target.is_dir() else [target]
        # Git keeps no empty folders.
        assert any(path.is_file() for path in inside), f"{page.name} links to {link}"
