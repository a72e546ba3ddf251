"""Augmentation: what it must leave as it is, and what it must change."""

import dataclasses
import itertools

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import workflows
from nufftlib.mri.learn.augment import moved

RNG = np.random.default_rng(3)
SHAPE = (16, 16)
IMAGES = RNG.random((5, *SHAPE)) + 0.2
MAPS = nl.mri.birdcage_maps(3, SHAPE, dtype=np.complex128) * np.exp(1j * RNG.random(SHAPE))
EACH = MAPS * np.exp(1j * RNG.random((5, 1, 1, 1)))
K = nl.mri.trajectories.radial(6, 17, dtype=np.float64) + 0.01 * RNG.standard_normal((6, 17, 2))
EVERYTHING = workflows.Augmentation(flips=True, quarter_turns=True, phase=0.7, coils=(1.2, 2.0))
CHANGES = {
    "nothing": workflows.Augmentation(),
    "flips": workflows.Augmentation(flips=True),
    "quarter_turns": workflows.Augmentation(quarter_turns=True),
    "phase": workflows.Augmentation(phase=0.7),
    "coils": workflows.Augmentation(coils=(1.2, 2.0)),
    "everything": EVERYTHING,
}


def loss(image, maps, k, of):
    nufft = nl.NUFFT(k, image.shape, engine="direct")
    return float(workflows.TrajectoryObjective(image, maps, nufft, of).value_and_grad(k)[0])


@pytest.mark.parametrize("of", ["estimated", "ones", "true"])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flips", [(), (-2,), (-1,), (-2, -1)])
def test_a_moved_image_is_sampled_as_the_image_by_a_moved_trajectory(turns, flips, of):
    k = K
    for _ in range(turns):
        k = np.stack([-k[..., 1], k[..., 0]], axis=-1)
    for axis in flips:
        k = k * np.where(np.arange(2) == axis + 2, -1, 1)
    x, s = moved(IMAGES[0], turns, flips, 2), moved(MAPS, turns, flips, 2)
    assert loss(x, s, k, of) == pytest.approx(loss(IMAGES[0], MAPS, K, of), rel=1e-6)
    if not np.array_equal(x, IMAGES[0]):  # two turns and two flips are none
        assert loss(x, MAPS, K, of) != pytest.approx(loss(IMAGES[0], MAPS, K, of), rel=1e-6)


def test_quarter_turns_and_flips_are_those_of_numpy():
    volume = RNG.random((2, 6, 6, 5))
    for turns in range(4):
        want = np.rot90(volume, turns, axes=(1, 2))
        np.testing.assert_array_equal(moved(volume, turns, (), 3), want)
    np.testing.assert_array_equal(moved(volume, 0, (-1, -3), 3), volume[:, ::-1, :, ::-1])


def test_all_eight_symmetries_come_equally_often():
    change = workflows.Augmentation(flips=True, quarter_turns=True)
    x, s = change(np.repeat(IMAGES[:1], 800, axis=0), MAPS, seed=0)
    found = []
    for turns, flip in itertools.product(range(4), ((), (-1,))):
        want = moved(IMAGES[0], turns, flip, 2), moved(MAPS, turns, flip, 2)
        same = np.all(x == want[0], axis=(1, 2)) & np.all(s == want[1], axis=(1, 2, 3))
        found.append(int(same.sum()))
    assert sum(found) == 800
    assert min(found) > 60


@pytest.mark.parametrize("shape", [(24, 20), (14, 15, 16)])
def test_a_phase_is_smooth_of_mean_zero_and_of_the_deviation_asked_for(shape):
    images = np.ones((200, *shape))
    maps = nl.mri.birdcage_maps(2, shape, dtype=np.complex128)
    x, s = workflows.Augmentation(phase=0.3)(images, maps, seed=1)
    assert s is maps
    np.testing.assert_allclose(abs(x), 1, rtol=1e-12)
    axes = tuple(range(1, x.ndim))
    phase = np.angle(x)
    np.testing.assert_allclose(phase.mean(axis=axes), 0, atol=1e-12)
    assert np.sqrt(np.mean(phase**2)) == pytest.approx(0.3, rel=0.05)
    for axis in axes:
        # Of a sine the differences are at most pi times its half periods in each voxel.
        steps = np.sqrt(np.mean(np.diff(phase, axis=axis) ** 2))
        assert steps < 0.3 * 3 * np.pi / shape[axis - 1]
        assert steps > 0.3 * 0.5 / shape[axis - 1]


