"""Density weights, coil maps and reconstructions: their derivatives, against differences."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri
from nufftlib.mri.coils.low_frequency import Centre, CoilEstimate
from nufftlib.mri.learn.reconstructions import (
    AdjointReconstruction,
    CGReconstruction,
    TVReconstruction,
)

SHAPE = (15, 16, 17)
ENGINES = ["direct", "grid", "finufft"]


def noise(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def difference(f, h=2e-6):
    """Central difference of fourth order at 0; so small that kernels keep their cells."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def relative(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


# --- spreading ------------------------------------------------------------------------------


SPREADING = [
    (engine, ndim, width)
    for engine in ENGINES
    for ndim, widths in {1: (7, 2, 5), 2: (5, 2, 7), 3: (2, 5, 7)}.items()
    # The other engines spread by loops that are compiled for each width and number of axes.
    for width in (widths if engine == "direct" else widths[:1])
]


@pytest.mark.parametrize(("engine", "ndim", "width"), SPREADING)
def test_spreading_and_its_derivative(engine, ndim, width):
    rng = np.random.default_rng(ndim)
    k, dk = rng.uniform(-0.7, 0.7, (25, ndim)), rng.standard_normal((25, ndim))
    w, v = rng.standard_normal((2, 25))
    make = nl.NUFFT(k, SHAPE[:ndim], engine=engine).transform.engine.gridding
    C = make(k, SHAPE[:ndim], width)
    values, slopes = C.slopes(w)
    np.testing.assert_allclose(values, C.apply(w), rtol=1e-12)
    forward = np.sum(dk * slopes, axis=-1) + C.along(dk, w)
    want = difference(lambda h: make(k + h * dk, SHAPE[:ndim], width).apply(w))
    assert relative(forward, want) < 1e-6
    back = v[:, None] * slopes + w[:, None] * C.slopes(v)[1]
    assert np.sum(back * dk) == pytest.approx(np.sum(v * forward), rel=1e-10)


