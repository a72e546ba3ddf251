"""Operators in the hands of pylops."""

import numpy as np
import pytest
from cases import KINDS
from rows import open_row

import nufftlib as nl
import optim

pylops = pytest.importorskip("pylops")
from nufftlib.interop.pylops import as_pylops  # noqa: E402  # it raises without pylops

rng = np.random.default_rng(0)
START = rng.bit_generator.state


@pytest.fixture(autouse=True)
def _seed():
    """Each test draws the same numbers, whichever ran before it; pylops draws NumPy's own."""
    rng.bit_generator.state = START
    np.random.seed(0)  # noqa: NPY002


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def close(a, b, tolerance=1e-12):
    return np.linalg.norm(a - b) <= tolerance * max(np.linalg.norm(b), 1e-3)


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case.name)
@pytest.mark.parametrize("precision", ["double", "single"])
def test_every_kind_of_operator_passes_the_dot_test(case, precision):
    with open_row("numpy-readonly") as row:
        op, x = case.build(row, precision)
    y = op(x)
    A = as_pylops(op, x.shape, x.dtype)
    assert A.dims == x.shape
    assert A.dimsd == y.shape
    assert A.shape == (y.size, x.size)
    assert A.dtype == np.result_type(x, y)
    assert A.clinear == (np.iscomplexobj(x) == np.iscomplexobj(y))
    single = precision == "single"
    assert close((A @ x).reshape(y.shape), y, 1e-5 if single else 1e-14)
    # Of the size of the terms: the two numbers that are compared may come close to zero.
    atol = (1e-4 if single else 1e-10) * float(np.linalg.norm(A @ x.reshape(-1)))
    flag = np.iscomplexobj(x) + 2 * np.iscomplexobj(y)
    rtol = 1e-4 if single else 1e-10
    assert pylops.utils.dottest(A, rtol=rtol, atol=atol, complexflag=flag)


PAIRS = {
    "image to image": (lambda: nl.Blur(np.full((3, 2), 1 / 6)), (8, 9), float),
    "image to samples": (
        lambda: nl.NUFFT(rng.uniform(-0.5, 0.5, (99, 2)), (8, 9)),
        (8, 9),
        complex,
    ),
    "samples to image": (
        lambda: nl.NUFFT(rng.uniform(-0.5, 0.5, (99, 2)), (8, 9)).H,
        (99,),
        complex,
    ),
    "line to samples": (lambda: nl.NUFFT(rng.uniform(-0.5, 0.5, (99, 1)), (8,)), (8,), complex),
    "line to coils": (lambda: nl.Sense(noise(3, 8)), (8,), complex),
}


@pytest.mark.parametrize(("make", "dims", "dtype"), PAIRS.values(), ids=PAIRS)
def test_results_of_flat_vectors_are_flat(make, dims, dtype):
    """Solvers hand over flat vectors, and add the results to them."""
    A = as_pylops(make(), dims, dtype)
    x = rng.standard_normal(dims).astype(dtype)
    y = A @ x.reshape(-1)
    assert y.shape == (A.shape[0],)
    assert (A.H @ y).shape == (A.shape[1],)
    assert close((A @ x).reshape(-1), y)
    if len(A.dims) > 1 and len(A.dimsd) > 1:
        assert (A @ x).shape == A.dimsd
        assert (A.H @ y.reshape(A.dimsd)).shape == A.dims


@pytest.mark.parametrize(("make", "dims", "dtype"), PAIRS.values(), ids=PAIRS)
def test_pyproximals_solvers_take_it(make, dims, dtype):
    pyproximal = pytest.importorskip("pyproximal")
    A = as_pylops(make(), dims, dtype)
    data = A @ rng.standard_normal(A.shape[1]).astype(dtype)
    x0 = np.zeros(A.shape[1], dtype)
    misfit, penalty = pyproximal.L2(Op=A, b=data, niter=5), pyproximal.L1(sigma=1e-3)
    for solve in (
        lambda: pyproximal.optimization.primal.ProximalGradient(
            misfit, penalty, tau=1e-3, x0=x0, niter=5
        ),
        lambda: pyproximal.optimization.primal.ADMM(misfit, penalty, tau=1.0, x0=x0, niter=5)[0],
    ):
        found = solve()
        assert found.shape == x0.shape
        assert np.linalg.norm(A @ found - data) < np.linalg.norm(data)


def test_a_real_image_behind_complex_data_is_real_linear():
    op = nl.Sense(noise(3, 4, 5))
    A = as_pylops(op, (4, 5), float)
    y = noise(3, 4, 5)
    assert close(A.H @ y, op.H(y).real)
    assert np.array_equal(A @ (np.ones((4, 5)) + 1j), A @ np.ones((4, 5)))  # as pylops' own do


