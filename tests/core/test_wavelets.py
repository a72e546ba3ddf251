"""Wavelets beside those of PyWavelets, by what defines them, and what is refused."""

import numpy as np
import pytest

import nufftlib as nl
import optim
from nufftlib.core.wavelet_filters import FILTERS

SIGNAL = np.cos(np.arange(16.0) ** 2)

PYWAVELETS = {  # coeffs_to_array(wavedecn(x, wavelet, "periodization", levels)), version 1.8.0
    ("haar", 2, (16,)): [
        -0.01223578844, 0.1030860928, 0.9910992378, 1.189714706, 1.552538094, -0.06954276129,
        0.1774439747, 0.4799288809, 0.3250553568, 0.1820705499, -1.378053742, -0.3030350187,
        -0.2721150198, 0.6441618902, 0.0513721667, -0.01757366118,
    ],
    ("db3", 2, (16,)): [
        1.385402023, 0.123400789, -0.2665250672, 1.029386504, -1.674138083, -0.0893596882,
        -0.4618396221, 0.009795999245, -0.5643491165, -0.5138234809, -0.6306619636,
        -0.01219868438, 0.323076596, 0.4234067389, -0.3044695754, 0.5109020073,
    ],
    ("sym5", 1, (16,)): [
        0.8752080713, -1.466238801, 0.2130382212, 0.3990058163, 1.019478007, 0.6094416128,
        1.067397533, 0.4952879286, 0.1247053682, 0.1111485364, -1.075405998, -0.3088405145,
        -0.347495583, 0.6121425331, 0.1261337626, -0.01050558355,
    ],
    ("db4", 2, (4, 4)): [
        1.135832124, 0.9900907095, -0.477981733, 0.2705455846, -1.03311953, 0.5250174853,
        0.0006985761943, 0.7498786501, -0.003804377791, 0.323209179, 0.4201594019,
        -0.2412893178, 0.8256629731, -0.8311304244, 0.4677770183, 1.13983204,
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", PYWAVELETS, ids=str)
def test_the_numbers_are_those_of_pywavelets(case):
    wavelet, levels, shape = case
    c = nl.Wavelet(shape, wavelet, levels)(SIGNAL.reshape(shape))
    np.testing.assert_allclose(c.ravel(), PYWAVELETS[case], rtol=0, atol=1e-9)


@pytest.mark.parametrize("wavelet", FILTERS)
def test_pywavelets_itself(wavelet):
    pywt = pytest.importorskip("pywt")
    name = "db1" if wavelet == "haar" else wavelet
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 40)) + 1j * rng.standard_normal((80, 40))
    want, _ = pywt.coeffs_to_array(pywt.wavedecn(x, name, "periodization", 1))
    np.testing.assert_allclose(nl.Wavelet((80, 40), wavelet, 1)(x), want, rtol=0, atol=1e-10)


@pytest.mark.parametrize("wavelet", FILTERS)
def test_filters_are_orthogonal_with_all_moments(wavelet):
    """Which determines them, but for the choice of roots."""
    h = np.asarray(FILTERS[wavelet])
    n, m = len(h) // 2, np.arange(len(h))
    assert n == (1 if wavelet == "haar" else int(wavelet.strip("dbsym")))
    assert abs(sum(h) - np.sqrt(2)) < 1e-15
    for j in range(n):
        assert abs(np.dot(h[2 * j :], h[: len(h) - 2 * j]) - (j == 0)) < 1e-15
    g = (-1.0) ** m * h[::-1]
    for p in range(n):  # about the middle, where powers are smallest
        u = (m - n + 0.5) ** p
        assert abs(np.dot(u, g)) < 3e-14 * np.dot(abs(u), abs(g))


@pytest.mark.parametrize("wavelet", ["haar", "db10", "sym8"])
def test_the_adjoint_is_the_inverse(wavelet):
    rng = np.random.default_rng(0)
    W = nl.Wavelet((16, 8), wavelet, 3)
    x = rng.standard_normal((2, 16, 8)) + 1j * rng.standard_normal((2, 16, 8))
    for round_trip in (W.H(W(x)), W(W.H(x))):
        np.testing.assert_allclose(round_trip, x, rtol=0, atol=1e-14 * abs(x).max())


def test_polynomials_have_no_details():
    W, n = nl.Wavelet((64,), "db4", 1), np.arange(64.0) / 64
    d = W(1 + n - 3 * n**2 + n**3)[32:]
    assert abs(d[3:-3]).max() < 1e-14 < abs(d).max()  # but at the jump of the period


def test_its_l1_norm_is_minimised_in_the_image():
    """The proximal map in the image and that of the coefficients lead to one image."""
    rng = np.random.default_rng(0)
    W = nl.Wavelet((16, 16), "db2", 2)
    k = rng.uniform(-0.5, 0.5, (120, 2))
    F = nl.NUFFT(k, (16, 16), norm="ortho", engine="direct")
    y = F(W.H(rng.standard_normal((16, 16)) * (rng.random((16, 16)) < 0.1) + 0j))
    soft = optim.proximal.soft_threshold(1e-2)
    sparse = optim.proximal.Penalty(
        value=lambda x: soft.value(W(x)), prox=lambda x, step: W.H(soft.prox(W(x), step))
    )
    zero, loss = np.zeros((16, 16), complex), nl.HalfSquaredError(y)
    solve = optim.accelerated_proximal_gradient
    x = solve((loss @ F).value_and_grad, zero, sparse, steps=500, tolerance=1e-8).params
    c = solve((loss @ (F @ W.H)).value_and_grad, zero, soft, steps=500, tolerance=1e-8).params
    np.testing.assert_allclose(x, W.H(c), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (((12, 8), "db2", 3), r"shape is \(12, 8\); want .* a multiple of 2\*\*levels, 8"),
        (((), "db2", 1), r"Wavelet\(shape\): shape is \(\); want a size for each axis"),
        (((8,), "db1", 1), "wavelet is 'db1'; want"),
        (((8,), "db2", 0), "levels is 0; want"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        nl.Wavelet(*settings)
