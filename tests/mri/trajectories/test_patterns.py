"""Every pattern by the table of ``patterns.py``."""

import inspect

import array_api_compat as compat
import numpy as np
import pytest
from patterns import PATTERNS, SAMPLES

from nufftlib.mri import trajectories

each = pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
THROUGH = [p for p in PATTERNS if p.symmetric and "in_out" in inspect.signature(p.make).parameters]
COMMON = {"shots", "samples", "in_out", "tilt", "xp", "dtype", "device"}


def test_the_table_and_the_catalogue_have_every_pattern():
    catalogue = {(f, ndim) for ndim in (2, 3) for f in trajectories.patterns(ndim).values()}
    assert catalogue == {(pattern.make, pattern.ndim) for pattern in PATTERNS}
    public = filter(callable, (getattr(trajectories, name) for name in trajectories.__all__))
    makers = {f for f in public if {"shots", "samples"} <= set(inspect.signature(f).parameters)}
    assert makers == {pattern.make for pattern in PATTERNS}
    for ndim in (2, 3):
        for name, make in trajectories.patterns(ndim).items():
            assert name.replace("-", "_") == make.__name__


@each
def test_all_patterns_have_one_signature(pattern):
    arguments = inspect.signature(pattern.make).parameters
    assert list(arguments)[:2] == ["shots", "samples"]
    assert list(arguments)[-3:] == ["xp", "dtype", "device"]
    by_name = list(arguments.values())[2:]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in by_name)
    assert set(arguments) - COMMON == set(pattern.settings)


@each
@pytest.mark.parametrize("many", [False, True], ids=["fewest", "some"])
def test_shape_range_and_dtype(pattern, many):
    shots = pattern.shots[many]
    k = pattern.make(shots, SAMPLES)
    assert k.shape == (shots, SAMPLES, pattern.ndim)
    assert k.dtype == np.float32
    assert np.isfinite(k).all()
    assert np.abs(k).max() <= 0.5
    exact = pattern.double(shots)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(k, exact, atol=1e-7)


@each
def test_settings_change_the_pattern(pattern):
    changed = pattern.double(**pattern.settings)
    for name in pattern.settings:
        others = {n: value for n, value in pattern.settings.items() if n != name}
        assert not np.array_equal(changed, pattern.double(**others)), name


@each
def test_it_is_made_in_any_library(pattern, row):
    shots = pattern.shots[1]
    k = pattern.make(shots, 8, xp=row.xp, dtype=row.xp.float64, device=row.device)
    assert compat.array_namespace(k) is compat.array_namespace(row.xp.zeros(1))
    np.testing.assert_array_equal(row.numpy(k), pattern.double(shots, 8))


@each
def test_where_the_first_samples_are(pattern):
    radius = np.linalg.norm(pattern.double()[:, 0], axis=-1)
    if pattern.starts:
        np.testing.assert_allclose(radius, {"centre": 0.0, "edge": 0.5}[pattern.starts], atol=1e-15)
    else:
        assert np.abs(radius[:, None] - [0.0, 0.5]).max(axis=0).min() > 1e-3


@pytest.mark.parametrize("pattern", THROUGH, ids=lambda pattern: pattern.name)
def test_a_shot_through_the_centre_is_its_own_reflection(pattern):
    k = pattern.double(in_out=True)
    np.testing.assert_allclose(k, -k[:, ::-1], atol=1e-14)
    assert not k[:, SAMPLES // 2].any()


@each
def test_its_own_property(pattern):
    def make(shots, samples, **settings):
        return pattern.double(shots, samples, **settings)

    pattern.check(make)
