"""The row, an array library on a device; and a browser. Little is compiled by JAX and Numba."""

import os
import shutil
import sys
from importlib.metadata import version
from importlib.util import find_spec
from itertools import count

import pytest
from rows import ROWS, open_row

from nufftlib.nufft.engines.grid.cpu import engine

# JAX compiles each operation for each shape, to run it once: here without optimising it. XLA aborts
# on flags that it does not know, so they are for the versions that are known to know them.
if find_spec("jax") and version("jax").startswith("0.10."):
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
        "--xla_cpu_use_fusion_emitters=false",
    )
TESTS = count(1)
CHROMIUM = shutil.which("chromium")


@pytest.fixture(autouse=True)
def _forget():
    """Free what JAX has compiled, some megabytes for each test, before it is gigabytes."""
    yield
    if next(TESTS) % 50 == 0 and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(autouse=True)
def _few_loops(monkeypatch):
    """Let the grid engine take one coil or two at a time.

    Numba compiles its loops for each number, a second each. Blocks of more are in test_grid.py.
    """
    monkeypatch.setattr(engine, "COILS", 2)


@pytest.fixture(params=ROWS)
def row(request):
    with open_row(request.param) as row:
        yield row


@pytest.fixture(params=ROWS)
def host_row(request):
    """A row whose arrays lie in memory that a native library can read."""
    with open_row(request.param, host=True) as row:
        yield row


@pytest.fixture(scope="session")
def dask_pool():
    """Two workers of Dask, processes on this machine, which take seconds to start."""
    pytest.importorskip("distributed")
    from nufftlib.interop.dask import connect

    with connect(workers=2) as pool:
        yield pool


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium: Debian has it by that name")
    with sync_api.sync_playwright() as playwright:
        # Its sandbox wants privileges that a container lacks; the pages are our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
