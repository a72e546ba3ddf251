"""What importing costs, what it pulls in, and which way imports point."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nufftlib as nl

ROOT = Path(__file__).parent.parent


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_pulls_in_no_heavy_or_optional_package():
    heavy = (
        "finufft cufinufft cupy torch jax pylops deepinv mrinufft sigpy numba scipy matplotlib PIL "
        "dask distributed zarr click tqdm nibabel pypulseq ismrmrd twixtools h5py tifffile astropy "
        "pydicom png"
    )
    loaded = run(
        f"import sys, nufftlib.io, optim; print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    assert loaded == "[]"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def structure(root=ROOT):
    command = [sys.executable, ROOT / "tools" / "check_structure.py", root]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    for package in ("nufftlib", "optim"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.pyc"))
    return tmp_path


def plant(copy, path, line):
    with (copy / path).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    return structure(copy)


def test_the_structure_holds():
    done = structure()
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("nufftlib/core/inner.py", "import nufftlib.blur.operator", "which is above it"),
        ("nufftlib/blur/operator.py", "from nufftlib.cli import app", "which is above it"),
        ("nufftlib/nufft/operator.py", "import optim", "it does without optim"),
        ("optim/_tree.py", "from nufftlib import core", "optim knows no operator"),
    ],
)
def test_an_upward_import_is_found(copy, path, line, found):
    done = plant(copy, path, line)
    assert done.returncode == 1
    number = len((copy / path).read_text().splitlines())
    assert any(f"{path}:{number}:" in said and found in said for said in done.stdout.splitlines())


def test_a_package_without_a_layer_is_found(copy):
    (copy / "nufftlib" / "attic").mkdir()
    done = plant(copy, "nufftlib/attic/__init__.py", "")
    assert done.returncode == 1
    assert "nufftlib.attic is in no layer" in done.stdout


def test_a_circle_is_found(copy):
    line = "if TYPE_CHECKING:\n    from nufftlib.core.losses import Loss"
    done = plant(copy, "nufftlib/core/inner.py", line)
    assert done.returncode == 1
    assert re.search(r"nufftlib\.core\.inner <-> .*nufftlib\.core\.losses", done.stdout)


def test_reach_ins_are_counted(copy):
    before = reach_ins(structure(copy))
    lines = "x._a\nself._b\nsuper()._c\nx.__doc__\nx._replace(a=1)\nself.y._d = 1"
    done = plant(copy, "nufftlib/core/inner.py", lines)
    assert reach_ins(done) == before + 2
    assert re.search(r"core/inner\.py:\d+: x\._a\n.*core/inner\.py:\d+: self\.y\._d", done.stdout)
    done = plant(copy, "nufftlib/core/inner.py", "x._a\n" * 6)
    assert done.returncode == 1


def reach_ins(done):
    return int(re.search(r"private reach-ins: (\d+)", done.stdout)[1])


@pytest.mark.parametrize("line", ["from optim import _tree", "from optim._tree import leaves"])
def test_an_import_of_a_private_name_is_found(copy, line):
    done = plant(copy, "nufftlib/blur/operator.py", line)
    assert done.returncode == 1
    assert re.search(r"imports of another package's privates: 1\n.*private to optim", done.stdout)


def test_only_engines_know_native_libraries_by_name():
    native = {"finufft", "cufinufft", "cupy", "numba"}
    for path in (ROOT / "nufftlib").rglob("*.py"):
        if "engines" not in path.parts and "cli" not in path.parts:
            assert not native & {module.split(".")[0] for module in imported(path)}, path


@pytest.mark.parametrize("package", [nl, nl.mri, nl.blur])
def test_public_names_are_documented(package):
    for name in package.__all__:
        assert getattr(package, name).__doc__, name


def test_a_missing_cufinufft_says_what_to_install(monkeypatch):
    from nufftlib.nufft.engines import cuda12

    monkeypatch.setitem(sys.modules, "cufinufft", None)
    cuda12.import_cufinufft.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "\.\[cuda12\]"'):
        cuda12.import_cufinufft()
    cuda12.import_cufinufft.cache_clear()


@pytest.mark.parametrize(
    "package", ["torch", "jax", "pylops", "deepinv", "mri-nufft", "sigpy", "dask distributed"]
)
def test_an_adapter_without_its_package_says_what_to_install(package):
    module = package.partition(" ")[0].replace("-", "")
    code = f"""
import sys
sys.modules[{module!r}] = None
try:
    import nufftlib.interop.{module}
except ImportError as error:
    print(error)
"""
    assert run(code).endswith(f"install it with: pip install {package}")
