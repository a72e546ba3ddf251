"""Operators in the hands of sigpy."""

import numpy as np
import pytest
from cases import KINDS
from rows import open_row

import nufftlib as nl

sigpy = pytest.importorskip("sigpy")
from nufftlib.interop.sigpy import as_linop  # noqa: E402  # it raises without sigpy

rng = np.random.default_rng(0)
START = rng.bit_generator.state


@pytest.fixture(autouse=True)
def _seed():
    """Each test draws the same numbers, whichever ran before it; sigpy draws NumPy's own."""
    rng.bit_generator.state = START
    np.random.seed(0)  # noqa: NPY002


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def close(a, b, tolerance=1e-12):
    return np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def scan():
    maps = nl.mri.birdcage_maps(4, (6, 7), dtype=np.complex128)
    return nl.NUFFT(rng.uniform(-0.5, 0.5, (80, 2)), (6, 7), eps=1e-12) @ nl.Sense(maps)


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case.name)
def test_every_kind_of_operator_is_a_linop_with_its_adjoint_and_gram(case):
    with open_row("numpy-readonly") as row:
        op, x = case.build(row, "double")
    y = op(x)
    if np.iscomplexobj(x) != np.iscomplexobj(y):
        with pytest.raises(ValueError, match="want both real or both complex"):
            as_linop(op, x.shape, x.dtype)
        return
    A = as_linop(op, x.shape, x.dtype)
    assert (A.ishape, A.oshape) == (list(x.shape), list(y.shape))
    assert close(A * x, y)
    assert close(A.H * y, op.H(y))
    assert close(A.N * x, op.H(y), 1e-4)  # some engines have an accuracy of 1e-6
    assert close(A.H.H * x, y)


def test_it_composes_with_linops_of_sigpy():
    op, image = scan(), noise(6, 7)
    A = as_linop(op, (6, 7), complex)
    D = sigpy.linop.FiniteDifference((6, 7))
    shift = sigpy.linop.Circshift((6, 7), [1, 2])
    both = 2 * A * shift
    y = noise(4, 80)
    assert close(both * image, 2 * op(np.roll(image, (1, 2), (0, 1))))
    assert close(np.vdot(y, both * image), np.vdot(both.H * y, image))
    stacked = sigpy.linop.Vstack([sigpy.linop.Reshape((320,), (4, 80)) * A, D], axis=None)
    assert (stacked * image).shape == (320 + 2 * 42,)


def test_the_gram_of_a_nufft_is_a_convolution():
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (4000, 2)), (12, 14))
    A = as_linop(F @ nl.Sense(noise(2, 12, 14)), (12, 14), complex)
    assert isinstance(A.N.op.gram, type(F.N))
    assert not isinstance(F.N, type(F.H @ F))


def test_the_apps_of_sigpy_find_the_image():
    op, image = scan(), noise(6, 7)
    A, y = as_linop(op, (6, 7), complex), op(image)
    solve = sigpy.app.LinearLeastSquares
    found = solve(A, y, max_iter=200, tol=0, show_pbar=False).run()
    assert close(found, image, 1e-9)
    # With a penalty, against the normal equations written out.
    columns = np.stack([op(e.reshape(6, 7)).reshape(-1) for e in np.eye(42, dtype=complex)], 1)
    normal = columns.conj().T @ columns
    right = columns.conj().T @ y.reshape(-1)
    for lamda in (3.0, 0.3):
        found = solve(A, y, lamda=lamda, max_iter=300, tol=0, show_pbar=False).run()
        assert close(found.reshape(-1), np.linalg.solve(normal + lamda * np.eye(42), right), 1e-9)


def test_total_variation_comes_out_as_with_a_matrix():
    shape = (12, 10)
    k = nl.mri.trajectories.radial(5, 12, dtype=np.float64)
    maps = nl.mri.birdcage_maps(3, shape, dtype=np.complex128)
    op = nl.NUFFT(k, shape, norm="ortho", eps=1e-12) @ nl.Sense(maps)
    A = as_linop(op, shape, complex)
    M = np.stack([(A * e.reshape(shape)).ravel() for e in np.eye(120, dtype=complex)], 1)
    flat, shaped = sigpy.linop.Reshape((120, 1), shape), sigpy.linop.Reshape(A.oshape, (180, 1))
    G = sigpy.linop.FiniteDifference(shape)
    image = sigpy.shepp_logan(shape)
    y, found = A * image, []
    for model in (A, shaped * sigpy.linop.MatMul((120, 1), M) * flat):
        np.random.seed(0)  # noqa: NPY002  # it draws a start to find its step
        app = sigpy.app.LinearLeastSquares(
            model, y, proxg=sigpy.prox.L1Reg(G.oshape, 0.01), G=G, max_iter=200, show_pbar=False
        )
        found.append(app.run())
    assert close(found[0], found[1], 1e-8)
    assert np.linalg.norm(found[0] - image) < 0.5 * np.linalg.norm(A.H * y - image)


def test_single_precision_stays_single_behind_sigpys_steps():
    op = nl.Sense(noise(3, 4, 5).astype(np.complex64))
    A = as_linop(op, (4, 5), "complex64")
    x = noise(4, 5)
    assert (A * x).dtype == np.complex64
    assert (A * x.real).dtype == np.complex64
    y = A * x.astype(np.complex64)
    found = sigpy.app.LinearLeastSquares(
        A, y, solver="GradientMethod", max_iter=30, show_pbar=False
    ).run()
    assert np.linalg.norm(A * found - y) < 1e-2 * np.linalg.norm(y)


def test_complex_numbers_never_lose_their_imaginary_part():
    A = as_linop(nl.Blur(np.ones((2, 3))), (5, 6), float)
    with pytest.raises(RuntimeError) as error:  # sigpy's own, around ours
        A * noise(5, 6)
    assert "the input is complex128; want float64" in str(error.value.__cause__)


def test_what_is_no_operator_is_refused():
    with pytest.raises(TypeError, match=r"as_linop\(op\): op is a Magnitude; want"):
        as_linop(nl.Magnitude(), (3,), float)
