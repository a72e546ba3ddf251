"""The NUFFT of coils: found by a product, without a stack of their images."""

import tracemalloc

import numpy as np
import pytest
from cases import parts

import nufftlib as nl
import nufftlib.workflows
from nufftlib.nufft.coils import CoilGram, CoilNUFFT

rng = np.random.default_rng(4)


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def test_coils_are_transformed_once_for_images_that_stay_fixed():
    """Spectra of ``s_c x`` are kept; image and maps are not read again, nor kept in a copy."""
    k, maps, image = rng.uniform(-0.5, 0.5, (50, 2)), noise(3, 16, 15), noise(16, 15)
    A = nl.NUFFT(k, (16, 15), engine="grid") @ nl.Sense(maps)
    fixed = A.as_map("trajectory", image)
    before = fixed(k + 0.1)
    J = A.linearize(image, wrt="trajectory")[1]
    hessian = J.hessian(before).blocks
    image[...] = 0
    np.testing.assert_array_equal(J.hessian(before).blocks, hessian)
    maps[...] = 0
    np.testing.assert_array_equal(fixed(k + 0.1), before)


@pytest.mark.parametrize("engine", ["grid", "finufft", "direct"])
def test_coils_keep_no_stack_of_images(engine):
    """Peaks stay below that of a stack of coil images."""
    k, shape = rng.uniform(-0.5, 0.5, (20, 2)), (96, 96)
    maps, image, y = noise(32, *shape), noise(*shape), noise(32, 20)
    limit = 2 * 96 * 96 * 16 * 8
    A = nl.NUFFT(k, shape, engine=engine, eps=1e-3, memory_limit=limit) @ nl.Sense(maps)
    for call in (
        lambda: A(image),
        lambda: A.H(y),
        lambda: A.vjp("trajectory", image, y),
        lambda: A.linearize(image, wrt="trajectory"),
        lambda: A.derivative("trajectory", k).adjoint(y),
        lambda: A.gram()(image),
    ):
        call()  # compiled
        tracemalloc.start()
        try:
            call()
            assert tracemalloc.get_traced_memory()[1] < 0.75 * maps.nbytes
        finally:
            tracemalloc.stop()


def test_weights_of_the_data_and_the_gradients_through_them(row):
    k, maps, y, x = rng.uniform(-0.5, 0.5, (5, 8, 2)), noise(3, 6, 5), noise(3, 5, 8), noise(6, 5)
    w = rng.uniform(0.5, 1.5, (5, 8))
    F, D = (nl.NUFFT(row.array(k, "float64"), (6, 5), norm="ortho", eps=1e-12), row.array)
    A = F @ nl.Sense(D(maps, "complex128"))
    got = A.weighted_adjoint(D(y, "complex128"), D(w, "float64"))
    want = (nl.NUFFT(k, (6, 5), norm="ortho", eps=1e-12) @ nl.Sense(maps)).adjoint(w * y)
    np.testing.assert_allclose(row.numpy(got), want, rtol=0, atol=1e-11)
    found = A.weighted_adjoint_vjp(D(x, "complex128"), D(y, "complex128"), D(w, "float64"))
    points, data, weights = (row.numpy(part) for part in found)
    E = nl.NUFFT(k, (6, 5), norm="ortho", engine="direct") @ nl.Sense(maps)
    np.testing.assert_allclose(points, E.vjp("trajectory", x, w * y), rtol=0, atol=1e-10)
    np.testing.assert_allclose(data, w * E(x), rtol=0, atol=1e-11)
    np.testing.assert_allclose(weights, np.sum((y.conj() * E(x)).real, axis=0), atol=1e-10)


@pytest.mark.parametrize(
    ("y", "w", "want"),
    [
        (noise(3, 9), np.ones(8), "y has the shape"),
        (noise(3, 8).astype("c8"), np.ones(8), "y has the dtype complex64"),
        (noise(3, 8), np.ones(9), "weights has the shape"),
        (noise(3, 8), np.ones(8, "f4"), "weights has the shape .* and dtype float32"),
    ],
)
def test_data_and_weights_that_do_not_go_with_each_other_are_refused(y, w, want):
    A = nl.NUFFT(rng.uniform(-0.5, 0.5, (8, 2)), (6, 5)) @ nl.Sense(noise(3, 6, 5))
    for call in (A.weighted_adjoint, lambda *given: A.weighted_adjoint_vjp(noise(6, 5), *given)):
        with pytest.raises((ValueError, TypeError), match=want):
            call(y, w)


