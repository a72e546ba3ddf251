"""All that `optim` returns or raises can be pickled and copied; so can every error of the house."""

import ast
import copy
import importlib
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

import nufftlib
import optim
from nufftlib.core.kinds import SettingError

COPIES = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(params=COPIES)
def copied(request):
    return COPIES[request.param]


def the_errors():
    """Every class of both packages whose base is an error, by its name."""
    for package in (nufftlib, optim):
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                bases = map(ast.unparse, getattr(node, "bases", ()))
                if any(base.endswith(("Error", "Exception", "Interrupt")) for base in bases):
                    module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
                    yield getattr(importlib.import_module(module), node.name)


def equal(a, b):
    """Whether two trees of tuples, lists and dicts have equal arrays and numbers."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return all(equal(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(equal, a, b))
    return np.array_equal(a, b)


SETTING = ("learn", "steps", "0", "nothing is given", "1 or more")


def bowl(p):
    return 0.5 * float(p @ p), p


def blocks(p):
    return 0.5 * np.sum(p * p, axis=-1), p, np.eye(2) + np.zeros((3, 1, 1))


SIMPLEX, START = optim.projections.simplex(), np.arange(3.0)
RESULTS = {
    "minimize": lambda: optim.minimize(bowl, START, optim.adam(0.1), steps=3),
    "projected_gradient": lambda: optim.projected_gradient(bowl, START, SIMPLEX, steps=3),
    "spectral_projected_gradient": lambda: optim.spectral_projected_gradient(
        bowl, START, SIMPLEX, steps=3
    ),
    "accelerated_proximal_gradient": lambda: optim.accelerated_proximal_gradient(
        bowl, START, optim.proximal.soft_threshold(0.1), steps=3
    ),
    "primal_dual": lambda: optim.primal_dual(
        bowl,
        START,
        optim.proximal.soft_threshold(0.1),
        lambda x: 2 * x,
        lambda x: 2 * x,
        optim.proximal.soft_threshold(0.1),
        curvature=1.0,
        norm_of_map=2.0,
        steps=3,
    ),
    "admm": lambda: optim.admm(
        lambda x: 2 * x,
        START,
        lambda x: 2 * x,
        lambda x: 2 * x,
        optim.proximal.soft_threshold(0.1),
        steps=3,
    ),
    "lsqr": lambda: optim.lsqr(lambda x: 2 * x, lambda x: 2 * x, START, steps=3),
    "lsmr": lambda: optim.lsmr(lambda x: 2 * x, lambda x: 2 * x, START, steps=3),
    "conjugate_gradient": lambda: optim.conjugate_gradient(lambda x: 2 * x, START, steps=3),
    "lbfgs": lambda: optim.lbfgs(bowl, START, SIMPLEX, steps=3, diagonal=True),
    "levenberg_marquardt": lambda: optim.levenberg_marquardt(blocks, np.ones((3, 2)), steps=3),
}


def test_every_result_is_in_the_table():
    returning = {
        name
        for name in optim.__all__
        if getattr(getattr(optim, name), "__annotations__", {}).get("return") is optim.Result
    }
    assert returning == RESULTS.keys()


@pytest.mark.parametrize("name", RESULTS)
def test_results_survive(copied, name):
    result = RESULTS[name]()
    again = copied(result)
    assert equal(again, result)
    assert again._fields == result._fields


@pytest.mark.parametrize("error", list(the_errors()))
def test_errors_survive(copied, error):
    """Whole: the message, what it carries, and notes."""
    result = RESULTS["minimize"]()
    parts = {optim.NonFiniteError: ("the fault", result), SettingError: SETTING}
    fault = error(*parts.get(error, ("the fault",)))
    fault.add_note("a note")
    again = copied(fault)
    assert type(again) is error
    assert str(again) == str(fault)
    assert again.__notes__ == ["a note"]
    assert getattr(again, "beside", None) == getattr(fault, "beside", None)
    assert equal(getattr(again, "result", None), getattr(fault, "result", None))


def test_an_error_that_was_raised_survives(copied):
    with pytest.raises(optim.NonFiniteError) as caught:
        optim.minimize(lambda p: (math.nan, p), START, optim.adam(0.1), steps=3)
    again = copied(caught.value)
    assert str(again) == str(caught.value)
    assert equal(again.result, caught.value.result)


# --- optimisers, schedules, projections, penalties ----------------------------------------------

projections, proximal = optim.projections, optim.proximal
BOUND = np.asarray([0.1, 0.2, 0.3])
MADE = {  # by each public factory, with what they do to an array
    "constant": (lambda: optim.constant(0.1), lambda rate: rate(3)),
    "linear_schedule": (lambda: optim.linear_schedule(1, 0.1, 9), lambda rate: rate(3)),
    "cosine_schedule": (lambda: optim.cosine_schedule(1, 0.1, 9), lambda rate: rate(3)),
    "step_schedule": (lambda: optim.step_schedule(1, 0.1, 2), lambda rate: rate(3)),
    "warmup_schedule": (lambda: optim.warmup_schedule(optim.constant(1), 5), lambda rate: rate(3)),
    "adam": (lambda: optim.adam(optim.linear_schedule(1, 0.1, 9)), lambda opt: two_steps(opt)),
    "adamw": (lambda: optim.adamw(0.1), lambda opt: two_steps(opt)),
    "sgd": (lambda: optim.sgd(0.1, 0.5), lambda opt: two_steps(opt)),
    "projected": (lambda: optim.projected(optim.sgd(0.1), counted), lambda opt: two_steps(opt)),
    "simplex": (lambda: projections.simplex(2.0, weights=BOUND), lambda P: P(START)),
    "l1_ball": (lambda: projections.l1_ball(0.5, axes=-1), lambda P: P(START)),
    "l2_ball": (lambda: projections.l2_ball(0.5), lambda P: P(START)),
    "affine_sum": (lambda: projections.affine_sum(1 + 0j), lambda P: P(START)),
    "box": (lambda: projections.box(BOUND, 1.0), lambda P: P(START)),
    "nonnegative": (lambda: projections.nonnegative(), lambda P: P(-START)),
    "indicator": (lambda: proximal.indicator(SIMPLEX), lambda h: both(h)),
    "soft_threshold": (lambda: proximal.soft_threshold(0.4), lambda h: both(h)),
    "group_soft_threshold": (lambda: proximal.group_soft_threshold(0.4), lambda h: both(h)),
    "total_variation": (lambda: proximal.total_variation(0.4, (0,)), lambda h: both(h)),
}


def counted(p, calls):
    return np.maximum(p, 0.5), (calls or 0) + 1


def two_steps(opt):
    p, state = opt.update(START, opt.init(START), START)
    return opt.update(p, state, p)


def both(penalty):
    return float(penalty.value(START)), penalty.prox(START, 2.0)


def test_every_factory_is_in_the_table():
    makes = (optim.Optimizer, proximal.Penalty, optim.schedules.Schedule)
    makes = (*makes, optim._vectors.ArrayProjection)
    public = {
        name
        for module in (optim, projections, proximal)
        for name in module.__all__
        if getattr(getattr(module, name), "__annotations__", {}).get("return") in makes
    }
    assert public == MADE.keys()


@pytest.mark.parametrize("name", MADE)
def test_all_that_is_made_survives(copied, name):
    make, do = MADE[name]
    thing = make()
    assert equal(do(copied(thing)), do(thing))
    assert type(copied(thing)) is type(thing)
