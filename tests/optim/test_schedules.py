import math

import pytest

import optim


def test_constant():
    rate = optim.constant(0.3)
    assert [rate(t) for t in (0, 1, 10**9)] == [0.3, 0.3, 0.3]


def test_linear_starts_at_zero_ends_at_steps_and_stays():
    rate = optim.linear_schedule(2.0, 1.0, 4)
    assert [rate(t) for t in range(7)] == [2.0, 1.75, 1.5, 1.25, 1.0, 1.0, 1.0]


def test_linear_is_torchs():
    torch = pytest.importorskip("torch")
    start, end, steps = 1e-3, 1e-4, 7
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=start)
    linear = torch.optim.lr_scheduler.LinearLR(opt, 1.0, end / start, total_iters=steps)
    rate = optim.linear_schedule(start, end, steps)
    for t in range(12):
        assert rate(t) == pytest.approx(linear.get_last_lr()[0], rel=1e-13)
        opt.step()
        linear.step()


def test_cosine_and_warmup_are_optaxs():
    optax = pytest.importorskip("optax")
    cosine = optim.cosine_schedule(3e-3, 2e-4, 9)
    theirs = optax.cosine_decay_schedule(3e-3, 9, alpha=2e-4 / 3e-3)
    warm = optim.warmup_schedule(cosine, 4, start=1e-4)
    theirs_warm = optax.warmup_cosine_decay_schedule(1e-4, 3e-3, 4, 13, end_value=2e-4)
    for t in range(20):
        assert cosine(t) == pytest.approx(float(theirs(t)), rel=1e-5)  # theirs is single precision
        assert warm(t) == pytest.approx(float(theirs_warm(t)), rel=1e-5)


def test_steps_are_optaxs():
    optax = pytest.importorskip("optax")
    theirs = optax.exponential_decay(0.3, 5, 0.7, staircase=True)
    rate = optim.step_schedule(0.3, 0.7, 5)
    for t in range(20):
        assert rate(t) == pytest.approx(float(theirs(t)), rel=1e-5)


def test_cosine_and_steps_are_torchs():
    torch = pytest.importorskip("torch")
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    pairs = [
        (
            torch.optim.lr_scheduler.CosineAnnealingLR(opt, 7, eta_min=1e-4),
            optim.cosine_schedule(1e-3, 1e-4, 7),
        ),
        (torch.optim.lr_scheduler.StepLR(opt, 3, gamma=0.5), optim.step_schedule(1e-3, 0.5, 3)),
    ]
    for theirs, ours in pairs:
        for t in range(8):
            opt.param_groups[0]["lr"] = 1e-3 if t == 0 else opt.param_groups[0]["lr"]
            assert ours(t) == pytest.approx(opt.param_groups[0]["lr"], rel=1e-12)
            opt.step()
            theirs.step()


def test_a_warmup_arrives_at_the_first_value_and_starts_at_its_own():
    rate = optim.warmup_schedule(optim.step_schedule(4.0, 0.5, 2), 4, start=2.0)
    assert [rate(t) for t in range(9)] == [2.0, 2.5, 3.0, 3.5, 4.0, 4.0, 2.0, 2.0, 1.0]
    with pytest.raises(TypeError, match=r"warmup_schedule: schedule is 0\.1; want a callable"):
        optim.warmup_schedule(0.1, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.constant(math.nan), "constant: value is nan; want a finite"),
        (lambda: optim.linear_schedule(math.inf, 0, 1), "linear_schedule: start is inf; want"),
        (lambda: optim.linear_schedule(0, math.nan, 1), "linear_schedule: end is nan; want"),
        (lambda: optim.cosine_schedule(0, math.inf, 1), "cosine_schedule: end is inf; want"),
        (lambda: optim.cosine_schedule(1, 0, 0), "cosine_schedule: steps is 0; want at least 1"),
        (lambda: optim.step_schedule(1, math.nan, 1), "step_schedule: factor is nan; want"),
        (lambda: optim.step_schedule(1, 0.5, 0), "step_schedule: every is 0; want at least 1"),
        (
            lambda: optim.warmup_schedule(optim.constant(1), 0),
            "warmup_schedule: steps is 0; want at least 1",
        ),
        (
            lambda: optim.warmup_schedule(optim.constant(1), 1, math.nan),
            "warmup_schedule: start is nan; want",
        ),
        (lambda: optim.linear_schedule(1, 0, 0), "linear_schedule: steps is 0; want at least 1"),
    ],
)
def test_numbers_out_of_range_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
