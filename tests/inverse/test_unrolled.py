"""Unrolled iterations: the derivative of what they compute, and the memory that it takes."""

import weakref

import numpy as np
import pytest
from differences import difference

import nufftlib as nl
import optim
from nufftlib.inverse import unrolled
from nufftlib.inverse.differential import owns

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
GUESS = complex_(2, *SHAPE)
Y = complex_(2, 3, 40)


def problem(*, penalty=True, guess=None):
    A = nl.NUFFT(K, SHAPE, engine="direct", norm="ortho") @ nl.Sense(MAPS)
    R = nl.Diagonal(EDGES).rename(weights="edges") @ nl.FiniteDifferences(SHAPE)
    phi = nl.Charbonnier(np.asarray(0.7), 0.3, R, axis=-3) if penalty else None
    return nl.PenalizedLeastSquares(A, phi, np.asarray(0.05), WEIGHTS, guess=guess, tolerance=1e-12)


def descent(steps, *, threshold=0.0, accelerated=False, guess=None, step_size=0.02):
    return nl.UnrolledProximalGradient(
        problem(guess=guess), steps, np.asarray(step_size), threshold, accelerated
    )


def conjugate(steps, guess=None):
    return nl.UnrolledConjugateGradient(problem(penalty=False, guess=guess), steps)


METHODS = {
    "gradient descent": lambda steps: descent(steps, guess=GUESS),
    "accelerated": lambda steps: descent(steps, accelerated=True),
    "accelerated, threshold": lambda steps: descent(
        steps, accelerated=True, threshold=np.asarray(0.5)
    ),
    "conjugate gradients": conjugate,
    "conjugate gradients from a guess": lambda steps: conjugate(steps, GUESS),
}
NAMES = [(method, name) for method, make in METHODS.items() for name in (None, *make(1).parameters)]
methods = pytest.mark.parametrize("method", METHODS)


STATE = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _numbers():
    """Give each test the same numbers, whatever ran before it."""
    RNG.bit_generator.state = STATE


def close(a, b, tolerance):
    return np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def like(theta):
    return complex_(*theta.shape) if np.iscomplexobj(theta) else np.asarray(real(*theta.shape))


# --- the iteration ----------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 5, 9])
def test_steps_are_those_of_the_solver(steps):
    f = conjugate(steps)
    P = f.problem
    want = optim.conjugate_gradient(
        P.normal.apply, P.backward(Y), steps=steps, tolerance=0.0, axes=(-2, -1)
    )
    assert close(f(Y), want.params, 1e-12)
    f = descent(steps, accelerated=True, threshold=0.5)
    P, b = f.problem, f.problem.backward(Y)

    def value_and_grad(x):
        value, g = P.penalty.value_and_grad(x)
        Nx = P.normal(x)
        return value + nl.inner(x, 0.5 * Nx - b), Nx - b + g

    want = optim.accelerated_proximal_gradient(
        value_and_grad,
        np.zeros((2, *SHAPE), complex),
        optim.proximal.soft_threshold(0.5),
        steps=steps + 1,
        step_size=0.02,
    )
    assert close(f(Y), want.state.x, 1e-12)


@methods
def test_value_of_every_way_is_the_same(method):
    f = METHODS[method](7)
    x = f(Y)
    np.testing.assert_array_equal(f.linearize(Y)[0], x)
    np.testing.assert_array_equal(f.as_map("trajectory", Y)(K), x)
    assert f.outline(Y).shape == x.shape
    assert f.outline(Y).dtype == x.dtype


# --- derivatives ------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "name"), NAMES)
@pytest.mark.parametrize("steps", [1, 3, 8])
def test_derivatives_against_finite_differences(method, name, steps):
    f, z = METHODS[method](steps), complex_(2, *SHAPE)
    theta = Y if name is None else f.parameters[name]
    t = like(theta)

    def value(h):
        return f(Y + h * t) if name is None else f.as_map(name, Y)(theta + h * t)

    change = difference(value, h=1e-5)
    J = f.linearize(Y, wrt=name)[1]
    assert np.linalg.norm(J(t) - change) <= 1e-6 * np.linalg.norm(change) + 1e-10
    back = J.adjoint(z)
    assert back.shape == theta.shape
    assert back.dtype == theta.dtype
    dot = float(nl.inner(z, J(t)))
    size = np.linalg.norm(z) * np.linalg.norm(J(t))
    assert abs(float(nl.inner(back, t)) - dot) <= 1e-12 * size + 1e-14


