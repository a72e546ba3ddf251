"""A law that cannot fail says nothing: planted errors must be found."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.core.operator import Constant, parameter

rng = np.random.default_rng(0)


@dataclass(frozen=True, eq=False)
class Phase(nl.LinearOperator):
    """``(A x)_j = exp(i t_j) x_j``: smooth, not linear, in its real parameter ``t``."""

    t: np.ndarray = parameter()

    def _apply(self, x):
        return np.exp(1j * self.t) * x

    def _adjoint(self, y):
        return np.exp(-1j * self.t) * y

    def _derivative(self, name, dtheta):
        return Constant(nl.Diagonal(1j * dtheta)) @ self

    def _form(self, name, x, y):
        return np.imag(np.conj(np.exp(1j * self.t) * x) * y)


class WrongSign(Phase):
    def _form(self, name, x, y):
        return -super()._form(name, x, y)


class MissingConjugate(Phase):
    def _adjoint(self, y):
        return np.exp(1j * self.t) * y


class WrongDerivative(Phase):
    def _derivative(self, name, dtheta):
        return Constant(nl.Diagonal(1j * dtheta)) @ replace(self, t=-self.t)


class SlightlyWrongDerivative(Phase):
    def _derivative(self, name, dtheta):
        return (1 + 1e-5) * super()._derivative(name, dtheta)

    def _form(self, name, x, y):
        return (1 + 1e-5) * super()._form(name, x, y)


class NotLinear(Phase):
    def _apply(self, x):
        return super()._apply(x) + 1.0


class ComplexGradient(Phase):
    def _form(self, name, x, y):
        return super()._form(name, x, y) + 0j


class RowOfGradients(Phase):
    def _form(self, name, x, y):
        return super()._form(name, x, y)[None]


class WrongAdjointOfDerivative(Phase):
    def _derivative(self, name, dtheta):
        return Constant(NoConjugate(1j * dtheta)) @ self


class NoConjugate(nl.Diagonal):
    def _adjoint(self, y):
        return self.weights * y


class HiddenParameter(Phase):
    """The derivative claims that it does not depend on ``t``."""

    def _derivative(self, name, dtheta):
        return Constant(super()._derivative(name, dtheta))


@dataclass(frozen=True, eq=False)
class WrongSecondGradient(nl.LinearOperator):
    """A derivative whose own gradient is twice too large."""

    operator: nl.LinearOperator

    def _apply(self, x):
        return self.operator.apply(x)

    def _adjoint(self, y):
        return self.operator.adjoint(y)

    def _derivative(self, name, dtheta):
        return self.operator.derivative(name, dtheta)

    def _form(self, name, x, y):
        return 2.0 * self.operator.vjp(name, x, y)


class WrongSecond(Phase):
    def _derivative(self, name, dtheta):
        return WrongSecondGradient(super()._derivative(name, dtheta))


class StrangeParameter(Phase):
    """The derivative shows the weights that it was made of."""

    def _derivative(self, name, dtheta):
        return nl.Diagonal(1j * dtheta * np.exp(1j * self.t))


class WrongMap(Phase):
    """The map at a fixed input has the wrong sign."""

    def _as_map(self, name, x):
        return -1.0 * super()._as_map(name, x)


@dataclass(frozen=True, eq=False)
class FirstOrderOnly(nl.LinearOperator):
    """A derivative that depends on ``t``, in a way that nobody has derived."""

    factor: np.ndarray
    t: np.ndarray = parameter()

    def _apply(self, x):
        return self.factor * x

    _adjoint = _apply


@dataclass(frozen=True, eq=False)
class Root(Phase):
    """``sqrt(t_j) x_j``: a long step leaves its domain."""

    def _apply(self, x):
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.t) * x

    _adjoint = _apply

    def _derivative(self, name, dtheta):
        return FirstOrderOnly(0.5 * dtheta / np.sqrt(self.t), self.t)

    def _form(self, name, x, y):
        return 0.5 / np.sqrt(self.t) * np.real(np.conj(x) * y)


@dataclass(frozen=True, eq=False)
class WeakGain(Phase):
    """``(1 + t_j / 1000) x_j``, the derivative wrong by one in ten thousand."""

    wrong: float = 1e-4

    def _apply(self, x):
        return (1 + 1e-3 * self.t) * x

    _adjoint = _apply

    def _derivative(self, name, dtheta):
        return Constant(nl.Diagonal((1 + self.wrong) * 1e-3 * dtheta))

    def _form(self, name, x, y):
        return (1 + self.wrong) * 1e-3 * np.real(np.conj(x) * y)


class HalfDone(Phase):
    """Writes no derivative."""

    _derivative = nl.LinearOperator._derivative
    _form = nl.LinearOperator._form


def arguments(cls):
    return cls(rng.standard_normal(5)), rng.standard_normal(5) + 1j * rng.standard_normal(5)


def test_the_right_operator_passes_and_prints():
    report = nl.check_operator(*arguments(Phase))
    assert report.ok
    assert "dot test" in str(report)
    assert "FAILS" not in str(report)


def test_every_law_is_there_and_has_its_tolerance():
    report = nl.check_operator(*arguments(Phase))
    exact = ["linearity", "dot test", "vjp t: dot test", "derivative.H t: dot test", "linearize t"]
    second = ["second order t, t: finite differences", "second order t, t: vjp"]
    differences = ["jvp t: finite differences", *second]
    assert set(report.errors) == {*exact, *differences}
    assert {report.tolerances[law] for law in exact} == {1e-10}
    assert {report.tolerances[law] for law in differences} == {1e-6}


def test_errors_that_stand_alone_fail_alone():
    for cls, law in (
        (WrongMap, "linearize t"),
        (WrongSecond, "second order t, t: vjp"),
        (HiddenParameter, "second order t, t: finite differences"),
        (WrongSecond, "second order t, t: vjp"),
    ):
        assert nl.check_operator(*arguments(cls)).failures == [law]


def test_a_small_derivative_is_measured_by_its_own_size():
    """It is a thousandth of the value, and its error a ten-thousandth of that."""
    A, x = arguments(WeakGain)
    assert nl.check_operator(replace(A, wrong=0.0), x).ok
    report = nl.check_operator(A, x)
    assert report.failures == ["jvp t: finite differences"]
    assert report.errors["jvp t: finite differences"] == pytest.approx(1e-4, rel=0.01)


def test_right_operators_that_curve_much_pass():
    image = rng.standard_normal((2, 512)) + 0j
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (9, 1)), (512,), engine="direct")
    for A, x in ((F, image), (Root(np.full(5, 0.05)), arguments(Phase)[1])):
        report = nl.check_operator(A, x)
        assert report.ok, str(report)


def test_an_input_of_zeros_checks_nothing_and_is_refused():
    A, x = arguments(Phase)
    with pytest.raises(ValueError, match="an input that is not zero"):
        nl.check_operator(A, 0 * x)


@pytest.mark.parametrize(
    ("cls", "law"),
    [
        (WrongSign, "vjp t: dot test"),
        (MissingConjugate, "dot test"),
        (WrongDerivative, "jvp t: finite differences"),
        (SlightlyWrongDerivative, "jvp t: finite differences"),
        (NotLinear, "linearity"),
        (WrongAdjointOfDerivative, "derivative.H t: dot test"),
        (WrongMap, "linearize t"),
        (HiddenParameter, "second order t, t: finite differences"),
        (WrongSecond, "second order t, t: vjp"),
    ],
)
def test_a_planted_error_is_found(cls, law):
    report = nl.check_operator(*arguments(cls))
    assert law in report.failures
    assert "FAILS" in str(report)


@pytest.mark.parametrize("cls", [ComplexGradient, RowOfGradients])
def test_a_form_is_brought_to_the_parameter(cls):
    A, x = arguments(cls)
    gradient = A.vjp("t", x, x)
    assert gradient.shape == A.t.shape
    assert gradient.dtype == A.t.dtype
    np.testing.assert_array_equal(gradient, Phase(A.t).vjp("t", x, x))
    assert nl.check_operator(A, x).ok


def test_a_parameter_that_only_the_derivative_has_is_refused():
    with pytest.raises(ValueError, match=r"derivative\('t', dtheta\) has the parameters \['weig"):
        nl.check_operator(*arguments(StrangeParameter))


def test_a_second_order_that_nobody_has_derived_is_left_out():
    A, x = Root(np.full(5, 0.5)), arguments(Phase)[1]
    assert not any(law.startswith("second order") for law in nl.check_operator(A, x).errors)
    product = A @ nl.Diagonal(np.arange(1.0, 6.0))
    laws = [law for law in nl.check_operator(product, x).errors if law.startswith("second order")]
    assert sorted({law.partition(":")[0] for law in laws}) == [
        "second order t, weights",  # the pair is there though that of t alone is not
        "second order weights, t",
        "second order weights, weights",
    ]
    with pytest.raises(NotImplementedError, match="FirstOrderOnly has no derivative by 't'"):
        A.derivative("t", A.t).vjp("t", x, x)


def test_a_missing_derivative_is_loud():
    A, x = arguments(HalfDone)
    with pytest.raises(NotImplementedError, match="HalfDone has no derivative by 't'"):
        A.vjp("t", x, x)
    with pytest.raises(NotImplementedError, match="HalfDone has no derivative by 't'"):
        A.jvp("t", x, A.t)
    assert nl.check_operator(A, x, parameters=[]).ok


def test_nan_does_not_pass():
    A, x = arguments(Phase)
    with pytest.raises(ValueError, match="want an input that is not zero, and finite"):
        nl.check_operator(replace(A, t=A.t * np.nan), x)


# --- the same errors planted in the library's own operators --------------------------------


def nufft(cls=nl.NUFFT):
    k = rng.uniform(-0.5, 0.5, (7, 2))
    return cls(k, (5, 4), engine="direct"), rng.standard_normal((5, 4)) + 0j


class HalfIntegerRamp(nl.NUFFT):
    """The voxel index off by one half at odd sizes, as peers have it."""

    def _form(self, name, x, y):
        half = np.pi * np.imag(np.conj(y) * self.apply(x))
        return super()._form(name, x, y) + np.stack([half, 0 * half], axis=-1)


class RadianGradient(nl.NUFFT):
    """The gradient by radians instead of cycles."""

    def _form(self, name, x, y):
        return super()._form(name, x, y) / (2 * np.pi)


@pytest.mark.parametrize("cls", [HalfIntegerRamp, RadianGradient])
def test_a_wrong_trajectory_gradient_is_found(cls):
    assert nl.check_operator(*nufft()).ok
    assert nl.check_operator(*nufft(cls)).failures == [
        "vjp trajectory: dot test",
        "linearize trajectory",
    ]


class Correlation(nl.Blur):
    """The PSF not flipped in the adjoint's place."""

    def _adjoint(self, y):
        return nl.Blur(self.psf, self.boundary).apply(y)


def test_a_blur_that_is_its_own_adjoint_is_found():
    h, x = rng.standard_normal((3, 3)), rng.standard_normal((6, 6))
    assert nl.check_operator(nl.Blur(h, "circular"), x).ok
    assert "dot test" in nl.check_operator(Correlation(h, "circular"), x).failures


def test_an_unknown_parameter_is_refused_with_those_that_there_are():
    A = nl.Diagonal(np.ones(2))
    for wrong in ("nope", ["nope"], ("weights", "nope")):
        with pytest.raises(ValueError, match=r"parameters is 'nope'; want one of 'weights'"):
            nl.check_operator(A, np.ones(2), parameters=wrong)
    both = [nl.check_operator(A, np.ones(2), parameters=p) for p in ("weights", {"weights"})]
    assert both[0].errors == both[1].errors
    assert "vjp weights: dot test" in both[0].errors
