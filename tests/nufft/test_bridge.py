"""The way of other libraries' arrays to NumPy and to CuPy: no copy, and the caller's stream.

Without a GPU the bridge is crossed with NumPy in CuPy's stead.
"""

import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import array_api_compat as compat
import numpy as np
import pytest
from rows import CUDA_ROWS, open_row

import nufftlib as nl
from nufftlib.core import cuda as core_cuda
from nufftlib.core.dlpack import as_numpy, empty, from_numpy
from nufftlib.nufft import operator
from nufftlib.nufft.engines import bridge
from nufftlib.nufft.engines.finufft import FinufftEngine
from nufftlib.nufft.engines.grid.cpu.engine import GridEngine

rng = np.random.default_rng(3)
K = rng.uniform(-0.5, 0.5, (20, 2))
X = rng.standard_normal((3, 6, 5)) + 1j * rng.standard_normal((3, 6, 5))

LIBRARIES = ["numpy", "numpy-readonly", "strict", "torch", "jax"]


def address(x):
    """Where the numbers of an array lie, said by its own library."""
    for ask in (
        lambda: x.data_ptr(),  # torch
        lambda: x.unsafe_buffer_pointer(),  # JAX
        lambda: x.data.ptr,  # CuPy
        lambda: np.asarray(x._array).ctypes.data,  # array-api-strict
    ):
        try:
            return ask()
        except AttributeError:
            continue
    return x.ctypes.data


@pytest.fixture(params=LIBRARIES)
def row(request):
    with open_row(request.param, host=True) as row:
        yield row


# --- in CPU memory ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_an_array_reaches_numpy_without_a_copy(row, dtype):
    x = row.array(X if dtype.startswith("complex") else X.real, dtype)
    assert as_numpy(x).ctypes.data == address(x)
    assert as_numpy(x).dtype == dtype


@pytest.mark.parametrize("shape", [(3, 5), (1,), (0, 4)])
def test_a_result_of_numpy_is_given_back_without_a_copy(row, shape):
    for _ in range(8):  # wherever memory is found
        result = empty(shape, np.complex64)
        back = from_numpy(row.xp, result)
        assert row.owns(back, "complex64")
        assert back.shape == shape
        assert address(back) == result.ctypes.data or 0 in shape


@pytest.mark.parametrize("engine", ["grid", "finufft"])
def test_images_and_results_cross_without_a_copy(row, engine, monkeypatch):
    taken, given = [], []

    def take(x):
        taken.append((address(x), as_numpy(x)))
        return taken[-1][1]

    def give(xp, x):
        given.append((x, from_numpy(xp, x)))
        return given[-1][1]

    for module in ("finufft", "grid.cpu.engine"):
        monkeypatch.setattr(f"nufftlib.nufft.engines.{module}.as_numpy", take)
        monkeypatch.setattr(f"nufftlib.nufft.engines.{module}.from_numpy", give)
    F = nl.NUFFT(row.array(K), (6, 5), engine=engine)
    taken.clear()
    x = row.array(X, "complex128")
    y = F(x)
    assert [a for a, _ in taken] == [address(x)] == [taken[0][1].ctypes.data]
    assert address(y) == given[0][0].ctypes.data == address(given[0][1])
    F.H(y)
    assert taken[1][0] == address(y)


def test_what_torch_delays_is_written_out():
    torch = pytest.importorskip("torch")
    x = torch.asarray(X)
    assert np.array_equal(as_numpy(x.conj()), X.conj())
    assert np.array_equal(as_numpy(x.conj().imag), -X.imag)


def test_views_reach_numpy_as_views():
    torch = pytest.importorskip("torch")
    x = torch.asarray(X)
    for view in (x[:, ::2], x.mT, x[:1].expand(4, 6, 5)):
        assert as_numpy(view).ctypes.data == view.data_ptr()
        assert np.array_equal(as_numpy(view), view.numpy())


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_views_and_expanded_tensors_are_transformed(engine):
    torch = pytest.importorskip("torch")
    F = nl.NUFFT(torch.asarray(K), (6, 5), engine=engine, eps=1e-9)
    wide = torch.asarray(rng.standard_normal((4, 5, 12)) + 0j)
    for x in (wide[..., ::2].mT, wide[:1, :, :6].mT.expand(3, 6, 5), wide[..., :6].mT.conj()):
        F_ = nl.NUFFT(K, (6, 5), engine=engine, eps=1e-9)
        assert np.allclose(F(x).numpy(), F_(x.resolve_conj().numpy()), rtol=0, atol=1e-12)


