"""A setting of the wrong kind is an error in one manner of words: for every public signature."""

import inspect
from fractions import Fraction

import numpy as np
import pytest

import optim
from optim import projections, proximal


def bowl(p):
    return 0.5 * float(np.sum(p * p)), p


def blocks(p):
    return 0.5 * np.sum(p * p, axis=-1), p, np.eye(2) + np.zeros((3, 1, 1))


START = np.ones(3)
LOOP = {"steps": 2, "tolerance": 1e-9, "callback": None, "progress": False, "checkpoint": None}
GOOD = {  # a call that works, for every public name that is called
    optim.minimize: {
        "value_and_grad": bowl,
        "params": START,
        "optimizer": optim.sgd(0.1),
        "project": None,
        "until": None,
        **LOOP,
    },
    optim.projected_gradient: {
        "value_and_grad": bowl,
        "params": START,
        "projection": projections.simplex(),
        "step_size": None,
        **LOOP,
    },
    optim.spectral_projected_gradient: {
        "value_and_grad": bowl,
        "params": START,
        "projection": projections.simplex(),
        "memory": 3,
        **LOOP,
    },
    optim.lbfgs: {
        "value_and_grad": bowl,
        "params": START,
        "projection": projections.simplex(),
        "memory": 3,
        "diagonal": False,
        "axes": None,
        **LOOP,
    },
    optim.accelerated_proximal_gradient: {
        "value_and_grad": bowl,
        "params": START,
        "penalty": proximal.soft_threshold(0.1),
        "step_size": None,
        **LOOP,
    },
    optim.primal_dual: {
        "value_and_grad": bowl,
        "params": START,
        "penalty": proximal.soft_threshold(0.1),
        "operator": lambda x: 2 * x,
        "adjoint": lambda x: 2 * x,
        "penalty_of_map": proximal.soft_threshold(0.1),
        "curvature": 1.0,
        "norm_of_map": 2.0,
        "step_size": None,
        "dual": None,
        **LOOP,
    },
    optim.levenberg_marquardt: {
        "function": blocks,
        "params": np.ones((3, 2)),
        "damping": 1.0,
        **LOOP,
    },
    optim.conjugate_gradient: {
        "operator": lambda x: 2 * x,
        "rhs": START,
        "guess": None,
        "axes": None,
        "precondition": None,
        **LOOP,
    },
    optim.lsqr: {
        "operator": lambda x: 2 * x,
        "adjoint": lambda x: 2 * x,
        "rhs": START,
        "damping": 0.1,
        "axes": None,
        "rhs_axes": None,
        **LOOP,
    },
    optim.lsmr: {
        "operator": lambda x: 2 * x,
        "adjoint": lambda x: 2 * x,
        "rhs": START,
        "damping": 0.1,
        "axes": None,
        "rhs_axes": None,
        **LOOP,
    },
    optim.admm: {
        "gram": lambda x: 2 * x,
        "rhs": START,
        "operator": lambda x: 2 * x,
        "adjoint": lambda x: 2 * x,
        "penalty_of_map": proximal.soft_threshold(0.1),
        "inner_steps": 3,
        "coupling": None,
        "guess": None,
        "constant": 1.0,
        **LOOP,
    },
    optim.Checkpoint: {
        "path": "never-written.npz",
        "interval": 60.0,
        "resume": False,
        "depends_on": None,
        "kept": None,
    },
    optim.lipschitz: {
        "value_and_grad": bowl,
        "params": START,
        "projection": None,
        "iterations": 2,
        "seed": 0,
    },
    optim.projected: {"optimizer": optim.sgd(0.1), "project": lambda p, state: (p, state)},
    optim.projected_gradient_norm: {"params": START, "gradient": START, "projection": None},
    optim.adam: {"learning_rate": 0.1, "b1": 0.9, "b2": 0.9, "eps": 1e-8},
    optim.adamw: {"learning_rate": 0.1, "b1": 0.9, "b2": 0.9, "eps": 1e-8, "weight_decay": 0.1},
    optim.sgd: {"learning_rate": 0.1, "momentum": 0.5},
    optim.constant: {"value": 0.1},
    optim.linear_schedule: {"start": 1.0, "end": 0.1, "steps": 3},
    optim.cosine_schedule: {"start": 1.0, "end": 0.1, "steps": 3},
    optim.step_schedule: {"start": 1.0, "factor": 0.1, "every": 3},
    optim.warmup_schedule: {"schedule": optim.constant(1.0), "steps": 3, "start": 0.1},
    optim.Optimizer: {"init": tuple, "update": lambda _, state, params: (params, state)},
    projections.simplex: {"radius": 1.0, "axes": None, "weights": None},
    projections.l1_ball: {"radius": 1.0, "axes": None},
    projections.l2_ball: {"radius": 1.0, "axes": None},
    projections.affine_sum: {"total": 1.0, "axes": None},
    projections.box: {"low": 0.0, "high": 1.0},
    projections.nonnegative: {},
    proximal.indicator: {"projection": projections.simplex()},
    proximal.soft_threshold: {"weight": 0.1},
    proximal.group_soft_threshold: {"weight": 0.1, "axes": None},
    proximal.total_variation: {"weight": 0.1, "axes": None, "accuracy": 1e-3, "iterations": 9},
}
NOT_CALLED_WITH_SETTINGS = {
    optim.CheckpointError,
    optim.Result,
    optim.NonFiniteError,
    proximal.Penalty,
}

