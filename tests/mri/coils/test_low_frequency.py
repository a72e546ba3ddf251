"""Coil maps of every other row: the spline, the passes and their compiled loops, the estimate."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri
from nufftlib.mri.coils.low_frequency import Centre, CoilEstimate, Near
from nufftlib.mri.coils.passes import ArrayPasses, FusedPasses
from nufftlib.mri.coils.rows import LEAST, Rows, rows_of
from nufftlib.mri.coils.smooth import gaussian_smooth
from nufftlib.nufft.engines.grid.cpu import parallel

SIZES = [(7, 1), (36, 2), (37, 2), (38, 2), (39, 2)]


def noise(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def difference(f, h):
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def relative(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


# --- the spline -----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "step"), SIZES)
def test_rows_and_their_transpose(row, size, step):
    rng = np.random.default_rng(size)
    rows = Rows(size, step)
    c, x = rng.standard_normal((2, rows.nodes, 3)), rng.standard_normal((2, size, 3))
    up, down = rows.up(row.xp, row.array(c)), rows.down(row.xp, row.array(x))
    assert np.sum(row.numpy(up) * x) == pytest.approx(np.sum(c * row.numpy(down)), rel=1e-12)
    table = np.zeros((size, rows.nodes))
    for n, (start, weights) in enumerate(zip(rows.starts, rows.weights, strict=True)):
        table[n, start : start + len(weights)] += weights
    np.testing.assert_allclose(row.numpy(up), np.einsum("ni,cir->cnr", table, c), atol=1e-13)
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-13)  # no node lies outside


@pytest.mark.parametrize("f", [0.0, 0.02, -0.05, 0.07, 0.1])
def test_a_wave_of_the_rows_is_a_spline(f):
    """In the nodes exactly; between them the next wave that they know is mixed in."""
    rows = Rows(37, 2)
    i = np.arange(rows.nodes) - rows.nodes // 2
    n = np.arange(37) - 18
    unmixed, slope = rows.unmixed(np, np.asarray(2 * f))
    c = unmixed * np.exp(2j * np.pi * 2 * f * i)
    error = np.abs(rows.up(np, c[None, :, None])[0, :, 0] - np.exp(2j * np.pi * f * n))
    assert np.max(error[n % 2 == 0]) < 1e-14
    bound = 2 * sum((abs(2 * f) / abs(1 + sign * 2 * f)) ** 6 for sign in (1, -1))
    assert np.max(error) < 1.01 * bound + 1e-14
    steps = difference(lambda h: rows.unmixed(np, np.asarray(2 * f + h))[0], 1e-4)
    assert slope == pytest.approx(steps, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("size", [36, 101])
@pytest.mark.parametrize("sigma", [6.0, 20.0])
def test_smoothing_of_the_spline_is_that_of_all_rows(size, sigma):
    """Of numbers of any kind, and at the ends too."""
    x = np.random.default_rng(1).random((2, size, 9))
    rows = Rows(size, 2)
    nodes = gaussian_smooth(np, rows.down(np, x), sigma, rows)
    want = gaussian_smooth(np, x, sigma, Rows(size, 1))
    assert np.max(np.abs(rows.up(np, nodes) - want)) < 2e-6 * np.max(want)


def test_every_other_row_is_taken_where_it_carries_the_maps():
    assert rows_of(LEAST, 0.1, 6.0).step == 2
    for size, radius, sigma in ((LEAST - 1, 0.1, 20.0), (256, 0.11, 20.0), (256, 0.1, 5.9)):
        assert rows_of(size, radius, sigma) == Rows(size, 1)


# --- the passes -----------------------------------------------------------------------------


def passes_of(rest, size, step, dtype="c16"):
    """Coils that hear nothing, voxels that no coil hears, coils of unlike size."""
    rng = np.random.default_rng(size)
    rows = Rows(size, step)
    s = noise(rng, 4, rows.nodes, *rest).astype(dtype)
    s *= np.reshape([1.0, 1e-6, 1e6, 0.0], (4, 1, *(1 for _ in rest))).astype(dtype)
    if rest:
        s[..., 2] = 0
    real = s.real.dtype
    g, a_bar = rng.random((2, *s.shape)).astype(real)
    bar = noise(rng, 4, size, *rest).astype(dtype)
    return rows, s, g, a_bar, bar


@pytest.mark.parametrize("rest", [(), (5,), (70,), (3, 45)])
@pytest.mark.parametrize(("size", "step"), SIZES[:3])
@pytest.mark.parametrize(("dtype", "tolerance"), [("c16", 1e-12), ("c8", 2e-5)])
def test_compiled_loops_are_the_passes_written_out(rest, size, step, dtype, tolerance):
    rows, s, g, a_bar, bar = passes_of(rest, size, step, dtype)
    want, got = (make(np, rows, s) for make in (ArrayPasses, FusedPasses))
    for pass_of in (
        lambda p: p.magnitudes(),
        lambda p: p.maps(g),
        lambda p: p.magnitudes_bar(g, bar),
    ):
        assert pass_of(got).dtype == pass_of(want).dtype
        np.testing.assert_allclose(pass_of(got), pass_of(want), atol=tolerance)
    scale = np.reshape([1.0, 1e-6, 1e6, 1.0], (4, *(1 for _ in s.shape[1:])))  # 1 / ds
    a, b = (p.images_bar(g, a_bar, bar) * scale for p in (got, want))
    np.testing.assert_allclose(a, b, atol=tolerance * np.max(np.abs(b)))
    assert np.all(np.isfinite(a))


@pytest.mark.parametrize("power", [-17, -19, -20, -21, -22, -23, -30])
def test_a_coil_whose_squares_underflow_disturbs_no_other(power):
    rows, s, g, a_bar, bar = passes_of((5,), 36, 2, "c8")
    s[:3] = noise(np.random.default_rng(1), 3, *s.shape[1:])
    s[3] = 10.0**power * s[0]
    g[3] *= 10.0**power
    want, got = (make(np, rows, s) for make in (ArrayPasses, FusedPasses))
    a, b = (p.images_bar(g, a_bar, bar) for p in (got, want))
    assert np.all(np.isfinite(a))
    np.testing.assert_allclose(a[:3], b[:3], rtol=0, atol=2e-5 * np.max(np.abs(b[:3])))
    np.testing.assert_allclose(got.maps(g), want.maps(g), atol=2e-5)


def test_compiled_loops_do_not_depend_on_the_number_of_threads(monkeypatch):
    rows, s, g, a_bar, bar = passes_of((400,), 37, 2, "c8")
    monkeypatch.setattr(parallel, "LITTLE", 1)

    def run(threads):
        monkeypatch.setattr(parallel, "threads", lambda: threads)
        p = FusedPasses(np, rows, s)
        return p.magnitudes(), p.maps(g), p.magnitudes_bar(g, bar), p.images_bar(g, a_bar, bar)

    want = run(1)
    for threads in (2, 3, 7):
        for a, b in zip(run(threads), want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_passes_take_arrays_of_other_libraries_on_the_host(host_row):
    rows, s, g, a_bar, bar = passes_of((5,), 36, 2)
    want = FusedPasses(np, rows, s).images_bar(g, a_bar, bar)
    given = (host_row.array(x, str(x.dtype)) for x in (s, g, a_bar, bar))
    got = FusedPasses(host_row.xp, rows, next(given)).images_bar(*given)
    assert host_row.owns(got, "complex128")
    np.testing.assert_array_equal(host_row.numpy(got), want)


# --- the samples near the centre ------------------------------------------------------------


def test_samples_near_the_centre_and_their_transpose(row):
    rng = np.random.default_rng(5)
    kept = rng.random((3, 4)) < 0.5
    near = Near(row.xp, row.array(kept, "bool"))
    cases = [(0, (3, 4), (12,)), (1, (2, 3, 4), (2, 12)), (0, (3, 4, 2), (12, 2))]
    for axis, shape, short in cases:
        x = rng.standard_normal(shape)
        flat = np.compress(kept.ravel(), x.reshape(short), axis=axis)
        np.testing.assert_array_equal(row.numpy(near.take(row.array(x), axis=axis)), flat)
        mask = kept.reshape(*(1 for _ in range(axis)), 3, 4, *(1 for _ in shape[axis + 2 :]))
        back = row.numpy(near.put(row.array(flat), axis=axis))
        np.testing.assert_array_equal(back, np.where(mask, x, 0))


# --- the estimate ---------------------------------------------------------------------------


def scan(rng, shape, shots=12):
    """A smooth image seen by smooth coils."""
    k = mri.trajectories.radial(shots, 2 * max(shape[:2]), dtype=np.float64)
    if len(shape) == 3:
        k = np.concatenate([k, rng.uniform(-0.1, 0.1, (*k.shape[:-1], 1))], axis=-1)
    if len(shape) == 1:
        k = k[..., :1]
    k = k + rng.uniform(-0.004, 0.004, k.shape)
    F = nl.NUFFT(k, shape, eps=1e-10)
    y = noise(rng, 3, *k.shape[:-1]) / (1 + (40 * np.linalg.norm(k, axis=-1)) ** 2)
    return F, y, rng.uniform(0.5, 1.5, k.shape[:-1])


@pytest.mark.parametrize("shape", [(48,), (40, 23), (33, 34), (34, 7, 9)])
@pytest.mark.parametrize("engine", ["direct", "grid"])
def test_derivatives_of_maps_of_every_other_row(shape, engine):
    rng = np.random.default_rng(len(shape))
    F, y, w = scan(rng, shape, shots=3)
    F = nl.NUFFT(F.trajectory, shape, eps=1e-12, engine=engine)
    settings = {"radius": 0.1, "smoothing": 6.0}
    found = CoilEstimate(Centre(F, **settings), y, w)
    assert found.centre.rows.step == 2
    v = noise(rng, 3, *shape)
    back = found.cotangents(v)
    steps = rng.standard_normal(F.trajectory.shape), noise(rng, *y.shape), rng.random(w.shape)
    for i, step in enumerate(steps):

        def maps(h, i=i, step=step):
            moved = [a + h * step if i == j else a for j, a in enumerate((F.trajectory, y, w))]
            return mri.low_frequency_maps(F.replace(trajectory=moved[0]), *moved[1:], **settings)

        forward = found.tangent(*(step if i == j else None for j in range(3)))
        assert relative(forward, difference(maps, 1e-6)) < 1e-6
        assert nl.inner(back[i], step) == pytest.approx(nl.inner(v, forward), rel=1e-9)


@pytest.mark.parametrize("shape", [(64, 48), (65, 33), (40, 12, 10)])
def test_maps_of_every_other_row_are_those_of_all(shape, monkeypatch):
    F, y, w = scan(np.random.default_rng(9), shape)
    got = mri.low_frequency_maps(F, y, w)
    monkeypatch.setattr("nufftlib.mri.coils.low_frequency.rows_of", lambda n, *_: Rows(n, 1))
    want = mri.low_frequency_maps(F, y, w)
    # A phase turns fast where a coil hears little: there the images differ as much as elsewhere.
    assert relative(got, want) < 2e-4
    assert np.median(np.abs(got - want)) < 5e-6