@methods
def test_gradients_by_several_are_found_together(method):
    f, z = METHODS[method](5), complex_(2, *SHAPE)
    at = f.differential(Y)
    found = at.cotangents(z, (None, *f.parameters))
    for name, gradient in found.items():
        want = f.linearize(Y, wrt=name)[1].adjoint(z)
        np.testing.assert_allclose(gradient, want, rtol=1e-10, atol=1e-12)
    t, dy = like(K), like(Y)
    J = f.linearize(Y, wrt="trajectory")[1]
    assert close(J.tangent(t, dy), J(t) + f.linearize(Y)[1](dy), 1e-12)


def test_torch_finds_the_same_through_the_loop():
    """The same loops in torch, through which its autograd goes."""
    torch = pytest.importorskip("torch")
    A, y, z = complex_(7, 7) + 3 * np.eye(7), complex_(7), complex_(7)
    w, mu, a, tau = RNG.uniform(0.5, 1.5, 7), 0.3, 0.05, 0.4
    steps = 6

    def tensor(value):
        return torch.tensor(value).requires_grad_()

    def gradient(inputs, b, x):
        A, _, w, mu, *_ = inputs
        return A.mH @ (w * (A @ x)) + mu * x - b

    def descend(inputs):
        A, y, w, _, a, tau = inputs
        b = A.mH @ (w * y)
        x = z = torch.zeros(7, dtype=torch.complex128)
        t = 1.0
        for _ in range(steps):
            v = z - (a / t) * gradient(inputs, b, x + t * (z - x))
            size = v.abs()
            z = v * torch.clamp(1 - (a / t) * tau / size, min=0.0)
            x = x + t * (z - x)
            t = 2 / (1 + np.sqrt(1 + 4 / t**2))
        return x

    def conjugate(inputs):
        A, y, w, *_ = inputs
        r = p = A.mH @ (w * y)
        x = torch.zeros(7, dtype=torch.complex128)
        for _ in range(steps):
            h = gradient(inputs, 0.0, p)
            c = r.abs().square().sum() / (p.conj() * h).real.sum()
            x, s = x + c * p, r - c * h
            p, r = s + (s.abs().square().sum() / r.abs().square().sum()) * p, s
        return x

    P = nl.PenalizedLeastSquares(nl.BlockDiagonal(A), damping=np.asarray(mu), weights=w)
    pairs = (
        (descend, nl.UnrolledProximalGradient(P, steps, np.asarray(a), np.asarray(tau))),
        (conjugate, nl.UnrolledConjugateGradient(P, steps)),
    )
    names = ("blocks", None, "weights", "damping", "step_size", "threshold")
    for loop, f in pairs:
        inputs = [tensor(np.asarray(v)) for v in (A, y, w, mu, a, tau)]
        x = loop(inputs)
        (torch.tensor(z).conj() * x).real.sum().backward()
        np.testing.assert_allclose(f(y), x.detach().numpy(), rtol=1e-12, atol=1e-13)
        got = f.differential(y).cotangents(z, (None, *f.parameters))
        for name, tensor_ in zip(names, inputs, strict=True):
            if name in got:
                want = tensor_.grad.numpy()
                np.testing.assert_allclose(got[name], want, rtol=1e-10, atol=1e-11)


def test_it_tends_to_the_derivative_of_the_solution():
    """The figures of docs/derivations/unrolled.md."""
    z = complex_(2, *SHAPE)
    for make, penalty, figures in (
        (conjugate, False, [(5, 0.4), (10, 4e-2), (20, 1e-4), (40, 1e-11)]),
        (lambda n: descent(n, accelerated=True), True, [(25, 0.1), (100, 3e-3), (400, 1e-6)]),
    ):
        at = problem(penalty=penalty).differential(Y)
        want = at.cotangents(z, ("trajectory", None))
        errors = []
        for steps, bound in figures:
            got = make(steps).differential(Y).cotangents(z, ("trajectory", None))
            error = max(np.linalg.norm(got[n] - want[n]) / np.linalg.norm(want[n]) for n in want)
            assert error <= bound
            errors.append(error)
        assert sorted(errors, reverse=True) == errors


