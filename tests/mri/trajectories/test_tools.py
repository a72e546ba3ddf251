"""From one trajectory to another: copies that are stacked, turned and bent."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from nufftlib.mri import trajectories
from nufftlib.mri.trajectories import tools

GOLDEN = np.pi * (3 - np.sqrt(5))
DOUBLE = {"dtype": np.float64}
PLANE = trajectories.spiral(3, 17, revolutions=2.5, **DOUBLE)
THICK = np.concatenate([PLANE, 0.2 * np.sin(np.arange(51.0)).reshape(3, 17, 1)], axis=-1)


def turned(k, angle, axis):
    """Turn points about an axis, written out in complex numbers."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    z = (k[..., first] + 1j * k[..., second]) * np.exp(1j * angle)
    result = k.copy()
    result[..., first], result[..., second] = z.real, z.imag
    return result


def lifted(k, height=0.0):
    return np.concatenate([k, np.full((*k.shape[:-1], 1), height)], axis=-1)


def spirals(shots):
    return trajectories.spiral(shots, 9, revolutions=2.0, **DOUBLE)


def test_a_stack_fills_the_slabs():
    k = tools.stack(PLANE, 5, tilt="golden").reshape(5, *PLANE.shape[:-1], 3)
    for i, z in enumerate([-0.4, -0.2, 0.0, 0.2, 0.4]):
        np.testing.assert_allclose(k[i], turned(lifted(PLANE, z), i * GOLDEN, 2), atol=1e-15)


def test_a_thick_stack_stays_in_k_space_if_it_is_bounded():
    assert np.ptp(THICK[..., 2]) > 0.39
    k = tools.stack(THICK, 5)
    np.testing.assert_allclose([k[..., 2].min(), k[..., 2].max()], [-0.5, 0.5])
    free = tools.stack(THICK, 5, bounded=False).reshape(5, *THICK.shape)
    np.testing.assert_allclose(free[4] - free[0] - [0, 0, 0.8], 0, atol=1e-15)
    assert np.abs(free).max() > 0.55


@pytest.mark.parametrize("axis", range(3))
def test_copies_are_rotated(axis):
    k = tools.rotate(THICK, 4, tilt=0.3, axis=axis).reshape(4, *THICK.shape)
    for i in range(4):
        np.testing.assert_allclose(k[i], turned(THICK, 0.3 * i, axis), atol=1e-15)
    np.testing.assert_array_equal(tools.rotate(PLANE, 1), lifted(PLANE))


@pytest.mark.parametrize("axis", [None, 0, 1, 2, [0.3, -0.6, 0.9]])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("partition", ["axial", "polar"])
def test_copies_precess(axis, half, partition):
    k = tools.precess(THICK, 9, axis=axis, half=half, partition=partition).reshape(9, *THICK.shape)
    a = THICK[0, -1] if axis is None else np.eye(3)[axis] if isinstance(axis, int) else axis
    a = a / np.linalg.norm(a)
    z = np.linspace(-1 + half, 1, 9)
    z = np.sin(np.pi / 2 * z) if partition == "polar" else z
    for i in range(9):
        # The matrix of the turn, by what it does to all points.
        matrix = np.linalg.lstsq(THICK.reshape(-1, 3), k[i].reshape(-1, 3), rcond=None)[0].T
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
        target = matrix @ a
        assert target[2] == pytest.approx(z[i], abs=1e-12)
        if abs(z[i]) < 1 - 1e-12:
            difference = np.arctan2(target[1], target[0]) - i * GOLDEN
            assert np.cos(difference) == pytest.approx(1)
        # No other turn to there is shorter: its angle is that between the directions.
        assert (np.trace(matrix) - 1) / 2 == pytest.approx(a @ target, abs=1e-12)


