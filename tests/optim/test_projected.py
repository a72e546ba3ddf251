"""A projection that remembers, as a part of an optimiser's step."""

import numpy as np
import pytest

import optim


def clipped(p, count):
    return np.clip(p, -0.5, 0.5), (count or 0) + 1


def bowl(p):
    return 0.5 * float(np.sum((p - 2) ** 2)), p - 2


def test_each_step_is_projected_and_knows_of_the_one_before():
    inner = optim.adam(0.3)
    opt = optim.projected(inner, clipped)
    p = q = np.asarray([0.1, -0.4, 0.45])
    state, own = opt.init(p), inner.init(q)
    assert state.projection is None
    for step in range(1, 5):
        p, state = opt.update(p - 2, state, p)
        q, own = inner.update(q - 2, own, q)
        q = np.clip(q, -0.5, 0.5)
        np.testing.assert_array_equal(p, q)
        assert state.projection == step
        for a, b in zip(state.optimizer, own, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_step_is_a_pure_function():
    opt = optim.projected(optim.adam(0.3), clipped)
    p = np.asarray([0.1, -0.4])
    p, state = opt.update(p - 2, opt.init(p), p)
    first, second = opt.update(p - 2, state, p), opt.update(p - 2, state, p)
    np.testing.assert_array_equal(first[0], second[0])
    assert state.projection == 1
    assert first[1].projection == second[1].projection == 2


def test_minimize_keeps_all_iterates_in_the_set_and_gives_the_state():
    seen = []
    opt = optim.projected(optim.adam(0.3), clipped)
    result = optim.minimize(
        bowl, np.zeros(3), opt, steps=6, callback=lambda *told: seen.append(told[2])
    )
    assert all(np.max(np.abs(p)) <= 0.5 for p in seen)
    assert result.state.projection == 6
    np.testing.assert_array_equal(result.params, 0.5)


def test_parameters_may_be_a_dictionary():
    def project(p, state):
        return {name: np.clip(x, 0, 1) for name, x in p.items()}, state

    opt = optim.projected(optim.sgd(1.0), project)
    p = {"a": np.asarray([0.5]), "b": np.asarray([0.2])}
    p, _ = opt.update({"a": np.asarray([2.0]), "b": np.asarray([-2.0])}, opt.init(p), p)
    assert (p["a"], p["b"]) == (0, 1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match=r"projected: optimizer is a float; want an Optimizer"):
        optim.projected(0.1, clipped)
    with pytest.raises(TypeError, match=r"project"):
        optim.projected(optim.sgd(0.1), "box")
