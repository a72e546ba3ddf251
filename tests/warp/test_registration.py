"""Registration of pictures that were moved by another library."""

import numpy as np
import pytest
from scipy import ndimage

import nufftlib as nl
from nufftlib.data import astronaut, brain

PICTURES = {
    "astronaut": ndimage.gaussian_filter(astronaut().mean(axis=0).astype(float), 1.2),
    "brain": ndimage.gaussian_filter(brain().astype(float), 1.2),
}
MOTIONS = [
    ((3.4, -1.8), 0.02, 1.01),
    ((-11.3, 7.7), -0.11, 0.93),
    ((45.8, 54.2), 0.105, 0.95),  # the highest peak of the phase correlation is a wrong one
    ((-61.0, 35.5), 0.01, 1.08),
]


def moved(x, shift, rotation=0.0, scale=1.0, order=5):
    """Resample by splines of fifth order, which differ from cubic ones by less than the noise."""
    turn = [[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]]
    M, c = scale * np.asarray(turn), np.asarray(x.shape) // 2
    return ndimage.affine_transform(x, M, c + shift - M @ c, order=order, mode="mirror")


def noisy(x, seed, std=0.005):
    return x + std * np.random.default_rng(seed).standard_normal(x.shape)


def errors(found, shift, rotation=0.0, scale=1.0):
    """Return the errors in pixels, and in standard deviations."""
    warp, half = found.warp, 128
    rotation = 0.0 if warp.rotation is None else float(warp.rotation) - rotation
    scale = 0.0 if warp.scale is None else float(warp.scale) - scale
    pixels = np.asarray([*(warp.shift - np.asarray(shift)), half * rotation, half * scale])
    known = [found.deviations.get(name, 1.0) for name in ("rotation", "scale")]
    deviations = np.asarray([*found.deviations["shift"], *(half * d for d in known)])
    return pixels, pixels / deviations


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("name", PICTURES)
def test_it_finds_what_another_library_moved(name, motion):
    x = PICTURES[name]
    found = nl.warp.register(noisy(moved(x, *motion), 0), noisy(x, 1))
    pixels, deviations = errors(found, *motion)
    assert np.max(np.abs(pixels)) < 0.01
    assert np.max(np.abs(deviations)) < 4
    assert found.converged
    # Noise of both pictures; the interpolant smooths that of the one.
    assert 0.005 < found.residual < 0.0072


def test_deviations_are_those_of_many_draws():
    x, motion, std = PICTURES["astronaut"][64:192, 64:192], ((0.4, -0.3), 0.06, 1.02), 0.04
    fixed = moved(x, *motion)
    off = [
        errors(nl.warp.register(noisy(fixed, 2 * seed, std), noisy(x, 2 * seed + 1, std)), *motion)
        for seed in range(16)
    ]
    # All noise counts as the fixed picture's, which is up to sqrt(2) too much: 0.70 of 64 numbers.
    # By the Hessian alone it is 1.25, and by Gauss-Newton's matrix 2.2.
    assert 0.6 < np.sqrt(np.mean([deviations**2 for _, deviations in off])) < 1.0


def test_noise_in_both_pictures_is_told():
    x, motion = PICTURES["astronaut"], ((13.4, -21.8), 0.06, 1.03)
    found = nl.warp.register(noisy(moved(x, *motion), 2, 0.05), noisy(x, 3, 0.05))
    pixels, deviations = errors(found, *motion)
    assert np.max(np.abs(pixels)) < 0.1
    assert np.max(np.abs(deviations)) < 4  # 15 and more with Gauss-Newton's matrix


def test_a_sharp_picture_lands_on_a_blurred_one(monkeypatch):
    monkeypatch.setattr("nufftlib.warp.registration.STEPS", 15)  # Gauss-Newton takes 19
    x = astronaut().mean(axis=0).astype(float)
    truth = nl.Warp(np.asarray([3.4, -1.8]), np.asarray(0.02), np.asarray(1.01))
    psf = nl.blur.gaussian_psf(13, 2.0, dtype=np.float64)
    found = nl.warp.register(noisy(nl.Blur(psf, "reflect")(truth(x)), 0), x)
    pixels, _ = errors(found, truth.shift, float(truth.rotation), float(truth.scale))
    assert found.converged
    assert np.max(np.abs(pixels)) < 0.1


@pytest.mark.parametrize(
    ("motion", "truth"), [("shift", ((5.3, -2.6),)), ("rigid", ((5.3, -2.6), 0.03))]
)
def test_it_finds_what_it_is_asked_for(motion, truth):
    x = PICTURES["brain"]
    found = nl.warp.register(noisy(moved(x, *truth), 0), x, motion)
    pixels, _ = errors(found, *truth)
    assert np.max(np.abs(pixels)) < 0.01
    assert list(found.warp.parameters) == list(found.deviations)
    assert list(found.deviations) == ["shift", "rotation"][: len(truth)]


def test_without_noise_it_is_exact_on_odd_sizes_and_in_colours():
    x = astronaut()[:, :201, :170].astype(np.float64)
    A = nl.Warp(np.asarray([4.3, -2.6]), np.asarray(0.03), np.asarray(0.98))
    found = nl.warp.register(A(x), x)
    pixels, _ = errors(found, A.shift, float(A.rotation), float(A.scale))
    assert np.max(np.abs(pixels)) < 1e-4
    assert found.residual < 1e-5


def test_single_precision_stays():
    x = PICTURES["brain"].astype("f4")
    found = nl.warp.register(moved(x, (1.3, 2.7)).astype("f4"), x)
    assert all(theta.dtype == np.float32 for theta in found.warp.parameters.values())
    assert all(d.dtype == np.float32 for d in found.deviations.values())
    assert np.max(np.abs(errors(found, (1.3, 2.7))[0])) < 0.01


def test_pictures_without_content_tell_nothing():
    found = nl.warp.register(np.ones((40, 40)), np.ones((40, 40)))
    assert found.residual < 1e-12


@pytest.mark.parametrize(
    ("fixed", "moving", "message"),
    [
        ((40, 31), (40, 31), r"fixed has the shape \(40, 31\); want .* of at least 32 pixels each"),
        ((40,), (40,), r"fixed has the shape \(40,\); want"),
        ((40, 40), (40, 41), r"moving has the shape \(40, 41\) .* want those of fixed, \(40, 40\)"),
    ],
)
def test_it_says_what_it_wants(fixed, moving, message):
    with pytest.raises(ValueError, match=message):
        nl.warp.register(np.ones(fixed), np.ones(moving))


def test_it_wants_finite_pictures_and_a_motion_that_it_knows():
    x = np.ones((40, 40))
    with pytest.raises(ValueError, match="moving is not finite in 1600 of 1600 entries"):
        nl.warp.register(x, np.nan * x)
    with pytest.raises(ValueError, match="motion is 'affine'; want one of 'shift', 'rigid'"):
        nl.warp.register(x, x, "affine")
