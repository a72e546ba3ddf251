"""Coil maps of every other voxel: the spline, the passes and their compiled loops, the estimate."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri
from nufftlib.mri.coils.low_frequency import Centre, CoilEstimate, Near
from nufftlib.mri.coils.nodes import LEAST, Nodes, Spline, nodes_of
from nufftlib.mri.coils.passes import ArrayPasses, FusedPasses
from nufftlib.mri.coils.smooth import gaussian_smooth
from nufftlib.nufft.engines.grid.cpu import parallel

SIZES = [(7, 1), (36, 2), (37, 2), (38, 2), (39, 2)]


def noise(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def difference(f, h):
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def relative(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


def all_of(shape):
    return Nodes(tuple(Spline(size, 1) for size in shape))


# --- the spline -----------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("size", "step"), SIZES)
def test_a_spline_and_its_transpose(row, size, step, axis):
    rng = np.random.default_rng(size)
    spline = Spline(size, step)
    c, x = (np.moveaxis(rng.standard_normal((n, 2, 3)), 0, axis) for n in (spline.nodes, size))
    up, down = spline.up(row.xp, row.array(c), axis), spline.down(row.xp, row.array(x), axis)
    assert np.sum(row.numpy(up) * x) == pytest.approx(np.sum(c * row.numpy(down)), rel=1e-12)
    table = np.zeros((size, spline.nodes))
    for n in range(size):
        group, place = divmod(n + spline.skipped, step)
        start, taps = spline.start + group, spline.taps[place]
        table[n, start : start + len(taps)] += taps
    want = np.moveaxis(np.tensordot(table, c, axes=(1, axis)), 0, axis)
    np.testing.assert_allclose(row.numpy(up), want, atol=1e-13)
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-13)  # no node lies outside


@pytest.mark.parametrize("f", [0.0, 0.02, -0.05, 0.07, 0.1])
def test_a_wave_is_a_spline(f):
    """In the nodes exactly; between them the next wave that they know is mixed in."""
    spline = Spline(37, 2)
    i = np.arange(spline.nodes) - spline.nodes // 2
    n = np.arange(37) - 18
    unmixed, slope = spline.unmixed(np, np.asarray(2 * f))
    c = unmixed * np.exp(2j * np.pi * 2 * f * i)
    error = np.abs(spline.up(np, c, 0) - np.exp(2j * np.pi * f * n))
    assert np.max(error[n % 2 == 0]) < 1e-14
    bound = 2 * sum((abs(2 * f) / abs(1 + sign * 2 * f)) ** 6 for sign in (1, -1))
    assert np.max(error) < 1.01 * bound + 1e-14
    steps = difference(lambda h: spline.unmixed(np, np.asarray(2 * f + h))[0], 1e-4)
    assert slope == pytest.approx(steps, rel=1e-8, abs=1e-9)


def test_waves_of_all_axes_and_their_slopes():
    nodes = Nodes((Spline(37, 2), Spline(5, 1), Spline(40, 2)))
    rng = np.random.default_rng(3)
    k, dk = rng.uniform(-0.1, 0.1, (2, 6, 3))
    value, slopes = nodes.unmixed(np, k)
    axes = [axis.unmixed(np, k[:, a] * axis.step)[0] for a, axis in enumerate(nodes.axes)]
    np.testing.assert_allclose(value, np.prod(axes, axis=0), rtol=1e-14)
    steps = difference(lambda h: nodes.unmixed(np, k + h * dk)[0], 1e-4)
    np.testing.assert_allclose(np.sum(slopes * dk, axis=-1), steps, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("shape", [(36, 9), (101, 9), (36, 41)])
@pytest.mark.parametrize("sigma", [6.0, 20.0])
def test_smoothing_of_the_spline_is_that_of_all_voxels(shape, sigma):
    """Of numbers of any kind, and at the ends too."""
    x = np.random.default_rng(1).random((2, *shape))
    nodes = nodes_of(shape, 0.1, sigma)
    smooth = gaussian_smooth(np, nodes.down(np, x), sigma, nodes)
    want = gaussian_smooth(np, x, sigma, all_of(shape))
    assert np.max(np.abs(nodes.up(np, smooth) - want)) < 2e-6 * np.max(want)


def test_every_other_voxel_is_taken_where_it_carries_the_maps():
    steps = [axis.step for axis in nodes_of((LEAST, 99, LEAST), 0.1, 6.0).axes]
    assert steps == [2, 1, 2]  # the compiled loops know the first axis and the last
    for size, radius, sigma in ((LEAST - 1, 0.1, 20.0), (256, 0.11, 20.0), (256, 0.1, 5.9)):
        assert nodes_of((size, size), radius, sigma) == all_of((size, size))


# --- the passes -----------------------------------------------------------------------------


def passes_of(shape, steps, dtype="c16"):
    """Coils that hear nothing, voxels that no coil hears, coils of unlike size."""
    rng = np.random.default_rng(shape[0])
    nodes = Nodes(tuple(map(Spline, shape, steps)))
    s = noise(rng, 4, *nodes.shape).astype(dtype)
    s *= np.reshape([1.0, 1e-6, 1e6, 0.0], (4, *(1 for _ in shape))).astype(dtype)
    s[..., 2:9] = 0
    real = s.real.dtype
    g, a_bar = rng.random((2, *s.shape)).astype(real)
    bar = noise(rng, 4, *shape).astype(dtype)
    return nodes, s, g, a_bar, bar


SHAPES = [
    ((36,), (1,)),
    ((37,), (2,)),
    ((1100,), (2,)),
    ((7, 40), (1, 1)),
    ((36, 5), (2, 1)),
    ((37, 70), (2, 1)),
    ((5, 38), (1, 2)),
    ((38, 39), (2, 2)),
    ((33, 1050), (2, 2)),
    ((34, 3, 36), (2, 1, 2)),
    ((35, 3, 10), (2, 1, 1)),
]


@pytest.mark.parametrize(("shape", "steps"), SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("c16", 1e-12), ("c8", 2e-5)])
def test_compiled_loops_are_the_passes_written_out(shape, steps, dtype, tolerance):
    nodes, s, g, a_bar, bar = passes_of(shape, steps, dtype)
    want, got = (make(np, nodes, s) for make in (ArrayPasses, FusedPasses))
    for pass_of in (
        lambda p: p.magnitudes(),
        lambda p: p.maps(g),
        lambda p: p.magnitudes_bar(g, bar),
    ):
        assert pass_of(got).dtype == pass_of(want).dtype
        np.testing.assert_allclose(pass_of(got), pass_of(want), atol=tolerance)
    scale = np.reshape([1.0, 1e-6, 1e6, 1.0], (4, *(1 for _ in shape)))  # 1 / ds
    a, b = (p.images_bar(g, a_bar, bar) * scale for p in (got, want))
    np.testing.assert_allclose(a, b, atol=tolerance * np.max(np.abs(b)))
    assert np.all(np.isfinite(a))


@pytest.mark.parametrize("power", [-17, -19, -20, -21, -22, -23, -30])
def test_a_coil_whose_squares_underflow_disturbs_no_other(power):
    nodes, s, g, a_bar, bar = passes_of((36, 5), (2, 1), "c8")
    s[:3] = noise(np.random.default_rng(1), 3, *s.shape[1:])
    s[3] = 10.0**power * s[0]
    g[3] *= 10.0**power
    want, got = (make(np, nodes, s) for make in (ArrayPasses, FusedPasses))
    a, b = (p.images_bar(g, a_bar, bar) for p in (got, want))
    assert np.all(np.isfinite(a))
    np.testing.assert_allclose(a[:3], b[:3], rtol=0, atol=2e-5 * np.max(np.abs(b[:3])))
    np.testing.assert_allclose(got.maps(g), want.maps(g), atol=2e-5)


@pytest.mark.parametrize("scale", [1e-37, 3e37])
def test_no_scale_of_the_images_changes_their_maps(scale):
    nodes, s, g, _, bar = passes_of((36, 40), (2, 2), "c8")
    s = noise(np.random.default_rng(1), *s.shape).astype("c8")
    s /= np.max(np.abs(s))
    want, got = (FusedPasses(np, nodes, x) for x in (s, np.float32(scale) * s))
    np.testing.assert_allclose(got.maps(g), want.maps(g), atol=2e-5)
    a, b = (p.magnitudes_bar(g, bar) for p in (got, want))
    np.testing.assert_allclose(a, b, atol=2e-5 * np.max(np.abs(b)))


@pytest.mark.parametrize(("shape", "steps"), [((37, 400), (2, 1)), ((100, 41), (2, 2))])
def test_compiled_loops_do_not_depend_on_the_number_of_threads(shape, steps, monkeypatch):
    nodes, s, g, a_bar, bar = passes_of(shape, steps, "c8")

    def run(threads):
        monkeypatch.setattr(parallel, "threads", lambda: threads)
        p = FusedPasses(np, nodes, s)
        return p.magnitudes(), p.maps(g), p.magnitudes_bar(g, bar), p.images_bar(g, a_bar, bar)

    want = run(1)
    for threads in (2, 3, 7):
        for a, b in zip(run(threads), want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_passes_take_arrays_of_other_libraries_on_the_host(host_row):
    nodes, s, g, a_bar, bar = passes_of((36, 5), (2, 1))
    want = FusedPasses(np, nodes, s).images_bar(g, a_bar, bar)
    given = (host_row.array(x, str(x.dtype)) for x in (s, g, a_bar, bar))
    got = FusedPasses(host_row.xp, nodes, next(given)).images_bar(*given)
    assert host_row.owns(got, "complex128")
    # Read-only arrays have compiled loops of their own, which may fuse other products.
    tolerance = 1e-14 * np.max(np.abs(want))
    np.testing.assert_allclose(host_row.numpy(got), want, rtol=0, atol=tolerance)


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


@pytest.mark.parametrize("shape", [(48,), (40, 23), (33, 34), (34, 7, 9), (33, 3, 32)])
@pytest.mark.parametrize("engine", ["direct", "grid"])
def test_derivatives_of_maps_of_every_other_voxel(shape, engine):
    rng = np.random.default_rng(len(shape))
    F, y, w = scan(rng, shape, shots=3)
    F = nl.NUFFT(F.trajectory, shape, eps=1e-12, engine=engine)
    settings = {"radius": 0.1, "smoothing": 6.0}
    found = CoilEstimate(Centre(F, **settings), y, w)
    assert found.centre.nodes.axes[0].step == 2
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
def test_maps_of_every_other_voxel_are_those_of_all(shape, monkeypatch):
    F, y, w = scan(np.random.default_rng(9), shape)
    got = mri.low_frequency_maps(F, y, w)
    monkeypatch.setattr("nufftlib.mri.coils.low_frequency.nodes_of", lambda n, *_: all_of(n))
    want = mri.low_frequency_maps(F, y, w)
    # A phase turns fast where a coil hears little: there the images differ as much as elsewhere.
    assert relative(got, want) < 2e-4
    assert np.median(np.abs(got - want)) < 5e-6
