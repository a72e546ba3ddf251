"""Linear systems by conjugate gradients."""

import numpy as np
import pytest

import optim

RNG = np.random.default_rng(0)


def positive_definite(d, condition=10.0):
    q, _ = np.linalg.qr(RNG.standard_normal((d, d)) + 1j * RNG.standard_normal((d, d)))
    return (q * np.geomspace(1.0, condition, d)) @ q.conj().T


def test_a_complex_system_in_as_many_steps_as_unknowns():
    H, b = positive_definite(6), RNG.standard_normal(6) + 1j * RNG.standard_normal(6)
    result = optim.conjugate_gradient(lambda x: H @ x, b, steps=6, tolerance=1e-9)
    assert result.converged
    assert np.allclose(result.params, np.linalg.solve(H, b), rtol=1e-8)


def test_few_eigenvalues_take_few_steps():
    d = np.asarray([1.0, 1.0, 5.0, 5.0, 5.0, 9.0])
    result = optim.conjugate_gradient(lambda x: d * x, np.ones(6), steps=6, tolerance=1e-12)
    assert result.steps == 3


def test_the_error_is_that_of_the_true_residual():
    """In the norm of the operator that the directions have shown, at most the true one."""
    H, b = positive_definite(20, 100.0), RNG.standard_normal(20) + 0j
    seen = []
    optim.conjugate_gradient(
        lambda x: H @ x, b, steps=15, callback=lambda _, e, x: seen.append((e, x))
    )
    for error, x in seen:
        r, size, rhs = (np.linalg.norm(a) for a in (b - H @ x, x, b))
        assert r / (100 * size + rhs) <= error * (1 + 1e-9)
    assert error <= r / (20 * size + rhs)


def test_the_solution_is_as_near_along_every_eigenvector():
    """Relative to |b| alone, the second of these residuals would have to be 1e4 times smaller."""
    H, (_, vectors) = (h := positive_definite(30, 1e4)), np.linalg.eigh(h)
    for b in (vectors[:, -1] + 0.1 * vectors[:, 3], vectors[:, 0] + 0.1 * vectors[:, -3]):
        x = optim.conjugate_gradient(lambda x: H @ x, b, steps=200, tolerance=1e-8).params
        exact = np.linalg.solve(H, b)
        assert np.linalg.norm(x - exact) < 1e4 * 1e-8 * np.linalg.norm(exact)


def test_the_end_is_in_reach_of_single_precision():
    H = np.diag(np.geomspace(1e-5, 1.0, 40).astype(np.float32))
    b = np.zeros(40, np.float32)
    b[:3] = 1.0
    result = optim.conjugate_gradient(lambda x: H @ x, b, steps=500, tolerance=1e-6)
    assert result.converged


def test_systems_beside_each_other_are_solved_as_alone():
    H, b = positive_definite(5), RNG.standard_normal((3, 5)) + 0j
    b[1] *= 1e9
    b[2] = 0
    together = optim.conjugate_gradient(
        lambda x: x @ H.T, b, steps=40, tolerance=1e-10, axes=-1
    ).params
    for i in range(3):
        alone = optim.conjugate_gradient(lambda x: H @ x, b[i], steps=40, tolerance=1e-10).params
        assert np.allclose(together[i], alone, rtol=1e-9)


def test_one_that_has_converged_stays_where_it_is():
    d = np.asarray([[2.0, 2.0], [1.0, 100.0]])
    seen = []
    optim.conjugate_gradient(
        lambda x: d * x,
        np.ones((2, 2)),
        steps=5,
        axes=1,
        callback=lambda *args: seen.append(args[-1]),
    )
    assert len(seen) == 3
    assert np.array_equal(seen[1][0], seen[2][0])
    assert not np.array_equal(seen[1][1], seen[2][1])


def test_a_guess_that_is_the_solution_takes_no_step():
    H, x = positive_definite(4), RNG.standard_normal(4) + 0j
    result = optim.conjugate_gradient(lambda x: H @ x, H @ x, x, steps=5)
    assert result.steps == 0
    assert result.params is x


def test_the_real_inner_product_serves_operators_that_are_real_linear():
    """Such as the Hessian of a penalty on magnitudes: it conjugates."""
    b = np.asarray([1 + 2j, -1j])
    result = optim.conjugate_gradient(lambda x: 3 * x + np.conj(x), b, steps=9, tolerance=1e-12)
    assert np.allclose(3 * result.params + np.conj(result.params), b)


def test_a_semidefinite_system_with_a_right_hand_side_in_its_range():
    d = np.asarray([0.0, 1.0, 2.0])
    result = optim.conjugate_gradient(lambda x: d * x, np.asarray([0.0, 1.0, 1.0]), steps=9)
    assert np.allclose(result.params, [0.0, 1.0, 0.5])
    stuck = optim.conjugate_gradient(lambda x: d * x, np.asarray([1.0, 0.0, 0.0]), steps=9)
    assert not stuck.converged
    assert stuck.steps == 1


def test_an_indefinite_operator_is_refused():
    d = np.asarray([1.0, -1.0])
    with pytest.raises(ValueError, match=r"conjugate_gradient: at step 1 <p, H p> is -.*; want"):
        optim.conjugate_gradient(lambda x: d * x, np.asarray([1.0, 2.0]), steps=9)


def test_a_residual_that_is_not_finite_ends_the_loop():
    with pytest.raises(optim.NonFiniteError) as caught:
        optim.conjugate_gradient(lambda x: x * np.nan, np.ones(2), steps=9)
    assert caught.value.result.steps == 0


def test_single_precision_stays_single(row):
    H = row.array(np.diag(np.geomspace(1, 100, 5)), "float32")
    b = row.array(np.ones(5), "float32")
    result = optim.conjugate_gradient(lambda x: H @ x, b, steps=20, tolerance=1e-5)
    assert result.converged
    assert row.owns(result.params, "float32")


def test_tiny_and_huge_numbers_keep_their_digits():
    d = np.asarray([1.0, 2.0, 4.0], np.float32)
    for scale in (1e-30, 1e30):
        b = np.float32(scale) * np.ones(3, np.float32)
        result = optim.conjugate_gradient(lambda x: d * x, b, steps=9, tolerance=1e-5)
        assert np.allclose(result.params / b, 1 / d, rtol=1e-4)


def test_what_is_not_like_the_right_hand_side_is_refused():
    b = np.ones(3)
    with pytest.raises(ValueError, match=r"H x is .*complex128"):
        optim.conjugate_gradient(lambda x: 1j * x, b, steps=2)
    with pytest.raises(ValueError, match=r"guess is .*\(2,\)"):
        optim.conjugate_gradient(lambda x: x, b, np.ones(2), steps=2)


def test_a_right_hand_side_outside_of_the_range_does_not_converge():
    d = np.asarray([1.0, 0.5, 0.2, 0.0])
    result = optim.conjugate_gradient(lambda x: d * x, np.ones(4), steps=100)
    assert not result.converged
    assert np.max(np.abs(result.params)) < 1e3
