"""No operator without a case, an oracle and a derivation."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from cases import CASES
from rows import open_row

import nufftlib as nl

LEAVES = {
    "BlockDiagonal": "blockdiagonal",
    "Blur": "blur",
    "Diagonal": "diagonal",
    "Downsample": "blur",
    "NUFFT": "nufft",
    "Sense": "sense",
    "SpaceVaryingBlur": "blur",
    "ToeplitzGram": "nufft",
}
"""The operators with a derivative of their own, and the page that derives it."""

DERIVATIVES = {"GramDerivative", "NUFFTDerivative"}
"""Their derivatives that depend on a parameter in ways of their own."""


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def parts(operator):
    """The operator and all operators inside of it."""
    yield operator
    for value in vars(operator).values():
        if isinstance(value, nl.LinearOperator):
            yield from parts(value)


def library():
    for module in pkgutil.walk_packages(nl.__path__, "nufftlib."):
        if not module.name.startswith(("nufftlib.cli", "nufftlib.__main__", "nufftlib.interop.")):
            importlib.import_module(module.name)
    return {
        c
        for c in subclasses(nl.LinearOperator)
        if c.__module__.startswith("nufftlib.") and not inspect.isabstract(c)
    }


def needs_cuda(cls):
    """What the cases meet in rows of CUDA alone; `test_bridge.py` has the bridge on the host."""
    return any(name in cls.__module__ for name in ("cuda", "bridge"))


def test_every_operator_of_the_library_is_in_a_case():
    covered = set()
    with open_row("numpy") as row:
        for case in CASES:
            A, _ = case.build(row, "double")
            covered.update(type(part) for part in parts(A))
            covered.update(type(part) for part in parts(A.H))
    assert {c for c in library() - covered if not needs_cuda(c)} == set()


@pytest.mark.parametrize("name", LEAVES)
def test_every_leaf_has_an_oracle_and_a_derivation(name):
    with open_row("numpy") as row:
        types = {type(c.build(row, "double")[0]).__name__ for c in CASES if c.oracle}
    assert name in types
    docs = Path(__file__).parent.parent / "docs" / "derivations"
    assert (docs / f"{LEAVES[name]}.md").is_file()


def test_the_leaves_are_all_the_operators_that_write_a_form():
    rules = "nufftlib.core.operator"  # of composition
    writing = {c.__name__ for c in library() if "_form" in vars(c) and c.__module__ != rules}
    assert writing == set(LEAVES) | DERIVATIVES
    public = {name for name in nl.__all__ if isinstance(getattr(nl, name), type)}
    operators = {name for name in public if issubclass(getattr(nl, name), nl.LinearOperator)}
    assert operators - {"LinearOperator"} <= set(LEAVES)
