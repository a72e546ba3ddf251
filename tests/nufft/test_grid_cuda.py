"""The grid engine on a GPU: its accuracy, and streams, graphs and devices."""

import threading

import numpy as np
import pytest
from grid_engine import SETTINGS, check, check_adjoint, check_density, compute, deviations, exact_of

import nufftlib as nl
from nufftlib.nufft.engines.direct import DirectEngine

pytestmark = pytest.mark.gpu
cupy = pytest.importorskip("cupy")

from nufftlib.nufft.engines.grid.cpu.engine import GridEngine  # noqa: E402
from nufftlib.nufft.engines.grid.cuda import grid  # noqa: E402  # for CuPy arrays
from nufftlib.nufft.engines.grid.cuda.engine import CudaGridEngine  # noqa: E402
from nufftlib.nufft.engines.grid.layout import density_layout  # noqa: E402

rng = np.random.default_rng(9)
SHAPE = (24, 25)
K = rng.uniform(-0.5, 0.5, (500, 2))
X = rng.standard_normal((3, *SHAPE)) + 1j * rng.standard_normal((3, *SHAPE))

LARGE = {  # shape, coils, samples, dtype, eps
    "few points": ((256, 256), 6, 8192, "float32", 1e-4),
    "many points": ((512, 512), 1, 200_000, "float32", 1e-4),
    "in double precision": ((256, 256), 6, 8192, "float64", 1e-9),
    "in three dimensions": ((40, 48, 56), 3, 100_000, "float32", 1e-4),
    "a long line": ((100_000,), 2, 50_000, "float64", 1e-9),
}


@pytest.fixture
def arrays():
    return cupy.asarray(K), cupy.asarray(X)


def engine_of(setting, spreading="auto"):
    made = type("Engine", (CudaGridEngine,), {"spreading": spreading})
    xp = nl.core.arrays.array_namespace(cupy.zeros(1))
    return made(xp, setting.shape, np.dtype(setting.real), setting.eps, setting.memory_limit)


def on_device(setting, engine):
    got = compute(engine, tuple(map(cupy.asarray, setting.arrays)))
    return {name: value.get() for name, value in got.items()}


@pytest.mark.parametrize("spreading", ["atomics", "tiles"])
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_it_computes_the_sums(setting, spreading, monkeypatch):
    setting.restrict(monkeypatch, grid)
    got = on_device(setting, engine_of(setting, spreading))
    xp = nl.core.arrays.array_namespace(np.zeros(1))
    direct = DirectEngine(xp, setting.shape, np.dtype("float64"), 1e-14, 2**30)
    check(setting, got, exact_of(direct, setting))
    check_adjoint(setting, got)
    check_density(density_layout(setting.shape, 4), setting, got)


@pytest.mark.parametrize("spreading", ["atomics", "tiles", "auto"])
@pytest.mark.parametrize("problem", LARGE)
def test_it_agrees_with_the_engine_of_the_cpu(problem, spreading):
    shape, coils, samples, real, eps = LARGE[problem]
    setting = type(SETTINGS["1D"])(shape, samples, coils, eps, real)
    xp = nl.core.arrays.array_namespace(np.zeros(1))
    host = GridEngine(xp, shape, np.dtype(real), eps, 2**30)
    want = compute(host, setting.arrays)
    got = on_device(setting, engine_of(setting, spreading))
    # The same kernel on the same grid: but for the order of sums they are the same.
    rounding = 1e-4 if real == "float32" else 1e-9
    for name, deviation in deviations(got, want).items():
        assert deviation < rounding, f"{name}: {deviation:.1e}"


def test_the_operator_takes_it(arrays):
    k, x = arrays
    F, D = (nl.NUFFT(k, SHAPE, engine=name, eps=1e-9) for name in ("grid", "direct"))
    assert type(F.transform.engine) is CudaGridEngine
    y = D(x)
    assert cupy.linalg.norm(F(x) - y) < 1e-9 * cupy.linalg.norm(y)
    gradient = D.vjp("trajectory", x, y)
    error = cupy.linalg.norm(F.vjp("trajectory", x, y) - gradient)
    assert error < 4e-9 * cupy.linalg.norm(gradient)
    assert F(x).dtype == x.dtype
    assert F(x).device == x.device


def test_points_that_are_not_finite_are_refused(arrays):
    k, _ = arrays
    k[17, 1] = cupy.nan
    with pytest.raises(ValueError, match=r"1 of 500 points are not finite \(first at .*17"):
        nl.NUFFT(k, SHAPE, engine="grid")


def test_a_trajectory_changed_in_place_changes_nothing(arrays):
    k, x = arrays
    F = nl.NUFFT(k, SHAPE, engine="grid")
    before = F(x)
    k[...] = 0.1
    assert cupy.array_equal(F(x), before)


