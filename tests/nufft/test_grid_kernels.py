"""The CUDA kernels of the grid engine without a GPU.

The source is compiled by nvcc for all GPUs that it knows; and by the host's compiler, with a
shim for what is CUDA in it, to be run under the very code that launches it on a GPU.
Each is skipped where there is no such compiler.
"""

import ctypes
import math
import shutil
import subprocess
from functools import cache
from pathlib import Path

import array_api_compat
import numpy as np
import pytest
import scipy.fft
from grid_engine import SETTINGS, check, check_adjoint, check_density, compute, exact_of

from nufftlib.nufft.engines.base import CoilImages
from nufftlib.nufft.engines.direct import DirectEngine
from nufftlib.nufft.engines.grid.cuda import grid
from nufftlib.nufft.engines.grid.cuda.device import OPTIONS, Cuda
from nufftlib.nufft.engines.grid.cuda.engine import CudaGridEngine
from nufftlib.nufft.engines.grid.layout import density_layout
from nufftlib.nufft.engines.grid.layout import layout as layout_of

HERE = Path(__file__).parent
SOURCE = Path(grid.__file__).with_name("kernels.cu").read_text(encoding="utf-8")
XP = array_api_compat.array_namespace(np.zeros(1))
GUARD = 64
"""Entries around each array that nobody may touch."""

nvcc, gxx = shutil.which("nvcc"), shutil.which("g++")
needs_gxx = pytest.mark.skipif(gxx is None, reason="no g++")


class HostCuda(Cuda):
    """The host in CuPy's stead. Without a library it only notes which kernels are wanted."""

    def __init__(self, library=None, numbers=None):
        super().__init__()
        self.library, self.numbers = library, {} if numbers is None else numbers
        self.launched, self.guards = [], []

    def device(self, x):
        return 0

    def stream(self, device):
        return 0

    def capturing(self, device):
        return False

    def empty(self, device, shape, dtype):
        # What is read but not written shows, within the array and around it.
        fill = np.nan if np.dtype(dtype).kind in "fc" else 0
        flat = np.full(math.prod(shape) + 2 * GUARD, fill, dtype)
        self.guards.append((flat, flat.copy()))
        return flat[GUARD:-GUARD].reshape(shape)

    def zeros(self, device, shape, dtype):
        array = self.empty(device, shape, dtype)
        array[...] = 0
        return array

    def contiguous(self, x):
        return np.ascontiguousarray(x)

    def upload(self, device, values):
        return np.ascontiguousarray(values)

    def launch(self, kernel, blocks, threads, *arguments):
        self.launched.append(kernel.split("<")[0])
        if self.library is None:
            self.numbers.setdefault(kernel, len(self.numbers))
            return
        assert all(x.flags.c_contiguous for x in arguments[:1])
        bits = [x.ctypes.data if isinstance(x, np.ndarray) else int(x) for x in arguments]
        words = (ctypes.c_uint64 * len(bits))(*bits)
        assert self.library.launch(self.numbers[kernel], blocks, threads, words, len(bits)), kernel

    def fft(self, cells, *, inverse):
        self.launched.append("FFT")
        transform = scipy.fft.ifftn if inverse else scipy.fft.fftn
        axes = tuple(range(1, cells.ndim))
        cells[...] = transform(cells, axes=axes, norm="forward" if inverse else "backward")

    def check_guards(self):
        for flat, before in self.guards:
            for part in (slice(0, GUARD), slice(-GUARD, None)):
                assert np.array_equal(flat[part], before[part], equal_nan=flat.dtype.kind in "fc")


def engine_of(cuda, setting, spreading="auto"):
    made = type("HostEngine", (CudaGridEngine,), {"cuda": cuda, "spreading": spreading})
    return made(XP, setting.shape, np.dtype(setting.real), setting.eps, setting.memory_limit)


def run(setting, spreading, monkeypatch, **library):
    """Compute all in a setting; without a library, note the kernels."""
    cuda = HostCuda(**library)
    with monkeypatch.context() as patch:
        setting.restrict(patch, grid)
        got = compute(engine_of(cuda, setting, spreading), setting.arrays)
    cuda.check_guards()
    return got