@pytest.mark.parametrize("maps", [MAPS, EACH], ids=["shared", "each"])
def test_coils_are_birdcages_within_the_radii(maps):
    x, s = workflows.Augmentation(coils=(2.0, 2.0))(IMAGES, maps, seed=2)
    np.testing.assert_array_equal(x, IMAGES)
    assert s.shape == (5, *MAPS.shape)
    assert abs(s[0] - s[1]).max() > 0.1
    for one in s:  # a birdcage of this radius at some angle
        nearest = min(
            abs(nl.mri.birdcage_maps(3, SHAPE, radius=2.0, angle=a, dtype=one.dtype) - one).max()
            for a in np.linspace(0, 2 * np.pi, 600)
        )
        assert nearest < 0.02


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("maps", [MAPS, EACH], ids=["shared", "each"])
def test_one_seed_gives_one_change_in_every_library(row, name, maps):
    make = row.array
    given = make(IMAGES, "float64"), make(maps, "complex128")
    found = CHANGES[name](*given, seed=7)
    assert row.owns(found[0], "complex128" if CHANGES[name].phase else "float64")
    assert row.owns(found[1], "complex128")
    x, s = map(row.numpy, found)
    again, other = (map(row.numpy, CHANGES[name](*given, seed=seed)) for seed in (7, 8))
    for have, same in zip((x, s), again, strict=True):
        np.testing.assert_array_equal(have, same)
    for have, want in zip((x, s), CHANGES[name](IMAGES, maps, seed=7), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12)
    differs = [bool(np.any(a != b)) for a, b in zip((x, s), other, strict=True)]
    assert any(differs) == (name != "nothing")
    # The coil images of one image have the energy of the image, whatever has changed.
    each = s if s.ndim > x.ndim else [s] * 5
    for image, one, before in zip(x, each, IMAGES, strict=True):
        assert np.sum(abs(one * image) ** 2) == pytest.approx(np.sum(before**2), rel=1e-9)


def test_single_precision_stays():
    x, s = EVERYTHING(IMAGES.astype("f4"), MAPS.astype("c8"), seed=0)
    assert (x.dtype, s.dtype) == (np.complex64, np.complex64)


def test_volumes_turn_about_the_bore():
    volumes = RNG.random((3, 14, 14, 15))
    maps = nl.mri.birdcage_maps(4, volumes.shape[1:], dtype=np.complex128)
    x, s = EVERYTHING(volumes, maps, seed=0)
    assert x.shape == volumes.shape
    assert s.shape == (3, *maps.shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flips": 1}, r"Augmentation\(flips\): flips is 1; want True or False"),
        ({"phase": -0.1}, r"Augmentation\(phase\): phase is -0.1; want a finite number, 0 or"),
        ({"coils": 1.5}, r"coils is 1.5; want the least and the largest radius, or None"),
        ({"coils": (2.0, 1.0)}, "want the least radius before the largest"),
        ({"coils": (0.0, 1.0)}, "want a positive, finite number"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        dataclasses.replace(EVERYTHING, **change)


@pytest.mark.parametrize(
    ("images", "maps", "message"),
    [
        (IMAGES[0], MAPS, r"images have the shape \(16, 16\); want \(n, height, width\), or"),
        (IMAGES[:, :-1], MAPS[:, :-1], r"images have the shape \(15, 16\); want as many rows as"),
        (IMAGES, EACH[:4], r"\(4, 3, 16, 16\); want \(coils, 16, 16\) or \(5, coils, 16, 16\)"),
        (IMAGES, MAPS.real, "coil_maps are float64; want complex"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, maps, message):
    with pytest.raises((TypeError, ValueError), match=r"Augmentation.__call__\(.*\): .*" + message):
        EVERYTHING(images, maps, seed=0)
