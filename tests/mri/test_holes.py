"""The largest empty ball, against searches on fine grids, and where it is known."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull, KDTree

import nufftlib as nl
from nufftlib.mri import holes
from nufftlib.mri.holes import largest_hole


def inside(points, x):
    sides = ConvexHull(points).equations
    return np.all(x @ sides[:, :-1].T + sides[:, -1] <= 1e-12, axis=-1)


def grid(d, n):
    return np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, n)] * d, indexing="ij"), -1).reshape(-1, d)


def spokes(shots, samples, seed=0):
    """Return spokes in space, in directions at random."""
    directions = np.random.default_rng(seed).standard_normal((shots, 1, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return np.linspace(0, 0.5, samples)[:, None] * directions


SETS = {
    "random": np.random.default_rng(0).uniform(-0.5, 0.5, (60, 2)),
    "many": np.random.default_rng(1).uniform(-0.5, 0.5, (5000, 2)),
    "few": np.random.default_rng(2).uniform(-0.5, 0.5, (4, 2)),
    "spokes": nl.mri.trajectories.radial(9, 40, dtype=np.float64),
    "spiral": nl.mri.trajectories.spiral(4, 500, revolutions=3, dtype=np.float64),
    "one side": np.random.default_rng(3).uniform(-0.5, 0.0, (60, 2)),
    "grid": grid(2, 12),
    "grid without a part": grid(2, 30)[np.linalg.norm(grid(2, 30) - [0.1, 0.2], axis=-1) > 0.2],
    "random in space": np.random.default_rng(4).uniform(-0.5, 0.5, (80, 3)),
    "many in space": np.random.default_rng(5).uniform(-0.5, 0.5, (700, 3)),
    "spokes in space": spokes(30, 20),
    "grid in space": grid(3, 5),
}


@pytest.mark.parametrize("points", SETS.values(), ids=SETS)
def test_no_ball_of_a_fine_search_is_larger_and_this_one_is_empty(points):
    points = points.reshape(-1, points.shape[-1])
    found = largest_hole(points)
    tree = KDTree(points)
    assert inside(points, found.centre[None])[0]
    assert tree.query(found.centre)[0] == pytest.approx(found.radius, rel=1e-9)
    d = points.shape[-1]
    n, finer = (300, 30) if d == 2 else (40, 10)
    search = grid(d, n)
    for width in (1 / n, 1 / n / finer):
        search = search[inside(points, search)]
        distances = tree.query(search)[0]
        assert distances.max() <= found.radius * (1 + 1e-9)
        best = search[np.argsort(distances)[-30:], None]
        search = (best + 2 * width * grid(d, 2 * finer + 1)).reshape(-1, d)


@pytest.mark.parametrize("d", [2, 3])
def test_a_grid_has_holes_of_half_its_diagonal(d):
    assert largest_hole(grid(d, 9)).radius == pytest.approx(np.sqrt(d) / 16, rel=1e-12)


def test_a_hole_may_lie_on_the_hull():
    # The foot of the highest triangle: beyond it there is nothing, and so no hole.
    found = largest_hole(np.asarray([[0.0, 0.0], [1.0, 0.0], [0.5, 0.1]]))
    np.testing.assert_allclose(found.centre[1], 0, atol=1e-12)
    assert found.radius == pytest.approx(0.26)
    octahedron = np.concatenate([np.eye(3), -np.eye(3)])
    assert largest_hole(octahedron).radius == pytest.approx(1)
    with_centre = np.concatenate([octahedron, np.zeros((1, 3))])
    found = largest_hole(with_centre)  # the middle of an edge, or within a side
    assert found.radius == pytest.approx(np.sqrt(0.5))


def test_samples_are_added_where_they_matter(monkeypatch):
    points = spokes(200, 100).reshape(-1, 3)
    want = largest_hole(points)
    sizes = []
    vertices = holes.vertices

    def counted(some, sides):
        sizes.append(len(some))
        return vertices(some, sides)

    monkeypatch.setattr(holes, "AT_FIRST", 100)
    monkeypatch.setattr(holes, "vertices", counted)
    found = largest_hole(points)
    assert found.radius == pytest.approx(want.radius, rel=1e-9)
    assert len(sizes) > 2
    assert max(sizes) < len(points) / 2


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
@pytest.mark.parametrize(
    "points", [SETS["spokes"], SETS["spokes in space"]], ids=["plane", "space"]
)
def test_the_unit_and_the_origin_are_free(points, scale):
    found, want = largest_hole(scale * (points + 3)), largest_hole(points)
    assert found.radius == pytest.approx(scale * want.radius, rel=1e-6)


def test_points_in_a_plane_have_their_hole_there():
    points = SETS["random"]
    want = largest_hole(points)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    found = largest_hole(np.pad(points, ((0, 0), (0, 1))) @ turn.T)
    assert found.radius == pytest.approx(want.radius, rel=1e-9)
    np.testing.assert_allclose(found.centre @ turn, [*want.centre, 0], atol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_points_on_a_line_have_half_of_a_gap(axes):
    x = np.asarray([0.0, 0.1, 0.5, 0.8])[:, None] * np.ones(axes) / np.sqrt(axes)
    found = largest_hole(x)
    assert found.radius == pytest.approx(0.2)
    np.testing.assert_allclose(found.centre, 0.3 / np.sqrt(axes))
    alone = largest_hole(np.full((3, axes), 0.25))
    assert alone.radius == 0
    np.testing.assert_array_equal(alone.centre, 0.25)


@pytest.mark.parametrize(
    ("k", "error", "said"),
    [
        (np.zeros((3, 4)), ValueError, r"k has the shape \(3, 4\); want \(\.\.\., d\), of 1 to 3"),
        (np.zeros(3), ValueError, "want"),
        (np.zeros((0, 2)), ValueError, "want"),
        (np.full((3, 2), np.inf), ValueError, "not finite"),
        (np.zeros((3, 2), int), TypeError, "want float32 or float64"),
    ],
)
def test_what_has_no_hole_is_refused(k, error, said):
    with pytest.raises(error, match=rf"largest_hole\(k\): .*{said}"):
        largest_hole(k)
