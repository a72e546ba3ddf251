"""Point-spread functions: nonnegative, of sum one, centred, and what each formula says."""

import numpy as np
import pytest
import scipy.integrate
import scipy.ndimage
import scipy.stats

from nufftlib.blur import Diffraction, defocus_psf, gaussian_psf, motion_psf, random_psf

KINDS = ("motion", "gaussian", "defocus", "diffraction")
MAKERS = {
    "motion": lambda size, **kw: motion_psf(size, seed=1, batch=(2, 3), **kw),
    "gaussian": lambda size, **kw: gaussian_psf(size, [[2.0, 0.4], [0.0, 1.0]], [0.3, 2.0], **kw),
    "defocus": lambda size, **kw: defocus_psf(size, [0.0, 2.3, 50.0], **kw),
    "mixture": lambda size, **kw: random_psf(
        size, kind=dict.fromkeys(KINDS, 0.25), seed=0, batch=12, **kw
    ),
}


@pytest.mark.parametrize("size", [1, 2, 8, 9, (6, 11)])
@pytest.mark.parametrize("name", MAKERS)
def test_a_psf_is_nonnegative_and_of_sum_one(name, size):
    h = MAKERS[name](size, dtype=np.float64)
    assert h.shape[-2:] == (size if isinstance(size, tuple) else (size, size))
    assert h.min() >= 0
    np.testing.assert_allclose(h.sum(axis=(-2, -1)), 1, rtol=1e-14)


@pytest.mark.parametrize("name", MAKERS)
def test_a_psf_is_equal_on_every_row(row, name):
    h = MAKERS[name]((7, 8), xp=row.xp, dtype=row.xp.float64, device=row.device)
    assert row.owns(h, "float64")
    np.testing.assert_array_equal(row.numpy(h), MAKERS[name]((7, 8), dtype=np.float64))
    assert row.owns(MAKERS[name](5, xp=row.xp, device=row.device), "float32")


@pytest.mark.parametrize("dtype", ["int32", "complex64", "complex128", "bool"])
@pytest.mark.parametrize("name", MAKERS)
def test_a_psf_of_no_real_floating_dtype_is_refused(row, name, dtype):
    if row.xp is not np:
        dtype = getattr(row.xp, dtype)
    with pytest.raises(TypeError, match=r"_psf\(dtype\): dtype is .*; want float32 or float64"):
        MAKERS[name](5, xp=row.xp, dtype=dtype, device=row.device)


def test_draws_begin_with_those_of_a_smaller_batch():
    for draw in (motion_psf, lambda size, **kw: random_psf(size, kind="gaussian", **kw)):
        many = draw(9, seed=5, batch=(2, 3))
        np.testing.assert_array_equal(many[0, 0], draw(9, seed=5))
        np.testing.assert_array_equal(many[0], draw(9, seed=5, batch=3))
        assert not np.array_equal(many[0, 0], many[0, 1])
        assert draw(9, seed=5, batch=0).shape == (0, 9, 9)


# --- motion -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 25, 64, (9, 200)])
@pytest.mark.parametrize("seed", range(5))
def test_a_motion_psf_is_a_connected_path(size, seed):
    psf = motion_psf(size, seed=seed)
    assert psf.min() >= 0
    assert psf.sum() == pytest.approx(1.0, abs=1e-5)
    _, count = scipy.ndimage.label(psf > 0, structure=np.ones((3, 3)))
    assert count == 1  # no holes: every pixel is reached from every other


