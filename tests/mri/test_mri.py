"""Trajectories, density weights and coil maps, by their defining properties."""

import re

import array_api_compat as compat
import numpy as np
import pytest

import nufftlib as nl
from nufftlib import data, mri, workflows
from nufftlib.mri.coils.nodes import Nodes, Spline
from nufftlib.mri.coils.normalize import normalize_coils
from nufftlib.mri.coils.smooth import gaussian_smooth
from nufftlib.mri.learn.reconstructions import AdjointReconstruction

rng = np.random.default_rng(6)


def test_radial_trajectory_on_every_row(row):
    k = mri.trajectories.radial(32, 256, xp=row.xp, dtype=row.xp.float64, device=row.device)
    assert row.owns(k, "float64")
    k = row.numpy(k)
    radius = np.linalg.norm(k, axis=-1)
    np.testing.assert_allclose(radius, np.tile(0.5 * np.linspace(0, 1, 256), (32, 1)), atol=1e-15)
    np.testing.assert_array_equal(k[0, :, 1], 0)  # spoke 0 lies along axis 0
    turn = np.exp(2j * np.pi / 32)
    spokes = k[..., 0] + 1j * k[..., 1]
    np.testing.assert_allclose(spokes[1:], spokes[:-1] * turn, atol=1e-14)
    assert mri.trajectories.radial(2, 2).dtype == np.float32


def test_unit_converters(row):
    k = row.array([[np.pi, -np.pi / 2]])
    np.testing.assert_allclose(row.numpy(mri.from_radians(k)), [[0.5, -0.25]])
    k = row.array([[64.0, 32.0]])
    converted = mri.from_cycles_per_fov(k, (256, 128))
    assert row.owns(converted, "float64")
    np.testing.assert_allclose(row.numpy(converted), [[0.25, 0.25]])


def test_birdcage_maps(row):
    s = mri.birdcage_maps(6, (32, 48), xp=row.xp, dtype=row.xp.complex128, device=row.device)
    assert row.owns(s, "complex128")
    s = row.numpy(s)
    np.testing.assert_allclose(np.sum(np.abs(s) ** 2, axis=0), 1, atol=1e-14)
    centre = s[:, 16, 24]
    np.testing.assert_allclose(np.abs(centre), 1 / np.sqrt(6), atol=1e-14)
    np.testing.assert_allclose(centre, centre[0], atol=1e-14)  # in phase at the centre
    brightest = [np.unravel_index(np.argmax(abs(c)), c.shape) for c in s]
    assert brightest[0][1] == 47  # coil 0 sits at the end of axis 1
    assert brightest[3][1] == 0


def test_all_coils_are_alike_at_the_centre_of_an_odd_image():
    centre = mri.birdcage_maps(4, (5, 7), dtype=np.complex128)[:, 2, 3]
    np.testing.assert_allclose(np.abs(centre), 0.5, atol=1e-14)
    np.testing.assert_allclose(centre, centre[0], atol=1e-14)


def test_birdcage_maps_at_an_angle():
    for shape in ((15, 16), (14, 15, 16)):
        s, turned = (
            mri.birdcage_maps(5, shape, rings=1, angle=angle, dtype=np.complex128)
            for angle in (0.3, 0.3 + 2 * np.pi / 5)
        )
        np.testing.assert_allclose(turned[:-1], s[1:], atol=1e-12)
        np.testing.assert_allclose(turned[-1], s[0], atol=1e-12)
    # The first coil, at 90 degrees, is nearest to the last row.
    first = abs(mri.birdcage_maps(3, (15, 15), angle=np.pi / 2)[0])
    assert np.unravel_index(first.argmax(), first.shape)[0] == 14


def test_birdcage_maps_written_out():
    """The field of a wire with magnitude and angle, as it is usually programmed."""
    coils, (height, width), r = 5, (6, 8), 1.5
    s = mri.birdcage_maps(coils, (height, width), radius=r, dtype=np.complex128)
    want = np.empty((coils, height, width), complex)
    for c in range(coils):
        phi = 2 * np.pi * c / coils
        for i in range(height):
            for j in range(width):
                dy = (i - height / 2) / (height / 2) - r * np.sin(phi)
                dx = (j - width / 2) / (width / 2) - r * np.cos(phi)
                want[c, i, j] = np.exp(1j * (np.arctan2(dx, -dy) - phi)) / np.hypot(dx, dy)
    want /= np.linalg.norm(want, axis=0)
    np.testing.assert_allclose(s, want, atol=1e-14)


