"""Pairs of parameters and inputs: where the frames' axis is, and what is refused."""

import numpy as np
import pytest

import nufftlib as nl

RNG = np.random.default_rng(0)
K = RNG.uniform(-0.5, 0.5, (3, 7, 2))
F = nl.NUFFT(K[0], (5, 4), engine="direct")


def noise(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def test_frames_stand_in_front_of_the_axes_of_one_frame():
    maps, x = noise(3, 5, 4), noise(2, 3, 5, 4)  # as many coils as frames
    A = nl.Paired(F @ nl.Sense(maps), {"trajectory": K})
    y = A(x)
    assert y.shape == (2, 3, 3, 7)
    assert A.H(y).shape == x.shape
    for t in range(3):
        of_frame = F.replace(trajectory=K[t]) @ nl.Sense(maps)
        np.testing.assert_array_equal(y[:, t], of_frame(x[:, t]))


def test_the_gram_is_that_of_each_frame():
    A = nl.Paired(nl.NUFFT(K[0], (5, 4), eps=1e-9, engine="finufft"), {"trajectory": K})
    assert isinstance(A.N, nl.Paired)
    x = noise(3, 5, 4)
    np.testing.assert_allclose(A.N(x), A.H(A(x)), rtol=0, atol=1e-7 * abs(A.N(x)).max())


def test_a_fixed_image_is_prepared_once_for_each_frame(monkeypatch):
    A = nl.Paired(F, {"trajectory": K})
    f = A.as_map("trajectory", noise(3, 5, 4))
    monkeypatch.setattr(type(F.transform), "fix", None)  # whatever is prepared has been
    value, J = f.linearize(0.5 * K)
    assert value.shape == J(K).shape == (3, 7)
    assert J.H(value).shape == K.shape


def test_least_squares_of_all_frames():
    A = nl.Paired(
        nl.NUFFT(RNG.uniform(-0.5, 0.5, (60, 2)), (5, 4)), {"trajectory": RNG.random((3, 60, 2))}
    )
    x = noise(3, 5, 4)
    found = nl.LeastSquares(A, tolerance=1e-8)(A(x))
    assert nl.nrmse(found, x) < 1e-5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.Paired(F, {"k": K}), "NUFFT has no parameter 'k'; it has 'trajectory'"),
        (lambda: nl.Paired(F, (K,)), r"Paired\(stacks\): stacks is .*; want a dict of arrays"),
        (
            lambda: nl.Paired(F, {"trajectory": np.full_like(K, np.nan)})(noise(3, 5, 4)),
            "7 of 7 points are not finite",
        ),
        (lambda: nl.Paired(F, {}), r"Paired\(stacks\): stacks is {}; want a dict"),
        (
            lambda: nl.Paired(F, {"trajectory": K[0]}),
            r"trajectory has the shape \(7, 2\); want \(frames, 7, 2\), as in the operator",
        ),
        (
            lambda: nl.Paired(F, {"trajectory": K.astype(np.float32)}),
            "trajectory is float32; want float64, as in the operator",
        ),
        (
            lambda: nl.Paired(
                F.gram(np.ones(7), "toeplitz"), {"trajectory": K, "weights": np.ones((2, 7))}
            ),
            "want as many frames of each",
        ),
        (
            lambda: nl.Paired(F, {"trajectory": K})(noise(2, 5, 4)),
            r"x has the shape \(2, 5, 4\); want \(..., 3, 5, 4\), one item for each frame",
        ),
        (
            lambda: nl.Paired(F, {"trajectory": K}) @ nl.Sense(noise(2, 5, 4)),
            r"C, a Sense, returns last axes \(..., 2, 5, 4\); want \(..., 3, 5, 4\)",
        ),
        (
            lambda: nl.Paired(F, {"trajectory": K}).as_map("trajectory", noise(3, 5, 4))(K[:2]),
            r"trajectory has the shape \(2, 7, 2\); want \(3, 7, 2\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