# --- density weights ------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [0, 1, 6])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("engine", ENGINES)
def test_density_weights(engine, ndim, iterations):
    rng = np.random.default_rng(ndim)
    shape = SHAPE[:ndim]
    k = rng.uniform(-0.6, 0.6, (4, 7, ndim))
    F = nl.NUFFT(k, shape, engine=engine, eps=1e-12, norm="ortho")
    weights = mri.PipeMenon(F, width=7, grid=shape, iterations=iterations)
    w, J = weights.linearize(k)
    np.testing.assert_array_equal(w, weights(k))
    np.testing.assert_array_equal(w, mri.pipe_menon(F, width=7, grid=shape, iterations=iterations))
    for axis in range(ndim):
        dk = rng.standard_normal(k.shape) * np.eye(ndim)[axis]
        want = difference(lambda h, dk=dk: weights(k + h * dk))
        assert relative(J(dk), want) < 1e-6
        v = rng.standard_normal(w.shape)
        assert nl.inner(J.adjoint(v), dk) == pytest.approx(nl.inner(v, J(dk)), rel=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_density_weights_that_begin_at_others(engine):
    """Their scale does not matter; the derivative is that of the steps from there."""
    rng = np.random.default_rng(8)
    k = rng.uniform(-0.5, 0.5, (4, 7, 2))
    F, settings = nl.NUFFT(k, (9, 10), engine=engine, eps=1e-12), {"width": 4, "grid": (9, 10)}
    first = mri.pipe_menon(F, iterations=4, **settings)
    w = mri.pipe_menon(F, iterations=3, start=first, **settings)
    np.testing.assert_allclose(w, mri.pipe_menon(F, iterations=7, **settings), rtol=1e-9)
    np.testing.assert_allclose(
        w, mri.pipe_menon(F, iterations=3, start=5 * first, **settings), rtol=1e-9
    )
    for iterations in (0, 2):
        weights = mri.PipeMenon(F, iterations=iterations, start=first, **settings)
        _, J = weights.linearize(k)
        dk, v = rng.standard_normal(k.shape), rng.standard_normal(w.shape)
        assert relative(J(dk), difference(lambda h: weights(k + h * dk))) < 1e-6  # noqa: B023
        assert nl.inner(J.adjoint(v), dk) == pytest.approx(nl.inner(v, J(dk)), rel=1e-10)


@pytest.mark.parametrize("iterations", [0, 3])
def test_weights_to_begin_at_may_have_any_scale_and_stay_what_they_were(iterations):
    F = nl.NUFFT(mri.trajectories.radial(8, 16), (16, 16), memory_limit=1)
    first = mri.pipe_menon(F, iterations=4)
    weights = mri.PipeMenon(F, iterations=iterations, start=first)
    w, J = weights.linearize(F.trajectory)
    v = np.random.default_rng(7).random(w.shape, np.float32)
    gradient = J.adjoint(v)
    for largest in (1e-36, 1e38):
        scaled = np.float32(largest) * (first / first.max())
        other = mri.pipe_menon(F, iterations=iterations, start=scaled)
        np.testing.assert_allclose(other, w, rtol=1e-5)
    first[:4] *= 5
    np.testing.assert_allclose(weights(F.trajectory), w, rtol=1e-5)
    np.testing.assert_array_equal(J.adjoint(v), gradient)


def test_weights_to_begin_at_that_do_not_fit_are_refused():
    F = nl.NUFFT(np.random.default_rng(9).uniform(-0.5, 0.5, (50, 2)), (16, 16), engine="direct")
    good = np.ones(50)
    for bad, message in (
        (good[:49], r"start has the shape \(49,\)"),
        (good.astype("f4"), "dtype float32; want those of the points"),
        (np.concatenate([[0.0, -1.0, np.nan, np.inf], good[4:]]), "4 of the weights are not"),
    ):
        for make in (mri.pipe_menon, mri.PipeMenon):
            with pytest.raises(ValueError, match=message):
                make(F, start=bad)
    with pytest.raises(ValueError, match=r"PipeMenon\(k\): k has the shape \(49, 2\)"):
        mri.PipeMenon(F, start=good)(F.trajectory[:49])


def test_density_weights_with_the_default_settings():
    rng = np.random.default_rng(3)
    k = rng.uniform(-0.5, 0.5, (60, 2))
    weights = mri.PipeMenon(nl.NUFFT(k, (9, 10), eps=1e-12))
    assert (weights.width, weights.grid, weights.iterations) == (4, (18, 20), 30)
    w, J = weights.linearize(k)
    np.testing.assert_array_equal(w, mri.pipe_menon(weights.F))
    dk = rng.standard_normal(k.shape)
    assert relative(J(dk), difference(lambda h: weights(k + h * dk), 1e-7)) < 1e-6


def test_density_weights_at_another_trajectory(row):
    rng = np.random.default_rng(4)
    k, other = rng.uniform(-0.5, 0.5, (2, 12, 2))
    v = rng.standard_normal(12)

    def at(make):
        F = nl.NUFFT(make(other), (14, 14), engine="direct")
        w, J = mri.PipeMenon(F, iterations=3).linearize(make(k))
        return w, J.adjoint(make(v)), J(make(k))

    for got, want in zip(at(row.array), at(np.asarray), strict=True):
        assert row.owns(got, "float64")
        np.testing.assert_allclose(row.numpy(got), want, rtol=1e-7, atol=1e-9)


def test_the_jacobian_keeps_what_its_steps_have_read_if_it_fits_the_memory_limit():
    k = np.random.default_rng(6).uniform(-0.5, 0.5, (50, 2))
    read = 10 * 50 * 3 * 8  # C w and both slopes of each step
    found = []
    for limit in (read, read - 1):
        F = nl.NUFFT(k, (16, 16), engine="grid", memory_limit=limit)
        _, J = mri.PipeMenon(F, iterations=10).linearize(k)
        found.append((J.iteration, J.adjoint(np.cos(np.arange(50.0)))))
    (kept, one), (computed_again, other) = found
    assert (kept.z.shape, kept.D.shape) == ((10, 50), (10, 50, 2))
    assert [w.shape for w in computed_again.iterates] == [(50,)] * 11
    assert relative(one, other) < 1e-11


def test_density_weights_of_another_precision_are_refused():
    k = np.random.default_rng(7).uniform(-0.5, 0.5, (50, 2))
    weights = mri.PipeMenon(nl.NUFFT(k, (16, 16)))
    with pytest.raises(TypeError, match=r"PipeMenon\(k\): k is float32 and trajectory is float64"):
        weights.linearize(k.astype("f4"))
    with pytest.raises(ValueError, match=r"PipeMenon\(width\): width is 1; want 2 to 16"):
        mri.PipeMenon(weights.F, width=1)


# --- coil maps ------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("engine", ENGINES)
def test_estimated_maps(engine, ndim):
    rng = np.random.default_rng(ndim + 10)
    shape, settings = SHAPE[:ndim], {"radius": 0.2, "smoothing": 3.0}
    # Samples on both sides of the radius, and one in the centre.
    k = rng.uniform(-0.1, 0.1, (4, 6, ndim)) + np.asarray([0, 0, 0.1, 0.3])[:, None, None]
    k[0, 0] = 0
    y, w = noise(rng, 3, 4, 6), rng.uniform(0.5, 1.5, (4, 6))
    F = nl.NUFFT(k, shape, engine=engine, eps=1e-12)
    found = CoilEstimate(Centre(F, **settings), 5 * y, 0.1 * w)
    np.testing.assert_array_equal(found.maps, mri.low_frequency_maps(F, 5 * y, 0.1 * w, **settings))
    v = noise(rng, 3, *shape)
    back = found.cotangents(v)
    steps = rng.standard_normal(k.shape), noise(rng, 3, 4, 6), rng.standard_normal((4, 6))
    for i, step in enumerate(steps):

        def maps(h, i=i, step=step):
            moved = [k, 5 * y, 0.1 * w]
            moved[i] = moved[i] + h * step
            return mri.low_frequency_maps(F.replace(trajectory=moved[0]), *moved[1:], **settings)

        forward = found.tangent(*(step if i == j else None for j in range(3)))
        assert relative(forward, difference(maps, 1e-6)) < 1e-6
        assert back[i].dtype == step.dtype
        assert nl.inner(back[i], step) == pytest.approx(nl.inner(v, forward), rel=1e-10)
        assert np.linalg.norm(forward) > 1e-3
    together = found.tangent(*steps)
    apart = [found.tangent(*(s if i == j else None for j in range(3))) for i, s in enumerate(steps)]
    np.testing.assert_allclose(together, sum(apart), atol=1e-9)
    assert np.all(back[1][:, 3] == 0)
    assert np.all(back[2][3] == 0)


@pytest.mark.parametrize(("dtype", "power"), [("f4", 60), ("f8", 600)])
def test_derivatives_of_maps_keep_their_range(dtype, power):
    """Maps do not depend on scales, and derivatives by data fall as the data grow."""
    rng = np.random.default_rng(20)
    k = rng.uniform(-0.1, 0.1, (30, 2)).astype(dtype)
    y = noise(rng, 3, 30).astype("c8" if dtype == "f4" else "c16")
    w = rng.uniform(0.5, 1.5, 30).astype(dtype)
    F, v = nl.NUFFT(k, (12, 13), engine="direct"), noise(rng, 3, 12, 13).astype(y.dtype)
    scale = w.dtype.type(2.0) ** power
    want = CoilEstimate(Centre(F), y, w).cotangents(v)
    got = CoilEstimate(Centre(F), y * scale, w).cotangents(v)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-3)
    np.testing.assert_allclose(got[1] * scale, want[1], rtol=1e-3)
    np.testing.assert_allclose(got[2], want[2], rtol=1e-3)