@pytest.mark.parametrize("engine", ["grid", "direct"])
@pytest.mark.parametrize(("of_image", "of_data"), [((), (4,)), ((4,), ()), ((3,), (2,))])
def test_an_image_and_data_of_different_batches_are_refused(engine, of_image, of_data):
    A = nl.NUFFT(rng.uniform(-0.5, 0.5, (8, 2)), (6, 5), engine=engine) @ nl.Sense(noise(3, 6, 5))
    with pytest.raises(
        ValueError, match=r"y has the shape .*; want \(.*3, 8\), as of A x for x of"
    ):
        A.weighted_adjoint_vjp(noise(*of_image, 6, 5), noise(*of_data, 3, 8), np.ones(8))


def test_neighbours_in_a_product_find_each_other():
    k, maps = rng.uniform(-0.5, 0.5, (50, 2)), noise(3, 6, 5)
    F, S = nl.NUFFT(k, (6, 5), eps=1e-12), nl.Sense(maps)
    W, D = nl.Diagonal(rng.random(50)), nl.Diagonal(noise(6, 5)).rename(weights="phase")
    for A in (F @ S, W @ F @ S, W @ (F @ S), F @ (S @ D), (W @ F) @ (S @ D)):
        assert any(isinstance(part, CoilNUFFT) for part in parts(A))
        assert nl.check_operator(A, noise(6, 5)).ok
    assert not isinstance(F @ nl.Sense(noise(3, 2, 6, 5)), CoilNUFFT)  # frames within the maps
    assert not isinstance(F @ nl.Sense(maps.astype("c8")), CoilNUFFT)  # which refuses all images


@pytest.mark.parametrize("gram", [False, True])
def test_maps_that_do_not_go_with_the_nufft_are_refused(gram):
    """An engine would read beyond their ends, or what is not there."""
    k, maps = rng.uniform(-0.5, 0.5, (50, 2)), noise(3, 6, 5)
    A = nl.NUFFT(k, (6, 5), engine="grid") @ nl.Sense(maps)
    if gram:
        A = CoilGram(A.nufft.gram(method="toeplitz"), maps)
    for wrong in (noise(3, 5, 4), noise(3, 7, 5), noise(6, 5), noise(3), noise(0, 6, 5)):
        with pytest.raises(ValueError, match=r"want \(coils, 6, 5\), at least one coil"):
            A.replace(maps=wrong)
    for values in ({"maps": maps.astype("c8")}, {"trajectory": k.astype("f4")}):
        with pytest.raises(TypeError, match="one precision"):
            A.replace(**values)
    both = A.replace(maps=maps.astype("c8"), trajectory=k.astype("f4"))
    assert both(noise(6, 5).astype("c8")).dtype == np.complex64


def test_one_coil_in_place_of_maps_of_ones():
    """The adjoint of a plain sum over the coils is that of their summed data."""
    image, maps = rng.uniform(0.5, 1.5, (16, 15)), noise(4, 16, 15)
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (80, 2)), (16, 15), eps=1e-9)
    k, n = F.trajectory, noise(4, 80)
    job = nl.workflows.TrajectoryObjective(image, maps, F, "ones", noise=n)
    recipe = type("All", (type(job.reconstruction),), {"sums_coils": False})()
    plain = nl.workflows.TrajectoryObjective(image, maps, F, "ones", noise=n, reconstruction=recipe)
    assert (job.scanned[0].shape[0], plain.scanned[0].shape[0]) == (1, 4)
    kind = type(job.reconstruction)
    another = type(
        "Another", (kind,), {"linearize": lambda self, *args: kind.linearize(self, *args)}
    )
    assert not another.sums_coils
    (value, gradient), (want, slope) = job.value_and_grad(k), plain.value_and_grad(k)
    np.testing.assert_allclose(value, want, rtol=1e-9)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-9 * abs(slope).max())