@pytest.mark.parametrize("radius", [1e-300, 1e-3, 0.25, 0.5, 1.0, 1e9, 1e200, 1.7e308])
@pytest.mark.parametrize("shape", [(8, 8), (5, 8), (1, 1)])
def test_birdcage_maps_are_maps_at_any_radius(radius, shape):
    """Also where a coil is on a pixel: there it alone is seen, with a magnitude of one."""
    s = mri.birdcage_maps(4, shape, radius=radius, dtype=np.complex128)
    np.testing.assert_allclose(np.sum(np.abs(s) ** 2, axis=0), 1, atol=1e-14)
    if shape == (8, 8) and radius in (0.25, 0.5):
        np.testing.assert_allclose(np.abs(s[:, 4, 4 + int(4 * radius)]), [1, 0, 0, 0], atol=1e-14)


def test_birdcage_maps_of_a_volume_are_the_law_of_biot_and_savart():
    """Integrated along the wires: current along z, field across it."""
    coils, (height, width, depth), r, rings = 5, (6, 8, 7), 1.4, 3
    s = mri.birdcage_maps(coils, (height, width, depth), radius=r, rings=rings, dtype=np.complex128)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    grid = [(np.arange(n) - n // 2) / (n / 2) for n in (height, width, depth)]
    y, x, z = np.meshgrid(*grid, indexing="ij")
    want = []
    for c in range(coils):
        phi = 2 * np.pi * c / coils
        dx, dy = x - r * np.cos(phi), y - r * np.sin(phi)
        wire = -1 + (2 * (c % rings) + 1 + nodes) / rings
        cubes = (dx**2 + dy**2)[..., None] + (z[..., None] - wire) ** 2
        along = np.sum(weights / cubes**1.5, axis=-1)
        want.append((-dy + 1j * dx) * along * np.exp(-1j * phi))
    want /= np.linalg.norm(want, axis=0)
    np.testing.assert_allclose(s, want, atol=1e-12)


def test_birdcage_maps_of_a_volume(row):
    where = {"xp": row.xp, "device": row.device}
    s = mri.birdcage_maps(6, (16, 18, 20), dtype=row.xp.complex128, **where)
    assert row.owns(s, "complex128")
    s = row.numpy(s)
    np.testing.assert_allclose(np.sum(np.abs(s) ** 2, axis=0), 1, atol=1e-14)
    centre = s[:, 8, 9, 10]
    np.testing.assert_allclose(centre, centre[0], atol=1e-14)  # in phase, and alike
    # The coils of the two rings see the two halves of the bore.
    lower = np.sum(np.abs(s[::2]) ** 2, axis=0)
    assert lower[8, 9, 0] > 0.7
    assert lower[8, 9, -1] < 0.3
    assert (np.diff(lower[8, 9]) < 0).all()
    assert np.abs(np.diff(s, axis=-1)).max() < 0.2  # smooth
    assert mri.birdcage_maps(2, (3, 4, 5)).dtype == np.complex64


def test_in_a_long_ring_a_volume_is_seen_as_an_image():
    """At the middle, where a wire's ends are far beside the distance from it."""
    volume = mri.birdcage_maps(5, (8, 8, 2), radius=1.05, rings=1, dtype=np.complex128)
    image = mri.birdcage_maps(5, (8, 8), radius=1.05, dtype=np.complex128)
    np.testing.assert_allclose(np.angle(volume[..., 1]), np.angle(image), atol=1e-12)
    np.testing.assert_allclose(abs(volume[..., 1]), abs(image), atol=0.1)


@pytest.mark.parametrize("radius", [1e-300, 1e-3, 0.25, 0.5, 1.0, 1e9, 1e200, 1.7e308])
@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 8, 6), (1, 1, 1)])
@pytest.mark.parametrize(("coils", "rings"), [(4, 2), (1, 3), (5, 1)])
def test_maps_of_a_volume_are_maps_at_any_radius(radius, shape, coils, rings):
    s = mri.birdcage_maps(coils, shape, radius=radius, rings=rings, dtype=np.complex128)
    np.testing.assert_allclose(np.sum(np.abs(s) ** 2, axis=0), 1, atol=1e-13)
    if shape == (8, 8, 8) and radius in (0.25, 0.5) and coils == 4:
        # On the wire of coil 0, of the lower ring; above it coils of its ring see nothing of it.
        at = s[:, 4, 4 + int(4 * radius)]
        np.testing.assert_allclose(np.abs(at[:, :5]).T, [[1, 0, 0, 0]] * 5, atol=1e-14)
        np.testing.assert_array_equal(at[0, 5:], 0)


# --- density ------------------------------------------------------------------------------


def radial_operator(engine="auto", norm=None, shots=48, samples=33, shape=(32, 32)):
    k = mri.trajectories.radial(shots, samples, dtype=np.float64)
    return nl.NUFFT(k, shape, engine=engine, norm=norm, eps=1e-9)


