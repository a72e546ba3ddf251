"""What importing costs, what it pulls in, and which way imports point."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nufftlib as nl

ROOT = Path(__file__).parent.parent
LAYERS = ["core", "nufft", "mri blur", "interop", "data workflows", "cli"]


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_pulls_in_no_heavy_or_optional_package():
    heavy = (
        "finufft cufinufft cupy torch jax pylops deepinv numba scipy matplotlib PIL click tqdm "
        "nibabel"
    )
    loaded = run(
        f"import sys, nufftlib, optim; print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    assert loaded == "[]"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def layer(name):
    return next((i for i, names in enumerate(LAYERS) if name in names.split()), None)


def test_imports_point_down():
    for path in (ROOT / "nufftlib").rglob("*.py"):
        parts = path.relative_to(ROOT / "nufftlib").parts
        own = layer(parts[0])
        if own is None:
            continue
        for module in imported(path):
            names = module.split(".")
            if names[0] == "nufftlib" and len(names) > 1 and layer(names[1]) is not None:
                assert layer(names[1]) <= own, f"{path} imports {module}"
            assert names[0] != "optim" or own >= layer("workflows"), f"{path} imports optim"


def test_optim_knows_no_operator():
    for path in (ROOT / "optim").rglob("*.py"):
        assert not any(module.split(".")[0] == "nufftlib" for module in imported(path)), path


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
    with pytest.raises(ImportError, match=r'pip install "nufftlib\[cuda12\]"'):
        cuda12.import_cufinufft()
    cuda12.import_cufinufft.cache_clear()


@pytest.mark.parametrize("package", ["torch", "jax", "pylops", "deepinv"])
def test_an_adapter_without_its_package_says_what_to_install(package):
    code = f"""
import sys
sys.modules[{package!r}] = None
try:
    import nufftlib.interop.{package}
except ImportError as error:
    print(error)
"""
    assert run(code).endswith(f"install it with: pip install {package}")