def test_arrays_of_any_strides(arrays):
    k, x = arrays
    F = nl.NUFFT(k, SHAPE, engine="grid")
    transposed = cupy.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    assert not transposed.flags.c_contiguous
    assert cupy.array_equal(F(transposed), F(x))
    reversed_points = nl.NUFFT(k[::-1], SHAPE, engine="grid")
    assert cupy.allclose(reversed_points(x)[:, ::-1], F(x))


def step_of(engine, k, x, y):
    """Return what a step computes, into arrays of its own; all that it needs is made."""
    spectrum = engine.fix(x, lasting=True)
    gradient, image = cupy.empty_like(k), cupy.empty_like(x)

    def step():
        points = engine.prepare(k)
        value, J = spectrum.linearize(points)
        gradient[...] = J.adjoint(value - y)
        image[...] = engine.adjoint(points, value)
        return gradient, image

    return step


def expected(k, x, y):
    F = nl.NUFFT(k, SHAPE, engine="direct")
    value = F(x)
    return F.vjp("trajectory", x, value - y), F.H(value)


def agree(got, want):
    return all(
        cupy.linalg.norm(g - w) < 1e-5 * cupy.linalg.norm(w) for g, w in zip(got, want, strict=True)
    )


@pytest.fixture
def stream():
    """A stream that does not wait for the default one, on which the inputs are made."""
    cupy.cuda.Device().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    yield stream
    stream.synchronize()


@pytest.mark.parametrize("spreading", ["atomics", "tiles"])
def test_a_step_on_a_stream_waits_for_nothing(arrays, stream, spreading, monkeypatch):
    """The stream is held up: whoever waited for it would not return before the gate opens."""
    monkeypatch.setattr(CudaGridEngine, "spreading", spreading)
    (k, x), y = arrays, cupy.zeros((3, 500), dtype=complex)
    want = expected(k, x, y)
    engine = nl.NUFFT(k, SHAPE, engine="grid").transform.engine
    cupy.cuda.Device().synchronize()
    gate = threading.Event()
    with stream:
        step = step_of(engine, k, x, y)
        step()  # compiles, plans, fills the pool
        stream.synchronize()
        stream.launch_host_func(gate.wait, 20.0)
        got = step()
        waiting = not stream.done
        gate.set()
        stream.synchronize()
    assert waiting
    assert agree(got, want)


@pytest.mark.parametrize("spreading", ["atomics", "tiles"])
def test_a_captured_step_follows_the_trajectory(arrays, stream, spreading, monkeypatch):
    monkeypatch.setattr(CudaGridEngine, "spreading", spreading)
    (k, x), y = arrays, cupy.zeros((3, 500), dtype=complex)
    wanted = [expected(k + shift, x, y) for shift in (0.01, 0.02)]
    engine = nl.NUFFT(k, SHAPE, engine="grid").transform.engine
    pool = cupy.cuda.MemoryPool()  # nobody else gets what the graph writes to
    cupy.cuda.Device().synchronize()
    with stream, cupy.cuda.using_allocator(pool.malloc):
        step = step_of(engine, k, x, y)
        step()
        stream.begin_capture()
        got = step()
        graph = stream.end_capture()
        for want in wanted:
            k += 0.01
            graph.launch(stream)
            stream.synchronize()
            assert agree(got, want)
    assert agree(step(), wanted[-1])  # what was sorted while capturing is not kept


def test_the_first_use_is_refused_while_capturing(stream):
    k, x = cupy.asarray(K), cupy.asarray(X)
    shape = (24, 24)  # in no other test
    engine = nl.NUFFT(k, shape, engine="grid", eps=3e-5).transform.engine
    x = cupy.ascontiguousarray(x[..., :24])
    cupy.cuda.Device().synchronize()
    with stream:
        points = engine.prepare(k)
        stream.begin_capture()
        try:
            with pytest.raises(RuntimeError, match="run once before, on the same stream"):
                engine.forward(points, x)
        finally:
            stream.end_capture()


def test_two_streams_at_once(arrays):
    k, x = arrays
    F = nl.NUFFT(k, SHAPE, engine="grid")
    want = F.H(F(x))
    cupy.cuda.Device().synchronize()
    streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]
    results = []
    for _ in range(20):
        for stream in streams:
            with stream:
                results.append(F.H(F(x)))
    for stream in streams:
        stream.synchronize()
    assert all(cupy.allclose(result, want) for result in results)


def test_arrays_on_a_device_that_is_not_current():
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("one device")
    with cupy.cuda.Device(1):
        k, x = cupy.asarray(K), cupy.asarray(X)
    F = nl.NUFFT(k, SHAPE, engine="grid")
    y = F(x)
    assert y.device.id == F.H(y).device.id == F.vjp("trajectory", x, y).device.id == 1
    exact = nl.NUFFT(K, SHAPE, engine="direct")(X)
    assert np.linalg.norm(y.get() - exact) < 1e-5 * np.linalg.norm(exact)
