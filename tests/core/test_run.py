"""Whether losses still fall, and how relative errors are said."""

import pytest

from nufftlib.core.run import Run, part, still_falls


@pytest.mark.parametrize(
    ("losses", "falls"),
    [
        ([4.0, 3.0, 2.0, 1.0], True),
        ([1.0 - 0.01 * i for i in range(21)], True),  # the last tenth brings a tenth
        ([1.0 - 1e-9 * i for i in range(21)], True),  # slow, and not at its end
        ([2.0**-i for i in range(21)], False),
        ([2.0**-i for i in range(5)], True),
        ([2.0, 1.0] + 20 * [1.5], False),  # restless, the best long ago
        ([1.0, 2.0, 3.0], False),
        ([1.0, 1.0], False),
        ([1.0], False),
    ],
)
def test_losses_still_fall_if_the_last_tenth_of_the_steps_brought_something(losses, falls):
    assert still_falls(Run(losses, 1.0, False)) is falls


@pytest.mark.parametrize(
    ("error", "said"),
    [(0.00726, "0.726%"), (0.929, "92.9%"), (1.0, "1 times"), (18.8867, "18.9 times"),
     (1888.67, "1889 times")],
)  # fmt: skip
def test_large_errors_are_multiples(error, said):
    assert part(error) == said