def spread_interpolate(F, w, width, grid=None):
    """``C w`` on a grid, by default of the image's size."""
    k = F.trajectory.reshape(-1, F.trajectory.shape[-1])
    return F.transform.engine.gridding(k, grid or F.shape, width).apply(w)


def typical(F):
    """``1 / (1 + |N k|^2)``, the spectrum of a usual picture, at the points."""
    k = F.trajectory - np.round(F.trajectory)
    return 1 / (1 + np.sum((k * F.shape) ** 2, axis=-1))


@pytest.mark.parametrize("engine", ["direct", "finufft", "grid"])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_weights_give_the_normal_operator_the_scale_of_the_image(engine, norm):
    F = radial_operator(engine, norm)
    w = mri.pipe_menon(F)
    assert w.shape == (48, 33)
    assert w.min() > 0
    x = F.H(w * typical(F) + 0j)
    assert nl.inner(x, F.H(w * F(x))) == pytest.approx(nl.inner(x, x), rel=1e-8)
    ones = np.ones(F.shape, complex)
    assert np.mean(np.abs(F.H(w * F(ones)))) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("engine", ["direct", "finufft", "grid"])
@pytest.mark.parametrize("kept", ["all", "no centre", "no row", "no low", "one", "on by 1/2"])
def test_weights_of_cartesian_points_have_the_scale_of_the_image(kept, engine, precision):
    """One over the number of voxels; points beside a gap stand for a part of it as well."""
    n = (np.arange(24) - 12) / 24
    k = np.stack(np.meshgrid(n, n, indexing="ij"), axis=-1).reshape(-1, 2)
    far = np.abs(k)
    k = {
        "all": k,
        "no centre": k[far.sum(axis=1) > 0],
        "no row": k[far[:, 0] > 0],
        "no low": k[far.max(axis=1) > 0.2],
        "one": k[:1],
        "on by 1/2": k + 0.5,
    }[kept]
    F = nl.NUFFT(k.astype(precision), (24, 24), engine=engine, eps=1e-5)
    w = mri.pipe_menon(F) * 24**2
    assert np.median(w) == pytest.approx(1.0, rel=1e-3 if kept in ("all", "one") else 0.08)
    assert w.max() < 1.2


def test_weights_are_periodic():
    F = nl.NUFFT(np.random.default_rng(4).uniform(-0.5, 0.5, (60, 2)), (15, 16), engine="direct")
    moved = F.replace(trajectory=F.trajectory + np.asarray([1.0, -2.0]))
    np.testing.assert_allclose(mri.pipe_menon(moved), mri.pipe_menon(F), rtol=1e-9)


@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_weights_written_out(iterations):
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (30, 2)), (15, 16), engine="direct")
    w = np.ones(30)
    for _ in range(iterations):
        w = w / np.abs(spread_interpolate(F, w, 5))
    x = F.H(w * typical(F) + 0j)
    w = w * nl.inner(x, x) / np.sum(w * np.abs(F(x)) ** 2)
    got = mri.pipe_menon(F, width=5, grid=F.shape, iterations=iterations)
    np.testing.assert_allclose(got, w, rtol=1e-12)


@pytest.mark.parametrize(("engine", "iterations"), [("direct", 60), ("finufft", 300)])
def test_weights_are_a_fixed_point(engine, iterations):
    """w = w / |C w| where |C w| = 1, up to one common scale."""
    F = radial_operator(engine)
    w = mri.pipe_menon(F, width=7, grid=F.shape, iterations=iterations)
    Cw = spread_interpolate(F, w.reshape(-1), 7)
    C1 = spread_interpolate(F, np.ones(48 * 33), 7)
    assert np.std(Cw) / np.mean(Cw) < 0.02 < 0.5 < np.std(C1) / np.mean(C1)


def test_weights_follow_the_radius_of_a_radial_trajectory():
    w = mri.pipe_menon(radial_operator(shots=200, samples=65, shape=(64, 64)))
    inner, outer = w[:, 20].mean(), w[:, 40].mean()
    assert outer / inner == pytest.approx(2.0, rel=0.15)


N = 64
TURN = 2 * np.pi * np.arange(400) / 400
ARM = 0.5 * np.linspace(0, 1, 8 * N)[:, None]


def unit(angle):
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


