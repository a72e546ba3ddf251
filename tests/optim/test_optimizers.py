"""Laws of every optimiser, from one table; and what each is by its paper or by torch."""

import cmath
import math

import numpy as np
import pytest

import optim

OPTIMIZERS = {
    "adam": optim.adam(optim.linear_schedule(0.1, 1e-4, 400)),
    "adamw": optim.adamw(optim.linear_schedule(0.1, 1e-4, 400), weight_decay=0.0),
    "sgd": optim.sgd(0.3),
    "momentum": optim.sgd(0.1, momentum=0.8),
}
DTYPES = ["float32", "float64", "complex64", "complex128"]


def test_every_optimizer_is_in_the_table():
    """But for `projected`, which adds to the state of another: `test_projected.py` has it."""
    made_by = {opt.unchecked_update.func.__name__ for opt in OPTIMIZERS.values()}
    public = {
        f"_{name}_update"
        for name in optim.__all__
        if getattr(getattr(optim, name), "__annotations__", {}).get("return") is optim.Optimizer
    }
    assert public - {"_projected_update"} == made_by


@pytest.fixture(params=OPTIMIZERS)
def opt(request):
    return OPTIMIZERS[request.param]


def random(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return (values if np.dtype(dtype).kind == "c" else values.real).astype(dtype)


def run(opt, params, gradients):
    state = opt.init(params)
    for g in gradients:
        params, state = opt.update(g, state, params)
    return params, state


# --- laws ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_converges_on_a_convex_quadratic(opt, row, dtype):
    target = row.array(random((3, 2), dtype), dtype)
    weight = row.array([[0.5, 1.0], [2.0, 0.7], [1.5, 3.0]], dtype)
    p = row.array(random((3, 2), dtype, seed=1), dtype)
    state = opt.init(p)
    for _ in range(400):
        p, state = opt.update(weight * (p - target), state, p)
    assert np.max(np.abs(row.numpy(p) - row.numpy(target))) < 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
def test_keeps_namespace_device_and_dtype(opt, row, dtype):
    p = row.array(random((3, 2), dtype), dtype)
    new, state = run(opt, p, [p, p])
    assert row.owns(new, dtype)
    real = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
    for name, field in state._asdict().items():
        if name != "step":
            assert row.owns(field, dtype) or row.owns(field, real), name  # |g|^2 is real


def test_a_mapping_is_its_arrays_one_by_one(opt, row):
    params = {
        "psf": row.array(random((3, 3), "float32"), "float32"),
        "maps": row.array(random((2,), "complex128"), "complex128"),
    }
    gradient = {
        "maps": row.array(random((2,), "complex128", seed=1), "complex128"),
        "psf": row.array(random((3, 3), "float32", seed=1), "float32"),
    }
    together, _ = run(opt, params, [gradient] * 3)
    assert list(together) == ["psf", "maps"]
    for name, p in params.items():
        alone, _ = run(opt, p, [gradient[name]] * 3)
        assert row.owns(together[name], str(row.numpy(p).dtype))
        np.testing.assert_array_equal(row.numpy(together[name]), row.numpy(alone))


def test_inputs_are_not_modified(opt, row):
    p, g = (row.array(random((3, 2), "complex128", seed), "complex128") for seed in (0, 1))
    before = row.numpy(p).copy(), row.numpy(g).copy()
    _, first = opt.update(g, opt.init(p), p)
    fields = [row.numpy(f).copy() for f in first[1:]]
    opt.update(g, first, p)  # the state that goes in stays as it is, too
    for now, was in zip((p, g, *first[1:]), (*before, *fields), strict=True):
        np.testing.assert_array_equal(row.numpy(now), was)


def test_the_state_is_a_plain_named_tuple_that_counts_steps(opt):
    p = np.ones(3)
    assert opt.init(p).step == 0
    _, state = run(opt, p, [p, p, p])
    assert isinstance(state, tuple)
    assert state._fields[0] == "step"
    assert type(state.step) is int
    assert state.step == 3


def test_a_number_from_numpy_does_not_widen_single_precision():
    number = np.float64(0.1)
    p = np.ones(3, dtype=np.float32)
    for opt in (
        optim.adam(number, np.float64(0.9), np.float64(0.99), np.float64(1e-8)),
        optim.adamw(number, weight_decay=number),
        optim.sgd(lambda _: number, momentum=number),
    ):
        new, _ = run(opt, p, [p, p])
        assert new.dtype == np.float32


# --- what they compute ----------------------------------------------------------------------

TORCH = {
    "adam": (
        lambda rate: optim.adam(rate, 0.8, 0.95, 1e-6),
        lambda torch, p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.95), eps=1e-6),
    ),
    "adamw": (
        lambda rate: optim.adamw(rate, weight_decay=0.2),
        lambda torch, p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.2),
    ),
    "sgd": (
        lambda rate: optim.sgd(rate),
        lambda torch, p: torch.optim.SGD(p, lr=0.1),
    ),
    "momentum": (
        lambda rate: optim.sgd(rate, momentum=0.7),
        lambda torch, p: torch.optim.SGD(p, lr=0.1, momentum=0.7),
    ),
}


