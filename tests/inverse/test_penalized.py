"""Penalised least squares: the solution, and its derivatives by the implicit function theorem."""

import numpy as np
import pytest
import scipy.optimize
from differences import difference

import nufftlib as nl
import optim
from nufftlib.inverse import penalized
from nufftlib.inverse.inverse import Inverse

RNG = np.random.default_rng(0)
SHAPE = (6, 5)


# torch's forward mode loads what torch has come to discourage.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def real(*shape):
    return RNG.standard_normal(shape)


def complex_(*shape):
    return real(*shape) + 1j * real(*shape)


K = RNG.uniform(-0.5, 0.5, (40, 2))
MAPS = complex_(3, *SHAPE)
EDGES = RNG.uniform(0.5, 1.0, (2, *SHAPE))
WEIGHTS = RNG.uniform(0.5, 1.5, 40)
Y = complex_(2, 3, 40)


def solver(tolerance=1e-12, scale=0.7, **settings):
    A = nl.NUFFT(K, SHAPE, engine="direct", norm="ortho") @ nl.Sense(MAPS)
    R = nl.Diagonal(EDGES).rename(weights="edges") @ nl.FiniteDifferences(SHAPE)
    phi = nl.Charbonnier(np.asarray(scale), 0.3, R, axis=-3)
    return nl.PenalizedLeastSquares(
        A, phi, np.asarray(0.05), WEIGHTS, tolerance=tolerance, **settings
    )


STATE = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _numbers():
    """Give each test the same numbers, whatever ran before it."""
    RNG.bit_generator.state = STATE


def close(a, b, tolerance):
    return np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


# --- the solution -----------------------------------------------------------------------


def test_it_is_the_minimum_of_another_minimiser():
    """By SciPy's L-BFGS on real and imaginary parts, with no gradient of ours."""
    M, y = complex_(4, 4), complex_(4)
    A = nl.BlockDiagonal(M)
    f = nl.PenalizedLeastSquares(A, nl.Charbonnier(0.5, 0.2), 0.1, tolerance=1e-10)

    def loss(v):
        x = v[:4] + 1j * v[4:]
        r = M @ x - y
        data = 0.5 * np.sum(np.abs(r) ** 2) + 0.05 * np.sum(np.abs(x) ** 2)
        return data + 0.5 * np.sum(np.sqrt(np.abs(x) ** 2 + 0.04) - 0.2)

    v = scipy.optimize.minimize(loss, np.zeros(8), tol=1e-14).x
    np.testing.assert_allclose(f(y), v[:4] + 1j * v[4:], atol=1e-5)


def test_without_a_penalty_it_is_least_squares():
    A = nl.NUFFT(K, SHAPE, engine="direct")
    y = complex_(2, 40)
    ours = nl.PenalizedLeastSquares(A, damping=0.1, weights=WEIGHTS, tolerance=1e-12)
    theirs = nl.LeastSquares(A, damping=0.1, weights=WEIGHTS, tolerance=1e-15)
    assert close(ours(y), theirs(y), 1e-10)


def test_the_gradient_vanishes_in_each_item(row):
    """Against the optimality condition written out, items of very different size."""
    y = row.array(Y * np.asarray([1.0, 1e-3])[:, None, None], "complex128")
    f = nl.convert(solver(1e-9), row.xp, row.device)
    x = f(y)
    r = f.model(x) - y
    g = f.backward(r) + 0.05 * x + f.penalty.gradient(x).value
    zero = f.backward(y)
    for i in range(2):
        norm, unit = (np.linalg.norm(row.numpy(a)[i]) for a in (g, zero))
        assert norm <= 1.1e-9 * unit


def test_a_batch_is_solved_as_its_items():
    f = solver(1e-10)
    assert close(f(Y), np.stack([f(y) for y in Y]), 1e-8)


def test_the_report_and_a_warm_start():
    f = solver(1e-9)
    found = f.solve(Y)
    assert found.converged
    assert found.history[0] == pytest.approx(1.0)
    assert found.history[1] <= 1.5e-6  # of the descent, whose tolerance is that of all items
    assert found.history[-1] <= 1e-9
    again = solver(1e-9, guess=found.params + 1e-6).solve(Y)
    assert again.steps < 0.5 * found.steps
    assert close(again.params, found.params, 1e-7)


def test_newtons_method_finds_it_alone(monkeypatch):
    """From far off, where its steps are too long."""
    monkeypatch.setattr(penalized, "NEAR", np.inf)
    far = solver(1e-10, guess=100 * complex_(2, *SHAPE)).solve(Y)
    assert far.converged
    assert close(far.params, solver(1e-10)(Y), 1e-8)