def test_a_converged_item_stays_where_it_is():
    f, z = conjugate(400), complex_(2, *SHAPE)
    at, exact = f.differential(Y), problem(penalty=False).differential(Y)
    assert close(at.value, exact.value, 1e-10)
    names = ("trajectory", None)
    got, want = at.cotangents(z, names), exact.cotangents(z, names)
    assert all(close(got[name], want[name], 1e-9) for name in names)
    y = Y.copy()
    y[1] = 0
    x, J = conjugate(3).linearize(y)
    assert np.all(x[1] == 0)
    assert np.all(np.isfinite(J.adjoint(z)))


# --- memory -----------------------------------------------------------------------------


@methods
@pytest.mark.parametrize("steps", [4, 25, 100, 400])
def test_states_alive(method, steps, monkeypatch):
    """A gradient holds about 2 sqrt(K) states, a directional derivative and a value a few."""
    f, z = METHODS[method](steps), complex_(2, *SHAPE)
    made, most, advance = [], 0, type(f).advance

    def noted(self, k, state):
        nonlocal most
        step = advance(self, k, state)
        made.append(weakref.ref(step.state[0]))
        most = max(most, sum(state() is not None for state in made))
        return step

    monkeypatch.setattr(type(f), "advance", noted)
    f(Y)
    assert most <= 4
    _, J = f.linearize(Y)
    J(Y)
    assert most <= steps**0.5 + 6
    J.adjoint(z)
    assert most <= 2 * steps**0.5 + 6
    assert most >= min(steps, 2 * steps**0.5 - 2)  # the count does count


def test_a_gradient_runs_the_iteration_twice_more(monkeypatch):
    f, z, calls = conjugate(30), complex_(2, *SHAPE), []
    advance = type(f).advance
    monkeypatch.setattr(
        type(f), "advance", lambda self, k, s: (calls.append(k), advance(self, k, s))[1]
    )
    _, J = f.linearize(Y)
    assert calls == list(range(30))
    J.adjoint(z)
    assert sorted(calls[30:]) == list(range(30))


# --- beside other things ----------------------------------------------------------------


def test_losses_and_descent():
    target = complex_(2, *SHAPE)
    f = descent(10, accelerated=True)
    for theta, g in ((Y, f), (K, f.as_map("trajectory", Y))):
        loss = nl.MeanSquaredError(target) @ g
        value, gradient = loss.value_and_grad(theta)
        step = 1e-3 * np.linalg.norm(theta) / np.linalg.norm(gradient)
        assert float(loss(theta - step * gradient)) < float(value)


