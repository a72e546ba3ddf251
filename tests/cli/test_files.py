"""The files of a result: one job's, whole, and complete where the record is."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from nufftlib.cli.files import (
    ANIMATION,
    ARRAYS,
    CHECKPOINT,
    COURSE,
    FIGURE,
    KNOWN,
    LOCK,
    MARK,
    REPORT,
    WAVEFORMS,
    ResultFolder,
)
from nufftlib.cli.interrupts import Interrupts
from nufftlib.plots import animation

OUT = Path("out/trajectory")
FULL = OSError(28, "No space left on device")


@pytest.fixture
def folder(tmp_path):
    """Return a folder, not yet there."""
    return ResultFolder(tmp_path / "result")


def content(text):
    return lambda file: file.write(text.encode())


def write(folder, text, *, force=False, resume=False):
    """Write a result whose every file says the text."""
    pictures = (FIGURE, WAVEFORMS, ANIMATION, COURSE, REPORT)
    files = [name for name in KNOWN if name not in pictures]
    with folder.claimed(pictures, force=force, resume=resume):
        return folder.write(
            dict.fromkeys(files, content(text)),
            dict.fromkeys(pictures, content(text)),
            Interrupts(),
        )


def there(folder):
    return {path.name: path.read_text() for path in folder.path.iterdir()}


def whole(text):
    return dict.fromkeys(KNOWN, text)


def test_a_result_is_whole_and_leaves_nothing_else(folder):
    assert tuple(path.name for path in write(folder, "new")) == KNOWN
    assert there(folder) == whole("new")


@pytest.mark.parametrize("names", [[ARRAYS], [ARRAYS, FIGURE], [ARRAYS, FIGURE, ANIMATION]])
def test_an_incomplete_result_is_replaced_without_force(folder, names):
    folder.path.mkdir()
    for name in names:
        (folder.path / name).write_text("old")
    write(folder, "new")
    assert there(folder) == whole("new")


def test_temporaries_of_dead_processes_are_removed(folder):
    folder.path.mkdir()
    for name in (*KNOWN, CHECKPOINT):
        (folder.path / f".{name}.4194305").write_text("half")
    mine = {".figure.png.old": "mine", ".notes.12": "mine"}
    for name, text in mine.items():
        (folder.path / name).write_text(text)
    with folder.claimed((), force=False):
        pass
    assert there(folder) == mine


def test_a_checkpoint_is_gone_on_from_or_given_up(folder):
    folder.path.mkdir()
    checkpoint = folder.path / CHECKPOINT
    with pytest.raises(click.ClickException, match=r"--resume: there is no checkpoint.npz"):
        write(folder, "new", resume=True)
    checkpoint.write_text("state")
    with pytest.raises(click.ClickException, match=r"holds checkpoint.npz, of a run that"):
        write(folder, "new")
    with pytest.raises(click.ClickException, match="--force and --resume are given; want one"):
        write(folder, "new", force=True, resume=True)
    write(folder, "interrupted", resume=True)
    assert there(folder) == {**whole("interrupted"), CHECKPOINT: "state"}
    write(folder, "complete", resume=True)
    assert there(folder) == {**whole("complete"), CHECKPOINT: "state"}
    write(folder, "new", force=True)
    assert there(folder) == whole("new")


def test_a_second_job_is_refused_until_the_first_one_ends(folder):
    refused = rf"another job writes to this folder \(process {os.getpid()} on .*\); want another"
    with folder.claimed((), force=False):
        for force in (False, True):
            with pytest.raises(click.ClickException, match=refused):
                write(folder, "second", force=force)
        # Another name of the same folder is no way in.
        other = ResultFolder(folder.path / ".." / folder.path.name)
        with pytest.raises(click.ClickException, match=refused):
            write(other, "second")
    write(folder, "second")
    assert there(folder) == whole("second")


def test_the_lock_of_a_dead_process_is_no_lock(folder):
    code = (
        "import os, pathlib, sys\n"
        "from nufftlib.cli.files import ResultFolder\n"
        "with ResultFolder(pathlib.Path(sys.argv[1])).claimed((), force=False): os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, folder.path], check=False).returncode == 9
    assert set(there(folder)) == {LOCK}
    write(folder, "new")
    assert there(folder) == whole("new")


def test_a_lock_of_a_file_that_is_no_longer_there_does_not_count(folder, monkeypatch):
    folder.path.mkdir()
    flock, calls = fcntl.flock, []

    def late(file, how):
        flock(file, how)
        if not calls:  # the job before ends between the opening of its file and this lock
            (folder.path / LOCK).unlink()
        calls.append(file)

    monkeypatch.setattr(fcntl, "flock", late)
    with folder.claimed((), force=False):
        assert len(calls) == 2
        monkeypatch.undo()
        with pytest.raises(click.ClickException, match="another job"):
            write(folder, "second")


def test_a_file_system_without_locks_is_said_and_written_to(folder, monkeypatch, capsys):
    def flock(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    write(folder, "new")
    assert "no locks here (Function not implemented); run one job" in capsys.readouterr().err
    assert there(folder) == whole("new")


# Death and faults, at every operation on a file


DIES = """
import os, pathlib, sys
sys.path.insert(0, {tests!r})
from test_files import ResultFolder, write, there, whole
from nufftlib.cli.files import KNOWN, MARK, ARRAYS

