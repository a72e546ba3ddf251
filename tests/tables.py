"""The tables that ``tools/make_tables.py`` writes, and ``test_docs.py`` checks.

Each function is given a page, and returns it with its tables as they should be.
"""

import importlib
import inspect
import re
import types
from pathlib import Path

import numpy
from public import is_operator, is_optimizer, with_table

from nufftlib.core.operator import declared
from nufftlib.mri import trajectories

DOCS = Path(__file__).parent.parent / "docs"
ROW = re.compile(r"^\| (`.+?`) \| (.+) \|\n", re.MULTILINE)


def names(page):
    """Return ``docs/api.md`` with a row for every public name, and the signatures of the code."""
    head, *sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return head + "".join(section(text) for text in sections)


def section(text):
    """Return the section of one package; as it is, where the package cannot be imported."""
    try:
        package = importlib.import_module(text.partition("\n")[0].removeprefix("## "))
    except ModuleNotFoundError:
        return text
    rows, missing = [], list(package.__all__)
    for first, said in ROW.findall(text):
        entries = [e for e in re.findall("`(.+?)`", first) if name_of(e) in missing]
        if entries:
            rows.append(([signed(package, entry) for entry in entries], said))
        for entry in entries:
            missing.remove(name_of(entry))

    def kind(name):
        thing = getattr(package, name_of(name))
        return type(thing), is_operator(thing), is_optimizer(thing)

    for name in missing:  # below the last of its kind
        alike = [i for i, (entries, _) in enumerate(rows, 1) if kind(entries[0]) == kind(name)]
        row = [signed(package, name)], words(getattr(package, name))
        rows.insert(max(alike, default=len(rows)), row)
    lines = (f"| {', '.join(f'`{e}`' for e in entries)} | {said} |\n" for entries, said in rows)
    begin, end = ROW.search(text).start(), max(found.end() for found in ROW.finditer(text))
    return text[:begin] + "".join(lines) + text[end:]


def name_of(entry):
    return entry.partition("(")[0]


def signed(package, entry):
    """Return the entry, if it has the signature of the code, and else the name with that."""
    name = name_of(entry)
    thing = getattr(package, name)
    called = not (inspect.isabstract(thing) or getattr(thing, "_is_protocol", False))
    warning = isinstance(thing, type) and issubclass(thing, Warning)
    if isinstance(thing, types.ModuleType | tuple) or warning or not called:
        return name
    arguments = list(inspect.signature(thing).parameters.values())
    if "(" in entry:
        scope = {"numpy": numpy}
        exec(f"def {entry}: ...", scope)
        written = inspect.signature(scope[name]).parameters.values()
        if [(p.name, p.kind, p.default) for p in written] == [
            (p.name, p.kind, p.default) for p in arguments
        ]:
            return entry
    return name + str(inspect.Signature([bare(p) for p in arguments]))


def bare(p):
    """Return an argument without its type, and with a module as default by name."""
    if isinstance(p.default, types.ModuleType):
        p = p.replace(default=Verbatim(p.default.__name__))
    return p.replace(annotation=p.empty)


class Verbatim(str):
    __repr__ = str.__str__


def words(thing):
    """Return the first line of the docstring, and the parameters of an operator."""
    first = inspect.getdoc(thing).partition("\n")[0].removesuffix(".").replace("``", "`")
    parameters = ", ".join(f"`{name}`" for name in declared(thing)) if is_operator(thing) else ""
    plural = "s" if "," in parameters else ""
    said = f"{first}; parameter{plural} {parameters}" if parameters else first
    return said.replace("|", r"\|")


def derivations(page):
    """Return ``docs/README.md`` with a row for every page of ``docs/derivations``."""
    row = re.compile(r"^\| \[(derivations/.+?)\].+ \|\n", re.MULTILINE)
    listed = {found[1] for found in row.finditer(page)}
    paths = {f"derivations/{p.name}": p for p in sorted((DOCS / "derivations").glob("*.md"))}
    added = (f"| [{n}]({n}) | {title(p)} |\n" for n, p in paths.items() if n not in listed)
    end = max(found.end() for found in row.finditer(page))
    return page[:end] + "".join(added) + page[end:]


def patterns(page):
    """Return ``docs/trajectories.md`` with the pictures and a row for every pattern."""
    for ndim, said in ((2, "two"), (3, "three")):
        begin, end = f"<!-- {said} dimensions -->\n", f"<!-- end of {said} dimensions -->"
        head, rest = page.split(begin)
        rows = [pattern(*found) for found in trajectories.patterns(ndim).items()]
        block = PICTURE.format(said=said, ndim=ndim) + HEADER + "".join(rows) if rows else ""
        page = f"{head}{begin}{block}{end}{rest.partition(end)[2]}"
    return page


PICTURE = """
![All patterns in {said} dimensions, the first shot in orange](images/trajectories-{ndim}d.png)

"""
HEADER = "| pattern | what it is | its own settings | source |\n|---|---|---|---|\n"
INITIAL = re.compile(r"[A-Z]\.[- ]?")


def pattern(name, make):
    """Return the row of a pattern, by its signature and its docstring."""
    own = list(inspect.signature(make).parameters.values())[2:-3]
    settings = ", ".join(f"`{bare(p)}`" for p in own)
    doc = inspect.getdoc(make)
    references = doc.partition("References\n----------\n")[2].partition("\n\n")[0]
    sources = "; ".join(map(cited, re.split(r"\.\n(?=[A-Z]\.)", references)))
    sources = sources or ("mri-nufft" if "mri-nufft" in doc else "")
    return f"| `{name}` | {words(make)} | {settings} | {sources} |\n"


def cited(source):
    """Return the last names of the authors, and the year."""
    authors, _, rest = " ".join(source.split()).partition(', "')
    year = re.search(r"\((\d{4})\)", rest)
    return f"{INITIAL.sub('', authors)} {year[1]}" if year else ""


def title(path):
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


TABLES = {
    "docs/api.md": names,
    "docs/arrays.md": with_table,
    "docs/README.md": derivations,
    "docs/trajectories.md": patterns,
}