@methods
def test_every_library_agrees(row, method):
    f, z = METHODS[method](3), complex_(2, *SHAPE)
    want = f.linearize(Y, wrt="maps")
    g = nl.convert(f, row.xp, row.device)
    x, J = g.linearize(row.array(Y, "complex128"), wrt="maps")
    assert row.owns(x, "complex128")
    np.testing.assert_allclose(row.numpy(x), want[0], rtol=1e-10, atol=1e-12)
    for a, b in zip(J.cotangents(row.array(z, "complex128")), want[1].cotangents(z), strict=True):
        np.testing.assert_allclose(row.numpy(a), b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", ["float32", "complex64"])
def test_single_precision_stays_single(row, kind):
    A = nl.Diagonal(row.array(real(5), "float32"))
    P = nl.PenalizedLeastSquares(A, damping=row.array(0.3, "float32"))
    y = row.array(real(5), kind)
    for f in (
        nl.UnrolledProximalGradient(P, 3, row.array(0.2, "float32"), 0.01),
        nl.UnrolledConjugateGradient(P, 3),
    ):
        x, J = f.linearize(y, wrt="damping")
        assert row.owns(x, kind)
        by_damping, by_data = J.cotangents(x)
        assert row.owns(by_damping, "float32")
        assert row.owns(by_data, kind)


def test_torch_differentiates_it():
    torch = pytest.importorskip("torch")
    from nufftlib.interop.torch import wrap

    P = nl.PenalizedLeastSquares(nl.Diagonal(complex_(4)), damping=np.asarray(0.3))
    y = complex_(4)
    for f in (
        nl.UnrolledProximalGradient(P, 4, np.asarray(0.2), np.asarray(0.1)),
        nl.UnrolledConjugateGradient(P, 2),
    ):
        for g, theta in ((f, y), *((f.as_map(n, y), v) for n, v in f.parameters.items())):
            tensor = torch.tensor(theta).requires_grad_()
            settings = {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-6, "check_forward_ad": True}
            assert torch.autograd.gradcheck(wrap(g), (tensor,), **settings)


def test_jax_differentiates_it():
    jax = pytest.importorskip("jax")
    from nufftlib.interop.jax import wrap

    with jax.enable_x64(True):
        f = conjugate(4)
        loss = nl.MeanSquaredError(np.zeros((2, *SHAPE), complex)) @ f.as_map("trajectory", Y)
        value, gradient = jax.jit(jax.value_and_grad(wrap(loss)))(K)
    want = loss.value_and_grad(K)
    np.testing.assert_allclose(value, want[0], rtol=1e-9)
    np.testing.assert_allclose(gradient, want[1], rtol=1e-7, atol=1e-12)


def test_an_iteration_of_another_author():
    """A step is a new state and how it changes: enough for a map with every derivative."""

    class Times(unrolled.Step):
        def __init__(self, f, x):
            self.f, self.x, self.state = f, x, (f.gain * x,)

        def tangent(self, change, direction):
            return (self.f.gain * change[0] + direction.get("gain", 0.0) * self.x,)

        def cotangents(self, z, names):
            by_gain = {"gain": nl.inner(self.x, z[0])} if "gain" in names else {}
            return (self.f.gain * z[0],), by_gain

    class Repeated(unrolled.Unrolled):
        def __init__(self, gain):
            self.problem, self.steps, self.gain = problem(penalty=False), 10, gain

        @property
        def _parameters(self):
            return {"gain": self.gain}

        def begin(self, y):
            return Times(self, y)

        def advance(self, k, state):
            return Times(self, state[0])

        def _checked(self, x):
            pass

    f, y, z = Repeated(np.asarray(1.1)), real(3), real(3)
    x, J = f.linearize(y, wrt="gain")
    np.testing.assert_allclose(x, 1.1**11 * y)
    by_gain, by_data = J.cotangents(z)
    np.testing.assert_allclose(by_gain, 11 * 1.1**10 * (y @ z))
    np.testing.assert_allclose(by_data, 1.1**11 * z)
    np.testing.assert_allclose(J(np.asarray(1.0)), 11 * 1.1**10 * y)


def test_errors():
    P = problem()
    with pytest.raises(ValueError, match="it has a penalty, whose gradient is not linear"):
        nl.UnrolledConjugateGradient(P, 3)
    with pytest.raises(ValueError, match=r"UnrolledProximalGradient\(steps\): steps is 0"):
        nl.UnrolledProximalGradient(P, 0, 0.1)
    with pytest.raises(ValueError, match=r"step_size is 0"):
        nl.UnrolledProximalGradient(P, 3, 0.0)
    with pytest.raises(TypeError, match=r"problem is 5; want a PenalizedLeastSquares"):
        nl.UnrolledProximalGradient(5, 3, 0.1)
    f = nl.UnrolledProximalGradient(P, 3, 0.1)
    assert not owns(f, "step_size")
    with pytest.raises(ValueError, match="has no parameter 'step_size'"):
        f.as_map("step_size", Y)


def test_zeros_move_where_nothing_is_subtracted():
    problem = nl.PenalizedLeastSquares(nl.Diagonal(np.ones(3)))
    v, zero = np.asarray([0.0, 1.0, 2.0]), np.asarray(0.0)
    for threshold in (0.0, zero):
        f = nl.UnrolledProximalGradient(problem, 1, 0.5, threshold)  # the map is y / 2
        _, J = f.linearize(v)
        np.testing.assert_allclose(J.adjoint(np.ones(3)), np.full(3, 0.5))
        np.testing.assert_allclose(J.apply(np.ones(3)), np.full(3, 0.5))
