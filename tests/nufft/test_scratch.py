"""Arrays on the stack of a compiled loop are those of NumPy."""

import numba
import numpy as np
import pytest

from nufftlib.nufft.engines.grid.cpu.scratch import filled

SHAPE = (3, 4, 5)
a, b, c = SHAPE


@numba.njit
def used(like, seen, counted):
    """Copy what comes, write all of it by number, and copy that."""
    x = filled(like, 7, a, b, c)
    other = filled(like, 0, c)
    seen[...] = x
    for i in range(a):
        for j in range(b):
            for k in range(c):
                x[i, j, k] = (i * b + j) * c + k
    counted[...] = x
    return x.shape, x.strides, x.itemsize, other.shape, other.sum()


@pytest.mark.parametrize("dtype", ["f4", "f8", "u8"])
def test_a_scratch_array_is_filled_at_each_call_and_is_laid_out_as_those_of_numpy(dtype):
    wanted = np.arange(a * b * c, dtype=dtype).reshape(SHAPE)
    for _ in range(2):  # what the first call wrote is gone
        seen, counted = np.zeros(SHAPE, dtype), np.zeros(SHAPE, dtype)
        found = used(np.empty(0, dtype), seen, counted)
        assert found == (SHAPE, wanted.strides, wanted.itemsize, (c,), 0)
        np.testing.assert_array_equal(seen, np.full(SHAPE, 7, dtype))
        np.testing.assert_array_equal(counted, wanted)