def run_torch(make, start, gradients, *, schedule=False):
    torch = pytest.importorskip("torch")
    p = torch.nn.Parameter(torch.asarray(start.copy()))
    opt = make(torch, [p])
    linear = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.25, total_iters=30)
    for g in gradients:
        p.grad = torch.asarray(g)
        opt.step()
        if schedule:
            linear.step()
    return p.detach().numpy()


@pytest.mark.parametrize("schedule", [False, True])
@pytest.mark.parametrize("name", TORCH)
def test_is_torchs(name, schedule):
    ours, theirs = TORCH[name]
    start = random((4, 3), "float64")
    gradients = [random((4, 3), "float64", seed) for seed in range(1, 51)]
    rate = optim.linear_schedule(0.1, 0.025, 30) if schedule else 0.1
    got, _ = run(ours(rate), start, gradients)
    want = run_torch(theirs, start, gradients, schedule=schedule)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


AS_TWO_REAL = {"adam", "adamw"}
"""Methods for which torch takes a complex array for two real ones, so that ours is given those."""


@pytest.mark.parametrize("name", TORCH)
def test_is_torchs_for_complex_parameters(name):
    ours, theirs = TORCH[name]
    start = random((4, 3), "complex128")
    gradients = [random((4, 3), "complex128", seed) for seed in range(1, 51)]
    want = run_torch(theirs, start, gradients)
    if name in AS_TWO_REAL:
        got, _ = run(ours(0.1), start.view(float), [g.view(float) for g in gradients])
        got = got.view(complex)
    else:
        got, _ = run(ours(0.1), start, gradients)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def test_adam_of_a_complex_parameter_is_the_papers_with_the_modulus():
    a, b1, b2, eps = 0.1, 0.8, 0.95, 1e-6
    gradients = random(50, "complex128", seed=1).tolist()
    p, m, v = 0.3 - 0.2j, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * abs(g) ** 2
        p -= a * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
    got, _ = run(
        optim.adam(a, b1, b2, eps), np.asarray([0.3 - 0.2j]), [np.asarray([g]) for g in gradients]
    )
    assert abs(got[0] - p) < 1e-14


def test_a_step_turns_with_the_phase(opt):
    turn = cmath.exp(0.7j)
    p = random((4,), "complex128")
    gradients = [random((4,), "complex128", seed) for seed in range(1, 6)]
    straight, _ = run(opt, p, gradients)
    turned, _ = run(opt, turn * p, [turn * g for g in gradients])
    np.testing.assert_allclose(turned, turn * straight, rtol=1e-13)


# --- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (np.zeros(4), r"an array of numpy, shape \(4,\).*want .* shape \(3,\)"),
        (np.zeros((1, 3)), r"shape \(1, 3\)"),
        (np.zeros(3, np.float32), "dtype float32, on cpu; want .* dtype float64, on cpu"),
        (np.zeros(3, complex), "dtype complex128, .* want .* dtype float64"),
        ([0.0, 0.0, 0.0], "is a list; want an array of numpy"),
        ({"p": np.zeros(3)}, r"is a mapping with the names \['p'\]; want an array of numpy"),
    ],
)
def test_a_gradient_unlike_the_parameter_is_an_error(opt, gradient, message):
    p = np.zeros(3)
    with pytest.raises(ValueError, match=message):
        opt.update(gradient, opt.init(p), p)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        ({"a": np.zeros(3)}, r"names \['a'\]; want a mapping with the names \['a', 'b'\]"),
        (np.zeros(3), r"is an array of numpy.*; want a mapping with the names \['a', 'b'\]"),
        ({"a": np.zeros(3), "b": np.zeros(2)}, r"the gradient of 'b' is .*shape \(2,\)"),
    ],
)
def test_a_gradient_of_other_names_is_an_error(opt, gradient, message):
    p = {"a": np.zeros(3), "b": np.zeros(3)}
    with pytest.raises(ValueError, match=message):
        opt.update(gradient, opt.init(p), p)


