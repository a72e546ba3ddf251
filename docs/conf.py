"""The site: Sphinx reads this folder's Markdown, and the docstrings of all public names.

The README has the command. `site/` has what only the site needs; `api/` and `gallery/` are
generated.
"""

import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("docs/site", "tests", "")]

from examples import settings  # noqa: E402
from numpydoc.xref import DEFAULT_LINKS  # noqa: E402
from packages import ADAPTERS, PACKAGES  # noqa: E402  # it needs the path
from repository import linkcode_resolve  # noqa: E402, F401  # Sphinx looks for it here

project = "nufftlib"
author = "The nufftlib developers"
project_copyright = author
version = release = metadata.version("nufftlib")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "examples",
    "repository",
    "names",
    "subjects",
]
nitpicky = True
exclude_patterns = ["images", "examples"]
templates_path = ["site/templates"]
sphinx_gallery_conf = settings()

# Markdown as it stands in the repository: dollars for formulas, links to headings as on GitHub.
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4

# API: a page for every public name, with the docstring as it is.
default_role = "code"
# What the adapters adapt to need not be installed; but JAX, where a primitive is registered.
autodoc_mock_imports = ["torch", "pylops", "deepinv", "mrinufft", "sigpy", "dask", "distributed"]
autodoc_typehints = "none"  # numpydoc's section says the kinds
autodoc_preserve_defaults = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
WITH_NAMES = [*(package.__name__ for package in PACKAGES), *ADAPTERS]
autosummary_context = {"packages": WITH_NAMES}
numpydoc_show_class_members = False  # the template lists them
NAMES = [f"{package.__name__}.{name}" for package in PACKAGES for name in package.__all__]
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
# The library's own classes become links; those of Python and NumPy would lead to a network.
OWN = {name.rpartition(".")[2]: name for name in NAMES if name.rpartition(".")[2][0].isupper()}
numpydoc_xref_aliases = {word: word for word in DEFAULT_LINKS} | OWN

# What is left of names that are no more would be pages without a place.
for stub in (ROOT / "docs" / "api").glob("*.rst"):
    name = stub.stem.removesuffix("-class")
    if name not in WITH_NAMES and name not in NAMES and not name.startswith("nufftlib.interop."):
        stub.unlink()

# A file system may not tell `ssim` from `SSIM`.
autosummary_filename_map = {
    target: f"{target}-class"
    for target in OWN.values()
    if target.lower() in {name.lower() for name in NAMES if name != target}
}

# Nothing comes from a network: formulas are drawn by a copy of MathJax that a package brings.
MATHJAX = "tex-svg-full.js"
(mathjax,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
html_static_path = ["site/style.css", str(Path(mathjax, "static", "mathjax", MATHJAX))]
mathjax_path = MATHJAX
html_css_files = ["style.css"]

html_theme = "pydata_sphinx_theme"
html_title = f"nufftlib {version}"
html_show_sourcelink = False
html_copy_source = False
html_use_index = html_domain_indices = False  # the search and the page of names do it
html_show_search_summary = False  # it fetches pages, which a browser refuses in a folder
html_context = {"default_mode": "auto"}
html_sidebars = {page: [] for page in ("index", "get-started", "files")}  # parts of one page
html_theme_options = {
    "logo": {"text": f"nufftlib {version}"},
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    # Two codes beside each other want the place of the page's own contents.
    "secondary_sidebar_items": {"coming-from/*": []}
    | {f"{folder}*": ["page-toc"] for folder in ("", "api/", "derivations/", "interop/", "site/")},
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
