"""Links from pages to the repository, and pages that show its files.

A link that leads out of the pages, as ``../nufftlib/core``, leads in the site to a page that shows
this file, or lists this folder. ``[source]`` in the API leads to the line.
"""

import importlib
import inspect
from functools import cache
from pathlib import Path
from posixpath import join, normpath

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).parents[2]
FOLDERS = ("nufftlib", "optim", "tests", "tools", "bench")
FOLDERS += ("docs/images", "docs/site")
LANGUAGES = {".py": "python", ".cu": "cuda", ".md": "markdown", ".toml": "toml", ".json": "json"}
INCLUDED = {
    "CHANGELOG.md": "site/changelog",
    "CONTRIBUTING.md": "site/contributing",
    "CODE_OF_CONDUCT.md": "site/conduct",
    "SECURITY.md": "site/security",
    "RELEASING.md": "site/releasing",
}
"""Files at the repository's root, and the pages that include them."""

INSTEAD = {
    "README.md": "index",
    "docs/derivations": "site/derivations",
    "docs/examples": "gallery/index",
}
"""A file and folders that have pages in their place, with headings of their own."""


class RepositoryLinks(SphinxTransform):
    """Send each link of a page to a page, or to the page that shows a file or a folder."""

    default_priority = 10

    def apply(self):
        """Replace the links that lead to no page by themselves."""
        included = self.env.docname in INCLUDED.values()
        here = "" if included else join("docs", self.env.docname, "..")
        for node in list(self.document.findall(addnodes.download_reference)):
            self.resolve(node, here, node["reftarget"])
        for node in list(self.document.findall(addnodes.pending_xref)):
            target = node["reftarget"]
            if node["reftype"] == "myst" and node["refdomain"] is None:
                self.resolve(node, here, target)
            elif node["reftype"] == "myst" and Path(target).is_absolute():  # a page elsewhere
                self.resolve(node, "", f"{Path(target).relative_to(ROOT)}.md")

    def resolve(self, node, here, target):
        """Replace one link."""
        target, _, anchor = target.partition("#")
        path = normpath(join(here, target))
        page = INCLUDED.get(path) or INSTEAD.get(path)
        page = page or path.removeprefix("docs/").removesuffix(".md")
        if page.startswith("examples/"):  # the gallery has it, drawn
            page = page.replace("examples/", "gallery/", 1).removesuffix(".py")
        anchor = "" if path in INSTEAD else anchor
        if page in self.env.found_docs:
            link = addnodes.pending_xref(
                refdomain="doc",
                reftype="myst",
                reftarget=page,
                reftargetid=anchor or None,
                refdoc=self.env.docname,
                refexplicit=True,
            )
        elif ROOT / path in tree():
            shown = shown_at(path)
            uri = self.app.builder.get_relative_uri(self.env.docname, shown)
            link = nodes.reference(refuri=uri, internal=True)
        else:
            return  # Sphinx warns of it
        link += node.children
        node.replace_self(link)


def shown_at(path):
    """Return the name of the page that shows a file, or lists a folder."""
    return f"source/{path}/index" if (ROOT / path).is_dir() else f"source/{path}"


@cache
def tree():
    """Return every folder and file that has a page."""
    found = {ROOT / "pyproject.toml"}
    for name in FOLDERS:
        for path in [ROOT / name, *(ROOT / name).rglob("*")]:
            parts = path.relative_to(ROOT).parts
            hidden = any(part[0] == "." or part == "__pycache__" for part in parts)
            if not hidden and (path.is_dir() or path.suffix in LANGUAGES):
                found.add(path)
    return found


def pages(app):
    """Yield the pages, for Sphinx to write."""
    for path in sorted(tree()):
        name = path.relative_to(ROOT).as_posix()
        if path.is_dir():
            inside = sorted(child for child in path.iterdir() if child in tree())
            context = {"title": name, "entries": [entry(child) for child in inside]}
        else:
            text = path.read_text(encoding="utf-8")
            body = app.builder.highlighter.highlight_block(
                text,
                LANGUAGES[path.suffix],
                linenos="inline",
                lineanchors="L",
                location=name,
                force=True,
            )
            context = {"title": name, "body": body}
        yield shown_at(name), context, "source.html"


def entry(path):
    """Return where a folder's list leads to for a file or folder, its name, and what it says."""
    target = f"{path.name}/index" if path.is_dir() else path.name
    return f"{target}.html", path.name, first_line(path)


def first_line(path):
    """Return what the docstring of a module or a package says first."""
    path = path / "__init__.py" if path.is_dir() else path
    if path.suffix != ".py" or not path.exists():
        return ""
    head = path.read_text(encoding="utf-8").lstrip("r").partition('"""')[2]
    return head.partition("\n")[0].removesuffix('"""').replace("``", "")


def linkcode_resolve(_domain, info):
    """Return where a public name is defined, from its page in ``api``."""
    thing = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        thing = getattr(thing, name, None)
    thing = inspect.unwrap(thing.fget if isinstance(thing, property) else thing)
    try:
        path = Path(inspect.getsourcefile(thing)).relative_to(ROOT)
        line = inspect.getsourcelines(thing)[1]
    except (TypeError, ValueError, OSError):
        return None  # a constant, or another library's
    return f"../{shown_at(path.as_posix())}.html#L-{line}"


def setup(app):
    """Add it all to Sphinx."""
    app.add_transform(RepositoryLinks)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
