"""Warp beside SciPy's resampling, and facts that no law states."""

import numpy as np
import pytest
from scipy import ndimage

import nufftlib as nl
from nufftlib.core.convert import fetched

MODES = {"reflect": "mirror", "circular": "grid-wrap"}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 41))


def ndimage_warp(A, x, **settings):
    c = np.asarray(x.shape) // 2
    return ndimage.affine_transform(x, A.matrix, c + A.shift - A.matrix @ c, **settings)


@pytest.mark.parametrize("boundary", MODES)
@pytest.mark.parametrize(("rotation", "scale"), [(None, None), (None, 0.9), (0.3, None), (-2, 1.3)])
def test_it_is_what_scipy_gives(boundary, rotation, scale):
    more = {"rotation": rotation, "scale": scale}
    more = {name: np.asarray(float(p)) for name, p in more.items() if p is not None}
    A = nl.Warp(np.asarray([2.3, -17.6]), **more, boundary=boundary)
    want = ndimage_warp(A, X, order=3, mode=MODES[boundary])
    np.testing.assert_allclose(A(X), want, atol=1e-12)


@pytest.mark.parametrize("rotation", [None, np.asarray(0.0)])
@pytest.mark.parametrize("boundary", MODES)
def test_without_motion_it_is_the_identity(boundary, rotation):
    A = nl.Warp(np.zeros(2), rotation, np.ones(2), boundary)
    np.testing.assert_allclose(A(X), X, atol=1e-14)
    np.testing.assert_allclose(A.H(X), X, atol=1e-14)


def test_content_moves_against_the_shift_and_turns_clockwise():
    for rotation in (None, np.asarray(0.0)):
        A = nl.Warp(np.asarray([1.0, -2.0]), rotation, boundary="circular")
        np.testing.assert_allclose(A(X), np.roll(X, (-1, 2), (0, 1)), atol=1e-13)
    square = X[:, :29][:29]  # with its centre in the middle
    A = nl.Warp(np.zeros(2), np.asarray(np.pi / 2))
    np.testing.assert_allclose(A(square), np.rot90(square, -1), atol=1e-12)


def test_a_scale_above_one_shows_more_of_the_image():
    spot = np.zeros((21, 21))
    spot[10, 16] = 1.0
    A = nl.Warp(np.zeros(2), None, np.asarray([1.0, 2.0]))
    assert np.unravel_index(np.argmax(A(spot)), spot.shape) == (10, 13)


def test_whole_periods_change_nothing():
    for boundary, period in (("circular", (30, 41)), ("reflect", (58, 80))):
        A = nl.Warp(np.asarray([0.3, 0.4]), np.asarray(0.1), boundary=boundary)
        B = A.replace(shift=A.shift + 3 * np.asarray(period))
        np.testing.assert_allclose(A(X), B(X), atol=1e-11)


@pytest.mark.parametrize("rotation", [None, np.asarray(0.05, "f4")])
def test_single_precision_loses_no_digit_to_the_size(rotation):
    A = nl.Warp(np.asarray([0.3, -0.4], "f4"), rotation)
    double = None if rotation is None else rotation.astype(float)
    B = nl.Warp(A.shift.astype(float), double)
    x = RNG.standard_normal((5, 4000)).astype("f4")
    assert A(x).dtype == np.float32
    np.testing.assert_allclose(A(x), B(x.astype(float)), atol=5e-6)


def test_chunks_of_rows_make_one_image(monkeypatch):
    A = nl.Warp(np.asarray([0.3, -0.4]), np.asarray(0.2), np.asarray(1.1))
    want = A(X), A.H(X)
    monkeypatch.setattr("nufftlib.warp.samplers.PIXELS", 100)
    np.testing.assert_array_equal(A(X), want[0])
    np.testing.assert_array_equal(A.H(X), want[1])


