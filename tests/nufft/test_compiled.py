"""Functions that compiled loops call are copied into them."""

import ast
from pathlib import Path

import nufftlib

FOLDER = Path(nufftlib.__file__).parent
KINDS = {"compiled", "inlined"}


def kind_of(function):
    """Return by which of the two a function is declared, or None."""
    names = {d.id for d in function.decorator_list if isinstance(d, ast.Name)} & KINDS
    return names.pop() if names else None


def loops():
    """Return (path, function, kind) of all functions that are compiled, at once or in a factory."""
    found = []
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text())
        given = {
            call.args[0].id
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and getattr(call.func, "id", "") == "compiled"
            and isinstance(call.args[0], ast.Name)
        }
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                kind = kind_of(function) or ("factory" if function.name in given else None)
                if kind:
                    found.append((path, function, kind))
    return found


def test_no_loop_calls_another_that_the_compiler_may_leave_apart():
    # A process that compiled had other last digits than one that reads what is kept: `inlined`.
    found = loops()
    apart = {(path, function.name) for path, function, kind in found if kind == "compiled"}
    assert {kind for _, _, kind in found} == {"compiled", "inlined", "factory"}
    for path, function, _ in found:
        called = {
            c.func.id
            for c in ast.walk(function)
            if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)
        }
        assert not {(path, name) for name in called} & apart, (path.name, function.name)