@pytest.mark.parametrize("scale", [1e-3, 1e-2, 5e-2])
@pytest.mark.parametrize("delta", [1e-1, 1e-3])
def test_edges_far_sharper_than_steps(scale, delta):
    """A smooth penalty that is almost not smooth, whose curvature is that of few points."""
    image = np.zeros((32, 32), complex)
    image[8:20, 6:25] = 1
    image[12:28, 15:20] += 0.5j
    k = RNG.uniform(-0.5, 0.5, (700, 2)) * np.linspace(0.1, 1, 700)[:, None]
    F = nl.NUFFT(k, image.shape, norm="ortho", eps=1e-9)
    penalty = nl.Charbonnier(scale, delta, nl.FiniteDifferences(image.shape), axis=-3)
    y = F(image) + 0.01 * complex_(700)
    found = nl.PenalizedLeastSquares(F, penalty, tolerance=1e-10).solve(y)
    assert found.converged
    assert len(found.history) <= 7  # Newton's method has five steps at most


def test_a_solve_that_ends_too_early_says_so():
    with pytest.warns(
        nl.NotConvergedWarning, match=r"after \d+ steps the gradient is .* want 1e-12"
    ):
        solver(iterations=1, steps=5)(Y)


def test_real_images_stay_real(row):
    f = nl.PenalizedLeastSquares(
        nl.Blur(row.array(np.full((3, 3), 1 / 9)), boundary="circular"),
        nl.Charbonnier(0.1, 0.1, nl.FiniteDifferences(SHAPE), axis=-3),
        1e-2,
    )
    x = f(row.array(real(*SHAPE)))
    assert row.owns(x, "float64")
    assert f.outline(row.array(real(*SHAPE))).dtype == x.dtype


def test_single_precision_stays_single(row):
    f = nl.PenalizedLeastSquares(
        nl.Diagonal(row.array(np.ones(5), "float32")),
        nl.Charbonnier(row.array(0.3, "float32"), 0.1, nl.FiniteDifferences((5,)), axis=-2),
        tolerance=1e-4,
    )
    y = row.array(real(5), "float32")
    x, J = f.linearize(y, wrt="scale")
    assert row.owns(x, "float32")
    assert all(row.owns(g, "float32") for g in J.cotangents(x))


def test_no_items_have_no_solution_to_find():
    assert solver()(Y[:0]).shape == (0, *SHAPE)


# --- derivatives ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, *solver().parameters])
def test_derivatives_against_finite_differences(name):
    f, z = solver(), complex_(2, *SHAPE)
    theta = Y if name is None else f.parameters[name]
    t = complex_(*theta.shape) if np.iscomplexobj(theta) else np.asarray(real(*theta.shape))

    def value(h):
        return f(Y + h * t) if name is None else f.replace(**{name: theta + h * t})(Y)

    change = difference(value)
    x, J = f.linearize(Y, wrt=name)
    assert close(x, f(Y), 1e-12)
    assert close(J(t), change, 1e-6)
    back = J.adjoint(z)
    assert back.shape == theta.shape
    assert back.dtype == theta.dtype
    assert float(nl.inner(back, t)) == pytest.approx(float(nl.inner(z, change)), rel=1e-6)
    if name is not None:
        g = f.as_map(name, Y)
        np.testing.assert_array_equal(g.linearize(theta)[1].adjoint(z), back)
        assert close(g(theta + 0.01 * t), value(0.01), 1e-12)


@pytest.mark.parametrize("name", solver().parameters)
def test_both_gradients_cost_one_solve(name, monkeypatch):
    f, z = solver(), complex_(2, *SHAPE)
    _, J = f.linearize(Y, wrt=name)
    by_data = f.linearize(Y)[1]
    theta = f.parameters[name]
    t = complex_(*theta.shape) if np.iscomplexobj(theta) else np.asarray(real(*theta.shape))
    dy = complex_(*Y.shape)
    want = J.adjoint(z), by_data.adjoint(z), J(t) + by_data(dy)
    solves = []
    apply = Inverse._apply
    monkeypatch.setattr(Inverse, "_apply", lambda self, x: (solves.append(1), apply(self, x))[1])
    got = (*J.cotangents(z), J.tangent(t, dy))
    assert len(solves) == 2
    for a, b in zip(got, want, strict=True):
        assert close(a, b, 1e-9)
    everything = J.differential.cotangents(z, (None, *f.parameters))
    assert len(solves) == 3
    assert close(everything[name], want[0], 1e-9)