def test_no_signal_has_no_derivative_and_no_nan():
    rng = np.random.default_rng(21)
    F = nl.NUFFT(rng.uniform(-0.1, 0.1, (30, 2)), (12, 13))
    silent = CoilEstimate(Centre(F), np.zeros((3, 30), complex), np.ones(30))
    for bar in silent.cotangents(noise(rng, 3, 12, 13)):
        assert np.all(bar == 0)
    one = np.zeros((3, 30), complex)
    one[0] = noise(rng, 30)  # two coils see nothing
    for bar in CoilEstimate(Centre(F), one, np.ones(30)).cotangents(noise(rng, 3, 12, 13)):
        assert np.all(np.isfinite(bar))


# --- reconstructions ------------------------------------------------------------------------


def data_of_a_scan():
    rng = np.random.default_rng(30)
    k, y, d = rng.uniform(-0.5, 0.5, (4, 6, 2)), noise(rng, 3, 4, 6), rng.random((4, 6))
    return rng, nl.NUFFT(k, (9, 8), engine="direct"), y, d, noise(rng, 3, 9, 8)


def test_the_adjoint_reconstruction_written_out():
    _, F, y, d, S = data_of_a_scan()
    z, _ = AdjointReconstruction().linearize(F, y, d, S)
    np.testing.assert_allclose(z, np.sum(np.conj(S) * F.H(d * y), axis=0))


