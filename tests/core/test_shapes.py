"""Shape rules against NumPy's broadcasting, and what they say where nothing fits."""

from itertools import product

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.core.shapes import (
    Chained,
    Common,
    Exchanged,
    Fixed,
    Kept,
    MisfitError,
    Resized,
    Swapped,
    meet,
    takes_batch,
    written,
)

SIZES = (1, 2, 3)
SHAPES = [shape for n in range(4) for shape in product(SIZES, repeat=n)]


def fits(rule, shape):
    try:
        return rule.result(shape)
    except MisfitError:
        return None


@pytest.mark.parametrize("like", [shape for shape in SHAPES if len(shape) < 3], ids=str)
def test_kept_is_what_numpy_broadcasts_without_enlarging(like):
    for shape in SHAPES:
        try:
            want = shape if np.broadcast_shapes(like, shape) == shape else None
        except ValueError:
            want = None
        assert fits(Kept(like), shape) == want
        assert fits(Swapped(Kept(like)), shape) == want


def test_exact_axes_do_not_broadcast():
    rule = Kept((2, 1, 3), exact=2)
    assert fits(rule, (4, 2, 1, 3)) == (4, 2, 1, 3)
    assert fits(rule, (2, 2, 3)) is None
    assert rule.source == (2, 1, 3)
    assert Kept((2, 1, 3)).source == (2, None, 3)


@pytest.mark.parametrize(
    "rule",
    [
        Exchanged((2, 3), (6,)),
        Exchanged((2,), (3, 2), lead=(1,)),
        Exchanged((3,), (), lead=(2,)),
        Resized((-1, 0)),
        Resized((1, 2), lead=(2,)),
        Fixed((2, 3), (5,)),
        Fixed((), (2,)),
        Chained(Exchanged((6,), (2,)), Exchanged((2, 3), (6,))),
        Common((Kept((3,)), Kept((2, 3)))),
    ],
    ids=repr,
)
def test_there_and_back_is_the_shape_itself(rule):
    met = 0
    for shape in SHAPES:
        result = fits(rule, shape)
        if result is not None:
            met += 1
            assert rule.argument(result) == shape
            assert fits(Swapped(rule), result) == shape
            n = len(rule.source)
            assert meet(shape[len(shape) - n :], rule.source)
            assert meet(result[len(result) - len(rule.target) :], rule.target)
    assert met


def test_leading_axes_must_take_a_parameters():
    rule = Exchanged((3,), (5,), lead=(2, 1))
    assert rule.result((2, 4, 3)) == (2, 4, 5)
    with pytest.raises(MisfitError, match=r"\(\.\.\., 3\) with leading axes to which \(2, 1\)"):
        rule.result((4, 3))


def test_what_is_wanted_is_said():
    with pytest.raises(MisfitError, match="2 last axes of at least 3 x 1"):
        Resized((-2, 0)).result((2, 4))
    with pytest.raises(MisfitError, match="terms of one shape"):
        Common((Resized((-1,)), Resized((-2,)))).result((5,))
    with pytest.raises(MisfitError, match=r"^\(2,\)$"):
        Fixed((2,), ()).result((3,))
    assert written((None, 3)) == "(..., ..., 3)"


def test_resizing_leaves_no_empty_axis():
    assert fits(Resized((-2,)), (2,)) is None
    assert fits(Resized((1,)), (0,)) is None


@pytest.mark.parametrize(
    ("rule", "shape", "want"),
    [
        (Kept((3,)), (3,), True),
        (Kept((2, 3)), (2, 3), True),
        (Kept((2, 3)), (3,), False),
        (Fixed((3,), (2,)), (3,), False),
        (Exchanged((3,), (2,), lead=(4,)), (4, 3), True),
        (None, (3,), False),
    ],
)
def test_batches_are_told(rule, shape, want):
    assert takes_batch(rule, shape) is want


def maps(*shape):
    return nl.Sense(np.ones(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: maps(3, 4, 5) @ nl.Diagonal(np.ones((6, 5))),
            r"A @ C: C, a Diagonal, returns last axes \(\.\.\., 6, 5\); want \(\.\.\., 4, 5\)",
        ),
        (
            lambda: nl.NUFFT(np.zeros((9, 2)), (4, 5)) @ maps(3, 4, 6),
            r"C, a Sense, returns last axes .*6\); want \(\.\.\., 4, 5\), which A, a NUFFT",
        ),
        (
            lambda: maps(3, 4, 5).H @ nl.NUFFT(np.zeros((9, 2)), (4, 5)),
            "C, a NUFFT, returns last axes",
        ),
        (
            lambda: maps(3, 4, 5) + maps(2, 4, 5),
            r"A \+ C: C, a Sense, takes .*; want \(\.\.\., 4, 5\) to \(\.\.\., 3, 4, 5\)",
        ),
        (
            lambda: nl.Diagonal(np.ones(3)) + nl.Diagonal(np.ones(4)).rename(weights="other"),
            r"A \+ C: C, a Renamed",
        ),
    ],
)
def test_operators_that_cannot_meet_are_refused_when_they_are_composed(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_axes_of_any_size_meet():
    assert nl.Blur(np.ones((2, 2))) @ nl.Blur(np.ones((3, 3))).rename(psf="inner")
    assert nl.Diagonal(np.ones((1, 5))) @ nl.Diagonal(np.ones((4, 1))).rename(weights="rows")