def test_cones_have_their_angles():
    k = tools.conify(PLANE, 3, max_angle=0.8).reshape(3, *PLANE.shape[:-1], 3)
    np.testing.assert_allclose(
        np.linalg.norm(k, axis=-1), np.tile(np.linalg.norm(PLANE, axis=-1), (3, 1, 1)), atol=1e-15
    )
    height = np.arctan2(k[..., 1:, 2], np.hypot(k[..., 1:, 0], k[..., 1:, 1]))
    np.testing.assert_allclose(
        height, np.broadcast_to(np.asarray([0.4, 0, -0.4])[:, None, None], height.shape), atol=1e-12
    )
    np.testing.assert_allclose(k[1], lifted(PLANE), atol=1e-15)
    closed = tools.conify(PLANE, 3, max_angle=0.8, borders=True).reshape(k.shape)
    height = np.arctan2(closed[0, :, 1:, 2], np.hypot(closed[0, :, 1:, 0], closed[0, :, 1:, 1]))
    np.testing.assert_allclose(height, 0.8)


def test_cones_are_tilted_from_the_middle_on():
    flat = tools.conify(PLANE, 5).reshape(5, *PLANE.shape[:-1], 3)
    k = tools.conify(PLANE, 5, tilt=0.3).reshape(flat.shape)
    for i, times in enumerate([2, 1, 0, 1, 2]):
        np.testing.assert_allclose(k[i], turned(flat[i], 0.3 * times, 2), atol=1e-15)


def test_cones_of_shots_through_the_centre_go_on_beyond_it():
    spoke = trajectories.radial(1, 9, in_out=True, **DOUBLE)
    for shot in tools.conify(spoke, 4, in_out=True):
        np.testing.assert_allclose(np.diff(shot, axis=0), np.tile(shot[-1] / 4, (8, 1)), atol=1e-15)
    for shot in tools.conify(spoke, 4):  # these turn back
        np.testing.assert_allclose(shot[0, 2], shot[-1, 2])


def test_points_on_the_axis_of_the_cones_leave_it():
    line = np.zeros((1, 5, 3))
    line[0, :, 2] = np.linspace(-0.5, 0.5, 5)
    k = tools.conify(line, 1, max_angle=0.3, borders=True)  # one copy has the first angle
    np.testing.assert_allclose(k[0], line[0, :, 2:] * [np.sin(-0.3), 0, np.cos(0.3)], atol=1e-15)


def test_axes_change_places():
    x, y, z = np.moveaxis(THICK, -1, 0)
    k = tools.duplicate_along_axes(THICK, (2, 1, 0))
    expected = [np.stack(c, axis=-1) for c in ([x, y, z], [x, z, y], [z, y, x])]
    np.testing.assert_array_equal(k, np.concatenate(expected))
    # A cone about axis 2 comes to lie about the axis that was asked for.
    cone = tools.conify(PLANE[:1], 1, max_angle=0.4, borders=True)
    for axis in range(3):
        copy = tools.duplicate_along_axes(cone, (axis,))[0, 1:]
        sine = copy[:, axis] / np.linalg.norm(copy, axis=-1)
        np.testing.assert_allclose(sine, np.sin(0.4))


def test_discs_fill_a_ball():
    k = tools.stack_spherically(spirals, 40, 5, tilt="golden")
    assert k.shape == (40, 9, 3)
    z, count = np.unique(k[:, 0, 2].round(12), return_counts=True)
    np.testing.assert_allclose(z, [-0.4, -0.2, 0, 0.2, 0.4], atol=1e-12)
    np.testing.assert_array_equal(count, [4, 10, 12, 10, 4])  # areas are as 9, 21, 25, 21, 9
    np.testing.assert_allclose(np.linalg.norm(k[:, -1], axis=-1), 0.5)
    first = k[np.searchsorted(k[:, 0, 2].round(12), z), -1]
    turns = np.arctan2(first[:, 1], first[:, 0])
    np.testing.assert_allclose(np.cos(turns - GOLDEN * np.arange(5)), 1)


def test_shells_lie_on_spheres():
    k = tools.shells(spirals, 40, 3, tilt="golden")
    radius = np.linalg.norm(k, axis=-1)
    np.testing.assert_allclose(np.ptp(radius, axis=1), 0, atol=1e-12)
    shell, count = np.unique(radius[:, 0].round(12), return_counts=True)
    np.testing.assert_allclose(shell, [1 / 12, 3 / 12, 5 / 12])
    np.testing.assert_array_equal(count, [4, 12, 24])  # areas are as 1, 4, 9
    np.testing.assert_allclose(k[:2] * [1, 1, -1], k[2:4])
    turned_back = turned(k[4:10], -GOLDEN, 2)
    flat = spirals(6) / 2
    np.testing.assert_allclose(turned_back[..., :2], flat, atol=1e-12)
    both = tools.shells(spirals, 40, 3, tilt="none", lower="reversed")
    np.testing.assert_allclose(both[:2] * [1, -1, -1], both[2:4])