def test_a_bare_pair_of_functions_is_checked_too():
    bare = optim.Optimizer(lambda _: (), lambda _, state, params: (params, state))
    with pytest.raises(TypeError, match="the parameter is a list"):
        bare.init([1.0])
    with pytest.raises(ValueError, match=r"the gradient is an array of numpy, shape \(2,\)"):
        bare.update(np.zeros(2), (), np.zeros(3))
    with pytest.raises(TypeError, match="the parameter is a list"):
        optim.minimize(lambda p: (0.0, p), [1.0], bare, steps=1)
    with pytest.raises(ValueError, match=r"the gradient is an array of numpy, shape \(2,\)"):
        optim.minimize(lambda _: (0.0, np.zeros(2)), np.zeros(3), bare, steps=1)


def test_the_loop_checks_each_gradient_once(opt, monkeypatch):
    evaluated, checked = [], []
    check = optim._tree._check_array
    monkeypatch.setattr(optim._tree, "_check_array", lambda *a: checked.append(a) or check(*a))

    def value_and_grad(p):
        evaluated.append(p)
        return 0.5 * p @ p, p

    optim.minimize(value_and_grad, np.ones(3), opt, steps=5, tolerance=1e-9)
    assert len(checked) == len(evaluated)


def test_a_gradient_of_another_namespace_or_device_is_an_error(opt):
    strict = pytest.importorskip("array_api_strict")
    p = strict.zeros(3, device=strict.Device("device1"))
    with pytest.raises(ValueError, match=r"an array of numpy.*; want an array of array_api_strict"):
        opt.update(np.zeros(3), opt.init(p), p)
    with pytest.raises(ValueError, match=r"on .*CPU_DEVICE.*; want .* on .*device1"):
        opt.update(strict.zeros(3), opt.init(p), p)


def test_numpys_scalars_count_as_arrays_of_no_dimensions(opt):
    p, _ = run(opt, np.asarray(1.0), [np.float64(1.0), np.asarray(1.0)])
    assert p < 1


@pytest.mark.parametrize("params", [[1.0], 1.0, np.zeros(2, int), {"a": 1.0}])
def test_parameters_are_floating_point_arrays(opt, params):
    with pytest.raises(TypeError, match=r"the parameter.* is .*; want a real or complex"):
        opt.init(params)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.adam(-0.1), "adam: learning_rate is -0.1; want"),
        (lambda: optim.adam(math.nan), "adam: learning_rate is nan; want"),
        (lambda: optim.adam(0.1, b1=1.0), "adam: b1 is 1.0; want 0 <= b1 < 1"),
        (lambda: optim.adam(0.1, b2=-0.1), "adam: b2 is -0.1; want 0 <= b2 < 1"),
        (lambda: optim.adam(0.1, eps=0.0), "adam: eps is 0.0; want a positive"),
        (lambda: optim.adamw(math.inf), "adamw: learning_rate is inf; want"),
        (lambda: optim.adamw(0.1, weight_decay=-1), "adamw: weight_decay is -1.0; want"),
        (lambda: optim.sgd(-1.0), "sgd: learning_rate is -1.0; want"),
        (lambda: optim.sgd(0.1, momentum=1.0), "sgd: momentum is 1.0; want"),
    ],
)
def test_numbers_out_of_range_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- the ends of the range ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "complex64", "float64"])
@pytest.mark.parametrize("end", ["large", "small"])
@pytest.mark.parametrize("make", [optim.adam, optim.adamw])
def test_the_scale_of_the_gradients_does_not_matter(row, make, dtype, end):
    """Though their squares are out of range; with an `eps` that is nothing beside them."""
    scale = {"large": 1e30, "small": 1e-30}[end] if dtype != "float64" else 1e200
    opt = make(0.1, eps=1e-36 if dtype != "float64" else 1e-290)
    gradients = [random((5,), dtype, seed) for seed in range(1, 9)]
    p = row.array(random((5,), dtype), dtype)
    want, _ = run(opt, p, [row.array(g, dtype) for g in gradients])
    got, state = run(opt, p, [row.array(scale * g, dtype) for g in gradients])
    np.testing.assert_allclose(row.numpy(got), row.numpy(want), rtol=2e-5)
    assert np.all(np.isfinite(row.numpy(state.s)))


def test_one_large_gradient_does_not_freeze_single_precision():
    """With a decay that forgets it in 500 steps; the root of the moment was infinite for good."""
    opt, p = optim.adam(0.1, b1=0.5, b2=0.5), np.zeros(1, np.float32)
    gradients = [np.full(1, 1e30, np.float32), *[np.ones(1, np.float32)] * 500]
    before, state = run(opt, p, gradients)
    after, _ = opt.update(np.ones(1, np.float32), state, before)
    assert before - after == pytest.approx(0.1, rel=1e-4)
