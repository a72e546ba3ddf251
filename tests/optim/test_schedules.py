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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.constant(math.nan), "constant: value is nan; want a finite"),
        (lambda: optim.linear_schedule(math.inf, 0, 1), "linear_schedule: start is inf; want"),
        (lambda: optim.linear_schedule(0, math.nan, 1), "linear_schedule: end is nan; want"),
        (lambda: optim.linear_schedule(1, 0, 0), "linear_schedule: steps is 0; want at least 1"),
    ],
)
def test_numbers_out_of_range_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
