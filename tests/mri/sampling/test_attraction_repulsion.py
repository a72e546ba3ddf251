"""The energy of samples against its definition, and the trajectories that it makes."""

import numpy as np
import pytest
from scipy.special import erf

import nufftlib as nl
from nufftlib.mri import sampling, trajectories
from nufftlib.mri.sampling.distance import PeriodicDistance, near_sums, smooth_part

RNG = np.random.default_rng(5)
DENSITY = sampling.decay_density((64, 63), 0.1, 2.0, dtype=np.float64)
PROTOCOL = nl.mri.Protocol(
    nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6), fov=0.24, shape=(64, 63)
)


def points(count, ndim=2, rng=RNG):
    """Return points of which some crowd at the centre, two coincide and some lie at the edges."""
    k = rng.uniform(-0.5, 0.5, (count, ndim))
    k[::3] *= 0.1
    k[1] = k[4]
    k[2], k[5] = 0.5, -0.5
    return k


# int_0^a int_0^b r = (2 a b r + a^3 asinh(b / a) + b^3 asinh(a / b)) / 6, in polar coordinates.
def corner(a, b):
    """Return the integral of the distance from 0 over the rectangle to (a, b), odd in both."""
    sign, a, b = np.sign(a) * np.sign(b), np.abs(a) + 1e-200, np.abs(b) + 1e-200
    return (
        sign
        * (2 * a * b * np.hypot(a, b) + a**3 * np.arcsinh(b / a) + b**3 * np.arcsinh(a / b))
        / 6
    )


def attraction(density, k):
    """Return the integral of the distance from each point, in closed form for each cell."""
    edges = [(np.arange(n + 1) - 0.5 - n // 2) / n for n in density.shape]
    e, f = (x - k[:, a, None] for a, x in enumerate(edges))
    integrals = np.diff(np.diff(corner(e[:, :, None], f[:, None, :]), axis=1), axis=2)
    return np.sum(integrals * density * density.size, axis=(1, 2)) / density.sum()


def distances(k):
    difference = k[:, None] - k[None]
    return difference, np.linalg.norm(difference, axis=-1)


def energy(density, k):
    """Return the energy by its definition."""
    _, r = distances(k)
    return attraction(density, k).mean() - r.mean() / 2


def gradient(density, k, h=1e-3):
    """Return the gradient: of the sum by its formula, of the integral by differences of order 8."""
    difference, r = distances(k)
    push = (difference / np.where(r > 0, r, 1)[..., None]).sum(axis=1) / len(k) ** 2
    pull = np.zeros_like(k)
    for a in range(k.shape[-1]):
        step = h * np.eye(k.shape[-1])[a]
        for n, weight in ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280)):
            more, less = (attraction(density, k + s * n * step) for s in (1, -1))
            pull[:, a] += weight * (more - less) / h
    return pull / len(k) - push


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


# --- energy and gradient --------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("grid", [128, 256, 512])
def test_energy_and_gradient_are_those_of_the_definition(grid, precision):
    """Measured: energies to 1e-6, gradients to 1.2e-4, 5e-5 and 1.2e-5."""
    k = points(300).astype(precision).astype(np.float64)
    found = sampling.AttractionRepulsion(DENSITY.astype(precision), grid)
    value, slope = found.value_and_grad(k.astype(precision))
    assert value.dtype == slope.dtype == precision
    assert float(value) == pytest.approx(energy(DENSITY, k), rel=1e-5)
    assert relative(slope, gradient(DENSITY, k)) < {128: 2e-4, 256: 1e-4, 512: 3e-5}[grid]