def build(source, numbers, folder):
    """Compile the source on the host, with all kernels that are wanted."""
    calls = "\n".join(f"case {n}: return shim::call({k}, b, t, a, c);" for k, n in numbers.items())
    (folder / "kernels.cpp").write_text(
        f'#include "{HERE / "cuda_shim.h"}"\n{source}\n'
        'extern "C" int launch(int number, unsigned b, unsigned t, const uint64_t *a, int c) {\n'
        f"switch (number) {{\n{calls}\n}}\nreturn 0;\n}}\n"
    )
    command = [gxx, "-std=c++20", "-O1", "-U_FORTIFY_SOURCE", "-w", "-pthread", "-shared", "-fPIC"]
    command += [*OPTIONS[1:], "-o", "kernels.so", "kernels.cpp"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "kernels.so"))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Every kernel of every setting, compiled once."""
    numbers = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for setting in SETTINGS.values():
            for spreading in ("atomics", "tiles"):
                run(setting, spreading, monkeypatch, numbers=numbers)
    return {
        "library": build(SOURCE, numbers, tmp_path_factory.mktemp("kernels")),
        "numbers": numbers,
    }


@cache
def exact_sums(setting):
    direct = DirectEngine(XP, setting.shape, np.dtype("float64"), 1e-14, 2**30)
    return exact_of(direct, setting)


@needs_gxx
@pytest.mark.parametrize("spreading", ["atomics", "tiles"])
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_kernels_compute_the_sums(setting, spreading, library, monkeypatch):
    got = run(setting, spreading, monkeypatch, **library)
    check(setting, got, exact_sums(setting))
    check_adjoint(setting, got)
    check_density(density_layout(setting.shape, 4), setting, got)


@needs_gxx
def test_a_point_that_is_not_finite_spoils_its_own_sample(library):
    """The operator refuses it; a captured step cannot."""
    setting = SETTINGS["2D, prime"]
    k, _, x, y, *_ = setting.arrays
    k = k.copy()
    k[7, 1], k[9, 0] = np.nan, np.inf
    engine = engine_of(HostCuda(**library), setting, "tiles")
    points = engine.prepare(k)
    assert list(np.flatnonzero(np.isnan(engine.forward(points, x)).any(axis=0))) == [7, 9]
    assert np.isnan(engine.adjoint(points, y)).all()


PLANTED = {
    "a voxel in the wrong cell": (
        "voxel - voxels / 2 + cells",
        "voxel - voxels / 2 + cells - 1",
        "2D, prime",
        "atomics",
    ),
    "a tap in the wrong cell of a tile": (
        "at = at * SIDE + tap.place[axis]",
        "at = at * EDGE + tap.place[axis]",
        "2D, prime",
        "tiles",
    ),
    "no wrap of a tile": (
        "while (place[axis] >= size) place[axis] -= size;",
        "if (place[axis] >= size) place[axis] = size - 1;",
        "2D, prime",
        "tiles",
    ),
    "a sum that is not atomic": (
        "atomicAdd(&cell->part[part], y.part[part])",
        "{ const T old = cell->part[part]; std::this_thread::yield(); "
        "cell->part[part] = old + y.part[part]; }",
        "2D, together",
        "atomics",
    ),
    "a derivative without its direction": (
        "sum += direction[axis] * tap.weight(axis)",
        "sum += tap.weight(axis)",
        "2D, prime",
        "atomics",
    ),
    "the first derivative twice for the second": (
        "const int order = (axis == a) + (axis == c)",
        "const int order = (axis == a) || (axis == c)",
        "2D, prime",
        "atomics",
    ),
    "sums dealt to the wrong lane": (
        "if (upper) {\n            begin += HALF;",
        "if (!upper) {\n            begin += HALF;",
        "2D, prime",
        "atomics",
    ),
    "weights that nobody waits for": (
        "    __syncwarp();\n\n    for (Int c0 = 0;",
        "    for (Int c0 = 0;",
        "2D, prime",
        "atomics",
    ),
    "a batch that does not wait for the one before": (
        "        __syncthreads(); // the batch before has been used\n",
        "",
        "2D",
        "tiles",
    ),
    "the rest of a bin": (
        "(counts[bin] + CHUNK - 1) / CHUNK",
        "counts[bin] / CHUNK",
        "2D, together",
        "tiles",
    ),
    "a map that is not conjugated": (
        "CONJUGATE ? -s.part[1] : s.part[1]",
        "s.part[1]",
        "2D, prime",
        "atomics",
    ),
    "a block of coils from the first": (
        "const Int begin = b * maps_count > start ? b * maps_count - start : 0;",
        "const Int begin = 0;",
        "2D, prime",
        "atomics",
    ),
}


@needs_gxx
@pytest.mark.parametrize("planted", PLANTED)
def test_planted_errors_are_caught(planted, tmp_path, monkeypatch):
    right, wrong, name, spreading = PLANTED[planted]
    assert SOURCE.count(right) == 1
    setting, numbers = SETTINGS[name], {}
    run(setting, spreading, monkeypatch, numbers=numbers)
    library = build(SOURCE.replace(right, wrong), numbers, tmp_path)
    got = run(setting, spreading, monkeypatch, library=library, numbers=numbers)
    with pytest.raises(AssertionError):
        check(setting, got, exact_sums(setting))


def launches(call):
    """Return what is launched by a call with an engine and what is prepared for it."""
    setting = SETTINGS["2D"]
    k, dk, x, y, *_ = setting.arrays
    cuda = HostCuda()
    engine = engine_of(cuda, setting, "atomics")
    points, spectrum = engine.prepare(k), engine.fix(x, lasting=True)
    cuda.launched.clear()
    call(engine, points, spectrum, (k, dk, x, y))
    return cuda.launched


def test_a_step_takes_few_launches():
    def step(engine, _, spectrum, arrays):
        value, J = spectrum.linearize(engine.prepare(arrays[0]))
        J.adjoint(value)

    assert launches(step) == ["fold", "interpolate", "against"]
    assert launches(lambda e, p, _, a: e.forward(p, a[2])) == ["pad", "FFT", "interpolate"]
    assert launches(lambda e, p, _, a: e.adjoint(p, a[3])) == ["spread", "FFT", "crop"]
    assert launches(lambda _, p, s, a: s.vjp(p, a[3])) == ["contract"]
    assert launches(lambda e, p, _, a: e.coil_forward(p, CoilImages(a[2][:1], a[2]))) == [
        "pad_coils",
        "FFT",
        "interpolate",
    ]
    assert launches(lambda e, p, _, a: e.coil_adjoint(p, a[3], a[2])) == [
        "spread",
        "FFT",
        "crop_coils",
    ]


def test_points_are_sorted_once_for_a_grid():
    def two(engine, points, _, arrays):
        engine.spreading = "tiles"
        engine.adjoint(points, arrays[3])
        engine.derivative_adjoint(points, arrays[1], arrays[3])

    assert launches(two).count("scatter") == 1


def test_an_empty_batch():
    setting = SETTINGS["2D"]
    k, _, x, y, *_ = setting.arrays
    engine = engine_of(HostCuda(), setting)
    points = engine.prepare(k)
    assert engine.forward(points, x[:0]).shape == (0, len(k))
    assert engine.adjoint(points, y[:0]).shape == (0, *setting.shape)
    assert np.array_equal(engine.fix(x[:0]).vjp(points, y[:0]), np.zeros_like(k))


def test_tiles_are_taken_where_they_have_many_points():
    def spreads(shape, samples, coils):
        layout = layout_of(shape, 1e-4, True)
        edge, _ = grid.tile(layout.kernel.width, len(shape), 4, 2, coils)
        return grid.tiles_pay(layout, edge, samples, coils)

    assert not spreads((256, 256), 8192, 6)
    assert spreads((256, 256), 65536, 6)
    assert not spreads((256, 256), 100, 1)
    assert spreads((64, 64, 64), 2**20, 1)


def kernels_for_nvcc():
    """Name kernels of all kinds and types, narrow and wide, that fit a GPU most tightly."""
    names = ["scan", "scatter"]
    for real, size in (("float", 4), ("double", 8)):
        names += [f"pad<{real}>", f"crop<{real}>"]
        for ndim, width, coils in ((1, 16, 1), (2, 7, 6), (3, 12, 8)):
            kind, block = f"{real}, {ndim}, {width}, {width}", min(coils, 32 // size)
            share = grid.lanes(width**ndim, 2**16)
            names += [f"{name}<{real}, {ndim}>" for name in ("fold", "along", "against")]
            names += [f"outer_products<{real}, {ndim}>"]
            names += [f"interpolate<{kind}, 2, {share}, {block}, 1>"]
            names += [f"contract<{kind}, {share}, {block}, 2>"]
            names += [f"spread<{kind}, 2, {share}, 1>"]
            names += [f"count<{real}, {ndim}, {width}, 8>"]
            if (found := grid.tile(width, ndim, size, 2, coils)) is not None:
                edge, warps = found
                names += [f"spread_tiles<{kind}, 2, {edge}, {warps}, 1>"]
        names += [f"interpolate<{real}, 2, 4, 4, 1, 2, 1, 0>"]
    return names


def architectures():
    """Return the oldest and the newest from sm_70 to sm_90 that nvcc compiles for."""
    if nvcc is None:
        return []
    listed = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True)
    numbers = (int(line.removeprefix("compute_")) for line in listed.stdout.split())
    known = sorted(number for number in numbers if 70 <= number <= 90)
    return sorted({*known[:1], *known[-1:]})


@pytest.mark.skipif(nvcc is None, reason="no nvcc")
@pytest.mark.parametrize("architecture", architectures())
def test_nvcc_compiles_the_kernels(architecture, tmp_path):
    wanted = ", ".join(f"(void *)({name})" for name in kernels_for_nvcc())
    (tmp_path / "kernels.cu").write_text(f"{SOURCE}\nvoid *wanted[] = {{{wanted}}};\n")
    command = [nvcc, f"-arch=sm_{architecture}", "-cubin", "-Werror=all-warnings", *OPTIONS]
    command += ["-Xptxas=-warn-spills", "-o", "kernels.cubin", "kernels.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr
