"""The squared error as a quadratic function of the PSF is that of the blur, to rounding."""

import importlib
import itertools
from fractions import Fraction

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.blur import normal_equations

equations = importlib.import_module("nufftlib.blur.normal_equations")
BOUNDARIES = ("valid", "circular", "replicate", "reflect", "zero")
rng = np.random.default_rng(8)


def random(kind, *shape):
    values = rng.standard_normal(shape)
    return values + 1j * rng.standard_normal(shape) if kind == "c" else values


def agree(A, x, y, h, tolerance=2e-12):
    want, gradient = (nl.HalfSquaredError(y) @ A.as_map("psf", x)).value_and_grad(h)
    value, found = normal_equations(A, x, y).value_and_grad(h)
    assert value == pytest.approx(want, rel=tolerance)
    assert found.dtype == gradient.dtype
    assert np.linalg.norm(found - gradient) <= tolerance * np.linalg.norm(gradient)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("psf", "image"),
    [
        ((4,), (9,)),
        ((1,), (5,)),
        ((9,), (9,)),
        ((3, 4), (7, 9)),
        ((1, 4), (5, 6)),
        ((5, 6), (5, 6)),
        ((2, 3, 2), (5, 4, 3)),
        ((3, 1, 4), (5, 4, 6)),
    ],
)
def test_it_is_the_squared_error(boundary, psf, image):
    for kind_h, kind_x in itertools.product("rc", repeat=2):
        for lead, batch in [((), ()), ((), (2,)), ((2, 1), (2, 3)), ((3,), (2, 3))]:
            h, x = random(kind_h, *lead, *psf), random(kind_x, *batch, *image)
            A = nl.Blur(h, boundary, ndim=len(psf))
            y = A(x)
            agree(A, x, y + random("c" if np.iscomplexobj(y) else "r", *y.shape), h + 0.1)


@pytest.mark.parametrize("boundary", BOUNDARIES[1:])
def test_a_psf_larger_than_the_image(boundary):
    h, x = random("r", 7, 6), random("r", 2, 5, 4)
    agree(nl.Blur(h, boundary), x, random("r", 2, 5, 4), h)


@pytest.mark.parametrize("tile", [1, 7, 24])
def test_it_is_the_sum_over_its_tiles(tile, monkeypatch):
    monkeypatch.setattr(equations, "TILE", tile)
    for psf, image in [((4,), (9,)), ((3, 4), (9, 13)), ((2, 1, 3), (4, 5, 6))]:
        for lead, kind in [((), "r"), ((2, 1), "c")]:
            h, x = random(kind, *lead, *psf), random("r", 2, 3, *image)
            A = nl.Blur(h, "reflect" if kind == "c" else "valid", ndim=len(psf))
            agree(A, x, A(x) + random(kind, *A(x).shape), h + 0.1)


def test_its_matrix_is_that_of_the_patches():
    h, x = random("c", 3, 2), random("c", 6, 7)
    gram = normal_equations(nl.Blur(h), x, random("c", 4, 6)).gram
    columns = [nl.Blur(d.reshape(3, 2))(x).reshape(-1) for d in np.eye(6, dtype=complex)]
    np.testing.assert_allclose(gram, np.conj(columns) @ np.transpose(columns), atol=1e-12)


def test_several_pairs_of_images_add_up():
    A, h = nl.Blur(random("r", 3, 4), "reflect"), random("r", 3, 4)
    pairs = [(random("r", *n), random("r", *n)) for n in [(7, 8), (5, 9)]]
    first, second = (normal_equations(A, x, y) for x, y in pairs)
    total = first + 0.5 * second
    assert isinstance(total, nl.Quadratic)
    v, g = total.value_and_grad(h)
    (v1, g1), (v2, g2) = first.value_and_grad(h), second.value_and_grad(h)
    assert v == pytest.approx(v1 + 0.5 * v2)
    np.testing.assert_allclose(g, g1 + 0.5 * g2, atol=1e-12)


def test_single_precision_is_summed_in_double():
    h, x, y = (random("r", *n) for n in [(3, 4), (20, 21), (18, 18)])
    single = [a.astype(np.float32) for a in (h, x, y)]
    double = [a.astype(np.float64) for a in single]
    value, gradient = normal_equations(nl.Blur(single[0]), *single[1:]).value_and_grad(single[0])
    want, exact = normal_equations(nl.Blur(double[0]), *double[1:]).value_and_grad(double[0])
    assert value.dtype == gradient.dtype == np.float32
    np.testing.assert_array_equal(gradient, exact.astype(np.float32))
    assert value == np.float32(want)


