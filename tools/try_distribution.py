"""Try a wheel and an sdist: what they hold, and whether they work where there is no checkout.

Run as ``python tools/try_distribution.py FOLDER``, where ``python -m build`` has put them. Each is
installed into a fresh virtual environment, as a user would do it; it fails at the first fault.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

IN_WHEEL = (
    "nufftlib/py.typed",
    "optim/py.typed",
    "nufftlib/nufft/engines/grid/cuda/kernels.cu",
    "nufftlib/data/NOTICE.md",
)
IN_SDIST = ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", *IN_WHEEL)

TRIAL = """
import numpy as np
import nufftlib as nl
from nufftlib import data, workflows

F = nl.NUFFT(nl.mri.trajectories.radial(4, 32, dtype=np.float64), (16, 16), eps=1e-12)
report = nl.check_operator(F, np.ones((16, 16), np.complex128))
assert report.ok, str(report)
assert data.brain().ndim == 2 and data.astronaut().ndim == 3
assert "site-packages" in nl.__file__, nl.__file__
"""
TYPED = "import nufftlib as nl\nnl.NUFFT(1)\n"
"""A call that lacks an argument: types that the wheel brings say so."""


def names_in(path: Path) -> set[str]:
    """Return the files of a wheel, or of an sdist without its top folder."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return set(wheel.namelist())
    with tarfile.open(path) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def check_names(path: Path, wanted: tuple[str, ...]) -> None:
    """Exit if a file is missing, or a wheel brings a package that is not ours."""
    names = names_in(path)
    missing = [name for name in wanted if name not in names]
    tops = {name.split("/")[0] for name in names if path.suffix == ".whl"}
    strange = {top for top in tops if not top.startswith(("nufftlib", "optim"))}
    if missing or strange:
        sys.exit(f"{path.name}: missing {missing or 'nothing'}; not ours: {strange or 'nothing'}")


def run(*command: str | Path, cwd: Path) -> None:
    """Run a command, or exit with what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")


def check_types(python: Path, folder: Path) -> None:
    """Exit unless mypy sees the types of the installed package."""
    run(python, "-m", "pip", "install", "--quiet", "mypy", cwd=folder)
    (folder / "typed.py").write_text(TYPED, encoding="utf-8")
    done = subprocess.run(
        [python, "-m", "mypy", "typed.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    if "[call-arg]" not in done.stdout:
        sys.exit(f"mypy on the installed package:\n{done.stdout}{done.stderr}")


def main(built: Path) -> None:
    """Try what is in a folder."""
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    check_names(wheel, IN_WHEEL)
    check_names(sdist, IN_SDIST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "venv", "env", cwd=folder)
        scripts = folder / "env" / "bin"
        python = scripts / "python"
        run(python, "-m", "pip", "install", "--quiet", f"{wheel}[app]", cwd=folder)
        run(python, "-c", TRIAL, cwd=folder)
        job = ("learn-trajectory", "--steps", "2", "--maps", "ones", "--out", "out")
        run(scripts / "nufftlib", *job, cwd=folder)
        check_types(python, folder)
        again = ("--quiet", "--force-reinstall", "--no-deps", sdist)
        run(python, "-m", "pip", "install", *again, cwd=folder)
        run(python, "-c", TRIAL, cwd=folder)
    print(f"{wheel.name} and {sdist.name}: installed and tried")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