def test_it_composes_with_operators_of_pylops():
    image = noise(6, 7)
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (30, 2)), (6, 7), eps=1e-12)
    A = as_pylops(F, (6, 7), complex)
    D = pylops.FirstDerivative((6, 7), dtype=complex)
    both = A @ D
    assert close(both @ image, F(D @ image))
    assert pylops.utils.dottest(both, rtol=1e-10, complexflag=3)
    stacked = pylops.VStack([A, 0.5 * D])
    assert stacked.shape == (72, 42)
    assert pylops.utils.dottest(stacked, rtol=1e-10, complexflag=3)
    assert close(A.todense() @ image.reshape(-1), F(image), 1e-11)


def test_vectors_of_any_layout():
    A = as_pylops(nl.Blur(rng.random((2, 3)), "circular"), (5, 6), float)
    x = rng.standard_normal((5, 6))
    y = A @ x
    wide = np.zeros((30, 2))
    wide[:, 0] = x.reshape(-1)
    frozen = x.copy()
    frozen.flags.writeable = False
    assert np.array_equal(A @ frozen, y)
    assert np.array_equal(A @ np.asfortranarray(x), y)
    assert np.array_equal(A @ x[::-1].copy()[::-1], y)
    assert np.array_equal(A @ wide[:, 0], y.reshape(-1))


def test_solvers_of_pylops_find_the_image():
    maps = nl.mri.birdcage_maps(4, (6, 7), dtype=np.complex128)
    op = nl.NUFFT(rng.uniform(-0.5, 0.5, (80, 2)), (6, 7), eps=1e-12) @ nl.Sense(maps)
    image = noise(6, 7)
    A, y = as_pylops(op, (6, 7), complex), op(image).reshape(-1)
    x0 = np.zeros(42, complex)
    assert close(pylops.optimization.basic.cgls(A, y, x0, niter=200, tol=1e-14)[0], image, 1e-9)
    x = pylops.optimization.basic.lsqr(A, y, x0, niter=200, atol=1e-14, btol=1e-14)[0]
    assert close(x, image, 1e-9)

    # With a penalty, against the normal equations written out.
    G = pylops.Laplacian((6, 7), dtype=complex)
    x = pylops.optimization.leastsquares.regularized_inversion(
        A, y, [G], epsRs=[0.3], x0=x0, iter_lim=500, atol=1e-14, btol=1e-14
    )[0]
    M, L = A.todense(), G.todense()
    expected = np.linalg.solve(M.conj().T @ M + 0.09 * L.conj().T @ L, M.conj().T @ y)
    assert close(x.reshape(-1), expected, 1e-9)


def test_a_real_image_is_found_behind_complex_data():
    op = nl.Sense(noise(2, 4, 5))
    image = rng.standard_normal((4, 5))
    A = as_pylops(op, (4, 5), float)
    x = pylops.optimization.basic.cgls(A, op(image).reshape(-1), np.zeros(20), niter=60, tol=0)[0]
    assert close(x.real, image, 1e-9)
    assert not np.any(x.imag)


def test_what_is_no_operator_is_refused():
    with pytest.raises(TypeError, match=r"as_pylops\(op\): op is a Magnitude; want"):
        as_pylops(nl.Magnitude(), (3,), float)


def test_pyproximals_minimum_of_total_variation_is_that_of_admm_and_primal_dual():
    pyproximal = pytest.importorskip("pyproximal")
    n, weight = 24, 0.3
    M, y = rng.standard_normal((30, n)), rng.standard_normal(30)
    D = pylops.FirstDerivative(n, kind="forward", edge=False)
    K, size = D.todense()[:-1], np.linalg.norm(M, 2) ** 2
    theirs = pyproximal.optimization.primaldual.PrimalDual(
        pyproximal.L2(Op=pylops.MatrixMult(M), b=y, niter=100, warm=True),
        pyproximal.L1(sigma=weight),
        pylops.MatrixMult(K),
        x0=np.zeros(n),
        tau=0.4,
        mu=0.4,
        niter=3000,
    )

    def misfit(x):
        r = M @ x - y
        return 0.5 * r @ r, M.T @ r

    penalty = optim.proximal.soft_threshold(weight)
    maps = (lambda x: K @ x), (lambda u: K.T @ u)
    ours = optim.primal_dual(
        misfit,
        np.zeros(n),
        optim.proximal.soft_threshold(0.0),
        *maps,
        penalty,
        curvature=size,
        norm_of_map=2.0,
        steps=20000,
        tolerance=1e-10,
    )
    split = optim.admm(
        lambda x: M.T @ (M @ x), M.T @ y, *maps, penalty, steps=2000, tolerance=1e-10
    )
    assert ours.converged
    assert split.converged
    np.testing.assert_allclose(ours.params, theirs, atol=1e-5)
    np.testing.assert_allclose(split.params, theirs, atol=1e-5)