MASKED = np.ma.array(np.ones(3), mask=[0, 1, 0])
NO_NUMBER = ["fast", b"1", [1.0], {"a": 1.0}, True, np.ones(2), np.ma.array(1.0), object()]
NO_INTEGER = [2.5, 3.0, "3", [1], True, np.ones(2), None, object()]
NO_FUNCTION = [3, "f", [len], np.ones(2), object()]
NO_PROJECTION = [5, "simplex", [abs], object(), {"p": 5}]
NO_ARRAY = [
    "a",
    3,
    1.0,
    np.ndarray,
    [1.0],
    None,
    np.ones(3, int),
    MASKED,
    {"a": MASKED},
    {"a": 1.0},
]
NO_BOUND = [
    "0",
    [1.0],
    None,
    np.float64,
    1j,
    True,
    np.ones(3, int),
    np.ones(3, complex),
    MASKED,
    len,
]
WRONG = {  # by the parameter's name: one name means one thing in all signatures
    "value_and_grad": [*NO_FUNCTION, None],
    "function": [*NO_FUNCTION, None],
    "schedule": [*NO_FUNCTION, None],
    "init": [*NO_FUNCTION, None],
    "update": [*NO_FUNCTION, None],
    "callback": NO_FUNCTION,
    "until": NO_FUNCTION,
    "precondition": NO_FUNCTION,
    "operator": [*NO_FUNCTION, None],
    "gram": [*NO_FUNCTION, None],
    "adjoint": [*NO_FUNCTION, None],
    "dual": [a for a in NO_ARRAY if a is not None],
    "params": NO_ARRAY,
    "rhs": NO_ARRAY,
    "guess": [a for a in NO_ARRAY if a is not None],
    "gradient": NO_ARRAY,
    "optimizer": [None, 0.1, "adam", len],
    "project": NO_PROJECTION,
    "projection": NO_PROJECTION,
    "penalty": [None, 0.1, "l1", len, {"a": len}, proximal.Penalty(1, 2)],
    "penalty_of_map": [None, 0.1, "l1", len, {"a": len}, proximal.Penalty(1, 2)],
    "steps": NO_INTEGER,
    "memory": NO_INTEGER,
    "every": NO_INTEGER,
    "inner_steps": NO_INTEGER,
    "iterations": NO_INTEGER,
    "seed": NO_INTEGER,
    "diagonal": ["yes", 2, None, [True], np.ones(2)],
    "checkpoint": ["run.npz", 3, True, len, object()],
    "path": [3, None, True, 1.5, ["run.npz"], object()],
    "resume": ["yes", 2, None, [True], np.ones(2)],
    "depends_on": ["data", 3, [1], np.ones(2), object()],
    "kept": ["data", 3, [1], np.ones(2), object()],
    "progress": ["yes", 2, None, [True], np.ones(2)],
    "axes": ["x", 1.5, True, (0, "a"), [0.5], {0}, object()],
    "rhs_axes": ["x", 1.5, True, (0, "a"), [0.5], {0}, object()],
    "step_size": [*NO_NUMBER, 1j],
    "coupling": [*NO_NUMBER, 1j],
    "weights": ["w", 1.0, [1.0], np.ones(3, int), MASKED],
    "total": [*NO_NUMBER, None],
    "low": NO_BOUND,
    "high": NO_BOUND,
}
NUMBERS = {
    *("tolerance", "damping", "learning_rate", "b1", "b2", "eps", "weight_decay", "momentum"),
    *("value", "factor", "start", "end", "radius", "weight", "accuracy"),
    *("curvature", "norm_of_map", "constant", "interval"),
}
WRONG |= {name: [*NO_NUMBER, None, 1j] for name in NUMBERS}


def test_every_public_name_is_in_the_table():
    public = {
        getattr(module, name)
        for module in (optim, projections, proximal)
        for name in module.__all__
        if callable(getattr(module, name))
    }
    assert public == GOOD.keys() | NOT_CALLED_WITH_SETTINGS


@pytest.mark.parametrize("call", GOOD, ids=lambda call: call.__name__)
def test_every_parameter_is_in_the_table(call):
    assert inspect.signature(call).parameters.keys() == GOOD[call].keys() <= WRONG.keys()
    call(**GOOD[call])


