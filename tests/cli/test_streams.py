"""Output that fails, in every way: the job goes on, and its exit code tells."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nufftlib.cli import main, streams

OUT = Path("out/trajectory")


def broken():
    """Return a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


def full():
    """Return a file on a full disk."""
    return open("/dev/full", "w")  # no file of a folder


def good():
    """Return a file that takes all."""
    return Path("said").open("w+")  # the test reads it


@pytest.fixture
def run(monkeypatch):
    """Return what runs the command line with standard streams; it returns the exit code."""

    def run(out, err, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["nufftlib", *arguments])
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as end:
                main()
            assert (sys.stdout, sys.stderr) == (out, err)
        for stream in {out, err} - {None}:
            stream.close()
        return end.value.code or 0

    return run


@pytest.mark.parametrize(
    ("out", "err", "code"),
    [
        (good, broken, 0),  # what accompanies a job is not its result
        (good, full, 0),
        (good, lambda: None, 0),
        (lambda: None, lambda: None, 0),
        (broken, broken, 141),
        (full, full, 1),
        (lambda: None, broken, 0),
    ],
)
def test_output_that_cannot_be_written_ends_no_job(run, out, err, code):
    job = ("learn-trajectory", "--image", "brain.npy", "--steps", "3", "--no-figures")
    assert run(out(), err(), *job) == code
    assert json.loads((OUT / "result.json").read_text())["steps"] == 3
    if out is good:
        assert "out/trajectory/result.json\n" in Path("said").read_text()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["calibrate-psf", "--help"]])
def test_a_full_disk_is_said_and_a_broken_pipe_is_not(run, arguments):
    assert run(full(), good(), *arguments) == 1
    text = "Standard output cannot be written: No space left on device.\n"
    assert Path("said").read_text() == text
    assert run(broken(), good(), *arguments) == 141
    assert Path("said").read_text() == ""


def test_a_fault_of_the_job_keeps_its_exit_code(run):
    assert run(full(), full(), "calibrate-psf", "--steps", "0") == 2


def test_after_its_fault_a_stream_is_dropped_and_all_before_it_is_there():
    class Limited(streams.io.RawIOBase):
        taken = b""

        def writable(self):
            return True

        def write(self, data):
            if len(self.taken) >= 4:
                raise BrokenPipeError
            self.taken += bytes(data)
            return len(data)

    raw = Limited()
    stream = streams.Heedless(raw)
    assert [stream.write(b"ab") for _ in range(4)] == [2] * 4
    assert raw.taken == b"abab"
    assert isinstance(stream.fault, BrokenPipeError)


def test_no_file_gets_the_descriptor_of_a_closed_stream():
    # Else what a library writes to standard error would stand in the result.
    code = (
        "import os\n"
        "from nufftlib.cli.streams import occupy_descriptors\n"
        "for number in range(3): os.close(number)\n"
        "occupy_descriptors()\n"
        "os._exit(os.open('new', os.O_CREAT | os.O_WRONLY))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode > 2
