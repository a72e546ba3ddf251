"""No operator without a case, an oracle and a derivation."""

import importlib
import inspect
import pkgutil
from pathlib import Path

from cases import built, parts
from packages import PACKAGES

import nufftlib as nl

DERIVATIONS = Path(__file__).parent.parent / "docs" / "derivations"
DERIVED_WITH = {
    "CoilGram": "sense",
    "CoilNUFFT": "sense",
    "Downsample": "blur",
    "SpaceVaryingBlur": "blur",
    "SubspaceGram": "subspace",
    "ToeplitzGram": "nufft",
}
"""The operators that another's page derives; any other has a page of its name in lower case."""


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def library():
    """Return the classes of operators in the library."""
    for module in pkgutil.walk_packages(nl.__path__, "nufftlib."):
        if not module.name.startswith(("nufftlib.cli", "nufftlib.__main__", "nufftlib.interop.")):
            importlib.import_module(module.name)
    return {
        c
        for c in subclasses(nl.LinearOperator)
        if c.__module__.startswith("nufftlib.") and not inspect.isabstract(c)
    }


def derivatives():
    """Return the classes that come of differentiating an operator of others with an oracle."""
    found = set()
    for A in (A for case, A, _ in built() if case.oracle):
        own = {type(part) for part in parts(A)}
        for name, theta in A.parameters.items():
            found |= {type(part) for part in parts(A.derivative(name, theta))} - own
    return found


def leaves():
    """Return the operators that are to be derived: the public ones, and whatever has a form.

    The laws compare derivatives with differences, and the rules of composition are no leaves.
    """
    public = {getattr(package, name) for package in PACKAGES for name in package.__all__}
    rules = "nufftlib.core.operator"
    forms = {c for c in library() if "_form" in vars(c) and c.__module__ != rules}
    return (forms - derivatives()) | (library() & public)


def needs_cuda(cls):
    """Tell whether only rows of CUDA meet it; `test_bridge.py` has the bridge on the host."""
    return any(name in cls.__module__ for name in ("cuda", "bridge"))


def test_every_operator_of_the_library_is_in_a_case():
    covered = {type(part) for _, A, _ in built() for B in (A, A.H) for part in parts(B)}
    assert {c for c in library() - covered if not needs_cuda(c)} == set()


def test_every_leaf_has_an_oracle():
    assert leaves() - {type(A) for case, A, _ in built() if case.oracle} == set()


def test_every_leaf_is_derived_on_a_page():
    names = {c.__name__ for c in leaves()}
    pages = {DERIVATIONS / f"{DERIVED_WITH.get(name, name.lower())}.md" for name in names}
    assert {page for page in pages if not page.is_file()} == set()
    assert set(DERIVED_WITH) <= names
