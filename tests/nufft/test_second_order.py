"""The second derivatives by the trajectory: one block for each point."""

from dataclasses import replace

import numpy as np
import pytest
from cases import CASES
from rows import covering, open_row

import nufftlib as nl
from nufftlib.nufft.engines.base import ImageStack, StackJacobian

NUFFTS = [
    case
    for case in CASES
    if case.name.startswith(("nufft direct", "nufft grid", "nufft finufft", "nufft in"))
]


SOME = [
    case for case in NUFFTS if any(part in case.name for part in ("(6, 5)", "(4, 5, 3)", "chunks"))
]


@pytest.fixture(params=list(covering(NUFFTS, SOME)))
def built(request):
    name, case = request.param
    with open_row(name, host=case.host) as row:
        yield row, *case.build(row, "double")


def problem(row, F, x):
    """A point of linearisation with a large residual, and weights."""
    rng = np.random.default_rng(5)
    samples = F.trajectory.shape[:-1]
    shape = (*x.shape[: x.ndim - len(F.shape)], *samples)
    noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    value, J = F.linearize(x, wrt="trajectory")
    scale = float(np.linalg.norm(row.numpy(value))) / np.linalg.norm(noise)
    data = row.array(scale * noise, "complex128")
    return data, value - data, J, row.array(rng.uniform(0.5, 2.0, samples))


def gradient(F, x, k, data, weights):
    value, J = F.as_map("trajectory", x).linearize(k)
    return J.adjoint(weights * (value - data))


def deviation(row, F, x):
    """How far the Hessian is from central differences of the gradient, of fourth order."""
    data, r, J, weights = problem(row, F, x)
    k, t = F.trajectory, row.array(np.random.default_rng(6).standard_normal(F.trajectory.shape))
    h = 1e-3 / max(F.shape)

    def slope(step):
        ahead = gradient(F, x, k + step * t, data, weights)
        behind = gradient(F, x, k - step * t, data, weights)
        return row.numpy(ahead - behind) / (2 * step)

    want = (4 * slope(h) - slope(2 * h)) / 3
    got = row.numpy(J.hessian(r, weights)(t))
    return np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-3)


def test_the_hessian_is_the_derivative_of_the_gradient(built):
    assert deviation(*built) < 1e-6


def test_blocks_are_symmetric_real_and_where_the_inputs_are(built):
    row, F, x = built
    _, r, J, weights = problem(row, F, x)
    for M in (J.gauss_newton(), J.gauss_newton(weights), J.hessian(r), J.hessian(r, weights)):
        assert isinstance(M, nl.BlockDiagonal)
        assert M.blocks.shape == (*F.trajectory.shape, len(F.shape))
        assert row.owns(M.blocks, "float64")
        blocks = row.numpy(M.blocks)
        np.testing.assert_array_equal(blocks, np.swapaxes(blocks, -1, -2))