@pytest.mark.parametrize("engine", ["grid", "finufft"])
@pytest.mark.parametrize(
    ("k", "bound"),
    [
        pytest.param(0.5 * np.linspace(0, 1, N)[:, None, None] * unit(TURN[::2]), 0.03, id="out"),
        pytest.param(
            np.linspace(-0.5, 0.5, 128)[:, None, None] * unit(TURN[:200:2]), 0.03, id="radial"
        ),
        pytest.param(
            ARM * unit(4 * np.pi * np.linspace(0, 1, 8 * N) + TURN[::25, None]), 0.05, id="spiral"
        ),
        pytest.param(np.random.default_rng(0).uniform(-0.5, 0.5, (8192, 2)), 0.3, id="random"),
        pytest.param(
            np.clip(np.random.default_rng(0).normal(0, 0.15, (8192, 2)), -0.5, 0.49),
            0.1,
            id="crowded",
        ),
    ],
)
def test_the_adjoint_with_default_weights_is_near_the_image(k, bound, engine):
    """By the error of the brain after the best scaling.

    Measured: 0.021, 0.020, 0.033, 0.287 and 0.066; with a kernel 7 wide on the image's grid, after
    10 iterations, 0.43, 0.32, 0.33, 0.35 and 0.26.
    """
    x = data.brain().astype(float).reshape(N, 256 // N, N, -1).mean(axis=(1, 3))
    F = nl.NUFFT(k, (N, N), engine=engine, eps=1e-6)
    y = F(x.astype(complex))

    def error(w):
        a = F.H(w * y)
        return np.linalg.norm(np.vdot(a, x) / np.vdot(a, a) * a - x) / np.linalg.norm(x)

    assert error(mri.pipe_menon(F)) < bound


@pytest.mark.parametrize("shape", [(1,), (3, 40), (2, 9, 5)])
def test_default_weights_of_an_image_narrower_than_the_kernel(shape):
    k = np.random.default_rng(3).uniform(-0.5, 0.5, (50, len(shape)))
    weights = [mri.pipe_menon(nl.NUFFT(k, shape, engine=e)) for e in ("grid", "direct")]
    assert weights[0].min() > 0
    np.testing.assert_allclose(*weights, rtol=1e-5)


def test_job_1_keeps_the_density_of_the_published_example():
    image = np.random.default_rng(2).random((20, 24))
    s = mri.birdcage_maps(3, image.shape, dtype=np.complex128)
    F = nl.NUFFT(mri.trajectories.radial(6, 20, dtype=np.float64), image.shape)
    seen = []

    class Seen(AdjointReconstruction):
        def linearize(self, F, y, d, S):
            seen.append(d)
            return super().linearize(F, y, d, S)

    workflows.TrajectoryObjective(image, s, F, reconstruction=Seen())(F.trajectory)
    want = mri.pipe_menon(F, width=7, grid=(20, 24), iterations=10)
    np.testing.assert_allclose(seen[0], want, rtol=1e-12)
    assert not np.allclose(seen[0], mri.pipe_menon(F), rtol=0.1)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_spread_and_interpolate_agree_between_engines(dimensions):
    k = rng.uniform(-0.5, 0.5, (40, dimensions))
    shape = (16, 15, 14)[:dimensions]
    w = rng.uniform(0.5, 1.5, 40)
    results = []
    for engine in ("direct", "finufft"):
        F = nl.NUFFT(k, shape, engine=engine)
        results.append(spread_interpolate(F, w, 7))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


@pytest.mark.parametrize("width", [2, 5, 7, 9])
def test_the_kernel_has_the_width_it_should(width):
    """A point reaches another one exactly if they share a cell of the grid."""
    for engine in ("direct", "finufft"):
        for gap, reached in ((width - 1.2, True), (width + 1.2, False)):
            F = nl.NUFFT(np.asarray([[0.01], [0.01 + gap / 64]]), (64,), engine=engine)
            Cw = spread_interpolate(F, np.asarray([1.0, 0.0]), width)
            assert (Cw[1] / Cw[0] > 1e-14) == reached, (engine, gap)


def test_another_grid_is_the_same_as_another_resolution():
    k = mri.trajectories.radial(16, 20, dtype=np.float64)
    a = mri.pipe_menon(nl.NUFFT(k, (32, 32)), grid=(64, 64))
    b = mri.pipe_menon(nl.NUFFT(k, (64, 64)), grid=(64, 64))
    np.testing.assert_allclose(a / a.sum(), b / b.sum(), rtol=1e-6)


def test_density_on_every_row(host_row):
    k = mri.trajectories.radial(8, 9, dtype=np.float64)
    for engine in ("direct", "auto"):
        F = nl.NUFFT(host_row.array(k), (16, 16), engine=engine, eps=1e-9)
        w = mri.pipe_menon(F)
        assert host_row.owns(w, "float64")
        want = mri.pipe_menon(nl.NUFFT(k, (16, 16), engine=engine, eps=1e-9))
        np.testing.assert_allclose(host_row.numpy(w), want, rtol=1e-8)


def test_direct_density_and_maps_on_every_row(row):
    k = mri.trajectories.radial(8, 9, dtype=np.float64)
    s = mri.birdcage_maps(3, (16, 16), dtype=np.complex128)

    def maps(make):
        F = nl.NUFFT(make(k, "float64"), (16, 16), engine="direct")
        w = mri.pipe_menon(F)
        return mri.low_frequency_maps(F, F(make(s, "complex128")), w, smoothing=3.0)

    got = maps(row.array)
    assert row.owns(got, "complex128")
    np.testing.assert_allclose(row.numpy(got), maps(np.asarray), rtol=1e-8, atol=1e-10)


# --- coil maps from data ------------------------------------------------------------------


def test_low_frequency_maps_find_smooth_maps():
    shape = (48, 48)
    image = np.hypot(*np.meshgrid(*[np.arange(48) - 24] * 2, indexing="ij")) < 20
    s = mri.birdcage_maps(4, shape, radius=2.5, dtype=np.complex128)
    F = radial_operator(shots=80, samples=49, shape=shape)
    w = mri.pipe_menon(F)
    found = mri.low_frequency_maps(F, F(s * image), w, radius=0.15, smoothing=3.0)
    np.testing.assert_allclose(np.sum(np.abs(found) ** 2, axis=0)[image], 1, rtol=1e-9)
    inside = np.hypot(*np.meshgrid(*[np.arange(48) - 24] * 2, indexing="ij")) < 14
    # A common phase per voxel belongs to the image, not to the maps.
    overlap = np.abs(np.sum(np.conj(s) * found, axis=0))[inside]
    assert overlap.min() > 0.98


def small_scan():
    """Uneven weights and data, odd sizes, coils of different brightness."""
    k = rng.uniform(-0.4, 0.4, (40, 2))
    data = rng.standard_normal((3, 40)) + 1j * rng.standard_normal((3, 40))
    data *= np.asarray([1.0, 0.3, 3.0])[:, None]
    return nl.NUFFT(k, (9, 12), engine="direct"), data, rng.uniform(0.1, 2.0, 40)


def test_low_frequency_maps_written_out():
    F, data, weights = small_scan()
    k, sigma = F.trajectory, 1.7
    n = np.stack(np.meshgrid(np.arange(9) - 4, np.arange(12) - 6, indexing="ij"), axis=-1)
    r = np.hypot(k[:, 0], k[:, 1])
    window = np.where(r < 0.25, 0.5 + 0.5 * np.cos(np.pi * r / 0.25), 0)
    phases = np.exp(2j * np.pi * n @ k.T)
    s = np.moveaxis(phases @ (data * weights * window).T, -1, 0)
    s = s / np.sqrt(np.sum(np.abs(s) ** 2, axis=0))
    smooth = np.abs(s)
    for axis, size in ((1, 9), (2, 12)):
        G = np.asarray(
            [[np.exp(-((i - j) ** 2) / (2 * sigma**2)) for j in range(size)] for i in range(size)]
        )
        G = G / G.sum(axis=1, keepdims=True)
        smooth = np.moveaxis(np.tensordot(G, smooth, axes=(1, axis)), 0, axis)
    want = smooth * np.exp(1j * np.angle(s))
    want = want / np.sqrt(np.sum(np.abs(want) ** 2, axis=0))
    got = mri.low_frequency_maps(F, data, weights, radius=0.25, smoothing=sigma)
    np.testing.assert_allclose(got, want, atol=1e-9)


def test_low_frequency_maps_are_periodic_and_keep_the_precision():
    F, data, weights = small_scan()
    want = mri.low_frequency_maps(F, data, weights, radius=0.25)
    moved = F.replace(trajectory=F.trajectory + np.asarray([1.0, -2.0]))
    got = mri.low_frequency_maps(moved, data, weights, radius=0.25)
    np.testing.assert_allclose(got, want, atol=1e-9)
    single = F.replace(trajectory=F.trajectory.astype("f4"))
    got = mri.low_frequency_maps(
        single, data.astype("c8"), weights.astype("f4"), radius=0.25, smoothing=np.float64(4)
    )
    assert got.dtype == np.complex64


def test_samples_outside_of_the_centre_do_not_matter():
    F = radial_operator()
    w = mri.pipe_menon(F)
    y = F(mri.birdcage_maps(3, (32, 32), dtype=np.complex128))
    far = np.linalg.norm(F.trajectory, axis=-1) > 0.1
    a = mri.low_frequency_maps(F, y, w)
    for wild in (99.0, 1e300, np.inf, np.nan):
        np.testing.assert_allclose(a, mri.low_frequency_maps(F, np.where(far, wild, y), w))
    assert not np.allclose(a, mri.low_frequency_maps(F, np.where(far, y, 1.0), w))


def test_smoothing_is_a_gaussian_of_the_given_width():
    spot = np.zeros((1, 101, 101))
    spot[0, 50, 50] = 1
    smooth = gaussian_smooth(np, spot, 5.0, Nodes((Spline(101, 1),) * 2))[0]
    n = np.arange(101) - 50
    variance = np.sum(smooth * n[:, None] ** 2) / np.sum(smooth)
    assert np.sqrt(variance) == pytest.approx(5.0, rel=1e-3)
    assert smooth[50, 50] == pytest.approx(1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0, 20.0, 1e6])
