"""The pages that add an operator and an optimiser, followed to the letter on a copy of the library.

When all steps of a page are done, its tests pass. When one is left out, the test fails that the
page's last table names for it. Steps whose tests do not see each other are left out together: most
of the time goes into starting pytest.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tables import TABLES

ROOT = Path(__file__).parent.parent
FOLDERS = ("nufftlib", "optim", "tests", "tools", "docs", "bench")
OPERATOR, OPTIMISER = "docs/add-an-operator.md", "docs/add-an-optimiser.md"
DECAY, CASES = "nufftlib/mri/decay.py", "tests/cases.py"
OPTIMIZERS, LAWS = "optim/optimizers.py", "tests/optim/test_optimizers.py"


class Page:
    """What a page tells its reader to write, to run, and to expect."""

    def __init__(self, name):
        self.text = (ROOT / name).read_text(encoding="utf-8")

    def blocks(self, language):
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def new_files(self):
        """Yield path and text of each block that follows "A new file, `path`"."""
        new = r"^A new (?:file|page), `(\S+)`[^`]*?\n\n```\w+\n(.*?)^```$"
        yield from re.findall(new, self.text, re.MULTILINE | re.DOTALL)

    def changes(self):
        """Yield path, old and new text of each hunk in a block like a diff."""
        for block in self.blocks("diff"):
            head, *hunks = re.split(r"^@@\n", block, flags=re.MULTILINE)
            for hunk in hunks:
                lines = hunk.splitlines(keepends=True)
                old = "".join(line[1:] for line in lines if line[0] != "+")
                new = "".join(line[1:] for line in lines if line[0] != "-")
                yield head.removeprefix("+++ ").strip(), old, new

    def moved(self):
        """Yield path, old and new text where a block goes in part into a file that there is."""
        into = r"^Into `(\S+)` goes what follows from `(.+?)` on, above `(\w+)`"
        for path, first, below, rest in re.findall(
            into + r"[^`]*?```\w+\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL
        ):
            yield path, f"def {below}(", f"{rest[rest.index(first) :]}\n\ndef {below}("

    def written(self):
        """Return the files, by path, as they are when the page has been followed."""
        files = dict(self.new_files())
        assert not [path for path in files if (ROOT / path).exists()]
        for path, old, new in (*self.moved(), *self.changes()):
            text = files.get(path) or (ROOT / path).read_text(encoding="utf-8")
            assert f"\n{text}".count(f"\n{old}") == 1, f"{path} has not, or not once:\n{old}"
            files[path] = f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]
        return files

    def commands(self):
        """Return the commands of the first block that has some."""
        return self.blocks("sh")[0].replace("\\\n", "").splitlines()

    def forgotten(self):
        """Return the tests that say so, by the step that is forgotten."""
        rows = self.text.partition("## What fails if a step is forgotten")[2]
        return {
            step: re.findall(r"`(tests/\S+?)`", tests)
            for step, tests in re.findall(r"^\| (.+?) \| (.+) \|$", rows, re.MULTILINE)
            if step != "forgotten"
        }


def without(path):
    """Forget all that goes into a file, or a file."""
    return lambda files: {name: text for name, text in files.items() if name != path}


def cut(path, pattern, new=""):
    """Forget a part of a file."""

    def forget(files):
        text, times = re.subn(pattern, new, files[path], flags=re.MULTILINE | re.DOTALL)
        assert times == 1
        return {**files, path: text}

    return forget


NESTEROV = r"(^def nesterov.*?)"
FORGET = {
    OPERATOR: {
        "the case": without(CASES),
        "the oracle": cut(CASES, r'^        lambda p, x: np.exp\(-0.3 \* p\["rate"\]\) \* x,\n'),
        "the derivation page": without("docs/derivations/decay.md"),
        "`_derivative`": cut(DECAY, r"^    def _derivative.*?\n\n"),
        "`_form`": cut(DECAY, r"^    def _form.*"),
        "the public name": without("nufftlib/__init__.py"),
        "the tables": dict,
    },
    OPTIMISER: {
        "docstring or example of a public name": cut(
            OPTIMIZERS, NESTEROV + r"^    Examples\n.*?(?=^    \"\"\")", r"\1"
        ),
        "a step count as the first field": cut(
            OPTIMIZERS, r"NesterovState\(state.step \+ 1, b\)", "NesterovState(0, b)"
        ),
        "the line in the table of optimisers": cut(
            LAWS, r'^    "nesterov": optim.nesterov\(0.1, momentum=0.8\),\n'
        ),
        "the public name": without("optim/__init__.py"),
        "the tables": dict,
    },
}
"""How to forget a step; the tables are not written then."""
TOGETHER = [
    (OPERATOR, "the case"),
    (OPERATOR, "the oracle", "the derivation page", "`_form`", "the tables"),
    (OPERATOR, "`_derivative`"),
    (OPERATOR, "the public name"),
    (
        OPTIMISER,
        "docstring or example of a public name",
        "a step count as the first field",
        "the tables",
    ),
    (OPTIMISER, "the line in the table of optimisers"),
    (OPTIMISER, "the public name"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("copy")
    ignore = shutil.ignore_patterns(".venv", "*.npz")  # with what Numba has compiled
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, root)
    return root


@pytest.fixture
def followed(copy):
    """Write files into the copy, and bring back afterwards what was there."""
    kept = {page: (copy / page).read_bytes() for page in TABLES}

    def write(files):
        for path, text in files.items():
            kept[path] = (copy / path).read_bytes() if (copy / path).exists() else None
            (copy / path).write_text(text, encoding="utf-8")

    yield write
    for path, data in kept.items():
        (copy / path).unlink() if data is None else (copy / path).write_bytes(data)


def run(root, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")]),
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:xdist",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def fails(root, tests):
    """Tell which of the tests fail."""
    done = run(root, "-m", "pytest", "-q", "-rfE", *tests)
    found = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return [test for test in tests if any(name.startswith(test) for name in found)]


@pytest.mark.parametrize("steps", TOGETHER, ids=lambda steps: f"{steps[0][12:-3]}-{steps[1]}")
def test_a_forgotten_step_is_found(copy, followed, steps):
    page, *steps = steps
    files, tests = Page(page).written(), []
    for step in steps:
        assert Page(page).forgotten()[step]
        tests += Page(page).forgotten()[step]
        files = FORGET[page][step](files)
    followed(files)
    assert fails(copy, tests) == tests


@pytest.mark.parametrize("page", FORGET)
def test_the_page_is_complete(copy, followed, page):
    steps = Page(page).forgotten()
    assert {step for step, tests in steps.items() if tests} == set(FORGET[page])
    assert set(FORGET[page]) == {step for p, *steps in TOGETHER if p == page for step in steps}
    files = Page(page).written()
    followed(files)
    for command in Page(page).commands():
        done = run(copy, *shlex.split(command.removeprefix(".venv/bin/python ")))
        assert done.returncode == 0, done.stdout + done.stderr
    if find_spec("ruff"):
        for check in (["check"], ["format", "--check"]):
            done = run(copy, "-m", "ruff", *check, "--no-cache", *files)
            assert done.returncode == 0, done.stdout
