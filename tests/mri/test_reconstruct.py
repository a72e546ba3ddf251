"""Reconstruction: each method's conditions of optimality, weights and noise, and refusals."""

import math

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.mri.reconstruct.penalties import Wavelets

SHAPE = (32, 32)
X = data.brain()[::8, ::8].astype(np.complex128) * np.exp(0.3j)
K = nl.mri.trajectories.radial(24, 64, dtype=np.float64)
S = nl.mri.birdcage_maps(6, SHAPE, dtype=np.complex128)
F = nl.NUFFT(K, SHAPE, norm="ortho", eps=1e-9)
A = F @ nl.Sense(S)
SIGMA = 0.02
RNG = np.random.default_rng(0)


def noise(sigma=SIGMA):
    n = np.random.default_rng(0).standard_normal((2, 6, 24, 64))  # whichever tests run before
    return sigma * (n[0] + 1j * n[1]) / math.sqrt(2)


Y = A(X) + noise()


def solve(method="cg", y=Y, **settings):
    return workflows.reconstruct(y, K, SHAPE, method=method, **{"maps": S} | settings)


def error(x):
    return np.linalg.norm(x - X) / np.linalg.norm(X)


# --- what each method minimises ---------------------------------------------------------------


def test_cg_solves_the_normal_equations():
    result = solve(weight=0.1)
    x = result.image
    r = A.H(Y) - A.N(x) - 0.1 * x
    assert result.converged
    assert np.linalg.norm(r) < 3e-4 * np.linalg.norm(A.H(Y))
    assert result.residual == pytest.approx(np.linalg.norm(A(x) - Y) / math.sqrt(Y.size), rel=1e-4)
    assert result.penalty == pytest.approx(np.linalg.norm(x) ** 2 / 2, rel=1e-4)


def test_cg_without_a_weight_is_least_squares():
    result = solve(weight=0.0, steps=200)
    r = A.H(Y - A(result.image))
    assert np.linalg.norm(r) < 3e-4 * np.linalg.norm(A.H(Y))


def test_adjoint_is_density_compensated_and_divided_by_the_maps():
    maps = 2 * S
    result = solve("adjoint", maps=maps)
    w = nl.mri.pipe_menon(nl.NUFFT(K, SHAPE, norm="ortho"))
    want = nl.Sense(maps).H(F.H(w * Y)) / 4
    np.testing.assert_allclose(result.image, want, atol=1e-4 * np.abs(want).max())
    assert result.steps == 0
    assert result.weight == 0
    assert result.noise is None
    assert solve("adjoint", noise=0.1).noise == 0.1


def test_tv_is_at_the_minimum():
    """No small step towards smoother or rougher images lowers the objective."""
    weight = 0.02
    result = solve("tv", weight=weight, steps=150)
    D = nl.FiniteDifferences(SHAPE)

    def objective(x):
        lengths = np.sqrt(np.sum(np.abs(D(x)) ** 2, axis=0))
        return np.linalg.norm(A(x) - Y) ** 2 / 2 + weight * lengths.sum()

    best = objective(result.image)
    assert result.losses[-1] == pytest.approx(best, rel=1e-6)
    assert result.penalty == pytest.approx(
        (best - np.linalg.norm(A(result.image) - Y) ** 2 / 2) / weight
    )
    for direction in (X, D.H(D(result.image)), noise()[0, :, :32].repeat(2, 0)[:32, :32], 1j * X):
        step = 1e-2 * direction * np.linalg.norm(result.image) / np.linalg.norm(direction)
        assert min(objective(result.image + step), objective(result.image - step)) > best * (
            1 - 1e-6
        )


def test_wavelets_are_a_tight_frame_of_shifted_copies():
    K_, x = Wavelets((32, 16)), RNG.standard_normal((32, 16)) + 0j
    u = K_.apply(x)
    np.testing.assert_allclose(K_.adjoint(u), x, atol=1e-12)
    v = RNG.standard_normal(u.shape) + 1j * RNG.standard_normal(u.shape)
    assert np.vdot(v, u) == pytest.approx(np.vdot(K_.adjoint(v), x))
    W = nl.Wavelet((32, 16), "db2", 1)
    norms = [np.abs(W(np.roll(x, s, (0, 1)))).sum() for s in ((0, 0), (5, 10), (10, 5), (15, 15))]
    assert K_.levels == 1
    assert float(K_.penalty(2.0).value(u)) == pytest.approx(2 * np.mean(norms))