@pytest.mark.parametrize("shape", [(40,), (9, 12), (1, 1), (3, 2, 31), (5, 6, 7)])
def test_smoothing_written_out(row, shape, sigma, dtype):
    """With dense matrices, coils of 1 and 1000: both within rounding of the largest."""
    x = np.random.default_rng(1).uniform(0.5, 1, (2, *shape)) * np.reshape(
        [1, 1000], (2, *(1 for _ in shape))
    )
    want, scale = x, np.asarray([1, 1000]).reshape(2, *(1 for _ in shape))
    for axis, size in enumerate(shape, start=1):
        n = np.arange(size)
        G = np.exp(-((n[:, None] - n[None, :]) ** 2) / (2 * sigma**2))
        scale = scale * G.sum(axis=1).reshape(-1, *(1 for _ in shape[axis:]))
        want = np.moveaxis(np.tensordot(G, want, axes=(1, axis)), 0, axis)
    nodes = Nodes(tuple(Spline(size, 1) for size in shape))
    got = gaussian_smooth(row.xp, row.array(x, dtype), sigma, nodes)
    assert row.owns(got, dtype)
    error = np.abs(row.numpy(got) - want) / scale
    assert error.max() < 40 * np.finfo(dtype).eps


def test_a_step_of_job_1_calls_no_blas(monkeypatch):
    """OpenBLAS' threads wait for each other, and a busy neighbour makes that wait long."""

    def refuse(*_, **__):
        msg = "a call of BLAS"
        raise AssertionError(msg)

    image = np.random.default_rng(2).random((20, 24))
    s = mri.birdcage_maps(3, image.shape, dtype=np.complex128)
    k = mri.trajectories.radial(6, 20, dtype=np.float64)
    objective = workflows.TrajectoryObjective(image, s, nl.NUFFT(k, image.shape, engine="grid"))
    objective.value_and_grad(k)  # sets up
    for xp in (np, compat.array_namespace(image)):
        for name in ("matmul", "dot", "vdot", "inner", "tensordot", "einsum", "vecdot"):
            monkeypatch.setattr(xp, name, refuse)
    objective.value_and_grad(k)