def test_shots_of_another_number_are_refused():
    with pytest.raises(ValueError, match=r"shells\(make\): make gave 3 shots; want 2, as it was"):
        tools.shells(lambda _: spirals(3), 14, 2)


def test_the_two_halves_of_shells_want_even_shots():
    with pytest.raises(ValueError, match=r"shells\(shots\): shots is 13; want an even number"):
        tools.shells(spirals, 13, 2)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 4), (0, 4, 2), (1, 3, 4, 2)])
def test_what_is_no_trajectory_is_refused(shape):
    with pytest.raises(ValueError, match=r"stack\(k\): k has the shape .*; want \(shots, samples,"):
        tools.stack(np.zeros(shape), 3)


def test_a_direction_has_a_length():
    still = np.zeros((1, 3, 3))
    with pytest.raises(ValueError, match=r"precess\(axis\): axis is None; want one for this"):
        tools.precess(still, 3)
    with pytest.raises(ValueError, match=r"precess\(axis\): axis is .*; want an axis 0 to 2, or a"):
        tools.precess(still, 3, axis=[0, 0, 0])


@pytest.mark.parametrize("axes", [(), (0, 0), (3,), (-1,)])
def test_axes_are_some_of_three(axes):
    with pytest.raises(ValueError, match=r"duplicate_along_axes\(axes\): axes is .*; want some of"):
        tools.duplicate_along_axes(THICK, axes)


def test_cones_reach_the_axis_at_most():
    with pytest.raises(ValueError, match=r"conify\(max_angle\): max_angle is 2.0; want at most pi"):
        tools.conify(PLANE, 3, max_angle=2.0)


def test_shots_go_through_the_centre_once():
    mirrored = tools.in_out(PLANE)
    np.testing.assert_array_equal(mirrored[:, 16:], PLANE)
    np.testing.assert_array_equal(mirrored, -mirrored[:, ::-1])
    spokes = trajectories.radial(6, 9, **DOUBLE)
    paired = tools.in_out(spokes, partner="opposite")
    np.testing.assert_array_equal(paired[:, 8:], spokes[:3])
    np.testing.assert_array_equal(paired[:, 8::-1], spokes[3:])
    np.testing.assert_allclose(np.diff(paired, n=2, axis=1), 0, atol=1e-15)  # straight on


def test_shots_begin_at_the_centre_to_go_through_it():
    with pytest.raises(
        ValueError, match=r"in_out\(k\): a shot of k begins beside the centre; want"
    ):
        tools.in_out(THICK + 0.1)
    with pytest.raises(
        ValueError, match=r"in_out\(k\): k has 3 shots; want an even number of them"
    ):
        tools.in_out(PLANE, partner="opposite")


@pytest.mark.parametrize(("kind", "degree"), [("linear", 1), ("quadratic", 2), ("cubic", 3)])
def test_polynomials_are_oversampled_exactly(kind, degree):
    def curve(samples):
        t = np.linspace(-1, 1, samples)
        return np.stack([0.5 * t**degree, 0.3 * t - 0.1], axis=-1)[None]

    np.testing.assert_allclose(tools.oversample(curve(9), 31, kind=kind), curve(31), atol=1e-14)
    bent = 0.5 * np.linspace(-1, 1, 9)[None, :, None] ** (degree + 1) * np.ones(2)
    wanted = 0.5 * np.linspace(-1, 1, 31)[None, :, None] ** (degree + 1) * np.ones(2)
    between = tools.oversample(bent, 31, kind=kind)
    assert 1e-4 < np.abs(between - wanted).max() < 0.02
    np.testing.assert_allclose(tools.oversample(PLANE, 33, kind=kind)[:, ::2], PLANE, atol=1e-14)
    with pytest.raises(
        ValueError, match=r"oversample\(kind\): kind is .*; want a degree below the"
    ):
        tools.oversample(PLANE[:, :degree], 33, kind=kind)