def test_gauss_newton_is_the_normal_operator_of_the_jacobian(built):
    row, F, x = built
    _, r, J, weights = problem(row, F, x)
    size, d = int(np.prod(F.trajectory.shape)), len(F.shape)
    unit = np.eye(size).reshape(size, *F.trajectory.shape)
    dense = np.stack([row.numpy(J(row.array(e))).reshape(-1) for e in unit], axis=-1)
    for w in (None, weights):
        each = np.ones(size // d) if w is None else row.numpy(w).reshape(-1)
        batch = dense.shape[0] // each.size
        want = (dense.conj().T @ (np.tile(each, batch)[:, None] * dense)).real
        blocks = row.numpy(J.gauss_newton(w).blocks).reshape(-1, d, d)
        got = np.zeros((size // d, d, size // d, d))
        got[np.arange(size // d), :, np.arange(size // d), :] = blocks
        np.testing.assert_allclose(got.reshape(size, size), want, atol=1e-12 * np.abs(want).max())
    at_data = row.numpy(J.hessian(0 * r).blocks)  # no residual, no curvature
    np.testing.assert_array_equal(at_data, row.numpy(J.gauss_newton().blocks))


@pytest.mark.parametrize("case", [c for c in NUFFTS if c.host], ids=lambda case: case.name)
def test_engines_agree(case):
    with open_row("numpy", host=True) as row:
        F, x = case.build(row, "double")
        D = replace(F, engine="direct")
        for method in ("gauss_newton", "hessian"):
            got, want = (
                row.numpy(getattr(J, method)(*([r] if method == "hessian" else [])).blocks)
                for _, r, J, _ in (problem(row, F, x), problem(row, D, x))
            )
            np.testing.assert_allclose(got, want, atol=1e-10 * max(np.abs(want).max(), 1.0))


def test_single_precision_is_kept(row):
    case = next(c for c in NUFFTS if c.name == "nufft direct (6, 5) batch (2, 3) None")
    F, x = case.build(row, "single")
    value, J = F.linearize(x, wrt="trajectory")
    D = nl.NUFFT(row.array(row.numpy(F.trajectory)), F.shape, engine="direct")
    exact, K = D.linearize(row.array(row.numpy(x), "complex128"), wrt="trajectory")
    for M, N in ((J.gauss_newton(), K.gauss_newton()), (J.hessian(value), K.hessian(exact))):
        assert row.owns(M.blocks, "float32")
        got, want = row.numpy(M.blocks), row.numpy(N.blocks)
        assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()


k = np.random.default_rng(3).uniform(-0.5, 0.5, (4, 5, 2))
x = np.random.default_rng(4).standard_normal((3, 8, 7)) + 0j


@pytest.mark.parametrize(
    ("limit", "chunks"),
    [(15_000, [3] * 6), (10_000, [2, 1] * 6), (2500, [1] * 18)],  # images, one at a time
)
def test_a_memory_limit_changes_nothing_but_the_chunks(monkeypatch, limit, chunks):
    F = nl.NUFFT(k, (8, 7), engine="direct")
    small = replace(F, memory_limit=limit)
    stacks, true_forward = [], type(F.transform.engine).forward
    monkeypatch.setattr(
        type(F.transform.engine),
        "forward",
        lambda self, points, images: (
            stacks.append(images.shape[0]) or true_forward(self, points, images)
        ),
    )
    r = F(x)
    want, got = (A.linearize(x, wrt="trajectory")[1].hessian(r).blocks for A in (F, small))
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert stacks == [3, 9, 9, *chunks]  # data, then value with ramps, then pairs of them


def test_the_map_of_a_composition_has_blocks_too():
    A = nl.NUFFT(k, (8, 7)) @ nl.Sense(x)
    _, J = A.as_map("trajectory", x[0]).linearize(k)
    _, K = nl.NUFFT(k, (8, 7)).linearize(x * x[0], wrt="trajectory")
    np.testing.assert_allclose(J.gauss_newton().blocks, K.gauss_newton().blocks)


def test_one_point_without_further_axes():
    F = nl.NUFFT(k[0, 0], (8, 7), engine="direct")
    value, J = F.linearize(x, wrt="trajectory")
    assert J.hessian(value, np.asarray(2.0)).blocks.shape == (2, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda J: J.gauss_newton(np.ones(4)),
            ValueError,
            r"gauss_newton\(weights\): weights has the shape \(4,\) .* the points, \(4, 5\) and",
        ),
        (lambda J: J.gauss_newton(np.ones((4, 5), "f4")), ValueError, "dtype float32; want those"),
        (lambda J: J.hessian(np.ones((3, 4, 5)) + 0j, np.ones((4, 5)) + 0j), ValueError, "complex"),
        (lambda J: J.hessian(np.ones((4, 5)) + 0j), ValueError, r"\(4, 5\); want \(3, 4, 5\)"),
        (lambda J: J.hessian(np.ones((3, 4, 5))), TypeError, "float64; want complex128"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_came_and_what_is_wanted(call, error, message):
    _, J = nl.NUFFT(k, (8, 7), engine="direct").linearize(x, wrt="trajectory")
    with pytest.raises(error, match=message):
        call(J)


@pytest.mark.parametrize(
    ("cls", "method", "error"),
    [
        (ImageStack, "curvature", lambda blocks: -blocks),
        (ImageStack, "curvature", lambda blocks: blocks / (2 * np.pi)),
        (ImageStack, "curvature", np.triu),
        (StackJacobian, "gauss_newton", lambda blocks: 2 * blocks),
        (StackJacobian, "gauss_newton", np.triu),
    ],
)
def test_a_planted_error_is_seen(monkeypatch, cls, method, error):
    true = getattr(cls, method)
    monkeypatch.setattr(cls, method, lambda *args: error(true(*args)))
    case = next(c for c in NUFFTS if c.name == "nufft direct (4, 5, 3) batch (2,) ortho")
    with open_row("numpy") as row:
        assert deviation(row, *case.build(row, "double")) > 1e-2