@pytest.mark.parametrize("engine", ["direct", "finufft", "grid"])
@pytest.mark.parametrize("what", ["data", "weights"])
@pytest.mark.parametrize(
    ("dtype", "power"),
    [("f4", -100), ("f4", 60), ("f4", 127), ("f8", -900), ("f8", 600), ("f8", 1023)],
)
def test_low_frequency_maps_do_not_depend_on_a_scale(dtype, power, what, engine):
    rng = np.random.default_rng(5)
    k = rng.uniform(-0.4, 0.4, (40, 2)).astype(dtype)
    data = (rng.uniform(-1, 1, (3, 40)) + 1j * rng.uniform(-1, 1, (3, 40))).astype(
        "c8" if dtype == "f4" else "c16"
    )
    weights = rng.uniform(0.1, 1, 40).astype(dtype)
    F = nl.NUFFT(k, (9, 12), engine=engine)
    want = mri.low_frequency_maps(F, data, weights, radius=0.25)
    scale = weights.dtype.type(2.0) ** power
    scaled = {"data": data, "weights": weights}
    scaled[what] = scaled[what] * scale
    got = mri.low_frequency_maps(F, **scaled, radius=0.25)
    assert np.abs(want).max() > 0.5
    np.testing.assert_allclose(got, want, rtol=0, atol=1000 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("dtype", "power"), [("float32", 120), ("float64", 1000)])