def test_penalties_beat_least_squares():
    y = A(X) + noise(0.2)
    errors = {m: error(solve(m, y, steps=30).image) for m in ("cg", "tv", "wavelet")}
    assert max(errors["tv"], errors["wavelet"]) < 0.8 * errors["cg"]


# --- weights, noise, maps ---------------------------------------------------------------------


def test_weights_follow_the_noise():
    mean = 24 * 64 / 32**2
    # of an image without a penalty, which density weights would dim where lines are left out
    power = np.mean(np.abs(solve(weight=0.0, steps=15).image) ** 2)
    assert solve(noise=SIGMA).weight == pytest.approx(10 * SIGMA**2 / power, rel=0.02)
    for method in ("tv", "wavelet"):
        found = solve(method, noise=SIGMA, steps=1).weight
        assert found == pytest.approx(SIGMA * math.sqrt(mean), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-24, 1e20])
def test_the_image_has_the_scale_of_the_data(scale):
    """In single precision, whose squares do not reach as far, too."""
    single = {"maps": S.astype(np.complex64), "steps": 2}

    def solved(scale, method):
        y = (scale * Y).astype(np.complex64)
        return workflows.reconstruct(y, K.astype(np.float32), SHAPE, method=method, **single)

    for method, power in (("cg", 0), ("tv", 1)):
        found, want = solved(scale, method), solved(1, method)
        assert error_to(want.image, found.image / np.float32(scale)) < 1e-3
        assert found.weight == pytest.approx(want.weight * scale**power, rel=1e-3)
        assert found.noise == pytest.approx(want.noise * scale, rel=1e-3)
        assert found.residual == pytest.approx(want.residual * scale, rel=1e-3)


@pytest.mark.parametrize("method", ["cg", "tv", "wavelet"])
def test_any_weight_gives_an_image_or_is_refused(method):
    y, k, s = Y.astype(np.complex64), K.astype(np.float32), S.astype(np.complex64)

    def found(weight):
        settings = {"method": method, "maps": s, "noise": SIGMA, "steps": 3}
        return workflows.reconstruct(y, k, SHAPE, weight=weight, **settings)

    for weight in (0.0, 1e-35, 1e-20, 1e20, 1e35):
        result = found(weight)
        assert np.isfinite(result.image).all()
        assert math.isfinite(result.penalty)
    for weight in (1e-300, 1e300):
        with pytest.raises(ValueError, match=r"weight is 1e.300; want 0, or 1e-35 to 1e\+35"):
            found(weight)


def error_to(want, found):
    return np.linalg.norm(found - want) / np.linalg.norm(want)


def test_the_noise_of_one_sample_is_a_number():
    found = workflows.reconstruct(Y[:1, :1, :1], K[:1, :1], SHAPE, maps=S[:1], steps=1)
    assert math.isfinite(found.noise)


def test_the_weight_of_every_other_line_is_that_of_the_whole_image():
    """The image of the adjoint is dim there: half of the signal is in its alias."""
    step = np.arange(-16, 16) / 32
    k = np.stack(np.meshgrid(step, step[::2], indexing="ij"), axis=-1)
    y = (nl.NUFFT(k, SHAPE, norm="ortho") @ nl.Sense(S))(X)
    found = workflows.reconstruct(y, k, SHAPE, maps=S, noise=SIGMA, steps=0).weight
    assert found == pytest.approx(10 * SIGMA**2 / np.mean(np.abs(X) ** 2), rel=0.1)


@pytest.mark.parametrize("sigma", [0.02, 0.2])
def test_noise_is_estimated_from_the_residual(sigma):
    found = solve(y=A(X) + noise(sigma), steps=1).noise
    assert found == pytest.approx(sigma, rel=0.05)


def test_maps_are_estimated():
    result = solve(maps=None)
    assert result.maps.shape == S.shape
    inside = np.abs(X) > 0.1
    off = np.abs(result.image) - np.abs(X)
    known = np.abs(solve().image) - np.abs(X)
    assert np.linalg.norm(off[inside]) < 1.3 * np.linalg.norm(known[inside])