# --- on CUDA, with NumPy in CuPy's stead --------------------------------------------------


@pytest.fixture
def crossings(monkeypatch):
    """Take torch's CPU tensors across the bridge to NumPy; count how often."""
    count = {"streams": 0, "taken": 0, "open": False}

    @contextmanager
    def stream(xp, device):
        assert compat.is_torch_namespace(xp)
        count["streams"] += 1
        count["open"] = True
        yield
        count["open"] = False

    def take(x):
        assert count["open"]
        count["taken"] += 1
        return as_numpy(x)

    def give(xp, x):
        assert count["open"]
        return from_numpy(xp, x)

    monkeypatch.setattr(bridge, "import_cupy", lambda: np)
    monkeypatch.setattr(bridge, "as_cupy", take)
    monkeypatch.setattr(bridge, "from_cupy", give)
    monkeypatch.setattr(bridge, "callers_stream", stream)
    return count


@pytest.mark.parametrize(("inner", "dtype"), [(GridEngine, "float64"), (FinufftEngine, "float32")])
def test_the_bridge_keeps_the_laws(inner, dtype, crossings, monkeypatch):
    torch = pytest.importorskip("torch")
    xp = compat.array_namespace(torch.zeros(1))
    monkeypatch.setattr(operator, "choose_engine", lambda *_: bridge.bridged(xp, inner))
    k = torch.asarray(K, dtype=getattr(torch, dtype))
    x = torch.asarray(X).to(torch.complex64 if dtype == "float32" else torch.complex128)
    F = nl.NUFFT(k, (6, 5), eps=1e-6 if dtype == "float32" else 1e-12)
    assert type(F.transform.engine) is bridge.BridgedEngine
    single = {"dot_tolerance": 2e-5, "difference_tolerance": 1e-2} if dtype == "float32" else {}
    report = nl.check_operator(F, x, **single)
    assert report.ok, str(report)
    report = nl.check_operator(F.gram(method="toeplitz"), x, **single)
    assert report.ok, str(report)
    y, J = F.linearize(x, wrt="trajectory")
    assert J.gauss_newton().parameters["blocks"].dtype == k.dtype
    assert J.hessian(y).parameters["blocks"].dtype == k.dtype
    weights = nl.mri.pipe_menon(F, grid=(16, 16))
    assert weights.dtype == k.dtype
    assert crossings["taken"] > 20


def test_each_call_crosses_once(crossings, monkeypatch):
    torch = pytest.importorskip("torch")
    xp = compat.array_namespace(torch.zeros(1))
    monkeypatch.setattr(operator, "choose_engine", lambda *_: bridge.bridged(xp, GridEngine))
    F = nl.NUFFT(torch.asarray(K), (6, 5))
    assert (crossings["streams"], crossings["taken"]) == (1, 1)
    F(torch.asarray(X))
    assert (crossings["streams"], crossings["taken"]) == (2, 2)


class Cuda:
    """What `callers_stream` asks of CuPy's module ``cuda``; it notes what is asked."""

    def __init__(self):
        self.log = []

    @contextmanager
    def noted(self, *what):
        self.log.append(("enter", *what))
        yield
        self.log.append(("leave", *what))

    def Device(self, device):
        return self.noted("device", device)

    def ExternalStream(self, pointer, device):
        return self.noted("stream", pointer, device)

    def get_current_stream(self):
        return SimpleNamespace(synchronize=lambda: self.log.append(("synchronize",)))


@pytest.fixture
def cuda(monkeypatch):
    stand_in = Cuda()
    monkeypatch.setattr(core_cuda, "import_cupy", lambda: SimpleNamespace(cuda=stand_in))
    return stand_in