def test_a_descent_of_a_whole_reconstruction():
    f = solver(1e-9)
    target = complex_(2, *SHAPE)
    loss = nl.MeanSquaredError(target) @ f.as_map("trajectory", Y)
    before, gradient = loss.value_and_grad(K)
    assert loss(K - 1e-4 * gradient / np.abs(gradient).max()) < before
    value, by_data = (nl.MeanSquaredError(target) @ f).value_and_grad(Y)
    assert float(value) == pytest.approx(float(before))
    assert by_data.shape == Y.shape


def test_torch_differentiates_it():
    torch = pytest.importorskip("torch")
    from nufftlib.interop.torch import wrap

    penalty = nl.Charbonnier(np.asarray(0.5), 0.3, nl.FiniteDifferences((4,)), axis=-2)
    f = nl.PenalizedLeastSquares(nl.Diagonal(complex_(4)), penalty, tolerance=1e-12)
    y = complex_(4)
    for g, theta in ((f, y), *((f.as_map(n, y), theta) for n, theta in f.parameters.items())):
        tensor = torch.tensor(theta).requires_grad_()
        settings = {"eps": 1e-5, "atol": 1e-6, "rtol": 1e-6, "check_forward_ad": True}
        assert torch.autograd.gradcheck(wrap(g), (tensor,), **settings)


def test_jax_differentiates_it():
    jax = pytest.importorskip("jax")
    from nufftlib.interop.jax import wrap

    with jax.enable_x64(True):
        f = solver()
        loss = nl.MeanSquaredError(np.zeros(SHAPE, complex)) @ f.as_map("edges", Y[0])
        value, gradient = jax.jit(jax.value_and_grad(wrap(loss)))(EDGES)
        want = loss.value_and_grad(EDGES)
    np.testing.assert_allclose(value, want[0], rtol=1e-9)
    np.testing.assert_allclose(gradient, want[1], rtol=1e-7, atol=1e-12)


def test_the_name_of_a_part_is_not_that_of_a_setting():
    """A model has `weights`, and the data none: the number 1 stays in their place."""
    for make in (nl.PenalizedLeastSquares, nl.LeastSquares):
        f = make(nl.Diagonal(np.asarray([1.0, 2.0])), damping=0.5)
        moved = f.replace(weights=np.asarray([1.0, 3.0]))
        assert moved.weights is None
        want = np.asarray([1.0, 3.0]) / (np.asarray([1.0, 9.0]) + 0.5)
        np.testing.assert_allclose(moved(np.ones(2)), want, rtol=1e-5)


def test_errors():
    A = nl.Diagonal(np.ones(3))
    with pytest.raises(TypeError, match=r"PenalizedLeastSquares\(penalty\): penalty is 5; want"):
        nl.PenalizedLeastSquares(A, 5)
    with pytest.raises(ValueError, match="both operators have a parameter 'weights'"):
        nl.PenalizedLeastSquares(A, weights=np.ones(3))
    with pytest.raises(ValueError, match=r"damping has the shape \(2,\); want one number"):
        nl.PenalizedLeastSquares(A, damping=np.ones(2))
    with pytest.raises(ValueError, match=r"y has the shape \(4,\); want"):
        nl.PenalizedLeastSquares(A)(np.ones(4))
    assert isinstance(nl.PenalizedLeastSquares(A).solve(np.ones(3)), optim.Result)


def test_arithmetic_with_a_number_keeps_it_a_parameter():
    """NumPy turns arrays of zero dimensions into scalars."""
    f = nl.PenalizedLeastSquares(nl.Diagonal(np.ones(3)), None, np.asarray(0.5))
    value, J = f.as_map("damping", np.ones(3)).linearize(f.damping * 2.0)
    assert np.allclose(value, 0.5, rtol=1e-6)
    assert np.allclose(J.adjoint(np.ones(3)), -0.75, rtol=1e-6)  # d/dm 3 / (1 + m)


def test_large_data_in_single_precision():
    """The squares are out of range, and 1 over an overflow is no convergence."""
    F = nl.NUFFT(np.random.default_rng(0).uniform(-0.5, 0.5, (40, 2)).astype("f4"), (4, 5))
    y = np.ones(40, "c8")

    def solved(scale):
        penalty = nl.Charbonnier(0.05 * scale, 0.05 * scale)
        f = nl.PenalizedLeastSquares(F, penalty, damping=0.1, tolerance=1e-5)
        with np.errstate(all="ignore"):
            return f.solve(np.float32(scale) * y)

    want, found = solved(1.0), solved(2e18)
    assert found.converged
    np.testing.assert_allclose(found.params / 2e18, want.params, atol=1e-3)
