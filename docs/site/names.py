"""Public names in the text of pages become links to their pages in the API; files, titles."""

import re
from inspect import signature
from posixpath import dirname, join, normpath

from docutils import nodes
from sphinx.util.inspect import stringify_signature

FILE = re.compile(r"[\w./-]+\.md")
STAR = re.compile(r"(?<=[( ])\*(?=[A-Za-z][^*]*[,)])")


def link(app, doctree, docname):
    """Make links of the code in a page that is a public name, with its call or without."""
    objects = app.env.get_domain("py").objects
    for code in list(doctree.findall(nodes.literal)):
        if isinstance(code.parent, nodes.reference):
            continue
        found = objects.get(full(code, docname, objects))
        if found is None or found.docname == docname:
            continue
        uri = app.builder.get_relative_uri(docname, found.docname) + f"#{found.node_id}"
        wrapped = nodes.reference(refuri=uri, internal=True)
        code.replace_self(wrapped)
        wrapped += code


def entitle(app, doctree, docname):
    """Let links that say a page's file, for readers of the repository, say its title."""
    for link in doctree.findall(nodes.reference):
        if FILE.fullmatch(link.astext()) and link.get("internal"):
            path = link.get("refuri", "").partition("#")[0].removesuffix(".html")
            page = normpath(join(dirname(docname), path))
            if page in app.env.titles:
                link.children[:] = [nodes.inline("", app.env.titles[page].astext())]


def full(code, docname, objects):
    """Return the name in full that a piece of code has."""
    name = code.astext().partition("(")[0]
    if docname == "api":  # its sections are packages
        return f"{section(code)}.{name}"
    name = name.replace("nl.", "nufftlib.", 1) if name.startswith("nl.") else name
    if "." in name:
        return name if name in objects else f"nufftlib.{name}"
    # A bare word may be anything; with capitals or underscores it is a name, if a page has it.
    if len(name) == 1 or (name.islower() and "_" not in name):
        return None
    ends = [
        known
        for known, found in objects.items()
        if known.endswith(f".{name}") and found.docname.removesuffix("-class") == f"api/{known}"
    ]
    return ends[0] if len(ends) == 1 else f"nufftlib.{name}"


def unstarred(_app, _what, _name, _obj, _options, lines):
    """Let the star of a shape as ``(coils, *shape)`` be a star, where it is no code."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")
            parts[::2] = [STAR.sub(r"\\*", part) for part in parts[::2]]
            lines[i] = "``".join(parts)


def initialized(_app, what, _name, obj, _options, arguments, returned):
    """Return the arguments of a class whose base is a stand-in for another library's."""
    if what != "class" or arguments != "(*args, **kwargs)" or "__init__" not in vars(obj):
        return None
    given = signature(obj.__init__)
    given = given.replace(parameters=list(given.parameters.values())[1:])
    return stringify_signature(given, show_annotation=False), returned


def section(node):
    """Return the heading above a node."""
    while node.parent is not None and not isinstance(node.parent, nodes.section):
        node = node.parent
    return node.parent[0].astext() if node.parent is not None else ""


def setup(app):
    """Add it to Sphinx."""
    app.connect("autodoc-process-docstring", unstarred, priority=400)  # before numpydoc
    app.connect("autodoc-process-signature", initialized)
    app.connect("doctree-resolved", link)
    app.connect("doctree-resolved", entitle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
