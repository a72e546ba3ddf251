"""What the laws and the oracles do not see of solves."""

import warnings

import numpy as np
import pytest

import nufftlib as nl
import optim
from nufftlib.data import brain

RNG = np.random.default_rng(0)


def complex_normal(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


K = RNG.uniform(-0.5, 0.5, (90, 2))
F = nl.NUFFT(K, (5, 6), engine="direct")
A = F @ nl.Sense(complex_normal(3, 5, 6))
Y = complex_normal(2, 3, 90)
EXACT = {"tolerance": 1e-13, "steps": 500}


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_it_minimises():
    w, R = RNG.uniform(0.5, 1.5, 90), nl.Diagonal(RNG.uniform(0.5, 1.5, (5, 6)))
    f = nl.LeastSquares(A, 3.0, weights=w, regularizer=R.rename(weights="gain"), **EXACT)
    x = f(Y)

    def objective(x):
        return 0.5 * np.sum(w * np.abs(A(x) - Y) ** 2) + 1.5 * np.sum(np.abs(R(x)) ** 2)

    least = objective(x)
    for _ in range(5):
        assert objective(x + 1e-3 * complex_normal(*x.shape)) > least


def test_each_item_of_a_batch_is_solved_alone():
    f = nl.LeastSquares(A, 0.5, **EXACT)
    both = f(Y)
    assert relative(both[0], f(Y[0])) < 1e-12
    # One that is 1e12 times as large does not end the other's iteration.
    scaled = f(Y * np.asarray([1e12, 1.0])[:, None, None])
    assert relative(scaled[1], both[1]) < 1e-12


def test_parameter_and_data_at_once_are_the_sum_of_both():
    """Of data that depend on the trajectory themselves."""
    u = complex_normal(3, 5, 6)
    f = nl.LeastSquares(A, 0.5, **EXACT)

    def image(k):
        return f.replace(trajectory=k)(F.replace(trajectory=k)(u))

    y, Jy = F.linearize(u, wrt="trajectory")
    _, J = f.linearize(y, wrt="trajectory")
    z, dk = complex_normal(5, 6), RNG.standard_normal(K.shape)
    by_k, by_y = J.cotangents(z)
    gradient = by_k + Jy.adjoint(by_y)
    h = 1e-6
    difference = (image(K + h * dk) - image(K - h * dk)) / (2 * h)
    assert nl.inner(gradient, dk) == pytest.approx(float(nl.inner(z, difference)), rel=1e-7)
    assert relative(J.tangent(dk, Jy(dk)), difference) < 1e-7
    assert relative(J.tangent(None, Jy(dk)), f(Jy(dk))) < 1e-10


def test_a_shared_parameter_has_the_sum_of_its_terms():
    """The same array weighs the model and the data."""
    w = RNG.uniform(0.5, 1.5, 90)
    f = nl.LeastSquares(nl.Diagonal(w) @ F, 0.5, weights=w, **EXACT)
    assert set(f.parameters) == {"trajectory", "weights"}
    report = nl.check_operator(f, Y[0, 0])
    assert report.ok, str(report)


def test_a_solve_costs_one_solve_more_either_way():
    """Counted in applications of the matrix."""
    applied = []

    class Counted(nl.Diagonal):
        def _apply(self, x):
            applied.append(x.shape)
            return super()._apply(x)

    f = nl.LeastSquares(Counted(np.asarray([1.0, 2.0, 3.0])), 0.5, tolerance=1e-12)
    y = RNG.standard_normal((1, 3))
    x, J = f.linearize(y, wrt="weights")
    value = len(applied)
    J.adjoint(x)
    assert len(applied) - value <= value + 3
    before = len(applied)
    J(np.ones(3))
    assert len(applied) - before <= value + 3


def test_the_gradient_converges_with_the_tolerance():
    z = complex_normal(5, 6)

    def gradient(tolerance):
        f = nl.LeastSquares(A, 0.5, tolerance=tolerance, steps=500)
        return f.vjp("trajectory", Y[0], z)

    exact = gradient(1e-13)
    errors = [relative(gradient(t), exact) for t in (1e-2, 1e-4, 1e-6)]
    assert errors[0] < 0.3
    assert errors[1] < 3e-3
    assert errors[2] < 3e-5


def test_the_normal_operator_is_the_gram_that_the_model_has():
    big = nl.NUFFT(RNG.uniform(-0.5, 0.5, (20000, 2)), (16, 16))
    S = nl.Sense(complex_normal(2, 16, 16))
    w = RNG.uniform(0.5, 1.5, 20000)
    for f in (nl.LeastSquares(big @ S, 0.5), nl.LeastSquares(big @ S, 0.5, weights=w)):
        assert "ToeplitzGram" in repr(f.normal)


def test_a_guess_saves_steps_and_changes_nothing_else():
    f = nl.LeastSquares(A, 0.5, tolerance=1e-10)
    cold = f.solve(Y)
    warm = nl.LeastSquares(A, 0.5, guess=cold.params, tolerance=1e-10).solve(Y)
    near = nl.LeastSquares(A, 0.5, guess=cold.params + 1e-6, tolerance=1e-10).solve(Y)
    assert warm.steps <= 1
    assert near.steps < 0.8 * cold.steps
    assert relative(near.params, cold.params) < 1e-8
    with pytest.raises(ValueError, match=r"guess is .*\(2, 2\).*; want .*\(2, 5, 6\)"):
        nl.LeastSquares(A, 0.5, guess=np.ones((2, 2)) + 0j)(Y)


def test_a_solve_that_does_not_converge_warns():
    f = nl.LeastSquares(A, 0.5, steps=2)
    with pytest.warns(nl.NotConvergedWarning, match="after 2 steps the error is .*; want 1e-06"):
        f(Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not f.solve(Y).converged  # who asks for the course is told by it


def test_an_indefinite_operator_is_refused():
    with pytest.raises(ValueError, match=r"<p, H p> is -.*; want a positive definite operator"):
        nl.Inverse(nl.Diagonal(np.asarray([1.0, -2.0])))(np.ones(2))


def test_an_operator_that_changes_the_shape_has_no_inverse():
    with pytest.raises(ValueError, match="want an operator that keeps the shape"):
        nl.Inverse(A)


def test_two_weights_want_two_names():
    with pytest.raises(ValueError, match="both operators have a parameter 'weights'"):
        nl.LeastSquares(nl.Diagonal(np.ones(3)), weights=np.full(3, 2.0))


def test_damping_is_one_number_and_not_negative():
    with pytest.raises(
        ValueError, match=r"damping\): damping has the shape \(2,\); want one number"
    ):
        nl.LeastSquares(A, np.ones(2))
    with pytest.raises(ValueError, match="damping is -1"):
        nl.LeastSquares(A, -1.0)


def test_arithmetic_with_the_damping_keeps_it_a_parameter():
    """NumPy turns arrays of zero dimensions into scalars."""
    f = nl.LeastSquares(A, np.asarray(0.5), **EXACT)
    value, J = f.as_map("damping", Y).linearize(f.damping * 2.0)
    assert J.differential.problem.parameters["damping"] == 1.0
    assert relative(value, nl.LeastSquares(A, 1.0, **EXACT)(Y)) < 1e-12
    assert J.adjoint(value).shape == ()


def test_a_batch_without_items_stays_one():
    f = nl.LeastSquares(A, 0.5)
    assert f(Y[:0]).shape == (0, 5, 6)
    assert f.vjp("trajectory", Y[:0], f(Y[:0])).shape == K.shape


def test_an_interrupt_is_not_swallowed(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    f = nl.LeastSquares(A, 0.5)
    monkeypatch.setattr(type(A), "_apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        f(Y)


def test_single_precision_comes_near_double():
    image = brain()[::8, ::8].astype(float)
    coils = nl.mri.birdcage_maps(4, image.shape)
    k = nl.mri.trajectories.radial(16, 64)
    single = nl.NUFFT(k, image.shape, norm="ortho") @ nl.Sense(coils)
    double = nl.NUFFT(k.astype(float), image.shape, norm="ortho") @ nl.Sense(coils.astype(complex))
    y = double(image.astype(complex))
    x = nl.LeastSquares(single, 0.1)(y.astype(np.complex64))
    assert x.dtype == np.complex64
    assert relative(x, nl.LeastSquares(double, 0.1, tolerance=1e-10)(y)) < 3e-4


def test_the_loss_of_a_solve_is_a_map():
    f = nl.LeastSquares(F, 0.5, **EXACT)
    target = complex_normal(5, 6)
    loss = nl.MeanSquaredError(target) @ f
    _, gradient = loss.value_and_grad(Y[0, 0])
    dy = complex_normal(90)
    h = 1e-6
    slope = (loss(Y[0, 0] + h * dy) - loss(Y[0, 0] - h * dy)) / (2 * h)
    assert nl.inner(gradient, dy) == pytest.approx(float(slope), rel=1e-7)


def test_the_course_is_that_of_conjugate_gradients():
    f = nl.LeastSquares(A, 0.5)
    result = f.solve(Y)
    assert isinstance(result, optim.Result)
    assert len(result.history) == result.steps + 1
    assert result.history[0] == 1.0
    assert result.history[-1] <= 1e-6


def test_a_preconditioner_saves_steps_and_changes_nothing_else():
    """With coil maps: the circulant matrix has the mean of each cyclic diagonal."""
    image = brain()[::4, ::4].astype(complex)
    coils = nl.mri.birdcage_maps(4, image.shape, dtype=np.complex128)
    k = nl.mri.trajectories.radial(16, 64, dtype=np.float64)
    big = nl.NUFFT(k, image.shape, norm="ortho")
    model = big @ nl.Sense(coils)
    M = nl.mri.circulant_preconditioner(big, coils, damping=0.02)
    y = model(image)
    plain, quick = (nl.LeastSquares(model, 0.02, preconditioner=P) for P in (None, M))
    first, second = plain.solve(y), quick.solve(y)
    assert second.steps < 0.9 * first.steps
    assert relative(second.params, first.params) < 1e-3
    z = np.random.default_rng(1).standard_normal(image.shape) + 0j
    wave = np.exp(2j * np.pi * (3 * np.arange(64)[:, None] - 5 * np.arange(64)) / 64) / 64
    assert nl.inner(wave, M(wave)) == pytest.approx(1 / float(nl.inner(wave, plain.normal(wave))))
    assert nl.inner(z, M(z)) > 0
    assert set(quick.parameters) == set(plain.parameters)


@pytest.mark.parametrize("kind", [nl.LeastSquares, nl.PenalizedLeastSquares])
def test_a_solution_that_is_not_unique_has_no_derivative(kind):
    k = np.random.default_rng(0).uniform(-0.5, 0.5, (12, 2))
    F, y = nl.NUFFT(k, (4, 5), eps=1e-12), np.ones(12, complex)
    loss = nl.MeanSquaredError(np.ones((4, 5), complex))
    for damping, few in ((0.0, True), (1e-2, False)):
        whole = loss @ kind(F, damping=damping).as_map("trajectory", y)
        if few:
            with pytest.raises(ValueError, match="24 real numbers are the data of 40 unknowns"):
                whole.value_and_grad(k)
        else:
            assert np.all(np.isfinite(whole.value_and_grad(k)[1]))