RECIPES = {
    "adjoint": AdjointReconstruction(),
    "cg": CGReconstruction(damping=0.5, tolerance=1e-12),
    "tv": TVReconstruction(scale=0.1, delta=0.3, tolerance=1e-12),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_reconstructions(recipe):
    rng, F, y, d, S = data_of_a_scan()
    _, linearized = recipe.linearize(F, y, d, S)
    v = noise(rng, 9, 8)
    back = linearized.cotangents(v)
    values = [F.trajectory, y, d, S]
    for i, value in enumerate(values):
        if back[i] is None:
            assert i == 2
            assert not recipe.needs_density
            continue
        step = rng.standard_normal(value.shape) if i in (0, 2) else noise(rng, *value.shape)

        def image(h, i=i, step=step):
            k, *others = [a + h * step if i == j else a for j, a in enumerate(values)]
            return recipe.linearize(F.replace(trajectory=k), *others)[0]

        forward = linearized.tangent(*(step if i == j else None for j in range(4)))
        # What iterates to 1e-12 wants wider differences than rounding alone does.
        assert relative(forward, difference(image, 1e-4)) < 1e-6
        rounding = 1e-10 * np.linalg.norm(v) * np.linalg.norm(forward)
        assert nl.inner(back[i], step) == pytest.approx(nl.inner(v, forward), abs=rounding)


def test_total_variation_does_not_depend_on_units():
    """Of the data, and of the operator; and it minimises what it says."""
    _, F, y, d, S = data_of_a_scan()
    d = nl.mri.pipe_menon(F)
    recipe = TVReconstruction(scale=0.05, delta=0.02, tolerance=1e-10)
    z, _ = recipe.linearize(F, y, d, S)
    np.testing.assert_allclose(recipe.linearize(F, 1e6 * y, d, S)[0], 1e6 * z, rtol=1e-6)
    ortho = nl.NUFFT(F.trajectory, F.shape, engine="direct", norm="ortho")
    c = ortho.transform.scale
    of_ortho = recipe.linearize(ortho, c * y, nl.mri.pipe_menon(ortho), S)[0]
    np.testing.assert_allclose(of_ortho, z, rtol=1e-6)

    unit = np.sqrt(np.sum(d * np.abs(y) ** 2) / 72)
    penalty = nl.Charbonnier(0.05 * 24 * unit, 0.02 * unit, nl.FiniteDifferences((9, 8)), axis=-3)
    wanted = nl.PenalizedLeastSquares(F @ nl.Sense(S), penalty, tolerance=1e-10)(y)
    np.testing.assert_allclose(z, wanted, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-24, 1e18])
def test_total_variation_in_single_precision_does_not_depend_on_units(scale):
    _, F, y, d, S = data_of_a_scan()
    F = F.replace(trajectory=F.trajectory.astype("f4"))
    y, d, S = y.astype("c8"), d.astype("f4"), S.astype("c8")
    recipe = TVReconstruction(scale=0.05, delta=0.02, tolerance=1e-5)
    z, _ = recipe.linearize(F, y, d, S)
    scaled, linearized = recipe.linearize(F, np.float32(scale) * y, d, S)
    np.testing.assert_allclose(scaled / scale, z, rtol=1e-3, atol=1e-3)
    assert all(np.all(np.isfinite(bar)) for bar in linearized.cotangents(z))


def test_total_variation_of_silence_is_silent():
    rng, F, y, d, S = data_of_a_scan()
    z, linearized = TVReconstruction().linearize(F, 0 * y, d, S)
    assert np.all(z == 0)
    assert all(np.all(np.isfinite(bar)) for bar in linearized.cotangents(noise(rng, 9, 8)))