def test_a_root_sum_of_squares_keeps_its_range(row, dtype, power):
    """Each voxel has a scale of its own."""
    x = np.random.default_rng(6).uniform(0.5, 1, (3, 5)) * np.exp([[1j], [2j], [3j]])
    scales = np.ldexp(1.0, [-power, -power // 2, 0, power // 2, power])
    name = {"float32": "complex64", "float64": "complex128"}[dtype]
    got = row.numpy(normalize_coils(row.xp, row.array(x * scales, name)))
    want = x / np.linalg.norm(x, axis=0)
    np.testing.assert_allclose(got, want, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("maps", ["estimated", "ones", "true"])
@pytest.mark.parametrize("power", [-60, 60])
def test_the_loss_of_job_1_does_not_depend_on_the_scale_of_the_image(power, maps):
    image = np.random.default_rng(2).random((20, 24)).astype("f4")
    s = mri.birdcage_maps(3, image.shape)
    F = nl.NUFFT(mri.trajectories.radial(6, 20), image.shape)
    losses = [
        workflows.TrajectoryObjective(x, s, F, maps).value_and_grad(F.trajectory)[0]
        for x in (image, image * np.float32(2.0) ** power)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_mean_that_is_positive_by_rounding_is_refused(row, scale, dtype):
    noise = np.random.default_rng(3).standard_normal((20, 24))
    s = row.array(
        mri.birdcage_maps(3, (20, 24)), "complex64" if dtype == "float32" else "complex128"
    )
    F = nl.NUFFT(row.array(mri.trajectories.radial(6, 20), dtype), (20, 24), engine="direct")
    eps = np.finfo(dtype).eps
    for mean in (0.0, 10 * eps):
        image = row.array(scale * (noise - noise.mean() + mean), dtype)
        with pytest.raises(ValueError, match="want it positive, by more than rounding"):
            workflows.TrajectoryObjective(image, s, F)
    image = row.array(scale * (noise - noise.mean() + 2 * eps**0.5), dtype)
    workflows.TrajectoryObjective(image, s, F)


def test_no_signal_gives_no_nan():
    F = radial_operator()
    w = mri.pipe_menon(F)
    assert np.all(mri.low_frequency_maps(F, np.zeros((3, 48, 33), complex), w) == 0)


F = radial_operator()
w = np.ones((48, 33))
y = np.ones((3, 48, 33), complex)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mri.trajectories.radial(0, 5), r"\(shots\): shots is 0; want at least 1"),
        (lambda: mri.trajectories.radial(3, 1), r"\(samples\): samples is 1; want at least 2"),
        (lambda: mri.from_cycles_per_fov(np.ones((3, 3)), (4, 4)), r"want \(..., 2\)"),
        (
            lambda: mri.birdcage_maps(0, (4, 4)),
            r"birdcage_maps\(coils\): coils is 0; want at least 1",
        ),
        (lambda: mri.birdcage_maps(3, (4,)), r"\(shape\): .* want \(height, width\) or"),
        (lambda: mri.birdcage_maps(3, (4, 4, 4, 4)), r"\(shape\): .* want \(height, width\) or"),
        (lambda: mri.birdcage_maps(3, (4, 4, 4), rings=0), r"rings is 0; want at least 1"),
        (
            lambda: mri.birdcage_maps(3, (4, 4), radius=-1.0),
            r"\(radius\): radius is -1.0; want a positive, finite number",
        ),
        (lambda: mri.pipe_menon(F, width=1), r"\(width\): width is 1; want 2 to 16"),
        (
            lambda: mri.pipe_menon(F, iterations=-1),
            r"\(iterations\): iterations is -1; want 0 or more",
        ),
        (lambda: mri.pipe_menon(F, grid=(4, 64)), "2 sizes of at least 8"),
        (lambda: mri.pipe_menon(F, grid=(64,)), "2 sizes of at least 8"),
        (
            lambda: mri.low_frequency_maps(F, y, w, radius=0.0),
            r"\(radius\): radius is 0.0; want a positive, finite number",
        ),
        (lambda: mri.low_frequency_maps(F, y[0], w), r"\(48, 33\) and .* want \('coils', 48"),
        (lambda: mri.low_frequency_maps(F, y[None], w), r"\(1, 3, 48, 33\) and"),
        (lambda: mri.low_frequency_maps(F, y, w[0]), r"and \(33,\); want"),
        (lambda: mri.low_frequency_maps(F, y, w[None]), r"and \(1, 48, 33\); want"),
        (
            lambda: mri.low_frequency_maps(
                nl.NUFFT(np.full((2, 2), 0.4), (32, 32)), np.ones((3, 2), complex), np.ones(2)
            ),
            r"no sample has \|k\| < 0.1",
        ),
    ],
)
def test_a_wrong_argument_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


K = np.ones((3, 2))
INTEGERS = {
    "radial(shots)": lambda n: mri.trajectories.radial(n, 8),
    "radial(samples)": lambda n: mri.trajectories.radial(4, n),
    "birdcage_maps(coils)": lambda n: mri.birdcage_maps(n, (8, 8)),
    "birdcage_maps(rings)": lambda n: mri.birdcage_maps(3, (8, 8, 8), rings=n),
    "pipe_menon(width)": lambda n: mri.pipe_menon(F, width=n),
    "pipe_menon(iterations)": lambda n: mri.pipe_menon(F, iterations=n),
}
SIZES = {
    "birdcage_maps(shape)": lambda shape: mri.birdcage_maps(3, shape),
    "pipe_menon(grid)": lambda grid: mri.pipe_menon(F, grid=grid),
    "from_cycles_per_fov(shape)": lambda shape: mri.from_cycles_per_fov(K, shape),
}
NUMBERS = {
    "birdcage_maps(radius)": lambda r: mri.birdcage_maps(3, (8, 8), radius=r),
    "low_frequency_maps(radius)": lambda r: mri.low_frequency_maps(F, y, w, radius=r),
    "low_frequency_maps(smoothing)": lambda r: mri.low_frequency_maps(F, y, w, smoothing=r),
}


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("wrong", [2.5, 8.0, "8", None, True, np.float64(8), 8j, [8]])
def test_what_counts_is_an_integer(name, wrong):
    with pytest.raises(TypeError, match=re.escape(f"{name}: ") + ".*; want an integer"):
        INTEGERS[name](wrong)
    INTEGERS[name](np.int64(8))


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("wrong", ["12", (12.5, 9), (12.0, 9.0), (None, None), 12, None, ("8", 8)])
def test_sizes_are_integers(name, wrong):
    if name == "pipe_menon(grid)" and wrong is None:
        pytest.skip("None is the default")
    with pytest.raises(TypeError, match=re.escape(f"{name}: ") + ".*; want .*, integers"):
        SIZES[name](wrong)
    for small in ((0, 16), (16, -2)):
        with pytest.raises(ValueError, match=re.escape(f"{name}: ") + ".* of at least"):
            SIZES[name](small)
    SIZES[name]([np.int64(16), 16])


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("wrong", ["1", None, True, 1j, (1, 2)])
def test_a_length_is_a_number(name, wrong):
    with pytest.raises(TypeError, match=re.escape(f"{name}: ") + ".*; want a number"):
        NUMBERS[name](wrong)
    for out in (0, -1, np.inf, np.nan):
        with pytest.raises(
            ValueError, match=re.escape(f"{name}: ") + ".*; want a positive, finite"
        ):
            NUMBERS[name](out)
    NUMBERS[name](np.float32(1.5))


@pytest.mark.parametrize("dtype", ["int64", "complex128", "bool"])
@pytest.mark.parametrize(
    "convert", [mri.from_radians, lambda k: mri.from_cycles_per_fov(k, (4, 4))]
)
def test_units_of_no_real_trajectory_are_refused(row, convert, dtype):
    with pytest.raises(TypeError, match=r": k is .*; want float32 or float64"):
        convert(row.array([[1, 2]], dtype))


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "bool"])
def test_coil_maps_of_no_complex_dtype_are_refused(row, dtype):
    message = rf"birdcage_maps\(dtype\): .*{dtype}; want complex64 or complex128"
    with pytest.raises(TypeError, match=message):
        mri.birdcage_maps(4, (8, 8), xp=row.xp, dtype=getattr(row.xp, dtype))


