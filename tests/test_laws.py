"""The laws of linear operators and their derivatives, on every case, row and precision."""

from itertools import product

import numpy as np
import pytest
from cases import CASES, Maker, first_of_each, parts
from cases import built as built_cases
from rows import CUDA_ROWS, open_row

import nufftlib as nl


def kinds(A, _):
    """Yield the types of the operators in `A`, and their settings."""
    for part in parts(A):
        yield from kinds_of(part)


def kinds_of(part):
    return (kind for kind in (type(part), *vars(part).values()) if is_kind(kind))


def kinds_by_axes(A, x):
    """Yield them with the number of axes, if they have a shape."""
    for part in parts(A):
        yield from ((kind, len(getattr(part, "shape", ()))) for kind in kinds_of(part))


def is_kind(value):
    return isinstance(value, type | str)


def settings(rows, cases, precisions):
    for name, case, precision in product(rows, cases, precisions):
        marks = [pytest.mark.gpu] if name in CUDA_ROWS else []
        label = f"{name}-{case.name}-{precision}"
        yield pytest.param((name, case, precision), marks=marks, id=label)


FIRST = [case for case, *_ in first_of_each(kinds)]
# A native engine, which is to be compiled for each precision, has one case for each number of axes.
AXES = [case for case, *_ in first_of_each(kinds_by_axes)]
SINGLE = [case for case in CASES if not case.host or case in AXES]
# NumPy keeps every law of every operator, in double precision. What agrees with it in every method
# keeps them too: single precision has the first case of each kind, and the other libraries have
# every fourth of these. JAX, which compiles each operation for each shape, is in `test_rows.py`.
LAWS = [
    *settings(["numpy"], CASES, ["double"]),
    *settings(["numpy"], FIRST, ["single"]),
    *settings(["strict", "torch", "cupy", "torch-cuda"], FIRST[3::4], ["double"]),
]
# NumPy agrees with itself: what it tells are the dtypes and that no input has changed.
EVERY = [
    *settings(["numpy"], CASES, ["double"]),
    *settings(["numpy"], SINGLE, ["single"]),
    *settings(["numpy-readonly"], FIRST, ["double"]),
    *settings(["strict", "torch", "cupy"], CASES, ["double"]),
    *settings(["strict", "torch", "cupy"], FIRST, ["single"]),
    *settings(["torch-cuda"], FIRST, ["double", "single"]),
]
# ``A^H A`` is a product like others, of which the first cases are enough, unless the class has one
# of its own. LeastSquares in a product solves within each solution.
OWN = {case for case, A, _ in built_cases() if type(A).N is not nl.LinearOperator.N}
GRAMS = [
    setting
    for setting in LAWS
    if setting.values[0][0] == "numpy" and setting.values[0][1] in {*FIRST, *OWN}
]
DEFINED = [  # by an oracle; the others are made of operators that are
    setting for setting in EVERY if setting.values[0][0] == "numpy" and setting.values[0][1].oracle
]

laws = pytest.mark.parametrize("setting", LAWS)


@pytest.fixture
def case(setting):
    return setting[1]


@pytest.fixture
def precision(setting):
    return setting[2]


@pytest.fixture
def built(setting):
    name, case, precision = setting
    with open_row(name, host=case.host) as row:
        yield row, *case.build(row, precision)


@pytest.fixture
def y(built, precision):
    """A cotangent, see `Maker.cotangent`."""
    row, A, x = built
    return Maker(row, precision, seed=9).cotangent(A, x)


def tolerances(case, precision):
    """What the laws allow: rounding, and a few eps where the operator is approximate."""
    if precision == "double":
        return {"dot_tolerance": case.dot, "difference_tolerance": 1e-6}
    return {"dot_tolerance": 2e-5, "difference_tolerance": 1e-2}


def close(a, b, tolerance):
    return np.linalg.norm(a - b) <= tolerance * max(np.linalg.norm(b), 1e-3)


def snapshot(row, operator, *arrays):
    return [np.copy(row.numpy(a)) for a in (*arrays, *operator.parameters.values())]


@laws
def test_operator(built, case, precision):
    _, A, x = built
    report = nl.check_operator(A, x, **tolerances(case, precision))
    assert report.ok, str(report)


