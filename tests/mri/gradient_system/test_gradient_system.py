"""Delays and eddy currents: what they do to a trajectory, its derivative, and delays from data."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri
from nufftlib.mri.gradient_system.calibrate import CentreFit

RNG = np.random.default_rng(0)
WALK = np.cumsum(0.05 * RNG.standard_normal((3, 20, 2)), axis=1)


def diametral(spokes, n):
    angle = 2 * np.pi * np.arange(spokes) / spokes
    along = (np.arange(2 * n) - n) / (2 * n)
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]


@pytest.mark.parametrize(
    ("model", "at"),
    [
        (mri.GradientDelays(WALK), [0.3, -0.2, 0.1]),
        (mri.GradientDelays(np.cumsum(RNG.standard_normal((9, 3)), axis=0)), [0.1] * 6),
        (mri.GradientResponse(WALK), [[0.3, 0.05, 0.2], [-1.7, -0.1, 0.004]]),
        (mri.GradientResponse(WALK), [[0.2, 0.0, 0.0], [0.4, 0.1, -1e-3]]),
    ],
)
def test_derivatives(model, at):
    x = np.asarray(at)
    value, J = model.linearize(x)
    np.testing.assert_array_equal(value, model(x))
    dx = RNG.standard_normal(x.shape)
    steps = (-2, -1, 1, 2)
    values = [model(x + 1e-4 * i * dx) for i in steps]
    slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12e-4
    np.testing.assert_allclose(J(dx), slope, atol=2e-6 * abs(slope).max())
    y = RNG.standard_normal(value.shape)
    assert nl.inner(y, J(dx)) == pytest.approx(nl.inner(J.adjoint(y), dx), rel=1e-10)


def test_delays_of_spokes_are_a_shift_in_time():
    """Along turned axes: the delays of these, turned back."""
    k = diametral(8, 10)
    turn = np.asarray([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    S = turn @ np.diag([0.7, -0.3]) @ turn.T
    played = mri.GradientDelays(k)(np.asarray([S[0, 0], S[1, 1], S[0, 1]]))
    physical, step = k @ turn, (k[:, 1:, :] - k[:, :-1, :])[:, :1, :] @ turn
    np.testing.assert_allclose(played @ turn, physical - step * [0.7, -0.3], atol=1e-13)
    three = np.cumsum(np.ones((4, 3)), axis=0)
    moved = mri.GradientDelays(three)(np.asarray([1.0, 2, 3, 10, 20, 30.0]))
    np.testing.assert_allclose(three - moved, np.asarray([[31.0, 42, 53]] * 4))


def test_a_response_is_a_fine_convolution():
    n, fine, rate, amplitude = 12, 4000, 0.3, 0.2
    p = np.cumsum(RNG.standard_normal(n))
    steps = np.diff(np.interp(np.arange((n - 1) * fine + 1) / fine, np.arange(n), p))
    t = np.arange(len(steps)) / fine
    eddy = np.convolve(steps, np.exp(-rate * (t + 0.5 / fine)))[fine - 1 : len(steps) : fine]
    played = mri.GradientResponse(p[:, None])(np.asarray([[0.0, amplitude, rate]]))[:, 0]
    np.testing.assert_allclose(played, p - amplitude * np.append(0, eddy), atol=1e-7)


def test_a_delay_moves_whole_samples_and_lines():
    played = mri.GradientResponse(WALK)(np.asarray([[3.0, 0, 0.1], [-2.0, 0, 0.1]]))
    np.testing.assert_allclose(played[:, 3:, 0], WALK[:, :-3, 0])
    np.testing.assert_allclose(played[:, :4, 0], np.repeat(WALK[:, :1, 0], 4, axis=1))
    np.testing.assert_allclose(played[:, :-2, 1], WALK[:, 2:, 1])
    line = np.arange(10.0)[:, None]
    played = mri.GradientResponse(line)(np.asarray([[0.4, 0, 0.1]]))
    np.testing.assert_allclose(played[2:-1], line[2:-1] - 0.4)


def scan(k, model, delays, n, coils, noise):
    """Noisy data of an image with a phase, by the exact sums."""
    i = np.linspace(-1, 1, n)
    d = k.shape[-1]
    axes = np.meshgrid(*[i] * d, indexing="ij")
    inside = sum((a * (1 + 0.2 * j)) ** 2 for j, a in enumerate(axes)) < 0.6
    image = inside * (1 + 0.5 * np.cos(7 * axes[0] + 2 * axes[1])) * np.exp(1j * axes[1])
    s = mri.birdcage_maps(coils, (n,) * d, dtype=np.complex128)
    y = nl.NUFFT(model(np.asarray(delays)), (n,) * d, engine="direct")(s * image)
    draw = np.random.default_rng(1).standard_normal((2, *y.shape))
    return y + noise * abs(y).max() * (draw[0] + 1j * draw[1])


@pytest.mark.parametrize("kind", ["diametral", "centre-out"])
def test_delays_are_found_from_data_of_an_unknown_image(kind):
    n, truth = 32, [0.3, -0.2, 0.1]
    k = diametral(31, n) if kind == "diametral" else mri.trajectories.radial(48, n, dtype=float)
    y = scan(k, mri.GradientDelays(k), truth, n, 4, 2e-3)
    F = nl.NUFFT(k, (n, n))
    found = mri.calibrate_delays(F, y, size=14)
    error = found.delays - truth
    assert np.max(abs(error)) < 0.01
    assert np.max(abs(error) / found.deviations) < 4
    assert np.max(found.deviations) < 0.01
    assert len(found.losses) < 8
    assert found.residual < 0.05
    played = mri.GradientDelays(k)(np.asarray(truth))
    assert abs(found.trajectory - played).max() < 0.05 * abs(k - played).max()
    scaled = mri.calibrate_delays(F, 1e6 * y, size=14)
    np.testing.assert_allclose(scaled.delays, found.delays, atol=1e-4)


def test_the_gradient_of_the_fit():
    """By differences; and the matrix is positive definite."""
    k = diametral(15, 8)
    y = scan(k, mri.GradientDelays(k), [0.3, -0.2, 0.1], 8, 2, 1e-3)
    fit = CentreFit(np, nl.NUFFT(k, (8, 8)), y, (4, 4))
    p = np.asarray([0.4, -0.1, 0.2])
    _, gradient, H = fit(p)
    for i, e in enumerate(1e-3 * np.eye(3)):
        slope = (fit(p + e)[0] - fit(p - e)[0]) / 2e-3
        assert gradient[i] == pytest.approx(slope, abs=2e-3 * abs(gradient).max())
    assert np.min(np.linalg.eigvalsh((H + H.T) / 2)) > 0


K = mri.trajectories.radial(6, 16, dtype=np.float64)
F = nl.NUFFT(K, (8, 8))
Y = np.ones((2, 6, 16), complex)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mri.GradientDelays(np.ones((1, 2))), r"\(1, 2\); want \(..., samples, d\)"),
        (lambda: mri.GradientResponse(np.ones((3, 4))), "1 to 3 axes"),
        (
            lambda: mri.GradientDelays(K)(np.ones(2)),
            r"^GradientDelays\(x\): x has .* \(2,\)",
        ),
        (lambda: mri.GradientResponse(K)(np.ones(6)), r"^GradientResponse\(x\): x has .* \(6,\)"),
        (lambda: mri.calibrate_delays(F, Y[0]), r"\(6, 16\); want \('coils', 6, 16\)"),
        (lambda: mri.calibrate_delays(F, Y * np.nan), "not finite"),
        (
            lambda: mri.calibrate_delays(nl.NUFFT(K.reshape(-1, 2), (8, 8)), Y.reshape(2, -1)),
            r"\(96, 2\); want \(shots, samples, d\)",
        ),
        (lambda: mri.calibrate_delays(F, Y, size=(4, 4, 4)), "2 sizes of the centre"),
        (
            lambda: mri.calibrate_delays(nl.NUFFT(K, (64, 64)), Y, size=8),
            "samples are in the centre",
        ),
        (lambda: mri.calibrate_delays(F, Y.astype("complex64")), "want complex128"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
