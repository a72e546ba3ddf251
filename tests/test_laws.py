"""The laws of linear operators and their derivatives, on every case, row and precision."""

from itertools import product

import numpy as np
import pytest
from cases import CASES, Maker
from rows import CPU_ROWS, CUDA_ROWS, open_row
from test_registry import parts

import nufftlib as nl


def first_of_each_kind():
    """Return the cases with a type of operator, or a setting of one, that no case before has."""
    seen, cases = set(), []
    with open_row("numpy") as row:
        for case in CASES:
            A, _ = case.build(row, "double")
            kinds = {
                kind
                for part in parts(A)
                for kind in (type(part), *vars(part).values())
                if isinstance(kind, type | str)
            }
            if not kinds <= seen:
                seen |= kinds
                cases.append(case)
    return cases


def settings(rows, cases, precisions):
    for name, case, precision in product(rows, cases, precisions):
        marks = [pytest.mark.gpu] if name in CUDA_ROWS else []
        label = f"{name}-{case.name}-{precision}"
        yield pytest.param((name, case, precision), marks=marks, id=label)


FIRST = first_of_each_kind()
BOTH = ["double", "single"]
# Of what agrees with NumPy in every method, in either precision, NumPy has shown the laws: they run
# on every library again, but not in single precision, and on JAX, which compiles each operation for
# each shape, in a few cases.
LAWS = [
    *settings(["numpy"], CASES, BOTH),
    *settings(["strict", "torch", "cupy"], CASES, ["double"]),
    *settings(["torch-cuda"], FIRST, ["double"]),
]
JAX = list(settings(["jax", "jax-cuda"], FIRST[::4], ["double"]))
EVERY = [*settings([*CPU_ROWS, "cupy"], CASES, BOTH), *settings(["torch-cuda"], FIRST, BOTH)]

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
        return {"dot_tolerance": 1e-10, "difference_tolerance": 1e-6}
    return {"dot_tolerance": 2e-5, "difference_tolerance": 1e-2}


def close(a, b, tolerance):
    return np.linalg.norm(a - b) <= tolerance * max(np.linalg.norm(b), 1e-3)


def snapshot(row, operator, x):
    return [np.copy(row.numpy(a)) for a in (x, *operator.parameters.values())]


@pytest.mark.parametrize("setting", LAWS + JAX)
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


@pytest.mark.parametrize("setting", list(settings(["numpy"], CASES, BOTH)))
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


@laws
def test_dense_oracle(built, case, precision):
    row, A, x = built
    if case.oracle is None:
        pytest.skip("a composition; its factors have oracles")
    parameters = {name: row.numpy(p).astype(complex) for name, p in A.parameters.items()}
    if "trajectory" in parameters:
        parameters["trajectory"] = parameters["trajectory"].real
    want = case.oracle(parameters, row.numpy(x).astype(complex))
    rounding, eps = (1e-12, case.eps) if precision == "double" else (5e-6, case.eps_single)
    tolerance = rounding + 10 * eps
    assert row.numpy(A(x)).shape == want.shape
    assert close(row.numpy(A(x)), want, tolerance)


@pytest.mark.parametrize("setting", EVERY)
def test_namespace_device_and_precision_are_kept_and_inputs_unchanged(built, precision):
    row, A, x = built
    before = snapshot(row, A, x)
    y = A(x)
    single = precision == "single"
    kinds = ("float32", "complex64") if single else ("float64", "complex128")
    results = [y, A.adjoint(y)]
    for name, theta in A.parameters.items():
        gradient = A.vjp(name, x, y)
        assert gradient.dtype == theta.dtype
        results += [gradient, A.jvp(name, x, theta), A.H.jvp(name, y, theta)]
    for result in results:
        assert any(row.owns(result, kind) for kind in kinds), (type(result), result.dtype)
    after = snapshot(row, A, x)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def everything(A, x):
    """Return what every method gives."""
    y = A(x)
    results = [y, A.adjoint(y)]
    for name, theta in A.parameters.items():
        value, J = A.linearize(x, wrt=name)
        results += [A.vjp(name, x, y), A.jvp(name, x, theta), A.H.jvp(name, y, theta)]
        results += [value, J(theta), J.adjoint(y)]
    return results


@pytest.mark.parametrize("setting", [s for s in EVERY if s.values[0][0] != "numpy"])
def test_rows_agree_with_numpy(built, case, precision):
    double = precision == "double"
    with open_row("numpy", host=case.host) as numpy:
        want = everything(*case.build(numpy, precision))
    row, A, x = built
    tolerance = 1e-12 + 20 * case.eps if double else 5e-6 + 20 * case.eps_single
    for got, expected in zip(everything(A, x), want, strict=True):
        assert close(row.numpy(got), expected, tolerance)
