"""Our own engine: its error model, its grids, and that nothing depends on the threads."""

import os
import subprocess
import sys
import tracemalloc
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from scipy.optimize import minimize_scalar

import nufftlib as nl
from nufftlib.nufft.engines.direct import DirectEngine
from nufftlib.nufft.engines.grid.cpu import engine, loops, parallel
from nufftlib.nufft.engines.grid.cpu import points as points_module
from nufftlib.nufft.engines.grid.cpu.grid import Grid
from nufftlib.nufft.engines.grid.cpu.points import BINS, GridPoints, cut, sort_points
from nufftlib.nufft.engines.grid.cpu.sorting import most_in_a_cell
from nufftlib.nufft.engines.grid.kernel import (
    best_kernel,
    choose_kernel,
    demand,
    density_kernel,
    ideal_demand,
    kaiser_bessel,
    least,
    usual_beta,
)
from nufftlib.nufft.engines.grid.layout import Layout, layout

rng = np.random.default_rng(3)

COILS = engine.COILS  # as users have it; other tests take one or two at a time
SINGLE = [(eps, "float32") for eps in (1e-2, 1e-4, 1e-6)]
DOUBLE = [(eps, "float64") for eps in (1e-3, 1e-6, 1e-9, 1e-12)]


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def distance(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


def points(kind, count, sizes):
    """Trajectories where an engine may go wrong."""
    d = len(sizes)
    if kind == "anywhere":
        return rng.uniform(-1.5, 1.5, (count, d))
    if kind == "on the edge of the period":
        k = rng.uniform(-0.5, 0.5, (count, d))
        some = np.arange(0, count, 2)
        k[some, some // 2 % d] = rng.choice([-0.5, 0.5, -1.5], len(some))
        return k
    # On cells of the oversampled grid, where the kernel's support begins and ends.
    k = rng.integers(-100, 100, (count, d)) / np.asarray(sizes)
    return k + rng.integers(0, 2, (count, 1)) / (2.0 * np.asarray(sizes))


# --- the error model --------------------------------------------------------------------


# Every accuracy in two dimensions, two of them in the others: the error is that of each axis, and
# each accuracy is a kernel of another width, to be compiled.
SETTINGS = [
    *((eps, dtype, (20, 23)) for eps, dtype in SINGLE + DOUBLE),
    *((eps, "float64", shape) for shape in [(64,), (31,), (12, 11, 10)] for eps in (1e-6, 1e-12)),
]


@pytest.mark.parametrize("kind", ["anywhere", "on the edge of the period", "on the grid"])
@pytest.mark.parametrize(("eps", "dtype", "shape"), SETTINGS, ids=str)
def test_values_are_accurate_to_eps_and_derivatives_to_four(eps, dtype, shape, kind):
    d = len(shape)
    sizes = layout(shape, eps, dtype == "float32").sizes
    k = points(kind, 150, sizes).astype(dtype)
    k[7] = k[8]
    x = noise(2, *shape).astype("complex64" if dtype == "float32" else "complex128")
    F = nl.NUFFT(k, shape, engine="grid", eps=eps)
    D = nl.NUFFT(k.astype(float), shape, engine="direct")
    exact = x.astype(complex)
    y, J = F.linearize(x, wrt="trajectory")
    want, K = D.linearize(exact, wrt="trajectory")
    assert distance(y, want) <= eps
    assert distance(F(x), want) <= eps
    # Equal points add up in one place, one after the other.
    rounding = np.unique(k % 1, axis=0, return_counts=True)[1].max() * np.finfo(dtype).epsneg
    assert distance(F.H(y), D.H(y.astype(complex))) <= eps + rounding
    for axis in range(d):
        along = np.zeros_like(k)
        along[:, axis] = 1.0
        assert distance(J(along), K(along.astype(float))) <= 4 * eps
    dk = rng.standard_normal(k.shape).astype(dtype)
    got = F.derivative("trajectory", dk).adjoint(y)
    assert (
        distance(got, D.derivative("trajectory", dk.astype(float)).adjoint(want))
        <= 5 * eps + rounding
    )


def test_coincident_points_have_one_value_and_add_up():
    k = np.full((5, 2), 0.123)
    x = noise(9, 8)
    F, D = (nl.NUFFT(k, (9, 8), engine=e, eps=1e-9) for e in ("grid", "direct"))
    y = F(x)
    assert np.all(y == y[0])
    assert distance(F.H(np.ones(5) + 0j), 5 * D.replace(trajectory=k[:1]).H(np.ones(1) + 0j)) < 1e-9
    assert abs(y[0] - D(x)[0]) <= 1e-9 * np.linalg.norm(x)


def test_the_golden_section_finds_the_minimum_of_scipy():
    for width, oversampling in [(2, 1.25), (8, 1.25), (9, 1.8), (16, 2.0)]:
        usual = usual_beta(width, oversampling)

        def error(beta, width=width, oversampling=oversampling):
            return ideal_demand(width, oversampling, beta)

        bounds = (0.95 * usual, 1.1 * usual)
        beta = least(error, bounds, 1e-3 * usual)
        found = minimize_scalar(error, bounds=bounds, method="bounded")
        assert abs(beta - found.x) <= 3e-3 * usual
        assert error(beta) <= 1.02 * found.fun


def test_the_golden_section_encloses_the_minimum_wherever_it_is():
    for minimum in (0.0, 0.1, 0.5, 0.77, 1.0):
        assert abs(least(lambda x, at=minimum: (x - at) ** 2, (0.0, 1.0), 1e-6) - minimum) <= 1e-6


def test_each_setting_of_a_loop_has_files_of_its_own(tmp_path):
    code = (
        "import numpy as np, nufftlib as nl\n"
        "x = np.ones(8, np.complex64)\n"
        "F = nl.NUFFT(np.zeros((3, 1), np.float32), (8,), engine='grid', eps=1e-2)\n"
        "F.linearize(x, wrt='trajectory'), F(x)\n"
        "for width in (2, 3):\n"
        "    weights = nl.mri.PipeMenon(F, width=width, iterations=1)\n"
        "    weights.linearize(F.trajectory)[1].adjoint(np.ones(3, np.float32))\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    for loop in ("forward_step", "backward_step"):
        names = [path.name for path in tmp_path.rglob(f"*{loop}*")]
        assert sorted(name.rpartition(".")[2] for name in names) == ["nbc", "nbc", "nbi", "nbi"]
    files = [path.name for path in tmp_path.rglob("*interpolate*")]
    assert sorted(name.rpartition(".")[2] for name in files) == ["nbc", "nbc", "nbi", "nbi"]
    assert sum("_values-" in name for name in files) == 2
    # Another one if a function changes that is copied into loops, in whatever file it stands.
    folder = Path(loops.__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())
    assert all(f"_{zlib.crc32(sources):08x}_" in name for name in files)
    assert sum("_linearize-" in name for name in files) == 2


@pytest.mark.parametrize("width", [3, 11])
def test_the_computed_error_is_the_measured_one(width):
    """What decides the width is no estimate: a white image in one dimension has it."""
    kernel = best_kernel(width, 1.5)
    n, N = 600, 400
    grid = Grid(Layout((N,), (n,), kernel), np.dtype("f8"), 1)
    k = rng.uniform(-0.5, 0.5, (2000, 1))
    x = noise(10, N)
    prepared = GridPoints((np.ascontiguousarray(k[:, 0]),))
    exact = DirectEngine(np, (N,), np.dtype("f8"), 0.0, 2**30)
    q = exact.prepare(k)
    values, derivatives, want, slopes = [], [], [], []
    for image in x:
        y, D = np.empty((1, len(k), 2)), np.empty((len(k), 1, 2))
        grid.transform_of(engine.real_parts(image[None]))
        grid.read("linearize", prepared, y, D)
        values.append(engine.complex_of(y)[0])
        derivatives.append(engine.complex_of(D)[:, 0])
        spectrum = exact.fix(image[None])
        want.append(spectrum.values(q)[0])
        slopes.append(spectrum.jvp(q, np.ones_like(k))[0])
    value, derivative, _ = kernel.errors()
    # The worst position in a cell, computed, against all of them, measured.
    assert 0.2 * value < distance(np.stack(values), np.stack(want)) < 1.1 * value
    assert 0.2 * derivative < distance(np.stack(derivatives), np.stack(slopes)) < 1.1 * derivative


def test_the_kernel_and_its_derivatives():
    t = np.linspace(-2.95, 2.95, 200)
    _, first, second = kaiser_bessel(t, 6, 12.0)
    h = 1e-4
    up, down = kaiser_bessel(t + h, 6, 12.0), kaiser_bessel(t - h, 6, 12.0)
    np.testing.assert_allclose(first, (up[0] - down[0]) / (2 * h), atol=1e-7)
    np.testing.assert_allclose(second, (up[1] - down[1]) / (2 * h), atol=1e-7)
    assert kaiser_bessel(np.zeros(1), 6, 12.0)[0] == pytest.approx(1.0)
    edge = kaiser_bessel(np.asarray([-3.0, 3.0]), 6, 12.0)
    assert np.all(np.isfinite(edge))  # the exponential of a semicircle has no slope there


@pytest.mark.parametrize("voxels", [2, 3, 64, 1001])
@pytest.mark.parametrize("eps", [1e-2, 1e-6, 1e-9, 1e-14])
def test_the_deconvolution_is_the_integral_of_what_is_evaluated(eps, voxels):
    for kernel in (choose_kernel(eps, 2, single=False), density_kernel(7)):
        cells = int(np.ceil(voxels * kernel.oversampling))
        want = 1.0 / kernel.transform(np.arange(voxels // 2 + 1) / cells)
        assert np.max(np.abs(kernel.deconvolution(voxels, cells) / want - 1.0)) < 1e-13


def test_a_long_axis_is_set_up_in_the_memory_of_its_own_numbers():
    kernel = choose_kernel(1e-3, 1, single=True)
    tracemalloc.start()
    try:
        factors = kernel.deconvolution(2**20, 2**21)
        assert tracemalloc.get_traced_memory()[1] < 2 * factors.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_finer_accuracy_takes_a_kernel_that_has_it(ndim):
    for eps in (1e-1, 1e-3, 1e-6, 1e-9, 1e-12):
        kernel = choose_kernel(eps, ndim, False)
        assert np.sqrt(ndim) * demand(kernel.errors()) <= eps
    best = choose_kernel(1e-14, ndim, False)  # nothing reaches it
    assert best.width >= 15
    assert best.oversampling == 2.0


# --- the grid ---------------------------------------------------------------------------


@contextmanager
def on_threads(count, monkeypatch):
    """Run on so many threads, however little there is to do."""
    with monkeypatch.context() as patch:
        patch.setattr(parallel, "LITTLE", 0)
        patch.setattr(parallel, "threads", lambda: count)
        yield


@pytest.mark.parametrize("shape", [(500,), (40, 37), (20, 18, 16)], ids=str)
def test_the_result_is_the_same_on_any_number_of_threads(monkeypatch, shape):
    d = len(shape)
    k = rng.uniform(-0.5, 0.5, (3000, d))
    k[:1000] *= 0.05  # many in one place
    x, y, dk = noise(2, *shape), noise(2, 3000), rng.standard_normal(k.shape)
    results = []
    for count in (1, 2, 5, 16):
        with on_threads(count, monkeypatch):
            F = nl.NUFFT(k, shape, engine="grid", eps=1e-6)
            value, J = F.linearize(x, wrt="trajectory")
            results.append(
                [
                    value,
                    F.H(y),
                    F.vjp("trajectory", x, y),
                    F.derivative("trajectory", dk).adjoint(y),
                    J(dk),
                    J.adjoint(y),
                    J.hessian(y).blocks,
                ]
            )
            again = F.H(y)
            assert np.array_equal(again, F.H(y))
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))


@pytest.mark.parametrize("shape", [(500,), (40, 37), (20, 18, 16)], ids=str)
def test_the_sum_over_coils_is_the_same_on_any_number_of_threads(monkeypatch, shape):
    k = rng.uniform(-0.5, 0.5, (3000, len(shape)))
    maps, x, y, dk = noise(5, *shape), noise(2, *shape), noise(2, 5, 3000), noise(*k.shape).real
    results = []
    for count in (1, 2, 3, 7):
        with on_threads(count, monkeypatch):
            A = nl.NUFFT(k, shape, engine="grid", eps=1e-6) @ nl.Sense(maps)
            value, J = A.linearize(x, wrt="trajectory")
            along = A.derivative("trajectory", dk).adjoint(y)
            by_both = (A.vjp(name, x, y) for name in ("trajectory", "maps"))
            results.append([value, A(x), A.H(y), along, J(dk), J.adjoint(y), A.N(x), *by_both])
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))


@pytest.mark.parametrize("size", [4, 24, 100, 360])
@pytest.mark.parametrize("width", [2, 7, 16])
@pytest.mark.parametrize("spread", ["uniform", "one place", "two places"])
def test_slabs_of_one_colour_touch_no_common_cell(size, width, spread):
    starts = {
        "uniform": rng.integers(0, size, 2000),
        "one place": np.full(2000, size // 2),
        "two places": rng.choice([0, size - 1], 2000),
    }[spread]
    starts.sort()
    height = 8
    rows = -(-size // height)
    ends = np.searchsorted(starts, height * np.arange(1, rows + 1))
    slabs = cut(ends, height, size, width, least=1)
    assert len(slabs) == 1 or len(slabs) % 2 == 0
    assert [slab.begin for slab in slabs] == [0, *(slab.end for slab in slabs[:-1])]
    assert [slab.top for slab in slabs] == [0, *(slab.bottom for slab in slabs[:-1])]
    assert (slabs[-1].end, slabs[-1].bottom) == (2000, size)
    for slab in slabs:
        inside = starts[slab.begin : slab.end]
        assert all((slab.top <= inside) & (inside < slab.bottom))
    for colour in (slabs[0::2], slabs[1::2]):
        cells = [
            {int(s + c) % size for s in starts[slab.begin : slab.end] for c in range(width)}
            for slab in colour
        ]
        assert sum(map(len, cells)) == len(set().union(*cells))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 4000, 70_000, 700_000])
@pytest.mark.parametrize("sizes", [(5,), (700,), (9, 300), (320, 320), (30, 7, 40)], ids=str)
def test_points_are_sorted_by_bins_and_stay_in_order_in_each(monkeypatch, sizes, count, dtype):
    """With one bucket of bins and with many, in one piece and in several."""
    monkeypatch.setattr(points_module, "CROWD", count)
    width = min(4, *sizes)
    k = rng.uniform(-0.5, 0.5, (count, len(sizes))).astype(dtype)
    k[: count // 3] *= 0.1
    axes = tuple(np.ascontiguousarray(k[:, a]) for a in range(len(sizes)))
    cells = sort_points(axes, sizes, width)
    left = k.astype(float) * sizes - width / 2
    first = np.ceil(left).astype(int) % sizes
    bins = np.asarray([1 << shift for shift in BINS[len(sizes)]])
    rows = -(-np.asarray(sizes) // bins)
    key = np.ravel_multi_index(tuple((first // bins).T), tuple(rows))
    np.testing.assert_array_equal(cells.order, np.argsort(key, kind="stable"))
    np.testing.assert_array_equal(cells.starts, first[cells.order])
    want = (2 * (np.ceil(left) - left) - 1)[cells.order]
    np.testing.assert_allclose(cells.offsets, want, atol=1e-6 if dtype == "float32" else 1e-10)
    most = np.bincount(np.ravel_multi_index(tuple(first.T), sizes)).max()
    ends = np.cumsum(np.bincount(key, minlength=np.prod(rows)))
    counts = np.diff(ends, prepend=0)
    assert most_in_a_cell(cells.starts, ends, counts, BINS[len(sizes)]).max() == most


@pytest.mark.parametrize("shape", [(500,), (24, 20), (12, 10, 9)], ids=str)
def test_very_many_points_in_one_place_add_up_in_single_precision(monkeypatch, shape):
    """One after the other, 3e5 equal points were off by 0.5 to 1.5 %."""
    d, M = len(shape), 300_000
    k = np.full((M, d), 0.123)
    k[: M // 2] = -0.497  # around the edge of the period
    k[:: M // 1000] = rng.uniform(-0.5, 0.5, k[:: M // 1000].shape)
    k, y = k.astype("f4"), np.ones((2, M), "c8")
    dk = np.abs(rng.standard_normal(k.shape)).astype("f4")
    exact = nl.NUFFT(k.astype(float), shape, engine="grid", eps=1e-9)
    ones = y.astype("c16")
    want = exact.H(ones), exact.derivative("trajectory", dk.astype(float)).adjoint(ones)
    results = []
    for count in (1, 3):
        with on_threads(count, monkeypatch):
            F = nl.NUFFT(k, shape, engine="grid", eps=1e-4)
            got = F.H(y), F.derivative("trajectory", dk).adjoint(y)
        assert len(next(iter(F.transform.points._cells.values())).crowds) == 2
        results.append(got)
        assert distance(got[0], want[0]) < 2e-4
        assert distance(got[1], want[1]) < 5e-4
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize(
    ("grid", "width", "dtype"),
    [
        ((300,), 4, "float64"),
        ((200, 90), 7, "float32"),
        ((200, 90), 7, "float64"),
        ((33, 50), 16, "float64"),  # slabs that are hardly higher than the kernel
        ((6, 7), 2, "float64"),  # more columns are copied than there are
        ((60, 20, 21), 4, "float64"),
    ],
    ids=str,
)
def test_density_weights_by_slabs_that_wait_for_their_neighbours(monkeypatch, grid, width, dtype):
    """As by matrices, and the same bits on any number of threads."""
    local = np.random.default_rng(len(grid))
    k = local.uniform(-0.5, 0.5, (9000, len(grid))).astype(dtype)
    k[:3000] *= 0.1
    bar = local.standard_normal(len(k)).astype(dtype)
    monkeypatch.setattr(parallel, "LITTLE", 1)

    def found(engine):
        F = nl.NUFFT(k, (6,) * len(grid), engine=engine)
        weights = nl.mri.PipeMenon(F, width=width, grid=grid, iterations=3)
        w, J = weights.linearize(k)
        np.testing.assert_array_equal(w, weights(k))
        iteration = J.iteration
        return iteration.weights, iteration.cotangent(bar)

    results = []
    for count in (1, 2, 3, 7):
        with on_threads(count, monkeypatch):
            results.append(found("grid"))
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))
    want = found("direct")
    limit = 1e-5 if dtype == "float32" else 1e-12
    assert all(distance(a, b) < limit for a, b in zip(results[0], want, strict=True))


@pytest.mark.parametrize("shape", [(8,), (9, 7), (6, 8), (5, 4, 6), (4, 1)], ids=str)
@pytest.mark.parametrize("limit", [2**30, 2**10])
def test_the_image_of_data_stays_on_its_grid(shape, limit):
    """`fix_adjoint` is `adjoint` and `fix`, with and without the memory for a grid."""
    k = rng.uniform(-0.5, 0.5, (30, len(shape)))
    y = rng.standard_normal((2, 30)) + 1j * rng.standard_normal((2, 30))
    F = nl.NUFFT(k, shape, engine="grid", norm="ortho", memory_limit=limit)
    T = F.transform
    for data in (y, y[:1]):
        images = T.fix_adjoint(data)
        assert distance(T.scaled(images.values(T.points)), F(F.H(data))) < 1e-12
        fixed = T.fix(F.H(data))
        for got, want in zip(images.linearize(T.points), fixed.linearize(T.points), strict=True):
            got, want = (x if hasattr(x, "shape") else x.adjoint(data) for x in (got, want))
            assert distance(got, want) < 1e-12


def test_density_weights_of_a_crowd_and_of_any_number_of_threads(monkeypatch):
    k = rng.uniform(-0.5, 0.5, (40_000, 2))
    k[:20_000] = 0.123
    k[20_000:25_000] *= 0.02
    bar = rng.standard_normal(len(k))
    shape = (40, 37)
    exact = nl.mri.PipeMenon(nl.NUFFT(k, shape, engine="grid"), iterations=5)
    for crowded in (True, False):
        points = k.astype("f4") if crowded else k[20_000:]
        some = bar[: len(points)].astype(points.dtype)
        results = []
        for count in (1, 2, 3, 7):
            with on_threads(count, monkeypatch):
                F = nl.NUFFT(points, shape, engine="grid")
                density = nl.mri.PipeMenon(F, iterations=5)
                w, J = density.linearize(points)
                results.append([w, J.adjoint(some), density(points)])
                np.testing.assert_array_equal(w, results[-1][2])
        for result in results[1:]:
            assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))
        if crowded:
            want, K = exact.linearize(k)
            assert distance(results[0][0], want) < 3e-5
            assert distance(results[0][1], K.adjoint(bar)) < 3e-4


def test_a_line_is_read_in_the_given_order(monkeypatch):
    """A sort would cost as much as the reading; the adjoint alone needs it."""
    k = rng.uniform(-0.5, 0.5, (5000, 1))
    F = nl.NUFFT(k, (300,), engine="grid")
    x = noise(300)
    y, J = F.linearize(x, wrt="trajectory")
    J.adjoint(y)
    assert not F.transform.points._cells
    F.H(y)
    assert len(F.transform.points._cells) == 1


def test_a_large_grid_is_cut_into_many_slabs():
    assert len(cut(np.arange(1, 46) * 100, 8, 360, 7, least=1)) >= 16


def test_an_image_that_stays_fixed_is_transformed_once(monkeypatch):
    calls = []
    true_fft = scipy.fft.fft

    def fft(*args, **kwargs):
        calls.append(1)
        return true_fft(*args, **kwargs)

    monkeypatch.setattr(scipy.fft, "fft", fft)
    k, x = rng.uniform(-0.5, 0.5, (50, 2)), noise(3, 16, 15)
    F = nl.NUFFT(k, (16, 15), engine="grid")
    F.linearize(x, wrt="trajectory")
    one = len(calls)
    fixed = F.as_map("trajectory", x)
    for shift in (0.0, 0.1, 0.2):
        y, J = fixed.linearize(k + shift)
        J.adjoint(y)
        J.hessian(y)
    assert len(calls) == 2 * one


def test_what_does_not_fit_the_memory_limit_is_transformed_again():
    k, x = rng.uniform(-0.5, 0.5, (50, 2)), noise(5, 16, 15)
    F = nl.NUFFT(k, (16, 15), engine="grid", eps=1e-6)
    small = nl.NUFFT(k, (16, 15), engine="grid", eps=1e-6, memory_limit=20_000)
    of, few = (A.transform.engine for A in (F, small))
    assert few.fix(x, lasting=True).kept is None
    assert [grid.reals // 2 for _, grid in of.fix(x, lasting=True).kept] == [1, 2, 2]
    assert of.fix(x).kept is None  # for one use
    y = F(x)
    for a, b in [
        (small(x), y),
        (small.H(y), F.H(y)),
        (small.vjp("trajectory", x, y), F.vjp("trajectory", x, y)),
        (small.linearize(x, wrt="trajectory")[1](k), F.linearize(x, wrt="trajectory")[1](k)),
    ]:
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("shape", "coils", "memory_limit"),
    [
        ((90,), 4, 2**30),
        ((22, 19), 10, 2**30),  # of two sizes; each size is to be compiled
        ((22, 19), 4, 30_000),
        ((11, 4, 5), 4, 2**30),
    ],
    ids=str,
)
def test_many_points_and_coils_against_the_exact_sums(monkeypatch, shape, coils, memory_limit):
    """Several blocks of coils, several pieces of the sort, several slabs."""
    if coils > 5:
        monkeypatch.setattr(engine, "COILS", COILS)
    k, dk = rng.uniform(-0.5, 0.5, (2, 9000, len(shape)))
    settings = {"shape": shape, "eps": 1e-6}
    F = nl.NUFFT(k, engine="grid", memory_limit=memory_limit, **settings)
    D = nl.NUFFT(k, engine="direct", **settings)
    x, y = noise(coils, *shape), noise(coils, 9000)
    value, J = F.linearize(x, wrt="trajectory")
    want, K = D.linearize(x, wrt="trajectory")
    pairs = [
        (value, want),
        (F(x), want),
        (F.H(y), D.H(y)),
        (J(dk), K(dk)),
        (J.adjoint(y), K.adjoint(y)),
        (F.vjp("trajectory", x, y), K.adjoint(y)),
        (F.H.jvp("trajectory", y, dk), D.H.jvp("trajectory", y, dk)),
        (J.gauss_newton().blocks, K.gauss_newton().blocks),
        (J.hessian(y).blocks, K.hessian(y).blocks),
    ]
    assert all(distance(got, exact) < 1e-5 for got, exact in pairs)


@pytest.mark.parametrize("memory_limit", [1, 2**30])
def test_an_image_that_is_changed_later_changes_no_map(memory_limit):
    k, x = rng.uniform(-0.5, 0.5, (50, 2)), noise(3, 9, 8)
    F = nl.NUFFT(k, (9, 8), engine="grid", memory_limit=memory_limit)
    fixed = F.as_map("trajectory", x)
    before = fixed(k)
    x[...] = 0
    assert np.array_equal(fixed(k), before)


def test_one_trajectory_on_grids_of_one_size_for_kernels_of_several_widths():
    k = rng.uniform(-0.5, 0.5, (200, 2))
    F = nl.NUFFT(k, (30, 28), engine="grid")
    weights = [nl.mri.pipe_menon(F, width=width) for width in (4, 7, 4)]
    assert np.array_equal(weights[0], weights[2])
    fresh = nl.mri.pipe_menon(nl.NUFFT(k, (30, 28), engine="grid"), width=7)
    assert np.array_equal(weights[1], fresh)


def test_points_stay_sorted_for_the_last_grids_only():
    F = nl.NUFFT(points("anywhere", 300, (20, 20)), (20, 20), engine="grid", eps=1e-4)
    engine, where, x = F.transform.engine, F.transform.points, noise(1, 20, 20)
    want = engine.forward(where, x)
    for n in range(21, 27):
        engine.with_shape((n, n)).forward(where, noise(1, n, n))
    assert len(where._cells) == 2
    np.testing.assert_array_equal(engine.forward(where, x), want)  # sorted anew


@pytest.mark.parametrize("eps", [0.02, 0.1, 0.9])
@pytest.mark.parametrize("shape", [(2,), (16, 5), (8, 8, 8)], ids=str)
def test_a_coarse_accuracy_has_a_small_grid(shape, eps):
    sizes = layout(shape, eps, False).sizes
    assert all(n <= 3 * N for n, N in zip(sizes, shape, strict=True))


def test_an_fft_of_the_users_choice(monkeypatch):
    """scipy.fft lets its backend be replaced, and another one may not work in place."""
    used = []

    class Backend:
        __ua_domain__ = "numpy.scipy.fft"

        @staticmethod
        def __ua_function__(method, args, kwargs):
            used.append(method.__name__)
            x, axis, norm = args[0], kwargs["axis"], kwargs["norm"]
            return getattr(np.fft, method.__name__)(x, axis=axis, norm=norm)

    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (50, 2)), (16, 15), engine="grid", eps=1e-9)
    x = noise(2, 16, 15)
    y = F(x)
    back = F.H(y)
    with scipy.fft.set_backend(Backend):
        np.testing.assert_allclose(F(x), y, rtol=1e-10)
        np.testing.assert_allclose(F.H(y), back, rtol=1e-10)
    assert set(used) == {"fft", "ifft"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_it_works_in_a_fork_of_a_process_that_has_used_it():
    code = """
import os, sys
import numpy as np
import nufftlib as nl
from nufftlib.nufft.engines.grid.cpu import parallel
parallel.LITTLE = 0
parallel.threads = lambda: 3
F = nl.NUFFT(np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 2)), (64, 64), engine="grid")
x = np.ones((2, 64, 64), complex)
want = F.H(F(x))
child = os.fork()
if not child:
    os._exit(0 if np.array_equal(F.H(F(x)), want) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=120, check=False)
    assert done.returncode == 0


def test_it_works_where_compiled_code_cannot_be_kept(monkeypatch):
    true_njit = loops.njit

    def njit(*, cache=False, **settings):
        def decorate(function):
            if cache:
                raise RuntimeError
            return true_njit(**settings)(function)

        return decorate

    monkeypatch.setattr(loops, "njit", njit)
    assert loops.compiled(lambda x: x + 1)(2) == 3


def test_it_works_while_the_interpreter_shuts_down():
    code = """
import atexit
import numpy as np
import nufftlib as nl
from nufftlib.nufft.engines.grid.cpu import parallel
parallel.LITTLE = 0
parallel.threads = lambda: 3
F = nl.NUFFT(np.random.default_rng(0).uniform(-0.5, 0.5, (500, 2)), (9, 8), engine="grid")
x = np.ones((9, 8), complex)
want = F(x)
atexit.register(lambda: print(np.array_equal(F(x), want)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_an_error_on_another_thread_reaches_the_caller(monkeypatch):
    def loop(begin, end):
        raise ZeroDivisionError

    with on_threads(4, monkeypatch), pytest.raises(ZeroDivisionError):
        parallel.run(loop, [(i, i + 1) for i in range(8)])


def test_auto_takes_it_for_every_shape():
    for shape in ((100_000,), (1000,), (512, 512), (8, 8, 8)):
        for dtype in ("float32", "float64"):
            F = nl.NUFFT(np.zeros((3, len(shape)), dtype), shape, eps=1e-2)
            assert type(F.transform.engine).__name__ == "GridEngine"