def test_the_attraction_in_three_dimensions():
    """By Gauss's quadrature with two nodes for each axis of many parts of each cell."""
    density, k, sub = RNG.uniform(0.5, 1, (3, 5, 4)), points(24, 3), 12
    fine = (density / density.sum()).repeat(sub, 0).repeat(sub, 1).repeat(sub, 2) / sub**3
    nodes = np.stack([np.arange(sub // 2) + s / 12**0.5 for s in (-1, 1)], axis=1).reshape(-1) + 0.5
    axes = [
        np.add.outer(np.arange(n) - n // 2, 2 * nodes / sub - 0.5).reshape(-1) / n
        for n in density.shape
    ]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    away = [point - x for point in k]
    r = [np.linalg.norm(a, axis=-1) for a in away]
    value = np.mean([fine.reshape(-1) @ s for s in r])
    slope = np.stack([(fine.reshape(-1) / s) @ a for a, s in zip(away, r, strict=True)]) / len(k)
    difference, r = distances(k)
    push = (difference / np.where(r > 0, r, 1)[..., None]).sum(axis=1) / len(k) ** 2
    got, gradient = sampling.AttractionRepulsion(density, 128).value_and_grad(k)
    assert float(got) == pytest.approx(value - r.mean() / 2, rel=1e-5)
    assert relative(gradient, slope - push) < 3e-4


@pytest.mark.parametrize(("size", "ndim"), [(128, 2), (512, 2), (96, 3)])
def test_the_repulsion_is_the_double_sum(size, ndim):
    """Measured: values to 1e-7, and gradients to 2e-5."""
    k = points(600, ndim)
    difference, r = distances(k)
    slope = 2 * (difference / np.where(r > 0, r, 1)[..., None]).sum(axis=1)
    kernel = PeriodicDistance(size, ndim, 1.0)
    F = nl.NUFFT(k / kernel.period, (size,) * ndim, eps=1e-9)
    one = np.ones(len(k), complex)
    a = F.H(one)
    sa = kernel.smooth() * a
    near, gradient = near_sums(k, kernel.sigma, kernel.reach)
    assert float(nl.inner(sa, a)) + near == pytest.approx(r.sum(), rel=2e-7)
    far = 2 * F.vjp("trajectory", sa, one) / kernel.period
    assert relative(far + gradient, slope) < 4e-5


def test_the_gradient_is_that_of_the_value():
    """By central differences along random directions, in double precision."""
    found = sampling.AttractionRepulsion(DENSITY, 128)
    k = 0.9 * RNG.uniform(-0.5, 0.5, (40, 2))  # no two of them coincide
    _, slope = found.value_and_grad(k)
    for _ in range(3):
        v, h = RNG.standard_normal(k.shape), 1e-5
        ends = [found.value_and_grad(k + s * h * v)[0] for s in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(np.sum(slope * v), rel=1e-5)


def test_one_point_alone_feels_the_density_only():
    found = sampling.AttractionRepulsion(DENSITY, 256)
    k = np.asarray([[0.21, -0.08]])
    value, slope = found.value_and_grad(k)
    assert float(value) == pytest.approx(attraction(DENSITY, k)[0], rel=1e-6)
    assert relative(slope, gradient(DENSITY, k)) < 1e-4
    same, _ = found.value_and_grad(np.stack([k, k]))  # of any shape (..., d)
    assert float(same) == pytest.approx(float(value), rel=1e-6)  # no repulsion in one place


def test_the_energy_is_least_where_the_points_are_like_the_density():
    """Up to a constant it is half of the energy distance, which is never negative."""
    density = sampling.polynomial_density((16, 15), 3.0, dtype=np.float64)
    found, sub = sampling.AttractionRepulsion(density, 256), 8
    axes = [((np.arange(n * sub) + 0.5) / sub - 0.5 - n // 2) / n for n in density.shape]
    fine = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    floor = attraction(density, fine) @ density.repeat(sub, 0).repeat(sub, 1).reshape(-1)
    floor = floor / sub**2 / 2
    drawn = sampling.random_samples(density, 800, seed=0)
    even = sampling.attract_repel(drawn, density, steps=60, grid=256).trajectory
    wrong = RNG.uniform(-0.5, 0.5, (800, 2))
    values = [float(found.value_and_grad(k)[0]) - floor for k in (even, drawn, wrong)]
    assert 0 < 10 * values[0] < values[1] < values[2] / 10


def test_any_library(row):
    k = points(30)
    want, slope = sampling.AttractionRepulsion(DENSITY, 48, "direct").value_and_grad(k)
    found = sampling.AttractionRepulsion(row.array(DENSITY), 48, "direct")
    value, got = found.value_and_grad(row.array(k))
    assert row.owns(value, "float64")
    assert row.owns(got, "float64")
    assert float(value) == pytest.approx(float(want), rel=1e-12)
    np.testing.assert_allclose(row.numpy(got), slope, rtol=1e-9, atol=1e-15)


# --- the kernel -----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "ndim"), [(64, 2), (128, 2), (63, 3)])
def test_the_periodic_function_is_the_distance_in_the_box(size, ndim):
    """Both parts of it, written out as a Fourier series; the smooth part to more digits."""
    kernel = PeriodicDistance(size, ndim, 1.02)
    x = RNG.uniform(-1.02, 1.02, (200, ndim))
    r = np.linalg.norm(x, axis=-1)
    F = nl.NUFFT(x / kernel.period, (size,) * ndim, engine="direct")
    smooth = F(kernel.smooth() + 0j).real
    np.testing.assert_allclose(smooth, smooth_part(r, kernel.sigma), atol=2e-4)
    beyond = r > kernel.reach
    whole = F(kernel.smooth() + kernel.near() + 0j).real
    np.testing.assert_allclose(whole[beyond], r[beyond], atol=3e-4)


def test_the_coefficients_of_the_near_part_are_its_integrals():
    kernel = PeriodicDistance(64, 2, 1.0)
    x = np.linspace(-kernel.period / 2, kernel.period / 2, 1601)[:-1]
    r = np.hypot(x[:, None], x)
    near = r - smooth_part(r, kernel.sigma)
    for n in ((0, 0), (1, 0), (5, 3)):
        waves = [np.cos(2 * np.pi * m * x / kernel.period) for m in n]
        want = np.einsum("ij,i,j->", near, *waves) / 1600**2
        assert kernel.near()[32 + n[0], 32 + n[1]] == pytest.approx(want, rel=1e-3)


def test_near_sums_written_out():
    k = points(1100)  # more than a block
    sigma, reach = 0.02, 0.06
    difference, r = distances(k)
    r_safe, near = np.where(r > 0, r, 1), r <= reach
    value = np.sum((r - smooth_part(r, sigma))[near])
    slope = 2 * np.sum((near * (1 - erf(r / sigma)) / r_safe)[..., None] * difference, axis=1)
    got, gradient = near_sums(k, sigma, reach)
    assert got == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient, slope, atol=1e-12)


# --- trajectories ---------------------------------------------------------------------------


def test_free_points_come_to_the_density():
    start = RNG.uniform(-0.5, 0.5, (600, 2))
    found = sampling.attract_repel(start, DENSITY, steps=150, learning_rate=5e-3, grid=128)
    assert found.losses[-1] < found.losses[0]
    assert np.abs(found.trajectory).max() <= 0.5
    assert found.certificate is found.protocol is None
    inside = np.hypot(*np.meshgrid(np.arange(63) / 63 - 31 / 63, np.arange(64) / 64 - 0.5)) < 0.2
    share = [np.mean(np.hypot(*k.T) < 0.2) for k in (start, found.trajectory)]
    assert share[0] < 0.2
    assert share[1] == pytest.approx(DENSITY[inside].sum(), abs=0.03)


def test_the_course_keeps_the_limits_of_a_scanner():
    k = trajectories.radial(6, 200, dtype=np.float64)
    seen = []
    found = sampling.attract_repel(
        k,
        DENSITY,
        PROTOCOL,
        fixed={0: (0.0, 0.0)},
        steps=8,
        grid=128,
        callback=lambda *now: seen.append(nl.mri.check_trajectory(now[2], PROTOCOL).ok),
    )
    assert seen == [True] * 9
    assert found.losses[-1] < found.losses[0]
    assert found.certificate.violation == 0
    assert not found.trajectory[:, 0].any()
    received = nl.mri.receiver(PROTOCOL, 200)(found.trajectory)
    value, _ = sampling.AttractionRepulsion(DENSITY, 128).value_and_grad(received)
    assert float(value) == pytest.approx(found.loss_final, rel=1e-12)


def test_a_volume_keeps_the_limits_too():
    shape = (16, 15, 14)
    protocol = nl.mri.Protocol(PROTOCOL.scanner, fov=(0.2, 0.2, 0.3), shape=shape)
    density = sampling.decay_density(shape, 0.1, 2.0)
    k = trajectories.random_walk_3d(3, 40, density=density)
    found = sampling.attract_repel(k, density, protocol, steps=3, grid=64)
    assert found.trajectory.shape == (3, 40, 3)
    assert found.losses[-1] < found.losses[0]
    assert nl.mri.check_trajectory(found.trajectory, protocol).ok


def test_the_gradient_under_a_protocol_is_that_of_what_is_received():
    from nufftlib.mri.sampling.attract_repel import received

    slow = nl.mri.Protocol(PROTOCOL.scanner, 0.24, (64, 63), dwell=25e-6)
    f = received(sampling.AttractionRepulsion(DENSITY, 64), slow, 20)
    k, v, h = RNG.uniform(-0.4, 0.4, (2, 20, 2)), RNG.standard_normal((2, 20, 2)), 1e-5
    _, slope = f(k)
    assert (f(k + h * v)[0] - f(k - h * v)[0]) / (2 * h) == pytest.approx(
        np.sum(slope * v), rel=1e-4
    )


def test_no_steps_and_a_callback_that_stops():
    k = trajectories.radial(2, 50, dtype=np.float64)
    found = sampling.attract_repel(k, DENSITY, PROTOCOL, steps=0, grid=64)
    assert len(found.losses) == 1
    assert found.certificate.violation == 0
    found = sampling.attract_repel(
        k, DENSITY, steps=9, grid=64, callback=lambda step, *_: step == 2
    )
    assert len(found.losses) == 3


def test_ctrl_c_before_the_first_energy(monkeypatch):
    def press(self, k):
        raise KeyboardInterrupt

    monkeypatch.setattr(sampling.AttractionRepulsion, "value_and_grad", press)
    with pytest.raises(KeyboardInterrupt):
        sampling.attract_repel(points(9), DENSITY, steps=3, grid=64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampling.AttractionRepulsion(DENSITY, 31), r"grid is 31; want at least 32"),
        (lambda: value(0.6 * np.ones((2, 2))), r"largest coordinate is 0.6; want at most 0.5"),
        (lambda: value(np.nan * np.ones((2, 2))), r"largest coordinate is nan; want at most 0.5"),
        (
            lambda: value(np.ones((2, 3))),
            r"k has the shape \(2, 3\); want \(..., 2\) for a density",
        ),
        (lambda: value(np.ones((0, 2))), r"k has the shape \(0, 2\); want \(..., 2\)"),
        (
            lambda: sampling.attract_repel(points(9), DENSITY, fixed={0: (0, 0)}),
            r"attract_repel\(fixed\): fixed is given without a protocol; want both",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def value(k):
    return sampling.AttractionRepulsion(DENSITY, 64).value_and_grad(k)


def test_precisions_must_agree():
    with pytest.raises(TypeError, match="one precision"):
        value(np.zeros((3, 2), np.float32))