def test_components_of_a_complex_psf_are_eigenvectors():
    h, x = random("c", 2, 3, 2), random("c", 2, 6, 7)
    f = normal_equations(nl.Blur(h), x, random("c", 2, 4, 6))
    values, components = f.spectrum()
    assert components.shape == (2, 6, 3, 2)
    vectors = components.reshape(2, 6, 6)
    turned = np.einsum("cij,ckj->cki", f.gram, vectors)
    np.testing.assert_allclose(turned, values[..., None] * vectors, atol=1e-10)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_every_row(row, boundary):
    shapes = [(3, 4), (2, 6, 7)]
    h, x = (random("r", *n) for n in shapes)
    y = nl.Blur(h, boundary)(x) + 1.0
    want = normal_equations(nl.Blur(h, boundary), x, y)
    A = nl.Blur(row.array(h), boundary)
    f = normal_equations(A, row.array(x), row.array(y))
    assert row.owns(f.gram, "float64")
    np.testing.assert_allclose(row.numpy(f.gram), want.gram, atol=1e-12)
    value, gradient = f.value_and_grad(row.array(h))
    assert row.owns(gradient, "float64")
    np.testing.assert_allclose(row.numpy(gradient), want.value_and_grad(h)[1], atol=1e-12)
    assert float(value) == pytest.approx(float(want(h)))
    single = f.value_and_grad(row.array(h, "float32"))
    assert all(row.owns(a, "float32") for a in single)
    values, components = f.spectrum()
    truth = want.spectrum()
    np.testing.assert_allclose(row.numpy(values), truth.values, atol=1e-10)
    turned = np.sum(row.numpy(components) * truth.components, axis=(1, 2))
    np.testing.assert_allclose(np.abs(turned), 1, atol=1e-9)


def test_the_spectrum_says_what_noise_does_to_the_psf():
    """Least squares on noisy data scatter by s / sqrt(value) along every component."""
    x, h, s = rng.random((24, 24)), rng.random((3, 3)), 0.1
    A = nl.Blur(h, "zero")
    values, components = normal_equations(A, x, A(x)).spectrum()
    assert np.all(np.diff(values) <= 0)
    errors = []
    for _ in range(400):
        f = normal_equations(A, x, A(x) + s * rng.standard_normal((24, 24)))
        errors.append(np.linalg.solve(f.gram, f.rhs.reshape(-1)) - h.reshape(-1))
    scatter = np.std(np.asarray(errors) @ components.reshape(9, 9).T, axis=0)
    np.testing.assert_allclose(scatter, s / np.sqrt(values), rtol=0.15)


BLUR, IMAGE, DATA = nl.Blur(np.ones((3, 2))), np.ones((6, 5)), np.ones((4, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: normal_equations(IMAGE, IMAGE, DATA),
            TypeError,
            "an array .*; want a Blur",
        ),
        (
            lambda: normal_equations(BLUR, IMAGE, DATA[:-1]),
            ValueError,
            r"\(3, 4\); want \(4, 4\)",
        ),
        (lambda: normal_equations(BLUR, IMAGE[:2], DATA), ValueError, "of at least 3 x 2"),
        (lambda: normal_equations(BLUR, IMAGE.astype("f4"), DATA), TypeError, "x is float32"),
        (
            lambda: normal_equations(BLUR, IMAGE, DATA)(DATA),
            ValueError,
            r"want the shape \(3, 2\), real",
        ),
        (
            lambda: normal_equations(BLUR, IMAGE, DATA)(1j * BLUR.psf),
            ValueError,
            r"complex128; want the shape \(3, 2\), real",
        ),
        (
            lambda: (
                normal_equations(BLUR, IMAGE, DATA)
                + normal_equations(nl.Blur(np.ones((3, 3))), IMAGE, DATA[:, :3])
            ),
            ValueError,
            r"shapes \(3, 2\) and \(3, 3\); want one shape",
        ),
        (lambda: nl.Quadratic(IMAGE, DATA, 0.0), ValueError, "with size the entries of shape"),
        (
            lambda: nl.Quadratic(np.eye(2, dtype="f4"), np.ones(2, "f4"), 0.0),
            TypeError,
            "want double precision",
        ),
        (lambda: nl.Quadratic(1j * np.eye(2), np.ones(2), 0.0), TypeError, "complex rhs"),
        (lambda: nl.Quadratic(np.eye(2), np.ones(2), None), TypeError, "constant is None; want a"),
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_sum_with_another_map_is_a_map():
    A, x, y = nl.Blur(np.ones((3, 2))), rng.random((6, 5)), rng.random((4, 4))
    f, prior = normal_equations(A, x, y), nl.HalfSquaredError(np.zeros((3, 2)))
    total = 2 * f / 4 - (-0.1) * prior
    value, gradient = total.value_and_grad(np.ones((3, 2)))
    v, g = f.value_and_grad(np.ones((3, 2)))
    assert value == pytest.approx(0.5 * v + 0.1 * 3)
    np.testing.assert_allclose(gradient, 0.5 * g + 0.1)


def test_what_is_not_finite_is_named():
    bad = IMAGE.copy()
    bad[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"normal_equations.*: x is not finite in 1 of 30 entries"):
        normal_equations(BLUR, bad, DATA)
    with pytest.raises(ValueError, match=r"normal_equations.*: y is not finite in 16 of 16"):
        normal_equations(BLUR, IMAGE, DATA * np.inf)


def test_a_constant_may_be_any_number():
    for constant in (Fraction(1, 2), np.float32(0.5), np.asarray(0.5)):
        f = nl.Quadratic(np.eye(2), np.ones(2), constant)
        assert type(f.constant) is float
        assert f(np.ones(2)) == -0.5


def test_every_row_of_stacks(row):
    h, x = random("r", 2, 3, 2), random("r", 2, 5, 6, 4)
    y = nl.Blur(h, ndim=3)(x) + 1.0
    want = normal_equations(nl.Blur(h, ndim=3), x, y)
    f = normal_equations(nl.Blur(row.array(h), ndim=3), row.array(x), row.array(y))
    assert row.owns(f.gram, "float64")
    np.testing.assert_allclose(row.numpy(f.gram), want.gram, atol=1e-12)
    np.testing.assert_allclose(row.numpy(f.rhs), want.rhs, atol=1e-12)
