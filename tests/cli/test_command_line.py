"""What both commands share: the folder, bad input, what is not installed."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nufftlib as nl
import nufftlib.cli
from nufftlib import workflows

INSTALL = 'pip install ".[app]"'


@pytest.fixture(params=["learn", "calibrate"])
def job(request):
    """Return what runs either command, fast."""
    run = request.getfixturevalue(request.param)

    def quickly(*more, code=0):
        return run("--steps", "1", "--out", "result", "--no-figures", *more, code=code)

    return quickly


# The folder


def test_result_is_overwritten_by_force_alone_and_refused_before_computing(job, monkeypatch):
    job("--seed", "1")
    first = Path("result/result.json").read_bytes()
    with monkeypatch.context() as patch:
        for name in ("learn_trajectory", "calibrate_psf", "simulate_blur"):
            patch.setattr(workflows, name, None)  # calling it would fail
        message = job(code=1).output
    assert "--out result: this folder already holds a result (result.json)" in message
    assert "--force" in message
    assert Path("result/result.json").read_bytes() == first
    job("--force", "--seed", "2")
    assert json.loads(Path("result/result.json").read_text())["settings"]["seed"] == 2


def test_picture_of_the_same_name_is_no_result_and_not_overwritten(learn, calibrate):
    Path("mine").mkdir()
    for name in ("figure.png", "learning.gif"):
        Path("mine", name).write_text("mine")
    for run, names in ((calibrate, "figure.png"), (learn, "figure.png, learning.gif")):
        message = run("--out", "mine", code=1).output
        assert f"a file of this name is there, of no result: {names}; give another" in message
    calibrate("--out", "mine", "--no-figures")
    for name in ("figure.png", "learning.gif"):
        assert Path("mine", name).read_text() == "mine"


def test_force_leaves_no_picture_of_the_other_job(learn, calibrate):
    learn("--out", "same")
    calibrate("--out", "same", "--force", "--method", "adam")
    assert {path.name for path in Path("same").iterdir()} == {
        "figure.png",
        "report.html",
        "result.json",
        "result.npz",
    }


def test_other_files_in_the_folder_are_left_alone(job):
    Path("result").mkdir()
    Path("result/notes.txt").write_text("mine")
    job()
    assert Path("result/notes.txt").read_text() == "mine"


def test_folder_that_is_a_file_is_refused(job):
    Path("result").write_text("a file")
    for out in ("result", "result/in"):
        message = job("--out", out, code=1).output
        assert f"--out {out}: result is a file; want a folder" in message


# Bad input


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.png", None, "none.png: there is no such file"),
        ("image.txt", b"text", "the suffix is '.txt'"),
        ("image.png", b"no png", "image.png: cannot be read"),
        ("image.npy", b"no npy", "image.npy: cannot be read"),
        ("x" * 300 + ".png", None, ".png: there is no such file"),
    ],
)
def test_bad_image_is_a_usage_error_and_leaves_no_folder(job, name, content, message):
    if content is not None:
        Path(name).write_bytes(content)
    output = job("--image", name, code=2).output
    assert "Invalid value for '--image'" in output
    assert message in output
    assert "Traceback" not in output
    assert not Path("result").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--steps", "0"], ["--seed", "-1"], ["--device", "tpu"], ["--maps", "x", "--method", "x"]],
)
def test_bad_option_is_a_usage_error(job, arguments):
    job(*arguments, code=2)
    assert not Path("result").exists()


@pytest.mark.parametrize("number", ["2_0", "\u0663", "\uff12", "1e3", "9" * 5000])
@pytest.mark.parametrize("option", ["--steps", "--seed"])
def test_whole_numbers_are_in_plain_digits(job, option, number):
    job(option, number, code=2)
    assert not Path("result").exists()


@pytest.mark.parametrize("number", ["1_0", "\u0663", "nan", "1e400"])
def test_real_numbers_are_in_plain_digits(calibrate, number):
    calibrate("--tolerance", number, code=2)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 74.5 GiB"), "more memory than there is: Unable to alloc"),
        (MemoryError(), "more memory than there is: no more can be had"),
        (FloatingPointError("at step 3 the loss is nan"), "Error: at step 3 the loss is nan"),
    ],
)
def test_what_the_machine_cannot_do_is_said_in_a_line(job, monkeypatch, error, said):
    def fails(*_, **__):
        raise error

    for name in ("learn_trajectory", "calibrate_psf"):
        monkeypatch.setattr(workflows, name, fails)
    assert said in job(code=1).output


@pytest.mark.parametrize("threads", ["0", "-1", "abc", "", "1.5", "\u0663"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, threads):
    monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
    with pytest.raises(SystemExit, match=f"NUMBA_NUM_THREADS is {threads!r}; want a whole"):
        nufftlib.cli.main()


def test_a_backend_that_is_not_there_does_not_matter():
    code = (
        "import os, sys\n"
        "os.environ['MPLBACKEND'] = 'none'\n"
        "sys.argv = ['nufftlib', '--version']\n"
        "import nufftlib.cli\n"
        "try: nufftlib.cli.main()\n"
        "except SystemExit: import nufftlib.plots.figures\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


# What is not installed


def test_cuda_without_cupy_says_how_to_install_it(job, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    output = job("--device", "cuda", code=1).output
    assert 'pip install ".[cuda12]"\n' in output
    assert "in a clone of nufftlib" in output
    assert "cuda13" in output
    assert not Path("result").exists()


@pytest.mark.parametrize(
    ("count", "message"), [(0, "there is no CUDA device"), (None, "cannot be used here: driver")]
)
def test_cuda_without_a_device_says_so(job, monkeypatch, count, message):
    class CUDARuntimeError(RuntimeError):
        pass

    def count_devices():
        if count is None:
            msg = "driver"
            raise CUDARuntimeError(msg)
        return count

    runtime = SimpleNamespace(getDeviceCount=count_devices, CUDARuntimeError=CUDARuntimeError)
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert message in job("--device", "cuda", code=1).output


@pytest.fixture
def brought_back(monkeypatch):
    """Return the list of arrays that come back from a device of CUDA, which is the CPU."""
    back = []

    def asnumpy(array):
        back.append(array)
        return np.asarray(array)

    cupy = SimpleNamespace(
        cuda=SimpleNamespace(
            runtime=SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=RuntimeError)
        ),
        asarray=np.asarray,
        asnumpy=asnumpy,
        ndarray=np.ndarray,
        __version__="14.0",
    )
    convert = nl.convert

    def converted(tree, xp):
        moved = convert(tree, xp)
        back.extend(vars(moved).values())
        return moved

    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(nl, "convert", converted)
    return back


def test_computed_arrays_are_brought_back_from_the_device(job, brought_back):
    job("--device", "cuda")
    record = json.loads(Path("result/result.json").read_text())
    assert record["settings"]["device"] == "cuda"
    assert record["versions"]["cupy"] == "14.0"
    with np.load("result/result.npz") as arrays:
        computed = {
            name: arrays[name]
            for name in arrays
            # Of the user's picture the host has its own; numbers are relative to its norm.
            if name not in {"image", "deviations"} and not name.startswith(("losses", "errors"))
        }
    for name, array in computed.items():
        assert any(np.array_equal(array, x) for x in brought_back), name
    assert len(computed) >= 4


def test_of_a_set_trajectories_and_reconstructions_are_brought_back(learn_set, brought_back):
    learn_set("--device", "cuda", "--no-figures", "--out", "result")
    back = [one for x in brought_back for one in (x, *x)]  # of all held-out images two are kept
    with np.load("result/result.npz") as arrays:
        for name in arrays:
            if name.startswith(("trajectory", "reconstruction")):
                assert any(np.array_equal(arrays[name], x) for x in back), name
        assert len(arrays) == 11
    assert len(brought_back) == 4


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["click", "tqdm"])
def test_without_the_extra_the_script_says_how_to_install_it(package):
    done = run(
        f"import sys; sys.modules['{package}'] = None\n"
        "from nufftlib.cli import main\n"
        "sys.argv = ['nufftlib', 'learn-trajectory', '--help']\n"
        "main()"
    )
    assert done.returncode == 1
    assert INSTALL in done.stderr.splitlines()
    assert package in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("package", ["matplotlib", "PIL"])
def test_without_matplotlib_nothing_is_computed(package):
    done = run(
        f"import sys; sys.modules['{package}'] = None\n"
        "from nufftlib.cli import main\n"
        "sys.argv = ['nufftlib', 'calibrate-psf', '--steps', '1']\n"
        "main()"
    )
    assert done.returncode == 1
    assert INSTALL in done.stderr.splitlines()
    assert not Path("out").exists()


def test_error_of_another_import_is_not_taken_for_a_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "nufftlib.cli.app", None)
    with pytest.raises(ImportError):
        nufftlib.cli.main()


def test_module_is_the_command_line_too():
    done = subprocess.run(
        [sys.executable, "-m", "nufftlib", "--version"], capture_output=True, text=True, check=True
    )
    assert "version" in done.stdout