@laws
def test_adjoint_is_an_operator_with_the_same_derivatives(built, case, precision, y):
    row, A, x = built
    report = nl.check_operator(A.H, y, **tolerances(case, precision))
    assert report.ok, str(report)
    for name in A.parameters:  # reciprocity
        B, swapped = row.numpy(A.vjp(name, x, y)), row.numpy(A.H.vjp(name, y, x))
        assert close(swapped, B, 1e-12 if precision == "double" else 1e-5)
    assert A.H.H is A


@pytest.mark.parametrize("setting", GRAMS)
def test_gram(built, case, precision):
    row, A, x = built
    report = nl.check_operator(A.N, x, **tolerances(case, precision))
    assert report.ok, str(report)
    # Where A is approximate, its Gram may be another approximation: a convolution.
    double = precision == "double"
    rounding, eps = (1e-12, case.eps) if double else (5e-6, case.eps_single)
    assert close(A.N(x), A.adjoint(A.apply(x)), rounding + 10 * eps if eps else 1e-12)
    z = Maker(row, precision, seed=9).cotangent(A.N, x)
    for name in A.parameters:
        B = A.vjp(name, x, A(z)) + A.vjp(name, z, A(x))
        assert close(A.N.vjp(name, x, z), B, (1e-12 if double else 1e-5) + 20 * eps)


@laws
def test_linearize_by_a_parameter_agrees_with_value_jvp_and_vjp(built, precision, y):
    row, A, x = built
    tolerance = 1e-11 if precision == "double" else 1e-4
    for name, theta in A.parameters.items():
        value, J = A.linearize(x, wrt=name)
        direction = theta * theta + 0.5
        assert close(row.numpy(value), row.numpy(A(x)), tolerance)
        assert close(row.numpy(J(direction)), row.numpy(A.jvp(name, x, direction)), tolerance)
        assert close(row.numpy(J.adjoint(y)), row.numpy(A.vjp(name, x, y)), tolerance)
        moved = A.replace(**{name: direction})
        fixed = A.as_map(name, x)
        assert close(row.numpy(fixed(direction)), row.numpy(moved(x)), tolerance)
        value, J = fixed.linearize(direction)
        assert close(row.numpy(value), row.numpy(moved(x)), tolerance)
        assert close(row.numpy(J.adjoint(y)), row.numpy(moved.vjp(name, x, y)), tolerance)


@pytest.mark.parametrize("setting", DEFINED)
def test_dense_oracle(built, case, precision):
    row, A, x = built
    parameters = {name: row.numpy(p).astype(complex) for name, p in A.parameters.items()}
    if "trajectory" in parameters:
        parameters["trajectory"] = parameters["trajectory"].real
    want = case.oracle(parameters, row.numpy(x).astype(complex))
    rounding, eps = (1e-12, case.eps) if precision == "double" else (5e-6, case.eps_single)
    tolerance = rounding + 10 * eps
    assert row.numpy(A(x)).shape == want.shape
    assert close(row.numpy(A(x)), want, tolerance)


def everything(A, x, y):
    """Return what every method gives, and the parameters whose dtypes the gradients have."""
    results, gradients = [A(x), A.adjoint(y)], []
    for name, theta in A.parameters.items():
        value, J = A.linearize(x, wrt=name)
        gradients += [(A.vjp(name, x, y), theta), (J.adjoint(y), theta)]
        gradients += [(A.H.vjp(name, y, x), theta)]
        results += [A.jvp(name, x, theta), A.H.jvp(name, y, theta), value, J(theta)]
    return results, gradients


@pytest.mark.parametrize("setting", EVERY)
def test_every_method_agrees_with_numpy_and_changes_no_input(built, case, precision, y):
    double = precision == "double"
    with open_row("numpy", host=case.host) as numpy:
        B, u = case.build(numpy, precision)
        want, exact = everything(B, u, Maker(numpy, precision, seed=9).cotangent(B, u))
    row, A, x = built
    before = snapshot(row, A, x, y)
    got, gradients = everything(A, x, y)
    after = snapshot(row, A, x, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(g.dtype == theta.dtype for g, theta in gradients)
    got, want = (r + [g for g, _ in more] for r, more in ((got, gradients), (want, exact)))
    kinds = ("float64", "complex128") if double else ("float32", "complex64")
    tolerance = 1e-12 + 20 * case.eps if double else 5e-6 + 20 * case.eps_single
    for result, expected in zip(got, want, strict=True):
        assert any(row.owns(result, kind) for kind in kinds), (type(result), result.dtype)
        assert close(row.numpy(result), expected, tolerance)