def test_columns_are_the_derivatives():
    A = nl.Warp(np.asarray([0.3, -0.4]), np.asarray(0.2), np.asarray([0.9, 1.1]))
    x = X + 1j * X[::-1]
    value, J = A.columns(x)
    np.testing.assert_array_equal(value, A(x))
    want = [
        *(A.jvp("shift", x, e) for e in np.eye(2)),
        A.jvp("rotation", x, np.asarray(1.0)),
        *(A.jvp("scale", x, e) for e in np.eye(2)),
    ]
    np.testing.assert_allclose(J, want, atol=1e-12)


@pytest.mark.parametrize("rotation", [None, np.asarray(0.2)])
def test_the_hessian_is_that_of_the_inner_product(rotation):
    A = nl.Warp(np.asarray([0.3, -0.4]), rotation, np.asarray([0.93, 1.1]))
    x, y = np.stack([X, X[::-1] * 1j]), RNG.standard_normal((2, *X.shape)) * (1 + 2j)
    H, names = A.hessian(x, y), list(A.parameters)
    sizes = np.cumsum([0, *(A.parameters[name].size for name in names)])
    for name, start, stop in zip(names, sizes, sizes[1:], strict=False):
        theta = A.parameters[name]
        for j, e in enumerate(np.eye(stop - start)):
            dA = A.derivative(name, e.reshape(theta.shape))
            want = np.concatenate([np.ravel(dA.vjp(other, x, y)) for other in names])
            np.testing.assert_allclose(H[start + j], want, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match=r"Warp.hessian\(x, y\): y has the shape \(30, 41\)"):
        A.hessian(x, X + 0j)


def test_other_libraries_take_its_matrix():
    torch = pytest.importorskip("torch")
    A = nl.Warp(torch.tensor([0.5, 0.0]), torch.tensor(0.1), torch.tensor(2.0))
    want = 2 * np.asarray([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    assert A.matrix.dtype == torch.float32
    np.testing.assert_allclose(fetched(A.matrix), want, rtol=1e-6)


def test_second_derivatives_are_the_last():
    dA = nl.Warp(np.asarray([0.3, -0.4])).derivative("shift", np.ones(2))
    second = dA.derivative("shift", np.ones(2))
    with pytest.raises(NotImplementedError, match="WarpDerivative has no derivative by 'shift'"):
        second.derivative("shift", np.ones(2))
    with pytest.raises(NotImplementedError, match="WarpDerivative has no derivative by 'shift'"):
        second.vjp("shift", X, X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shift": np.zeros(4)}, r"Warp\(shift\): shift has the shape \(4,\); want \(1,\), \(2,\)"),
        ({"shift": np.zeros((2, 1))}, r"shift has the shape \(2, 1\); want"),
        ({"shift": np.asarray([0.0, np.nan])}, r"shift is not finite in 1 of 2 entries"),
        (
            {"shift": np.zeros(3), "rotation": np.asarray(0.1)},
            r"Warp\(rotation\): rotation has the shape \(\) and shift \(3,\); want \(\) with a",
        ),
        ({"rotation": np.zeros(1)}, r"rotation has the shape \(1,\) and shift \(2,\); want"),
        (
            {"scale": np.ones(3)},
            r"scale has the shape \(3,\) and shift \(2,\); want \(\) or \(2,\)",
        ),
        ({"scale": np.asarray([1.0, 0.4])}, r"Warp\(scale\): scale is 0.4; want 0.5 to 2"),
        ({"boundary": "zero"}, r"boundary is 'zero'; want one of 'reflect', 'circular'"),
    ],
)
def test_it_says_what_it_wants(settings, message):
    with pytest.raises(ValueError, match=message):
        nl.Warp(**{"shift": np.zeros(2)} | settings)


def test_parameters_are_of_one_precision():
    with pytest.raises(TypeError, match="want floating point of one precision"):
        nl.Warp(np.zeros(2), np.asarray(0.1, "f4"))
    with pytest.raises(TypeError, match="shift is complex128; want float32 or float64"):
        nl.Warp(np.zeros(2) + 0j)
