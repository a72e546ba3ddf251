"""What the laws do not say of the operator of blocks: refusals."""

import numpy as np
import pytest

import nufftlib as nl

M = nl.BlockDiagonal(np.ones((3, 2, 2)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nl.BlockDiagonal(np.ones(2)), ValueError, r"\(2,\); want \(..., d, d\)"),
        (lambda: nl.BlockDiagonal(np.ones((4, 2, 3))), ValueError, r"\(4, 2, 3\); want \(..., d"),
        (lambda: nl.BlockDiagonal(np.ones((2, 2), int)), TypeError, "int64; want real or complex"),
        (lambda: nl.BlockDiagonal([[1.0]]), TypeError, "a list; want an array"),
        (lambda: M(np.ones((4, 2))), ValueError, r"\(4, 2\); want last axes to which \(3, 2\)"),
        (lambda: M(np.ones((1, 2))), ValueError, r"\(1, 2\); want last axes"),  # none is enlarged
        (lambda: M(np.ones((3, 1))), ValueError, r"\(3, 1\); want last axes"),
        (lambda: M.H(np.ones(2)), ValueError, r"\(2,\); want last axes to which \(3, 2\)"),
        (lambda: M(np.ones((3, 2), "f4")), TypeError, "float32.*want floating point of one prec"),
        (
            lambda: nl.BlockDiagonal(np.ones((1, 1)))(np.ones((3, 2))),
            ValueError,
            r"\(3, 2\); want last axes to which \(1,\)",  # a block of size 1 is no number
        ),
        (
            lambda: M.vjp("blocks", np.ones((3, 2)), np.ones((2, 3, 2))),
            ValueError,
            r"y has the shape \(2, 3, 2\); want \(3, 2\), as of A x",
        ),
        (
            lambda: M.jvp("blocks", np.ones((3, 2)), np.ones((2, 2))),
            ValueError,
            r"dtheta has the shape \(2, 2\) .* want those of blocks, \(3, 2, 2\)",
        ),
    ],
)
def test_a_wrong_argument_is_refused_with_what_came_and_what_is_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()