@pytest.mark.parametrize("alternate", [False, True])
def test_trains_have_their_shots_and_smooth_transitions(alternate):
    lines = trajectories.waves(6, 33, **DOUBLE)
    k = tools.epify(lines, 2, 8, alternate=alternate)
    assert k.shape == (2, 3 * 33 + 2 * 8, 2)
    np.testing.assert_array_equal(tools.unepify(k, 33, 8, alternate=alternate), lines)
    second = lines[1, ::-1] if alternate else lines[1]
    np.testing.assert_array_equal(k[0, 41:74], second)
    # The spline through both of them.
    whole = CubicSpline(np.r_[0:33, 41:74], np.concatenate([lines[0], second]))
    np.testing.assert_allclose(k[0, 33:41], whole(np.arange(33, 41)), atol=1e-12)


def test_data_of_trains_are_parted_as_the_trains():
    k = tools.epify(trajectories.waves(6, 5, **DOUBLE), 3, 2)
    assert k.shape == (3, 12, 2)
    x = k[..., 0] + 1j * k[..., 1]
    parted = tools.unepify(x, 5, 2)
    expected = tools.unepify(k, 5, 2)
    np.testing.assert_array_equal(parted, expected[..., 0] + 1j * expected[..., 1])


def test_trains_have_whole_shots():
    with pytest.raises(
        ValueError, match=r"epify\(trains\): trains is 2; want a divisor of the 3 s"
    ):
        tools.epify(PLANE, 2, 4)
    with pytest.raises(ValueError, match=r"epify\(k\): k has 1 sample a shot; want at least 2"):
        tools.epify(PLANE[:, :1], 1, 4)
    with pytest.raises(
        ValueError, match=r"unepify\(x\): x has the shape .*; want .* the length 9 m"
    ):
        tools.unepify(PLANE, 9, 7)


@pytest.mark.parametrize("samples", [16, 17])
def test_the_centre_is_made_straight(samples):
    k = trajectories.spiral(2, samples, revolutions=3.0, **DOUBLE)
    found = tools.radialize_centre(k, 6)
    np.testing.assert_allclose(found[:, :7], k[:, 6:7] * np.arange(7)[:, None] / 6)
    np.testing.assert_array_equal(found[:, 6:], k[:, 6:])
    k = trajectories.spiral(2, samples, revolutions=3.0, in_out=True, **DOUBLE)
    found = tools.radialize_centre(k, 6, in_out=True)
    np.testing.assert_allclose(found, -found[:, ::-1], atol=1e-15)
    moved = np.flatnonzero(np.abs(found - k).max(axis=(0, 2)) > 1e-12)
    last = (samples + 6) // 2
    assert moved[0] == samples - last
    assert moved[-1] == last - 1
    line = found[:, samples - 1 - last : last + 1]
    np.testing.assert_allclose(np.diff(line, n=2, axis=1), 0, atol=1e-15)


def test_copies_are_placed():
    offsets = np.asarray([[0.1, -0.2], [0, 0.3]])
    k = tools.place(PLANE, offsets)
    np.testing.assert_array_equal(k[:3], PLANE + offsets[0])
    np.testing.assert_array_equal(k[3:], PLANE + offsets[1])
    with pytest.raises(ValueError, match=r"place\(offsets\): offsets has the shape \(2, 2\); want"):
        tools.place(THICK, offsets)


def heights(stacks, size, **settings):
    return tools.stack_random(PLANE, stacks, size, **settings)[::3, 0, 2] * size + size // 2


@pytest.mark.parametrize("density", ["uniform", "gaussian", "even"])
def test_random_heights_are_of_the_grid(density):
    z = heights(15, 33, calibration=5, density=density, order="up", seed=4)
    np.testing.assert_allclose(z, z.round())
    assert (np.diff(z) > 0.5).all()
    assert z.min() >= 0
    assert z.max() <= 32
    assert {14, 15, 16, 17, 18} <= set(z.round().astype(int))
    sure = heights(5, 33, calibration=5, density=density, order="up")
    np.testing.assert_allclose(sure, [14, 15, 16, 17, 18])
    other = heights(15, 33, calibration=5, density=density, order="up", seed=5)
    assert np.array_equal(z, other) == (density == "even")
    outer = np.mean([np.abs(heights(6, 65, density=density, seed=s) - 32).mean()
                     for s in range(50)])  # fmt: skip
    assert outer < 14 if density == "gaussian" else outer > 15