def test_a_motion_psf_has_the_covariance_it_claims():
    """Steps of the centred path: E|u(t) - u(s)|^2 = 2 (kappa(0) - kappa(t - s))."""
    from nufftlib.blur.psfs.motion import KNOTS, matern_path

    paths = np.concatenate([matern_path(np.random.default_rng(s), 0.3, 0.25) for s in range(3000)])
    for lag in (KNOTS // 20, KNOTS // 4, KNOTS - 1):
        t = lag / (KNOTS - 1)
        a = np.sqrt(5) * t / 0.3
        want = 2 * 0.25**2 * (1 - (1 + a + a * a / 3) * np.exp(-a))
        assert np.mean((paths[:, lag] - paths[:, 0]) ** 2) == pytest.approx(want, rel=0.08)
    np.testing.assert_allclose(paths.mean(axis=1), 0, atol=1e-12)


def test_one_seed_is_one_path_at_every_size():
    small, large = motion_psf(25, seed=3), motion_psf(75, seed=3)
    grid = np.stack(np.meshgrid(*[np.arange(75) - 37] * 2, indexing="ij"))
    coarse = np.stack(np.meshgrid(*[np.arange(25) - 12] * 2, indexing="ij")) * 3
    for axis in (0, 1):
        assert np.sum(large * grid[axis]) == pytest.approx(np.sum(small * coarse[axis]), abs=0.1)
    assert not np.array_equal(small, motion_psf(25, seed=4))


def second_moments(psf):
    centre = [n // 2 for n in psf.shape]
    i, j = (np.arange(n) - c for n, c in zip(psf.shape, centre, strict=True))
    return np.sqrt([np.sum(psf * i[:, None] ** 2), np.sum(psf * j**2)])


def test_either_axis_of_a_motion_psf_scales_with_its_own_size():
    square, wide = (motion_psf(s, seed=3, std=0.2, dtype=float) for s in (75, (75, 225)))
    ratio = second_moments(wide) / second_moments(square)
    np.testing.assert_allclose(ratio, [1, 3], rtol=0.02)


def test_a_motion_psf_spreads_by_its_std():
    point = motion_psf((5, 8), seed=0, std=0.0)
    assert point[2, 4] == point.sum() == 1
    wide, narrow = (second_moments(motion_psf(201, seed=3, std=s)) for s in (0.2, 0.1))
    np.testing.assert_allclose(wide / narrow, 2, rtol=0.02)


def test_a_fast_motion_leaves_no_holes():
    for seed in range(3):
        for size in (63, 127):
            psf = motion_psf(size, seed=seed, length=0.02)
            _, count = scipy.ndimage.label(psf > 0, structure=np.ones((3, 3)))
            assert count == 1


def test_a_size_may_be_an_integer_of_numpy():
    np.testing.assert_array_equal(motion_psf(np.int64(9), seed=0), motion_psf((9, 9), seed=0))


# --- Gaussian ---------------------------------------------------------------------------


def gaussian_integral(p, std, angle):
    """The integral over pixel `p` by quadrature, with its density written out."""
    c, s = np.cos(angle), np.sin(angle)

    def density(u1, u0):
        along, across = c * u0 + s * u1, -s * u0 + c * u1
        exponent = (along / std[0]) ** 2 + (across / std[1]) ** 2
        return np.exp(-exponent / 2) / (2 * np.pi * std[0] * std[1])

    (a, b), (c0, d0) = ((n - 0.5, n + 0.5) for n in p)
    return scipy.integrate.dblquad(density, a, b, c0, d0, epsabs=1e-13)[0]


@pytest.mark.parametrize(("std", "angle"), [((1.3, 0.5), 0.4), ((0.7, 2.0), -1.1), ((1, 1), 0)])
def test_a_gaussian_psf_is_the_integral_over_each_pixel(std, angle):
    h = gaussian_psf((33, 32), std, angle, dtype=float)  # so large that the sum is all
    for p in [(0, 0), (1, 0), (0, 1), (-2, 1), (1, 1), (3, -1)]:
        want = gaussian_integral(p, std, angle)
        assert h[16 + p[0], 16 + p[1]] == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("angle", [np.pi / 4, -3 * np.pi / 4, 3 * np.pi / 4])
@pytest.mark.parametrize("swap", [False, True])
def test_a_long_and_narrow_gaussian_keeps_its_digits(angle, swap):
    """Along a diagonal it is all on diagonal pixels, but for what spills at their corners.

    Beside the line by ``d``, the chord in a diagonal pixel is ``sqrt(2) - 2 |d|``, and at each
    corner one of the two neighbours has ``2 |d|``; ``E |d| = std_1 sqrt(2 / pi)``.
    """
    long, narrow = 1e4, 1e-3
    if swap:
        h = gaussian_psf(9, (narrow, long), angle + np.pi / 2, dtype=float)
    else:
        h = gaussian_psf(9, (long, narrow), angle, dtype=float)
    h = h if np.tan(angle) > 0 else h[:, ::-1]
    k, distance = np.arange(9) - 4, narrow * np.sqrt(2 / np.pi)
    chord = np.sqrt(2) - 2 * distance
    want = np.diag(np.exp(-((k / long) ** 2)))  # the density at sqrt(2) k
    corner = distance / chord * np.exp(-(((k[:-1] + 0.5) / long) ** 2))
    want = want + np.diag(corner, 1) + np.diag(corner, -1)
    np.testing.assert_allclose(h / h[4, 4], want, atol=1e-10)


def test_the_angle_of_a_gaussian_runs_from_the_first_axis_to_the_second():
    i, j = np.meshgrid(np.arange(41) - 20, np.arange(41) - 20, indexing="ij")
    for angle in (0.0, 0.5, 2.0):
        h = gaussian_psf(41, (4.0, 1.0), angle, dtype=float)
        moments = np.asarray([[np.sum(h * a * b) for b in (i, j)] for a in (i, j)])
        R = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        want = R @ np.diag([16.0, 1.0]) @ R.T + np.eye(2) / 12  # a pixel's own variance
        np.testing.assert_allclose(moments, want, atol=2e-4)


def test_a_narrow_gaussian_is_a_delta_or_a_line():
    delta = np.zeros((5, 6))
    delta[2, 3] = 1
    for std in (0.0, 1e-300, 1e-7, 0.02, (0.0, 0.01)):
        for angle in (0.0, np.pi / 4, 1.0):
            np.testing.assert_allclose(gaussian_psf((5, 6), std, angle), delta, atol=1e-15)
    line = gaussian_psf(9, (2.0, 0.0), dtype=float)
    np.testing.assert_allclose(line[:, 4], gaussian_psf((9,), 2.0, dtype=float), rtol=1e-12)
    diagonal = gaussian_psf(9, (2.0, 0.0), np.pi / 4, dtype=float)
    np.testing.assert_allclose(np.diag(diagonal).sum(), 1, atol=1e-5)


def test_a_wide_gaussian_is_flat():
    np.testing.assert_allclose(gaussian_psf(5, 1e4, dtype=float), 1 / 25, rtol=1e-6)


def test_gaussians_of_one_two_and_three_axes_agree():
    std, size = (0.8, 1.5, 0.3), (7, 8, 5)
    lines = [gaussian_psf((n,), s, dtype=float) for n, s in zip(size, std, strict=True)]
    np.testing.assert_allclose(
        gaussian_psf(size, std, dtype=float), np.einsum("i,j,k->ijk", *lines), atol=1e-15
    )
    plane = gaussian_psf(size[:2], std[:2], dtype=float)
    np.testing.assert_allclose(plane, np.outer(*lines[:2]), atol=1e-15)
    np.testing.assert_allclose(gaussian_psf(size[:2], std[1::-1], np.pi / 2), plane, atol=1e-7)


def test_gaussians_broadcast():
    std, angle = [[2.0, 0.5], [1.0, 1.0]], [[0.3], [0.7], [1.1]]
    h = gaussian_psf(9, std, angle, dtype=float)
    assert h.shape == (3, 2, 9, 9)
    np.testing.assert_array_equal(h[1, 0], gaussian_psf(9, (2.0, 0.5), 0.7, dtype=float))
    assert gaussian_psf((6, 5, 4), [[1.0], [2.0]]).shape == (2, 6, 5, 4)


# --- defocus ----------------------------------------------------------------------------


def areas(radius, size=25):
    """The disk's overlap with each pixel, by a million points of a finer grid."""
    fine = (np.arange(size * 40) + 0.5) / 40 - 0.5 - size // 2
    inside = fine[:, None] ** 2 + fine**2 <= radius**2
    return inside.reshape(size, 40, size, 40).mean(axis=(1, 3))


@pytest.mark.parametrize("radius", [0.6, 1.0, 2.5, 3.3, 7.77])
def test_a_defocus_psf_is_the_overlap_of_a_disk_with_each_pixel(radius):
    h = np.pi * radius**2 * defocus_psf(25, radius, dtype=float)  # all of the disk is inside
    np.testing.assert_allclose(h, areas(radius), atol=2e-2)  # of a pixel
    middle = abs(h - 0.5) < 0.5 - 1e-9  # cut by the circle
    assert abs(np.mean(h[middle] - areas(radius)[middle])) < 2e-3
    # The pixel on the axis, at the edge: int sqrt(r^2 - u^2) over its width, less what is before.
    k = int(radius + 0.5)
    u = np.linspace(-0.5, 0.5, 200_001)
    depth = np.clip(np.sqrt(np.maximum(radius**2 - u**2, 0)) - (k - 0.5), 0, 1)
    assert h[12 + k, 12] == pytest.approx(scipy.integrate.trapezoid(depth, u), abs=1e-6)


def test_a_defocus_psf_is_continuous_and_monotone_in_the_radius():
    radius = np.linspace(0.5, 12.5, 601)
    h = np.pi * radius[:, None, None] ** 2 * defocus_psf(26, radius, dtype=float)
    steps = np.diff(h, axis=0)
    assert steps.min() > -1e-12
    assert steps.max() < 0.02 * np.pi  # no arc within a pixel is as long as its half-circle
    assert h.max() <= 1 + 1e-12


def test_a_small_disk_is_a_delta_and_a_large_one_is_flat():
    h = defocus_psf((4, 5), [0.0, 0.5, 100.0], dtype=float)
    for small in h[:2]:
        assert small[2, 2] == small.sum() == 1
    np.testing.assert_allclose(h[2], 1 / 20, rtol=1e-10)


# --- mixtures ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(20, 31), (31, 20), (12, 40)])
def test_parameters_are_drawn_from_the_documented_ranges(monkeypatch, size):
    from nufftlib.blur.psfs import mixture

    n, drawn, directions = min(size), {}, []

    def note(**fractions):
        """Note where a parameter is in its range, from 0 to 1, and return some PSF."""
        for name, fraction in fractions.items():
            drawn.setdefault(name, []).extend(np.atleast_1d(fraction))
        return np.ones(size)

    def motion(_rng, _shape, length, std):
        return note(length=(length - 0.1) / 0.5, std_of_motion=(std - 0.1) / 0.2)

    def gaussian(_shape, std, angle, **_):
        return note(std=std / (n / 6), angle=angle / np.pi)

    def defocus(_shape, radius, **_):
        return note(radius=radius / ((n - 1) / 2))

    def diffraction(_shape, *, cutoff):
        if n < 16:
            assert cutoff == 0.5
        else:
            note(cutoff=(cutoff - 8 / n) / (0.5 - 8 / n))

        def optics(a):
            waves = np.linalg.norm(a)
            directions.append(a / waves)
            return note(waves=waves / (n * cutoff / 40))

        return optics

    monkeypatch.setattr(mixture, "draw_motion", motion)
    monkeypatch.setattr(mixture, "gaussian_psf", gaussian)
    monkeypatch.setattr(mixture, "defocus_psf", defocus)
    monkeypatch.setattr(mixture, "Diffraction", diffraction)
    random_psf(size, kind=dict.fromkeys(KINDS, 0.25), seed=0, batch=2400)
    assert set(drawn) - {"cutoff"} == {"length", "std_of_motion", "std", "angle", "radius", "waves"}
    for name, fractions in drawn.items():
        assert scipy.stats.kstest(fractions, "uniform").pvalue > 1e-3, name
        assert 0 <= min(fractions) < 0.02, name
        assert 0.98 < max(fractions) <= 1 + 1e-12, name
    np.testing.assert_allclose(np.cov(np.transpose(directions)), np.eye(8) / 8, atol=0.03)


def test_a_mixture_has_the_probabilities_it_was_given():
    odds = {"defocus": 0.7, "motion": 0.3}
    h = random_psf(9, kind=odds, seed=3, batch=200, dtype=float)
    symmetric = np.max(abs(h - h[:, ::-1, ::-1]), axis=(1, 2)) < 1e-12  # a motion never is
    assert symmetric.mean() == pytest.approx(0.7, abs=3 * np.sqrt(0.21 / 200))
    swapped = dict(reversed(odds.items()))
    np.testing.assert_array_equal(random_psf(9, kind=swapped, seed=3, batch=200, dtype=float), h)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [15, 25, 64])
def test_random_psfs_fit_their_size(kind, size):
    h = random_psf(size, kind=kind, seed=1, batch=10, dtype=float)
    np.testing.assert_array_equal(h[0], random_psf(size, kind={kind: 1.0}, seed=1, dtype=float))
    rim = h.sum(axis=(1, 2)) - h[:, 1:-1, 1:-1].sum(axis=(1, 2))
    assert np.mean(rim) < 0.05  # of the light
    assert np.std(h.max(axis=(1, 2))) > 0  # and they differ


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: motion_psf(0, seed=0), ValueError, r"size is 0; want .* of at least 1"),
        (
            lambda: motion_psf((3, 4, 5, 6), seed=0),
            ValueError,
            "pixels, or one for each of two or three axes",
        ),
        (lambda: motion_psf(3.5, seed=0), TypeError, "size is 3.5; want a number of"),
        (lambda: motion_psf(5, seed=0, batch=-1), ValueError, "batch is -1; want a number of"),
        (
            lambda: motion_psf(5, seed=0, length=0.0),
            ValueError,
            r"\(length\): .* want a positive, finite",
        ),
        (lambda: motion_psf(5, seed=0, std=-1.0), ValueError, "want 0 to 10 half-sizes"),
        (lambda: motion_psf(9, seed=0, std=10.1), ValueError, "want 0 to 10 half-sizes"),
        (
            lambda: motion_psf(9, seed=0, std=1e9),
            ValueError,
            "1000000000.0; want 0 to 10 half-sizes",
        ),
        (lambda: motion_psf(9, seed=0, std=np.nan), ValueError, "want 0 to 10 half-sizes"),
        (lambda: motion_psf(9, seed=0, std=10.0), ValueError, "the path leaves the PSF"),
        (lambda: gaussian_psf(5, -1.0), ValueError, "want 0 to 10000 pixels"),
        (lambda: gaussian_psf(5, np.nan), ValueError, "want 0 to 10000 pixels"),
        (lambda: gaussian_psf(5, (1.0, 2.0, 3.0)), ValueError, r"a number or \(..., 2\)"),
        (lambda: gaussian_psf((5, 5, 5), 1.0, 0.1), ValueError, "finite radians, and in 2D"),
        (lambda: gaussian_psf(5, 1.0, np.inf), ValueError, "finite radians"),
        (lambda: defocus_psf(5, -0.1), ValueError, "want a finite number, 0 or more"),
        (lambda: defocus_psf(5, np.nan), ValueError, "want a finite number, 0 or more"),
        (lambda: random_psf(5, kind="box", seed=0), ValueError, "kind is 'box'; want one of 'mot"),
        (lambda: random_psf(5, kind=["motion"], seed=0), ValueError, r"kind is \['motion'\]; want"),
        (lambda: random_psf(5, kind=None, seed=0), ValueError, "kind is None; want one of"),
        (lambda: random_psf(5, kind={"motion": 0.5}, seed=0), ValueError, "of sum one"),
        (
            lambda: random_psf(5, kind={"motion": 1.5, "gaussian": -0.5}, seed=0),
            ValueError,
            "0 or more",
        ),
        (lambda: Diffraction(5, indices=(0, 1)), ValueError, "Noll's indices from 1 to 136"),
        (lambda: Diffraction(5, indices=(4.5,)), TypeError, "want Noll's indices"),
        (lambda: Diffraction(5, indices=(4, 4)), ValueError, "each once"),
        (lambda: Diffraction(5, indices=(137,)), ValueError, "from 1 to 136"),
        (lambda: Diffraction(5, indices=(10**30,)), ValueError, "from 1 to 136"),
        (lambda: Diffraction(5, indices=()), ValueError, "from 1 to 136"),
        (
            lambda: Diffraction(20_000),
            ValueError,
            r"8 polynomials on 10000 x 10000 samples .* 6.4e\+09 bytes; want at most 5.4e\+08",
        ),
        (
            lambda: gaussian_psf(5, [[1.0, 2.0]] * 3, angle=[0.1, 0.2]),
            ValueError,
            r"leading axes \(3,\) and angle the shape \(2,\); want shapes that broadcast",
        ),
        (lambda: Diffraction(5, cutoff=0.6), ValueError, "at most 1/2 cycles per pixel"),
        (lambda: Diffraction(5)(np.zeros(3)), ValueError, r"\(3,\); want \(..., 8\), a coeff"),
        (lambda: Diffraction(5)(np.zeros(8, complex)), TypeError, "want float32 or float64"),
        (lambda: Diffraction(5)(np.zeros(8, int)), TypeError, "want float32 or float64"),
        (
            lambda: Diffraction(5).linearize(np.zeros(8))[1](np.zeros((2, 8))),
            ValueError,
            r"x has the shape \(2, 8\); want \(8,\)",
        ),
        (
            lambda: Diffraction(5).linearize(np.zeros(8))[1].adjoint(np.zeros((5, 4))),
            ValueError,
            r"\(5, 4\); want \(5, 5\)",
        ),
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_path_without_correlation_is_drawn_however_short_its_length():
    want = motion_psf(9, seed=0, length=1e-6)
    for length in (1e-12, 1e-300, 5e-324):
        np.testing.assert_array_equal(motion_psf(9, seed=0, length=length), want)