def test_a_field_map_is_part_of_the_model():
    field, times = 60 * np.hypot(*np.mgrid[-1:1:32j, -1:1:32j]), np.linspace(0, 10e-3, 64)
    B = nl.OffResonance(F, field, times) @ nl.Sense(S)
    y = B(X)
    right = solve(y=y, field_map=field, times=times, weight=1e-3)
    assert error(right.image) < 0.13
    assert error(solve(y=y, weight=1e-3).image) > 2 * error(right.image)


def test_the_l_curve_is_that_of_the_solutions():
    """Of small weights, too, whose systems converge slowly."""
    single = {"maps": S.astype(np.complex64)}
    y, k = Y.astype(np.complex64), K.astype(np.float32)
    found = workflows.reconstruct(y, k, SHAPE, weight=0.01, **single)
    curve = workflows.l_curve(y, k, SHAPE, found)
    assert np.all(np.diff(curve.residuals) > 0)
    assert np.all(np.diff(curve.penalties) < 0)
    np.testing.assert_allclose(curve.weights, 0.01 * np.logspace(-2, 2, 9))
    n = np.arange(-16, 16)
    rows = np.exp(-2j * np.pi * (K @ np.stack(np.meshgrid(n, n, indexing="ij")).reshape(2, -1)))
    dense = (rows.reshape(1, -1, 1024) * S.reshape(6, 1, -1)).reshape(-1, 1024) / 32
    values, vectors = np.linalg.eigh(dense.conj().T @ dense)
    b = vectors.conj().T @ (dense.conj().T @ Y.ravel())
    for i, weight in enumerate(curve.weights):
        x = vectors @ (b / (values + weight))
        assert curve.penalties[i] == pytest.approx(np.linalg.norm(x) ** 2 / 2, rel=1e-3)
        rest = np.linalg.norm(dense @ x - Y.ravel()) / math.sqrt(Y.size)
        assert curve.residuals[i] == pytest.approx(rest, rel=1e-3)
    with pytest.raises(ValueError, match="weight of found is 0"):
        workflows.l_curve(Y, K, SHAPE, solve("adjoint"))


def test_a_volume():
    k = nl.mri.trajectories.golden_means_radial(60, 24, dtype=np.float64)
    s = nl.mri.birdcage_maps(3, (16, 16, 8), dtype=np.complex128)
    x = RNG.standard_normal((16, 16, 8)) + 0j
    y = nl.NUFFT(k, x.shape, norm="ortho")(s * x)
    for method in ("cg", "tv"):
        result = workflows.reconstruct(y, k, x.shape, method=method, maps=s, steps=5)
        assert result.image.shape == x.shape


# --- the loop, and refusals -------------------------------------------------------------------


def test_a_callback_sees_each_image_and_stops_the_loop():
    seen = []

    def stop(step, loss, x):
        seen.append((step, loss, x.shape))
        return step == 3

    result = solve("tv", callback=stop)
    assert [step for step, _, _ in seen] == [0, 1, 2, 3]
    assert [loss for _, loss, _ in seen] == result.losses
    assert seen[0][2] == SHAPE


def test_an_interrupt_keeps_the_last_image():
    def interrupt(step, loss, x):
        if step == 2:
            raise KeyboardInterrupt

    result = solve(callback=interrupt)
    assert result.interrupted
    assert result.steps == 2


def test_refusals():
    with pytest.raises(
        ValueError, match=r"data have the shape \(6, 64, 24\); want \(coils, 24, 64"
    ):
        solve(y=np.moveaxis(Y, 1, 2))
    with pytest.raises(TypeError, match="data is float64; want complex"):
        solve(y=Y.real)
    with pytest.raises(ValueError, match=r"maps have the shape \(5, 32, 32\); want \(6, 32, 32\)"):
        solve(maps=S[:5])
    with pytest.raises(ValueError, match="there is one coil"):
        solve(y=Y[:1], maps=None)
    with pytest.raises(ValueError, match="times is None, and field_map is given"):
        solve(field_map=np.zeros(SHAPE))
    with pytest.raises(ValueError, match="not finite"):
        solve(y=np.where(np.arange(64) == 3, np.nan, Y))
    with pytest.raises(ValueError, match="want even sizes"):
        workflows.reconstruct(Y, K, (31, 32), method="wavelet", maps=S[:, :31])
    with pytest.raises(ValueError, match="the method adjoint has none; want none"):
        solve("adjoint", weight=0.1)
    with pytest.raises(ValueError, match="method is 'sense'"):
        solve("sense")
