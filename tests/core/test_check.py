"""A law that cannot fail says nothing: planted errors must be found."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import nufftlib as nl

rng = np.random.default_rng(0)


@dataclass(frozen=True, eq=False)
class Phase(nl.LinearOperator):
    """``(A x)_j = exp(i t_j) x_j``: smooth, not linear, in its real parameter ``t``."""

    t: np.ndarray

    @property
    def parameters(self):
        return {"t": self.t}

    def apply(self, x):
        return np.exp(1j * self.t) * x

    def adjoint(self, y):
        return np.exp(-1j * self.t) * y

    def derivative(self, name, dtheta):
        return nl.Diagonal(1j * dtheta * np.exp(1j * self.t))

    def vjp(self, name, x, y):
        return np.imag(np.conj(np.exp(1j * self.t) * x) * y)


class WrongSign(Phase):
    def vjp(self, name, x, y):
        return -super().vjp(name, x, y)


class MissingConjugate(Phase):
    def adjoint(self, y):
        return np.exp(1j * self.t) * y


class WrongDerivative(Phase):
    def derivative(self, name, dtheta):
        return nl.Diagonal(1j * dtheta * np.exp(-1j * self.t))


class SlightlyWrongDerivative(Phase):
    def derivative(self, name, dtheta):
        return nl.Diagonal((1 + 1e-5) * 1j * dtheta * np.exp(1j * self.t))

    def vjp(self, name, x, y):
        return (1 + 1e-5) * super().vjp(name, x, y)


class NotLinear(Phase):
    def apply(self, x):
        return super().apply(x) + 1.0


class ComplexGradient(Phase):
    def vjp(self, name, x, y):
        return super().vjp(name, x, y) + 0j


class HalfDone(Phase):
    """Writes no derivative."""

    derivative = nl.LinearOperator.derivative
    vjp = nl.LinearOperator.vjp


def arguments(cls):
    return cls(rng.standard_normal(5)), rng.standard_normal(5) + 1j * rng.standard_normal(5)


def test_the_right_operator_passes_and_prints():
    report = nl.check_operator(*arguments(Phase))
    assert report.ok
    assert "dot test" in str(report)
    assert "FAILS" not in str(report)


@pytest.mark.parametrize(
    ("cls", "law"),
    [
        (WrongSign, "vjp t: dot test"),
        (MissingConjugate, "dot test"),
        (WrongDerivative, "jvp t: finite differences"),
        (SlightlyWrongDerivative, "jvp t: finite differences"),
        (NotLinear, "linearity"),
    ],
)
def test_a_planted_error_is_found(cls, law):
    report = nl.check_operator(*arguments(cls))
    assert law in report.failures
    assert "FAILS" in str(report)


def test_a_complex_gradient_of_a_real_parameter_is_refused():
    with pytest.raises(ValueError, match=r"complex128; want the parameter's, .* float64"):
        nl.check_operator(*arguments(ComplexGradient))


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

    def vjp(self, name, x, y):
        half = np.pi * np.imag(np.conj(y) * self.apply(x))
        return super().vjp(name, x, y) + np.stack([half, 0 * half], axis=-1)


class RadianGradient(nl.NUFFT):
    """The gradient by radians instead of cycles."""

    def vjp(self, name, x, y):
        return super().vjp(name, x, y) / (2 * np.pi)


@pytest.mark.parametrize("cls", [HalfIntegerRamp, RadianGradient])
def test_a_wrong_trajectory_gradient_is_found(cls):
    assert nl.check_operator(*nufft()).ok
    assert nl.check_operator(*nufft(cls)).failures == [
        "vjp trajectory: dot test",
        "linearize trajectory",
    ]


class Correlation(nl.Blur):
    """The PSF not flipped in the adjoint's place."""

    def adjoint(self, y):
        return nl.Blur(self.psf, self.boundary).apply(y)


def test_a_blur_that_is_its_own_adjoint_is_found():
    h, x = rng.standard_normal((3, 3)), rng.standard_normal((6, 6))
    assert nl.check_operator(nl.Blur(h, "circular"), x).ok
    assert "dot test" in nl.check_operator(Correlation(h, "circular"), x).failures
