"""Every Python block of the README and of the docs is run."""

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from importlib.util import find_spec

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE),
        SkipParser(),
    ],
    patterns=["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md", "docs/**/*.md"],
).pytest()

# Adapters cannot be imported without the library that they adapt to, and examples cannot run.
ADAPTED = ("torch", "jax", "pylops", "deepinv", "mrinufft", "sigpy", "dask")
collect_ignore_glob = [
    f"nufftlib/interop/{room}"
    for name in ADAPTED
    if find_spec(name) is None
    for room in (f"{name}.py", f"{name}/*")
]
collect_ignore_glob += [
    f"nufftlib/io/{file}.py"
    for file, package in (("pulseq", "pypulseq"), ("mrd", "ismrmrd"))
    if find_spec(package) is None
]
# Scripts without doctests, which compute when imported; the site runs the examples.
collect_ignore_glob += ["docs/*.py"]
