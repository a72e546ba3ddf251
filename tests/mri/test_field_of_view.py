"""A shift of the field of view: an image that moves, motion that is found, what is refused."""

import numpy as np
import pytest

import nufftlib as nl
import optim

RNG = np.random.default_rng(0)
K = RNG.uniform(-0.5, 0.5, (4, 30, 2))
F = nl.NUFFT(K, (8, 9), engine="direct")
X = np.zeros((8, 9), complex)
X[2:5, 3:6] = RNG.standard_normal((3, 3)) + 1j * RNG.standard_normal((3, 3))


def test_whole_voxels_move_the_image():
    A = nl.FieldOfViewShift(F, np.asarray([2.0, -3.0])) @ F
    np.testing.assert_allclose(A(X), F(np.roll(X, (2, -3), axis=(0, 1))), rtol=0, atol=1e-12)


def test_the_motion_of_each_shot_is_found():
    moved = RNG.uniform(-0.4, 0.4, (4, 1, 2))
    A = nl.FieldOfViewShift(F, moved) @ F
    loss = nl.HalfSquaredError(A(X)) @ A.as_map("shift", X)
    found = optim.lbfgs(loss.value_and_grad, np.zeros((4, 1, 2)), steps=60).params
    np.testing.assert_allclose(found, moved, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("operator", "shift", "message"),
    [
        (F, np.zeros(3), r"shift has the shape \(3,\); want \(2,\), or one that broadcasts"),
        (F, np.zeros((3, 1, 2)), r"shift has the shape \(3, 1, 2\); want \(2,\), or one"),
        (F, np.zeros(2, np.float32), "shift is float32 and trajectory is float64"),
        (nl.FFT((8, 9)), np.zeros(2), "FFT has no parameter 'trajectory'"),
    ],
)
def test_what_does_not_fit_is_refused(operator, shift, message):
    with pytest.raises((TypeError, ValueError), match=message):
        nl.FieldOfViewShift(operator, shift)