@pytest.mark.parametrize("dtype", ["int32", "complex64", "complex128", "bool"])
def test_a_trajectory_of_no_real_dtype_is_refused(row, dtype):
    message = rf"radial\(dtype\): .*{dtype}; want float32 or float64"
    with pytest.raises(TypeError, match=message):
        mri.trajectories.radial(2, 3, xp=row.xp, dtype=getattr(row.xp, dtype))


def test_each_iteration_of_the_density_weights_starts_from_the_last():
    k = nl.mri.trajectories.radial(7, 9, dtype=np.float64)
    F = nl.NUFFT(k, (12, 12), engine="direct")
    w = np.ones(63)
    for iterations in range(4):
        found = nl.mri.pipe_menon(F, width=4, grid=(24, 24), iterations=iterations).reshape(-1)
        assert np.allclose(found / found.sum(), w / w.sum(), rtol=1e-10)
        w = w / np.abs(spread_interpolate(F, w, 4, (24, 24)))


def test_units_are_converted_both_ways():
    k = np.asarray([[0.25, -0.5], [0.1, 0.2]])
    np.testing.assert_allclose(mri.to_radians(k), 2 * np.pi * k)
    np.testing.assert_allclose(mri.from_radians(mri.to_radians(k)), k)
    per_fov = mri.to_cycles_per_fov(k, (256, 128))
    np.testing.assert_allclose(per_fov, [[64, -64], [25.6, 25.6]])
    np.testing.assert_allclose(mri.from_cycles_per_fov(per_fov, (256, 128)), k)
    per_metre = mri.to_cycles_per_metre(k, (256, 128), (0.256, 0.32))
    np.testing.assert_allclose(per_metre, [[250, -200], [100, 80]])
    np.testing.assert_allclose(mri.from_cycles_per_metre(per_metre, (256, 128), (0.256, 0.32)), k)
    with pytest.raises(ValueError, match=r"fov is \(0.2, 0.2, 0.2\); want a length"):
        mri.to_cycles_per_metre(k, (256, 128), (0.2, 0.2, 0.2))