def test_for_torch_cupy_works_on_its_current_stream(cuda, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(
        torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=100 + device)
    )
    with core_cuda.callers_stream(compat.array_namespace(torch.zeros(1)), 3):
        cuda.log.append("work")
    device, stream = ("device", 3), ("stream", 103, 3)
    enters, leaves = [("enter", *w) for w in (device, stream)], [("leave", *stream)]
    assert cuda.log == [*enters, "work", *leaves, ("leave", *device)]


def test_for_jax_cupy_finishes_before_memory_can_be_given_away(cuda):
    with core_cuda.callers_stream(ModuleType("jax.numpy"), 0):
        cuda.log.append("work")
    assert cuda.log[1:] == ["work", ("synchronize",), ("leave", "device", 0)]


class OnCuda:
    """A torch tensor that says it were on CUDA, for as far as choosing an engine goes."""

    def __init__(self, tensor):
        self.shape, self.dtype, self.device = tensor.shape, tensor.dtype, "cuda:0"

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.parametrize(("name", "want"), [("auto", "Cufinufft"), ("grid", "CudaGrid")])
def test_cuda_arrays_of_every_library_have_the_engines_of_cupy(name, want):
    for library in ("torch", "jax.numpy", "array_api_compat.cupy"):
        xp = ModuleType(library)
        make = operator.choose_engine(xp, OnCuda(np.zeros((3, 2))), name)
        inner = make if library.endswith("cupy") else make.args[0]
        assert inner.__name__ == f"{want}Engine"


def test_a_missing_cupy_says_what_to_install(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "cupy", None)
    xp = compat.array_namespace(torch.zeros(1))
    make = operator.choose_engine(xp, OnCuda(torch.zeros(3, 2)), "auto")
    with pytest.raises(ModuleNotFoundError, match=r'pip install "\.\[cuda12\]"') as caught:
        make(xp, (4, 4), torch.float64, 1e-6, 2**30)
    assert caught.value.name == "cupy"


# --- on CUDA -----------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("name", CUDA_ROWS)
@pytest.mark.parametrize("engine", ["grid", "cufinufft"])
def test_cuda_arrays_reach_cupy_without_a_copy(name, engine):
    with open_row(name) as row:
        x = row.array(X, "complex128")
        taken = core_cuda.as_cupy(x)
        assert taken.data.ptr == address(x)
        assert address(core_cuda.from_cupy(row.xp, taken + 1)) != address(x)
        F, D = (nl.NUFFT(row.array(K), (6, 5), engine=e, eps=1e-9) for e in (engine, "direct"))
        y = D(x)
        for got, want in (
            (F(x), y),
            (F.H(y), D.H(y)),
            (F.vjp("trajectory", x, y), D.vjp("trajectory", x, y)),
        ):
            assert row.owns(got, str(want.dtype).removeprefix("torch."))
            assert np.allclose(row.numpy(got), row.numpy(want), rtol=0, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("engine", ["grid", "cufinufft"])
def test_work_is_ordered_on_a_stream_of_torch(engine):
    pytest.importorskip("cupy")
    with open_row("torch-cuda") as row:
        import torch

        x = row.array(X, "complex128")
        F = nl.NUFFT(row.array(K), (6, 5), engine=engine)
        want = F(x)
        torch.cuda.synchronize()
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            late = torch.zeros_like(x)
            torch.cuda._sleep(50_000_000)  # what is queued later must wait for what is queued here
            late += x
            got = F(late) + 0
        stream.synchronize()
        assert torch.allclose(got, want)


@pytest.mark.filterwarnings("ignore:torch.asarray")  # that the copy requires grad as well
def test_a_tensor_that_requires_grad_is_sent_to_the_adapter():
    torch = pytest.importorskip("torch")
    F, x = nl.NUFFT(torch.tensor(K), X.shape[1:]), torch.tensor(X).requires_grad_()
    with pytest.raises(TypeError, match=r"requires grad.*nufftlib\.interop\.torch\.wrap"):
        F(x)
    with pytest.raises(TypeError, match="requires grad"):
        nl.NUFFT(torch.tensor(K).requires_grad_(), X.shape[1:])