def test_random_heights_come_in_their_order():
    up = heights(9, 21, order="up", seed=2)
    middle = heights(9, 21, order="centre", seed=2)
    shuffled = heights(9, 21, order="random", seed=2)
    np.testing.assert_array_equal(np.sort(middle), up)
    np.testing.assert_array_equal(np.sort(shuffled), up)
    assert not np.array_equal(shuffled, up)
    assert abs(middle[0] - 10) == np.abs(up - 10).min()
    first, rest = middle[0], middle[1:]
    below, above = rest[rest < first], rest[rest > first]
    assert (np.diff(below) < 0).all()
    assert (np.diff(above) > 0).all()
    assert np.array_equal(np.sign(middle[1:5] - first), [1, -1, 1, -1])


def test_lines_are_skipped_and_shifted():
    k = tools.caipi_offsets((12, 16), (3, 4), shift=3, **DOUBLE)
    n = (k * [12, 16] + [6, 8]).round().astype(int)
    assert len(n) == 4 * 4
    assert {tuple(line) for line in n} == {
        (3 * i, (4 * j + 3 * i) % 16) for i in range(4) for j in range(4)
    }
    with_block = tools.caipi_offsets((12, 16), (3, 4), shift=3, calibration=(4, 6), **DOUBLE)
    block = {(i, j) for i in range(4, 8) for j in range(5, 11)}
    m = [tuple(line) for line in (with_block * [12, 16] + [6, 8]).round().astype(int)]
    assert set(m) == block | {tuple(line) for line in n}
    assert len(m) == len(set(m))
    with pytest.raises(
        ValueError, match=r"caipi_offsets\(calibration\): calibration is \(13, 2\); w"
    ):
        tools.caipi_offsets((12, 16), (3, 4), calibration=(13, 2))


PACKED = {"triangular": 2.0, "square": 2.0, "circular": 1.9, "fibonacci": 1.6}


@pytest.mark.parametrize("packing", PACKED)
def test_circles_lie_side_by_side(packing):
    points = tools.packing_offsets(60, packing=packing, shape="circle", **DOUBLE)
    apart = np.linalg.norm(points[:, None] - points, axis=-1) + 9 * np.eye(60)
    assert apart.min() >= PACKED[packing] - 1e-9
    # Dense enough: 60 circles cover this share of the disc that holds their middles.
    assert 60 / np.linalg.norm(points, axis=-1).max() ** 2 > 0.7
    wide = tools.packing_offsets(60, packing=packing, shape="circle", spacing=(2, 1), **DOUBLE)
    assert np.ptp(wide[:, 1]) > 0.8 * np.ptp(points[:, 1])
    x = np.abs(wide[:, 0])
    assert x[x > 0.1].min() >= 2 * np.abs(points[:, 0])[np.abs(points[:, 0]) > 0.1].min() - 1e-9


@pytest.mark.parametrize(("shape", "order"), [("circle", 2), ("square", np.inf), ("diamond", 1)])
def test_circles_fill_a_shape(shape, order):
    points = tools.packing_offsets(40, packing="square", shape=shape, **DOUBLE)
    norm = np.linalg.norm(points, ord=order, axis=-1)
    assert (np.diff(norm) > -1e-12).all()
    grid = np.stack(np.meshgrid(np.arange(-19.0, 20, 2), np.arange(-19.0, 20, 2)), axis=-1)
    every = np.sort(np.linalg.norm(grid.reshape(-1, 2), ord=order, axis=-1))
    np.testing.assert_allclose(norm, every[:40])
    same = tools.packing_offsets(40, packing="square", shape=float(order) if order < 9 else shape)
    np.testing.assert_allclose(same, points)


def test_circles_at_random_have_a_seed():
    one, again, other = (
        tools.packing_offsets(9, packing="random", seed=s, **DOUBLE) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).min() > 0
