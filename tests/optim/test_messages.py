"""The form of every message: the call, the thing it got, and the thing it wants."""

import ast
from pathlib import Path

import pytest

import optim

FILES = sorted(Path(optim.__file__).parent.glob("*.py"))


def text(node):
    """The text of a message, its insertions in braces."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) for part in node.values)
    return "{" + ast.unparse(node.value) + "}"


def messages(path):
    """Every message that the file raises, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "msg":
            yield node.lineno, text(node.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_message_has_the_call_the_fault_and_the_wish(path):
    for line, message in messages(path):
        call, _, rest = message.partition(": ")
        assert rest, (line, message)
        assert call == "{call}" or hasattr(optim, call) or call in NAMES, (line, call)
        assert "; want " in rest or "needs tqdm" in rest, (line, message)


NAMES = {*optim.projections.__all__, *optim.proximal.__all__}
