"""The pages agree with the code, and link to what exists."""

import importlib
import inspect
import re
import types
from pathlib import Path

import numpy
import pytest
from packages import ADAPTERS, PACKAGES

ROOT = Path(__file__).parent.parent
NAMES = [*(package.__name__ for package in PACKAGES), *ADAPTERS]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(p for p in ROOT.glob("bench/**/*.md") if ".venv" not in p.parts),
]


@pytest.fixture(params=NAMES)
def package(request):
    try:
        return importlib.import_module(request.param)
    except ModuleNotFoundError as error:
        pytest.skip(str(error))


def documented():
    """What stands in code in the first columns of docs/api.md, by section."""
    sections = re.split(r"^## (.+)\n", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    return {
        title: [
            entry
            for first in re.findall(r"^\| (`.+?`) \|", rows, flags=re.MULTILINE)
            for entry in re.findall(r"`(.+?)`", first)
        ]
        for title, rows in zip(sections[1::2], sections[2::2], strict=True)
    }


def arguments(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_the_page_of_names_has_all_packages():
    assert list(documented()) == NAMES


def test_the_page_of_names_has_all_public_names_and_no_other(package):
    names = [entry.partition("(")[0] for entry in documented()[package.__name__]]
    assert sorted(names) == sorted(package.__all__)


def test_the_page_of_names_has_the_signatures(package):
    for entry in documented()[package.__name__]:
        name = entry.partition("(")[0]
        thing = getattr(package, name)
        if isinstance(thing, types.ModuleType | tuple) or inspect.isabstract(thing):
            assert entry == name
            continue
        scope = {"numpy": numpy}
        exec(f"def {entry}: ...", scope)
        assert arguments(scope[name]) == arguments(thing), entry


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