OPERATIONS = {{"open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock"}}
count, last = 0, None

def hook(event, arguments):
    global count
    if last is not None and event in OPERATIONS:
        count += 1
        if count >= last:
            {fault}

sys.addaudithook(hook)
folder = ResultFolder(pathlib.Path("dies"))
for n in range(1, 100):
    write(folder, "old", force=True)
    child = os.fork()
    if not child:
        last = n
        try:
            write(folder, "new", force=True)
        except BaseException:
            pass
        os._exit(count < last)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    files = {{name: text for name, text in there(folder).items() if name in KNOWN}}
    # Complete and of one result, but perhaps for pictures, or marked as incomplete.
    assert MARK not in files or ARRAYS in files and len(set(files.values())) == 1, (n, files)
    {invariant}
    if code == 1:
        break  # there were fewer operations
    if MARK not in files:
        write(folder, "next")
        assert there(folder) == whole("next"), n
print("faults", n)
"""


@pytest.mark.parametrize(
    ("fault", "invariant"),
    [
        ("os._exit(9)", "pass"),
        (
            # From here on the disk is full: new files are refused, renaming and removing go on.
            "if event == 'open': raise OSError(28, 'full')",
            "assert MARK in files, n",
        ),
        ("if count == last: raise OSError(5, 'broken')", "pass"),
    ],
    ids=["killed", "full", "broken"],
)
def test_a_result_is_old_or_new_or_marked_as_incomplete_at_every_fault(fault, invariant):
    code = DIES.format(tests=str(Path(__file__).parent), fault=fault, invariant=invariant)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10


def test_the_old_result_stays_whole_on_a_full_disk(learn, monkeypatch):
    learn("--out", "result")
    folder = Path("result")
    old = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(file, **arrays):
        file.write(b"half of")
        raise FULL

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(RuntimeWarning, match=r"cannot be written .* the loop goes on"):
        message = learn("--out", "result", "--force", "--steps", "2", code=1).output
    assert "the result cannot be written: [Errno 28] No space left" in message
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == old


@pytest.mark.parametrize("error", [FULL, RuntimeError("a fault of the drawing")])
def test_a_picture_that_cannot_be_drawn_costs_no_steps(learn, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(animation, "animate_learning", fails)
    said = learn(code=1).output
    assert ("all other files are there: [Errno 28]" in said) == isinstance(error, OSError)
    assert {path.name for path in OUT.iterdir()} == {ARRAYS, MARK, FIGURE, CHECKPOINT}
    assert json.loads((OUT / MARK).read_text())["steps"] == 3


@pytest.mark.parametrize("name", KNOWN)
def test_a_folder_with_the_name_of_a_file_is_refused_before_the_steps(folder, name):
    (folder.path / name).mkdir(parents=True)
    for force in (False, True):
        with pytest.raises(click.ClickException, match=f"taken by folders: {name}; want files"):
            write(folder, "new", force=force)


def test_names_that_the_system_refuses_are_refused_in_a_line(tmp_path):
    with pytest.raises(click.ClickException, match="cannot be created: File name too long"):
        write(ResultFolder(tmp_path / ("x" * 256)), "new")


def test_a_deep_folder_is_created(tmp_path):
    deep = Path(*["d"] * 1500)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        write(ResultFolder(deep), "new")
        assert there(ResultFolder(deep)) == whole("new")
        # Python removes trees by recursion, and would fail at this one.
        subprocess.run(["rm", "-r", "d"], check=True)
