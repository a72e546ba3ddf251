"""The gallery: ``docs/examples``, run and drawn by sphinx-gallery into ``docs/gallery``."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
GALLERY = EXAMPLES.with_name("gallery")
PARTS = ("jobs", "operators", "calibrate", "solve", "adapters", "limits")


def missing(path):
    """Return the packages that an example imports at its top and that are not installed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name.partition(".")[0] for name in names if find_spec(name.partition(".")[0]) is None}


def place(path):
    """Return by what pages list their examples: in the order of the parts."""
    return PARTS.index(Path(path).parent.name), Path(path).name


def settings():
    """Return sphinx-gallery's settings."""
    shown_only = [path.name for path in EXAMPLES.rglob("*.py") if missing(path)]
    rest = "|".join(map(re.escape, shown_only))
    return {
        "examples_dirs": "examples",
        "gallery_dirs": "gallery",
        "subsection_order": [f"examples/{part}" for part in PARTS],
        "within_subsection_order": "ExampleTitleSortKey",
        "minigallery_sort_order": "examples.place",
        # All are run but those whose packages are missing, which are shown alone.
        "filename_pattern": rf"/(?!(?:{rest})$)[^/]+$" if rest else "",
        "abort_on_example_error": True,
        # In processes of their own: in that of Sphinx, stand-ins may be in the place of torch.
        "parallel": 2,
        "backreferences_dir": "gallery/backreferences",
        "doc_module": ("nufftlib", "optim"),
        "reference_url": {},
        "first_notebook_cell": "%matplotlib inline",
        "min_reported_time": 1e9,
        "write_computation_times": False,
        "show_signature": False,
        "thumbnail_size": (480, 220),
        "download_all_examples": False,
        "remove_config_comments": True,
    }


def name_pages(_app):
    """Name the pages in notebooks, where nothing makes links of the roles of Sphinx."""
    for path in GALLERY.rglob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        named = re.sub(r":doc:`(?:[^`<]*<)?/([^`>]+)>?`", r"`docs/\1.md`", text)
        if named != text:
            path.write_text(named, encoding="utf-8")


def setup(app):
    """Come after sphinx-gallery, which writes the notebooks."""
    app.connect("builder-inited", name_pages, priority=900)
    return {"parallel_read_safe": True}