@pytest.mark.parametrize(
    ("call", "name"),
    [(call, name) for call, good in GOOD.items() for name in good],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_a_wrong_kind_is_named_with_the_call_and_the_wish(call, name):
    for wrong in WRONG[name]:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(**GOOD[call] | {name: wrong})
        message = str(caught.value)
        assert message.startswith(f"{call.__name__}: "), (wrong, message)
        assert "; want " in message, (wrong, message)
        assert len(message) < 300


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.adam("fast"), "adam: learning_rate is 'fast'; want a number or a schedule"),
        (lambda: optim.linear_schedule(1, 0, 2.5), "steps is 2.5; want an integer"),
        (
            lambda: optim.minimize(**GOOD[optim.minimize] | {"callback": 3}),
            "minimize: callback is 3; want a callable or None",
        ),
        (lambda: projections.simplex(MASKED), "radius is a MaskedArray; want a number"),
        (
            lambda: optim.adam(np.ones(2)),
            r"learning_rate is an array of numpy, shape \(2,\).*; want a number",
        ),
    ],
)
def test_how_it_is_said(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_numbers_of_every_kind_are_numbers(row):
    """Python's, NumPy's, and arrays of no dimensions; none widens single precision."""
    p = np.ones(3, np.float32)
    for rate in (1, 0.5, np.float32(0.5), np.int64(1), Fraction(1, 2), row.array(0.5)):
        opt = optim.adam(rate)
        new, _ = opt.update(p, opt.init(p), p)
        assert new.dtype == np.float32
        assert new[0] == pytest.approx(1 - float(rate))
    for n in (3, np.int64(3), np.uint8(3)):
        assert optim.minimize(bowl, START, optim.sgd(0.1), steps=n).steps == 3


# --- masked arrays ------------------------------------------------------------------------------

CALLS = {
    "simplex": projections.simplex(),
    "weighted": projections.simplex(weights=np.ones(3)),
    "l1_ball": projections.l1_ball(),
    "l2_ball": projections.l2_ball(),
    "affine_sum": projections.affine_sum(),
    "box": projections.box(0.0, 1.0),
    "nonnegative": projections.nonnegative(),
    "soft_threshold": lambda x: proximal.soft_threshold(0.1).prox(x, 1.0),
    "group_soft_threshold": lambda x: proximal.group_soft_threshold(0.1).prox(x, 1.0),
    "total_variation": lambda x: proximal.total_variation(0.1).prox(x, 1.0),
    "value of soft_threshold": proximal.soft_threshold(0.1).value,
    "value of group_soft_threshold": proximal.group_soft_threshold(0.1).value,
    "value of total_variation": proximal.total_variation(0.1).value,
    "Optimizer.init": optim.sgd(0.1).init,
    "a masked gradient": lambda x: optim.sgd(0.1).update(x, optim.sgd(0.1).init(START), START),
    "a function's gradient": lambda x: optim.minimize(
        lambda _: (1.0, x), START, optim.sgd(0.1), steps=1
    ),
    "a projection's result": lambda x: optim.projected_gradient(bowl, START, lambda _: x, steps=1),
}


@pytest.mark.parametrize("name", CALLS)
def test_masked_arrays_are_no_arrays(name):
    CALLS[name](np.ones(3))
    with pytest.raises((TypeError, ValueError), match=r"is a MaskedArray; want"):
        CALLS[name](MASKED)


# --- negative steps and rates -------------------------------------------------------------------

PENALTIES = {
    "indicator": proximal.indicator(projections.simplex()),
    "soft_threshold": proximal.soft_threshold(0.1),
    "group_soft_threshold": proximal.group_soft_threshold(0.1),
    "total_variation": proximal.total_variation(0.1),
}


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("step", [-1.0, np.nan, "1", None])
def test_a_step_of_a_proximal_map_is_a_number_that_is_not_negative(name, step):
    with pytest.raises((TypeError, ValueError), match=rf"{name}: step is .*; want a"):
        PENALTIES[name].prox(START, step)


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, "fast", None])
@pytest.mark.parametrize(
    "call",
    [
        lambda rate: optim.minimize(bowl, START, optim.sgd(rate), steps=5),
        lambda rate: optim.minimize(bowl, START, optim.adam(rate), steps=5),
        lambda rate: optim.minimize(bowl, START, optim.adamw(rate), steps=5),
        lambda rate: optim.projected_gradient(
            bowl, START, projections.nonnegative(), steps=5, step_size=rate
        ),
    ],
)
def test_a_schedule_is_refused_like_a_number(call, rate):
    wish = r"(learning_rate|step_size)\(3\) is .*; want a (finite )?number"
    with pytest.raises((TypeError, ValueError), match=wish):
        call(lambda step: 0.1 if step < 3 else rate)
