"""The registry of public functions: a call of each, and what it copies.

Operators are called by their cases in ``cases.py``, and optimisers with a learning rate: an entry
by hand is for whatever else has a public name. ``test_rows.py`` makes the calls in every array
library, and ``tools/make_tables.py`` writes the table of ``docs/arrays.md``.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from cases import first_of_each, penalized, positive
from packages import PACKAGES
from patterns import PATTERNS
from rows import CPU_ROWS, CUDA_ROWS

import nufftlib as nl
import optim
from nufftlib import workflows
from nufftlib.mri import sampling

TOOLS = nl.mri.trajectories.tools
NOTHING = "nothing"
THERE = "nothing: made in `xp` on `device`"
MADE = "made by NumPy on the CPU, and copied once to `xp` and `device`"
DRAWN = "drawn by NumPy on the CPU, and copied to the image's library and device"
NOISE = "as `NUFFT`; the noise, from the CPU"
DRAWS = "phases and coil maps, made by NumPy, from the CPU"
STEPS = "as `NUFFT`; the order of the images and all noise, from the CPU"
COUNTED = "the image, on CUDA, to the CPU for drawing; the counts back"
STARTS = "random starts, from the CPU"
START = "the random start of its iteration, from the CPU"
HOST = (
    "the trajectory; images and data go by DLPack without a copy, unless they are not contiguous "
    "or torch has delayed a conjugation"
)


TURNS = "the matrices of the turns, from the CPU"
WEIGHTS = "the weights of samples, from the CPU"
CELLS = "the trajectory to the CPU; the weights back"
HEIGHTS = "the heights, from the CPU"
EXTENT = f"{TURNS}; of a trajectory that is thick, the extent along axis 2 to the CPU"
DIRECTION = f"{TURNS}; without `axis`, one sample to the CPU"
PSF_ON_HOST = "the PSF and its covariance to the CPU; the curves back"
ON_HOST = "the picture to the CPU; the result back"
STAMPS = "the picture to the CPU, where stars are searched for; their stamps back"
HOST_RESULT = "nothing in; the result, once"
THROUGH_CPU = "the density to the CPU; the points, drawn by NumPy, back"
IN_DOUBLE = {"PenalizedLeastSquares"}  # its descent sums in double precision
NEAR_ON_CPU = "the points to the CPU, and the forces of near pairs back; the density once"


@dataclass(frozen=True)
class Entry:
    name: str
    call: Callable | None
    """``call(maker)`` gives arrays, numbers, or tuples and lists of them."""
    copies: str = NOTHING
    setting: str = ""
    host: bool = False
    """Whether a native library computes it: finufft, Numba, or CuPy for CUDA arrays."""
    eps: float = 0.0
    """To which two libraries agree, beside rounding."""
    double: bool = False
    """Whether it works in double precision whatever it is given."""

    @property
    def title(self):
        return f"{self.name}({self.setting})" if self.setting else self.name


def used(m, A, x, *more):
    """Return what an operator gives: values, adjoint, and all derivatives."""
    y = m.cotangent(A, x)
    results = [A(x), A.H(y), *more]
    for name, theta in A.parameters.items():
        results += [A.vjp(name, x, y), A.jvp(name, x, theta)]
    return results


def mapped(f, x):
    value, J = f.linearize(x)
    return value, J(x), J.adjoint(value)


def product(m):
    """Return what a product with a parameter in two places gives."""
    W, F = nl.Diagonal(m.real(3, 4)), small(m)
    return used(
        m, F.H @ W @ F + 2 * nl.Diagonal(m.real(6, 5)).rename(weights="more"), m.complex(6, 5)
    )


def small(m, engine="direct", shape=(6, 5)):
    k = m.trajectory(3, 4, len(shape))
    return nl.NUFFT(k, shape, engine=m.engine(engine), eps=1e-6 if m.single else 1e-12)


def nufft(engine):
    def call(m):
        F, x = small(m, engine), m.complex(2, 6, 5)
        y, J = F.linearize(x, wrt="trajectory")
        blocks = J.hessian(y).parameters["blocks"], J.gauss_newton().parameters["blocks"]
        return used(m, F, x, F.gram(method="toeplitz")(x), *blocks)

    return call


def density(m):
    k = m.row.array(np.linspace(-0.4, 0.4, 24).reshape(12, 2), m.real_dtype)
    return nl.mri.pipe_menon(nl.NUFFT(k, (8, 9), engine="direct"), width=4, iterations=3)


def weighted(kind, **settings):
    """Call density weights of random points."""

    def call(m):
        k = m.row.array(m.rng.uniform(-0.4, 0.4, (3, 4, 2)), m.real_dtype)
        return getattr(nl.mri, kind)(nl.NUFFT(k, (8, 9), engine="direct"), **settings)

    return call


def density_map(m):
    k = m.row.array(np.linspace(-0.4, 0.4, 24).reshape(12, 2), m.real_dtype)
    F = nl.NUFFT(k, (8, 9), engine="direct")
    w, J = nl.mri.PipeMenon(F, width=4, iterations=3).linearize(k)
    return w, J(k), J.adjoint(w)


def low_frequencies(m):
    F = small(m)
    k = F.trajectory
    F = F.replace(trajectory=k * 0.1)
    return nl.mri.low_frequency_maps(F, m.complex(2, 3, 4), positive(m, 3, 4), smoothing=2.0)


def cartesian(m):
    """Calibration data of maps that change from voxel to voxel, so that eigenvalues differ."""
    return nl.mri.espirit_maps(m.complex(3, 5, 6), (8, 7), kernel=3, threshold=0.5, crop=0, sets=2)


def gridded(m):
    # Near the grid, so that the solve does not end a step earlier in one library than in another.
    q = np.stack(np.meshgrid(np.arange(-1, 2), np.arange(-2, 2), indexing="ij"), axis=-1)
    k = (q + m.rng.uniform(-0.1, 0.1, q.shape)) / (6, 5)
    F = nl.NUFFT(m.row.array(k, m.real_dtype), (6, 5), engine="direct")
    return nl.mri.calibration_region(F, m.complex(2, 3, 4), size=(3, 2))


def played(kind, *at):
    """Call a map of the gradients to a trajectory, at parameters."""

    def call(m):
        return mapped(kind(m.real(2, 6, 2)), m.row.array(at, m.real_dtype))

    return call


def late(m):
    """Delays of spokes whose data are those of a point that is off the centre."""
    angle = np.arange(14) * np.pi / 7
    spokes = 0.4 * np.linspace(-1, 1, 12)[:, None]
    k = spokes * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]
    y = np.exp(2j * np.pi * k @ [[1.0, 0.3], [0.5, -1.0]]).transpose(2, 0, 1)
    F = nl.NUFFT(m.row.array(k, m.real_dtype), (6, 6), engine="direct")
    found = nl.mri.calibrate_delays(F, m.row.array(y, m.complex_dtype), size=3, steps=1)
    return found.delays, found.trajectory, found.residual


def given(m):
    """Keywords that ask a generator for arrays of the row."""
    dtype = getattr(m.row.xp, m.real_dtype)
    return {"xp": m.row.xp, "dtype": dtype, "device": m.row.device}


def scan(**settings):
    scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    return nl.mri.Protocol(scanner, fov=0.24, shape=(16, 15), **settings)


def wave(m):
    """Return a trajectory that a scanner cannot play."""
    return m.row.array(0.3 * np.sin(np.arange(48).reshape(2, 12, 2)), m.real_dtype)


def reported(m):
    found = nl.mri.check_trajectory(wave(m), scan())
    return [peak.ratio for peak in found.peaks.values()]


def spread(m):
    k = m.row.array(np.linspace(-0.4, 0.4, 24).reshape(12, 2), m.real_dtype)
    found = nl.mri.point_spread(k, (8, 9))
    return [*found.widths, found.sidelobe]


def playable(m):
    k = wave(m)
    found = nl.mri.project_trajectory(k, scan(), fixed={0: k[:, 0, :]}, tolerance=1e-10)
    again = nl.mri.project_trajectory(0.9 * k, scan(), start=found.dual, tolerance=1e-10)
    return found.trajectory, again.trajectory


def traversed(m):
    return nl.mri.traverse(wave(m), scan()), nl.mri.traverse(wave(m), scan(), samples=4000)


def played_steps(m):
    opt = optim.projected(optim.sgd(0.1), nl.mri.TrajectoryProjection(scan(), tolerance=1e-10))
    k = wave(m)
    k, state = opt.update(k, opt.init(k), k)
    return opt.update(k, state, k)[0]


def learned_within_limits(m):
    # Of 16 x 15 voxels the steps from one sample to the next are small in cycles per voxel.
    found = workflows.learn_trajectory(*job_1(m), steps=2, protocol=scan(dwell=4e-6))
    return found.trajectory, found.reconstruction, found.losses


def tool(name, *settings):
    """Call a tool with the trajectory of three axes that it takes."""
    return lambda m: getattr(TOOLS, name)(m.real(2, 5, 3), *settings)


def bounded(m):
    return TOOLS.stack(m.real(2, 5, 2), 3), TOOLS.stack(0.1 * m.real(2, 5, 3), 3)


def placed(m):
    return TOOLS.place(m.real(2, 5, 3), m.real(4, 3))


def mirrored(m):
    k = m.real(2, 5, 2)
    k = k - k[:, :1, :]
    return TOOLS.in_out(k), TOOLS.in_out(k, partner="opposite")


def of_discs(name):
    """Call a tool with a function that makes trajectories of the plane."""

    def call(m):
        def disc(shots):
            return nl.mri.trajectories.spiral(shots, 8, **given(m))

        return getattr(TOOLS, name)(disc, 6, 2)

    return call


def attracted(m):
    """Return what two steps of plain descent would need, and what a job gives."""
    density, k = positive(m, 6, 5), m.row.array(m.rng.uniform(-0.4, 0.4, (3, 4, 2)), m.real_dtype)
    energy = nl.mri.sampling.AttractionRepulsion(density, grid=32, engine=m.engine("direct"))
    return energy.value_and_grad(k)


def attracted_twice(m):
    density, k = positive(m, 6, 5), m.row.array(m.rng.uniform(-0.4, 0.4, (3, 4, 2)), m.real_dtype)
    found = nl.mri.sampling.attract_repel(k, density, steps=2, grid=32, engine=m.engine("direct"))
    return found.trajectory, found.losses


def coil_maps(m):
    where = given(m) | {"dtype": getattr(m.row.xp, m.complex_dtype)}
    return nl.mri.birdcage_maps(3, (5, 6), **where)


def normal_equations(m):
    f = nl.blur.normal_equations(nl.Blur(positive(m, 3, 2)), m.real(6, 5), m.real(4, 4))
    return f.value_and_grad(m.real(3, 2))


def quadratic(m):
    f = nl.blur.normal_equations(nl.Blur(positive(m, 3, 2)), m.real(6, 5), m.real(4, 4))
    g = nl.Quadratic(f.gram, f.rhs, f.constant)
    return g.value_and_grad(m.real(3, 2)), g.spectrum()[0]


def report(m):
    found = nl.check_operator(nl.Diagonal(m.real(4)), m.real(4))
    assert m.single or found.ok
    return ()


def masked(m, *shape):
    return m.row.array(np.arange(np.prod(shape)).reshape(shape) % 3 != 1, "bool")


def averaged(loss):
    """Call a loss that is a mean, of all and in a mask."""

    def call(m):
        y, z = m.complex(3, 4), m.complex(3, 4)
        return loss(y).value_and_grad(z), loss(y, masked(m, 3, 4)).value_and_grad(z)

    return call


def similar(loss, **settings):
    """Call a loss of images, a batch in a mask too."""

    def call(m):
        y, z = positive(m, 2, 9, 8), positive(m, 2, 9, 8)
        more = settings | {"size": 3, "window": "uniform", "sample_covariance": True, "ndim": 2}
        f, g = loss(y, size=3, ndim=2, **settings), loss(y, 2.0, mask=masked(m, 9, 8), **more)
        return f.value_and_grad(z), g.value_and_grad(z), g.similarity(z)

    return call


def measured(metric, **settings):
    """Call a metric, of a batch in a mask too."""

    def call(m):
        y, z = positive(m, 2, 9, 8), positive(m, 2, 9, 8)
        more = settings | {"mask": masked(m, 9, 8), "ndim": 2}
        return metric(z, y, **{**settings, "ndim": 2}), metric(z, y, **more)

    return call


def problem(m):
    """Return half the squared distance to a point, with a slope that differs by entry."""
    c, w = m.row.array([0.2, 0.9, 0.5], m.real_dtype), m.row.array([1, 0.1, 3], m.real_dtype)
    xp = m.row.xp

    def value_and_grad(x):
        return 0.5 * xp.sum(w * (x - c) ** 2), w * (x - c)

    return value_and_grad, m.row.array([0.3, 0.3, 0.4], m.real_dtype)


def descent(make):
    def call(m):
        value_and_grad, start = problem(m)
        result = optim.minimize(value_and_grad, start, make(), steps=3)
        return result.params, result.best_params, result.history

    return call


def by_rate(make):
    """Call an optimiser at one learning rate, and by a schedule."""
    rates = 0.1, optim.linear_schedule(0.1, 0.01, 3)
    return lambda m: [descent(lambda rate=rate: make(rate))(m) for rate in rates]


def solver(solve, *arguments, **settings):
    def call(m):
        result = solve(*problem(m), *arguments, steps=4, **settings)
        return result.params, result.best_params, result.history

    return call


def blocks(m):
    xp = m.row.xp
    c, eye = (
        m.row.array([[2.0, 8.0], [9.0, 27.0]], m.real_dtype),
        m.row.array(np.eye(2), m.real_dtype),
    )

    def function(p):
        r = p * p - c
        return 0.5 * xp.sum(r * r, axis=-1), 2 * p * r, (2 * p)[..., None] ** 2 * eye

    result = optim.levenberg_marquardt(function, xp.ones_like(c), steps=3)
    return result.params, result.history


def conjugate_gradient(m):
    d = positive(m, 5)
    result = optim.conjugate_gradient(lambda x: d * x, m.complex(3, 5), steps=3, axes=-1)
    return result.params, result.history


def bidiagonal(solve):
    def call(m):
        d = positive(m, 5)
        result = solve(
            lambda x: d * x,
            lambda y: d * y,
            m.complex(3, 5),
            steps=3,
            damping=0.1,
            axes=-1,
            rhs_axes=-1,
        )
        return result.params, result.history

    return call


def admm(m):
    c = m.complex(3, 5)
    result = optim.admm(
        lambda x: 3 * x, c, lambda x: 2 * x, lambda u: 2 * u, SHRINK, steps=3, inner_steps=2
    )
    return result.params, result.history


def lbfgs_of_each(m):
    xp, c, d = m.row.xp, m.real(3, 5), positive(m, 5)

    def value_and_grad(p):
        return 0.5 * xp.sum(d * (p - c) ** 2, axis=-1), d * (p - c)

    simplex = optim.projections.simplex(axes=-1)
    found = (
        optim.lbfgs(value_and_grad, xp.zeros_like(c), project, steps=4, axes=-1, diagonal=diagonal)
        for project in (None, simplex)
        for diagonal in (False, True)
    )
    return [(each.params, each.history) for each in found]


def projected(project):
    return lambda m: [project(m.real(2, 5)), project(positive(m, 7))]


def job_1(m):
    """Return what `learn_trajectory` is given."""
    k = m.row.array(m.rng.uniform(-0.4, 0.4, (4, 20, 2)), m.real_dtype)
    return positive(m, 16, 15), m.complex(2, 16, 15), k


def learned(m):
    found = workflows.learn_trajectory(*job_1(m), steps=2)
    return found.trajectory, found.reconstruction, found.losses


def objective(m):
    image, s, k = job_1(m)
    return workflows.TrajectoryObjective(image, s, nl.NUFFT(k, (16, 15))).value_and_grad(k)


def of_images(m):
    image, s, k = job_1(m)
    images = m.row.xp.stack([image, 2 * m.row.xp.flip(image, axis=0)])
    several = workflows.ImagesObjective(images, s, nl.NUFFT(k, (16, 15)), noise=0.1)
    return several.value_and_grad(k), several.reconstruct(k)


def augmented(m):
    images, s = positive(m, 3, 16, 16), m.complex(2, 16, 16)
    change = workflows.Augmentation(True, True, 0.5, (1.3, 2.0))
    return change(images, s, seed=0)


def learned_on_images(m):
    image, s, k = job_1(m)
    images = m.row.xp.stack([image, 2 * m.row.xp.flip(image, axis=0), m.row.xp.flip(image, axis=1)])
    found = workflows.learn_on_images(images, s, k, validation=0.3, epochs=1, batch=1)
    return found.trajectory, found.training, found.validation


def calibrated(m):
    found = workflows.calibrate_psf(positive(m, 16, 14), positive(m, 14, 12), size=3, steps=2)
    return found.psf, found.losses


def field(m):
    """Calibrate a grid from a smooth picture, with a misfit: losses know 1e-16, PSFs their root."""
    n = np.linspace(-3, 3, 20)
    x = m.row.array(np.sin(n[:, None] * n + n) + 0.3 * np.cos(3 * n[:, None]), m.real_dtype)
    h = m.row.array([[0.1, 0.2, 0.0], [0.0, 0.4, 0.2], [0.0, 0.1, 0.0]], m.real_dtype)
    wave = m.row.array(1e-2 * np.sin(7 * np.arange(18.0) * np.arange(18.0)[:, None]), m.real_dtype)
    y = nl.Blur(h)(x) + wave
    found = workflows.calibrate_field(x, y, grid=(1, 2), size=3, steps=3, noise=0.01)
    return found.psfs, found.single, found.losses


def paired(m):
    """Calibrate from a smooth picture, whose fit no rounding leads elsewhere."""
    n = np.linspace(-3, 3, 20)
    bumps = np.sin(n[:, None] * n + n) + 0.3 * np.cos(3 * n[:, None])
    x = m.row.array(bumps, m.real_dtype)
    h = m.row.array([[0.1, 0.2, 0.0], [0.0, 0.4, 0.2], [0.0, 0.1, 0.0]], m.real_dtype)
    wave = m.row.array(1e-3 * np.sin(7 * np.arange(18.0) * np.arange(18.0)[:, None]), m.real_dtype)
    y = 0.8 * nl.Blur(h)(x) + 0.1 + wave
    found = workflows.calibrate_pair(x, y, size=3, nuisances=("photometry",))
    return found.psf, found.deviations, found.losses


def of_psf(m):
    """Measure a PSF without symmetries, whose covariance is that of its size."""
    down, right = np.arange(7.0)[:, None] - 2.8, np.arange(8.0) - 3.6
    bump = np.exp(-((down / 2) ** 2) - (right / 3) ** 2 + 0.1 * down * right)
    psf, sharp = (m.row.array(h, m.real_dtype) for h in (bump, bump**2))
    spread = m.row.array(1e-5 * np.eye(56), m.real_dtype)
    found = workflows.measure_psf(psf, spread, ideal=sharp)
    numbers = [*found.centroid, *found.widths, *found.sigmas, found.angle, *found.mtf50]
    return [x for number in numbers for x in number], *found.energy, *found.radial_mtf


def registered(m):
    """Register a smooth picture, which rounding does not lead elsewhere."""
    n = np.linspace(-3, 3, 35)
    bumps = np.exp(-((n[:, None] - 0.5) ** 2)) * np.sin(n + 0.3) + 0.3 * np.cos(n[:, None] * n)
    moving = m.row.array(bumps[:, :33], m.real_dtype)
    place = m.row.array([0.7, -0.4], m.real_dtype), m.row.array(0.04, m.real_dtype)
    found = nl.warp.register(nl.Warp(*place)(moving), moving, "rigid")
    # What is left of a residual is rounding, and its deviations with it.
    return found.warp.shift, found.warp.rotation


def through_focus():
    return nl.blur.ThroughFocus(16, (-0.5, 0.5), indices=(5, 7, 11), bead=1.0)


def retrieved(m):
    stack = 1e4 * through_focus()(m.row.array([0.05, 0.02, -0.03], m.real_dtype)) + 1.0
    found = workflows.retrieve_phase(stack, through_focus(), gain=1.0, starts=2, steps=4)
    return found.coefficients, found.amplitude, found.psf, found.psf_at((0.0, 0.1))


def stars(m):
    n, p = np.arange(30.0), np.asarray([[7.2, 8.7], [8.4, 21.1], [20.8, 9.6]])
    y, x = (np.exp(-0.5 * ((n - p[:, [a]]) / 1.1) ** 2) for a in (0, 1))
    picture = 100 * y.T @ x + m.rng.standard_normal((30, 30))
    found = workflows.calibrate_from_stars(
        m.row.array(picture, m.real_dtype), size=7, oversampling=1, rounds=1, noise=1.0
    )
    return found.psf, found.positions, found.fluxes, found.losses


def edge(m):
    rows, columns = np.mgrid[:40, :32]
    across = columns - 16 - 0.13 * (rows - 20)
    picture = m.row.array(0.5 + np.arctan(across) / 4, m.real_dtype)
    found = workflows.slanted_edge_mtf(picture)
    return found.mtf, found.esf, found.mtf50


def errors(f):
    return lambda m: f(positive(m, 5, 5), positive(m, 5, 5))


def blind(m):
    found = workflows.calibrate_blind(positive(m, 8, 8), size=3, rounds=1)
    return found.psf, found.image


def deblurred(method):
    def call(m):
        found = workflows.deblur(positive(m, 9, 8), positive(m, 3, 2), method=method, steps=3)
        return found.picture, found.residual, found.losses, found.noise, found.weight

    return call


def primal_dual(m):
    c = m.complex(3, 5)
    result = optim.primal_dual(
        lambda x: (float(m.row.xp.sum(m.row.xp.abs(x - c) ** 2)) / 2, x - c),
        c,
        SHRINK,
        lambda x: 2 * x,
        lambda u: 2 * u,
        SHRINK,
        curvature=1.0,
        norm_of_map=2.0,
        steps=3,
    )
    return result.params, result.history


def scan_of(m):
    """Return coil maps, data, trajectory and shape of a small scan."""
    k = m.row.array(m.rng.uniform(-0.4, 0.4, (30, 2)), m.real_dtype)
    return m.complex(2, 16, 16), m.complex(2, 30), k, (16, 16)


def reconstructed(method):
    def call(m):
        s, y, k, shape = scan_of(m)
        weight = None if method == "adjoint" else 0.1
        found = workflows.reconstruct(y, k, shape, method=method, maps=s, weight=weight, steps=2)
        noise = [] if method == "adjoint" else [found.noise]  # which it does not need
        return found.image, found.residual, *noise, found.penalty

    return call


def curve(m):
    s, y, k, shape = scan_of(m)
    found = workflows.reconstruct(y, k, shape, maps=s, weight=0.1, steps=2)
    return workflows.l_curve(y, k, shape, found, steps=2).residuals.tolist()


def penalty(penalty):
    return lambda m: (penalty.value(m.real(3, 4)), penalty.prox(positive(m, 3, 4), 0.5))


SIMPLEX = optim.projections.simplex()
SHRINK = optim.proximal.soft_threshold(0.3)
GROUPS = optim.proximal.group_soft_threshold(0.3, axes=-1)
SPECTRUM = "the spectrum and the PSFs to the CPU; a filter back"

BY_HAND = [
    Entry("nufftlib.NUFFT", nufft("direct"), "the trajectory", "engine='direct'"),
    Entry("nufftlib.NUFFT", nufft("grid"), HOST, "engine='grid'", True, 1e-11),
    Entry(
        "nufftlib.NUFFT",
        nufft("finufft"),
        HOST,
        "engine='finufft', on CUDA 'cufinufft'",
        True,
        1e-11,
    ),
    Entry("nufftlib.LinearOperator", product),
    Entry(
        "nufftlib.PartitionFFT",
        lambda m: used(m, nl.PartitionFFT((5, 2, 3), (1, -2)), m.complex(2, 5, 2, 3)),
        "the numbers of the partitions, from the CPU",
    ),
    Entry(
        "nufftlib.Map", lambda m: (nl.HalfSquaredError(m.real(4)) @ nl.Magnitude())(m.complex(4))
    ),
    *(
        Entry(f"nufftlib.{name}", lambda m, f=f: mapped(*f(m)), double=name in IN_DOUBLE)
        for name, f in {
            "Charbonnier": lambda m: (penalized(m)[0].penalty, m.complex(2, 4, 3)),
            "PenalizedLeastSquares": penalized,
            "UnrolledProximalGradient": lambda m: (
                nl.UnrolledProximalGradient(penalized(m)[0], 3, 0.02, 0.01),
                m.complex(4, 3),
            ),
            "UnrolledConjugateGradient": lambda m: (
                nl.UnrolledConjugateGradient(
                    nl.PenalizedLeastSquares(penalized(m)[0].model, damping=0.1), 3
                ),
                m.complex(4, 3),
            ),
        }.items()
    ),
    Entry("nufftlib.Magnitude", lambda m: mapped(nl.Magnitude(), m.complex(3, 4))),
    Entry("nufftlib.MeanNormalize", lambda m: mapped(nl.MeanNormalize(), positive(m, 3, 4))),
    Entry(
        "nufftlib.HalfSquaredError",
        lambda m: nl.HalfSquaredError(m.complex(4), positive(m, 4)).value_and_grad(m.complex(4)),
    ),
    Entry("nufftlib.MeanSquaredError", averaged(nl.MeanSquaredError)),
    Entry("nufftlib.MeanAbsoluteError", averaged(nl.MeanAbsoluteError)),
    Entry("nufftlib.SSIM", similar(nl.SSIM)),
    Entry("nufftlib.MultiScaleSSIM", similar(nl.MultiScaleSSIM, weights=(0.4, 0.6))),
    *(
        Entry(f"nufftlib.{metric.__name__}", measured(metric, **settings))
        for metric, settings in (
            (nl.psnr, {}),
            (nl.nrmse, {}),
            (nl.ssim, {"size": 3}),
            (nl.ms_ssim, {"size": 3, "weights": (0.4, 0.6)}),
        )
    ),
    Entry("nufftlib.Huber", lambda m: nl.Huber(m.real(9), 0.5).value_and_grad(m.real(9))),
    Entry(
        "nufftlib.PoissonLikelihood",
        lambda m: nl.PoissonLikelihood(positive(m, 4), 0.1, 0.2).value_and_grad(positive(m, 4)),
    ),
    Entry("nufftlib.Quadratic", quadratic, double=True),
    Entry("nufftlib.check_operator", report),
    Entry(
        "nufftlib.convert",
        lambda m: nl.convert(nl.Diagonal(m.real(4)), m.row.xp, m.row.device)(m.real(4)),
        "nothing of arrays that are there; others through the host's memory",
    ),
    Entry("nufftlib.inner", lambda m: nl.inner(m.complex(3, 4), m.real(3, 4))),
    *(
        Entry(
            f"nufftlib.mri.trajectories.{pattern.name}",
            lambda m, pattern=pattern: pattern.make(pattern.shots[1], 4, **given(m)),
            MADE,
        )
        for pattern in PATTERNS
    ),
    Entry("nufftlib.mri.trajectories.tools.stack", bounded, EXTENT),
    Entry("nufftlib.mri.trajectories.tools.rotate", tool("rotate", 3), TURNS),
    Entry("nufftlib.mri.trajectories.tools.precess", tool("precess", 3), DIRECTION),
    Entry("nufftlib.mri.trajectories.tools.conify", tool("conify", 3), TURNS),
    Entry("nufftlib.mri.trajectories.tools.duplicate_along_axes", tool("duplicate_along_axes")),
    Entry("nufftlib.mri.trajectories.tools.place", placed),
    Entry("nufftlib.mri.trajectories.tools.stack_random", tool("stack_random", 3, 8), HEIGHTS),
    Entry("nufftlib.mri.trajectories.tools.in_out", mirrored),
    Entry("nufftlib.mri.trajectories.tools.oversample", tool("oversample", 9), WEIGHTS),
    Entry("nufftlib.mri.trajectories.tools.radialize_centre", tool("radialize_centre", 2), WEIGHTS),
    Entry("nufftlib.mri.trajectories.tools.epify", tool("epify", 1, 3), WEIGHTS),
    Entry(
        "nufftlib.mri.trajectories.tools.unepify",
        lambda m: [TOOLS.unepify(m.real(2, 7, 3), 3, 1), TOOLS.unepify(m.complex(2, 7), 3, 1)],
    ),
    Entry(
        "nufftlib.mri.trajectories.tools.caipi_offsets",
        lambda m: TOOLS.caipi_offsets((8, 9), (2, 3), shift=1, **given(m)),
        MADE,
    ),
    Entry(
        "nufftlib.mri.trajectories.tools.packing_offsets",
        lambda m: TOOLS.packing_offsets(7, **given(m)),
        MADE,
    ),
    Entry(
        "nufftlib.mri.trajectories.tools.stack_spherically", of_discs("stack_spherically"), EXTENT
    ),
    Entry("nufftlib.mri.trajectories.tools.shells", of_discs("shells"), TURNS),
    Entry("nufftlib.mri.to_radians", lambda m: nl.mri.to_radians(m.real(3, 2))),
    Entry(
        "nufftlib.mri.to_cycles_per_fov",
        lambda m: nl.mri.to_cycles_per_fov(m.real(3, 2), (4, 5)),
    ),
    Entry(
        "nufftlib.mri.from_cycles_per_metre",
        lambda m: nl.mri.from_cycles_per_metre(m.real(3, 2), (4, 5), (0.2, 0.3)),
    ),
    Entry(
        "nufftlib.mri.to_cycles_per_metre",
        lambda m: nl.mri.to_cycles_per_metre(m.real(3, 2), (4, 5), 0.2),
    ),
    Entry("nufftlib.mri.from_radians", lambda m: nl.mri.from_radians(m.real(3, 2))),
    Entry(
        "nufftlib.mri.from_cycles_per_fov",
        lambda m: nl.mri.from_cycles_per_fov(m.real(3, 2), (4, 5)),
    ),
    Entry("nufftlib.mri.gradients", lambda m: nl.mri.gradients(wave(m), scan())),
    Entry("nufftlib.mri.slew_rates", lambda m: nl.mri.slew_rates(wave(m), scan())),
    Entry(
        "nufftlib.mri.trajectory_from_gradients",
        lambda m: nl.mri.trajectory_from_gradients(nl.mri.gradients(wave(m), scan()), scan()),
    ),
    Entry("nufftlib.mri.check_trajectory", reported, "the trajectory, on CUDA, to the CPU"),
    Entry(
        "nufftlib.mri.largest_hole",
        lambda m: nl.mri.largest_hole(wave(m)).radius,
        "the trajectory, on CUDA, to the CPU",
    ),
    Entry("nufftlib.mri.point_spread", spread, "the arrays, on CUDA, to the CPU", "", True, 1e-5),
    Entry("nufftlib.mri.project_trajectory", playable, HOST_RESULT, "", True, 1e-7),
    Entry("nufftlib.mri.traverse", traversed, "the points, to the CPU; the result back"),
    Entry("nufftlib.mri.TrajectoryProjection", played_steps, HOST_RESULT, "", True, 1e-7),
    *(
        Entry(f"nufftlib.mri.sampling.{name}", call, THROUGH_CPU)
        for name, call in (
            ("random_samples", lambda m: sampling.random_samples(positive(m, 6, 5), 7, seed=0)),
            (
                "poisson_disc_samples",
                lambda m: sampling.poisson_disc_samples(positive(m, 4, 3, 5), 7, seed=0),
            ),
            ("lloyd_samples", lambda m: sampling.lloyd_samples(positive(m, 6, 5), 7, seed=0)),
        )
    ),
    *(
        Entry(f"nufftlib.mri.sampling.{name}", call, MADE)
        for name, call in (
            ("decay_density", lambda m: sampling.decay_density((6, 5), 0.1, 2.0, **given(m))),
            ("polynomial_density", lambda m: sampling.polynomial_density((6, 5), 2.0, **given(m))),
            ("wavelet_density", lambda m: sampling.wavelet_density((8, 9), levels=2, **given(m))),
        )
    ),
    Entry(
        "nufftlib.mri.sampling.energy_density",
        lambda m: [sampling.energy_density(x) for x in (m.complex(3, 6, 5), m.real(6, 5))],
    ),
    Entry("nufftlib.mri.sampling.AttractionRepulsion", attracted, NEAR_ON_CPU),
    Entry("nufftlib.mri.sampling.attract_repel", attracted_twice, NEAR_ON_CPU, "", False, 1e-7),
    Entry("nufftlib.mri.receiver", lambda m: nl.mri.receiver(scan(dwell=4e-6), 12)(wave(m))),
    Entry("nufftlib.mri.birdcage_maps", coil_maps, THERE),
    Entry("nufftlib.mri.low_frequency_maps", low_frequencies),
    Entry("nufftlib.mri.espirit_maps", cartesian, NOTHING, "", False, 1e-9),
    Entry("nufftlib.mri.walsh_maps", lambda m: nl.mri.walsh_maps(m.complex(3, 6, 5), window=3)),
    Entry("nufftlib.mri.calibration_region", gridded, "as its operator's engine", "", False, 1e-5),
    Entry("nufftlib.mri.GradientDelays", played(nl.mri.GradientDelays, 0.3, -0.2, 0.1)),
    Entry(
        "nufftlib.mri.GradientResponse",
        played(nl.mri.GradientResponse, (0.3, 0.1, 0.4), (-1.2, 0.2, 0.001)),
    ),
    Entry("nufftlib.mri.calibrate_delays", late, "as its operator's engine", "", False, 1e-4),
    Entry(
        "nufftlib.mri.whiten",
        lambda m: (lambda n: nl.mri.whiten(n, (4, 5))(n))(m.complex(3, 4, 5)),
        eps=1e-10,
    ),
    Entry(
        "nufftlib.mri.compress_coils",
        lambda m: (lambda f: [f.operator.matrix, f.data, f.kept])(
            nl.mri.compress_coils(m.complex(4, 3, 5), 2)
        ),
        eps=1e-10,
    ),
    Entry(
        "nufftlib.mri.field_map_from_echoes",
        lambda m: nl.mri.field_map_from_echoes(m.complex(2, 4, 5), m.complex(2, 4, 5), 1e-3),
        eps=1e-5,
    ),
    Entry("nufftlib.mri.cell_count_weights", weighted("cell_count_weights", grid=(5, 4))),
    Entry("nufftlib.mri.shell_weights", weighted("shell_weights")),
    Entry("nufftlib.mri.voronoi_weights", weighted("voronoi_weights"), CELLS),
    Entry("nufftlib.mri.PipeMenon", density_map, "as its operator's engine"),
    Entry("nufftlib.mri.pipe_menon", density, "as its operator's engine"),
    Entry("nufftlib.blur.motion_psf", lambda m: nl.blur.motion_psf(5, seed=0, **given(m)), MADE),
    Entry(
        "nufftlib.blur.grid_weights", lambda m: nl.blur.grid_weights(2, (4, 5), **given(m)), MADE
    ),
    Entry("nufftlib.blur.gaussian_psf", lambda m: nl.blur.gaussian_psf(5, 1.2, **given(m)), MADE),
    Entry("nufftlib.blur.defocus_psf", lambda m: nl.blur.defocus_psf(5, 1.7, **given(m)), MADE),
    Entry(
        "nufftlib.blur.random_psf",
        lambda m: nl.blur.random_psf(5, kind="defocus", seed=0, batch=2, **given(m)),
        MADE,
    ),
    Entry(
        "nufftlib.blur.Diffraction",
        lambda m: mapped(nl.blur.Diffraction(7, indices=(4, 5)), m.real(2)),
    ),
    Entry("nufftlib.blur.ThroughFocus", lambda m: mapped(through_focus(), m.real(3))),
    Entry(
        "nufftlib.blur.gaussian_noise",
        lambda m: nl.blur.gaussian_noise(m.complex(3, 4), 0.1, seed=0),
        DRAWN,
    ),
    Entry(
        "nufftlib.blur.poisson_noise",
        lambda m: nl.blur.poisson_noise(positive(m, 3, 4), 0.25, seed=0),
        COUNTED,
    ),
    Entry(
        "nufftlib.blur.poisson_gaussian_noise",
        lambda m: nl.blur.poisson_gaussian_noise(positive(m, 3, 4), 0.25, 0.1, seed=0),
        COUNTED,
    ),
    Entry(
        "nufftlib.blur.estimate_noise",
        lambda m: nl.blur.estimate_noise(positive(m, 9, 8), positive(m, 3, 2)),
        "the spectrum and the PSF to the CPU",
    ),
    Entry("nufftlib.blur.normal_equations", normal_equations, double=True),
    Entry("optim.minimize", descent(lambda: optim.sgd(0.1))),
    Entry("optim.projected", played_steps, "as its projection", "", True, 1e-7),
    Entry("optim.sgd", descent(lambda: optim.sgd(optim.linear_schedule(0.1, 0.01, 3), 0.9))),
    Entry("optim.projected_gradient", solver(optim.projected_gradient, SIMPLEX), double=True),
    Entry(
        "optim.spectral_projected_gradient",
        solver(optim.spectral_projected_gradient, SIMPLEX),
        double=True,
    ),
    Entry(
        "optim.accelerated_proximal_gradient",
        solver(optim.accelerated_proximal_gradient, SHRINK),
        double=True,
    ),
    Entry("optim.lbfgs", solver(optim.lbfgs, SIMPLEX), double=True),
    Entry("optim.lbfgs", solver(optim.lbfgs, diagonal=True), setting="diagonal", double=True),
    Entry("optim.lbfgs", lbfgs_of_each, setting="axes", double=True),
    Entry("optim.levenberg_marquardt", blocks),
    Entry(
        "nufftlib.mri.circulant_preconditioner",
        lambda m: nl.mri.circulant_preconditioner(small(m), m.complex(2, 6, 5), damping=0.5)(
            m.complex(2, 6, 5)
        ),
    ),
    Entry("optim.primal_dual", primal_dual, double=True),
    Entry("optim.conjugate_gradient", conjugate_gradient),
    Entry("optim.lsqr", bidiagonal(optim.lsqr)),
    Entry("optim.lsmr", bidiagonal(optim.lsmr)),
    Entry("optim.admm", admm, START, double=True),
    Entry("optim.lipschitz", lambda m: optim.lipschitz(*problem(m)), START, double=True),
    Entry(
        "optim.projected_gradient_norm",
        lambda m: optim.projected_gradient_norm(m.real(4), m.real(4), SIMPLEX),
        double=True,
    ),
    Entry("optim.projections.simplex", projected(SIMPLEX), double=True),
    Entry("optim.projections.l1_ball", projected(optim.projections.l1_ball(0.8)), double=True),
    Entry("optim.projections.l2_ball", projected(optim.projections.l2_ball(0.8)), double=True),
    Entry(
        "optim.projections.affine_sum", projected(optim.projections.affine_sum(0.8)), double=True
    ),
    Entry("optim.projections.box", projected(optim.projections.box(-0.5, 0.7))),
    Entry("optim.projections.nonnegative", projected(optim.projections.nonnegative())),
    Entry("optim.proximal.group_soft_threshold", penalty(GROUPS), double=True),
    Entry("optim.proximal.soft_threshold", penalty(SHRINK), double=True),
    Entry(
        "optim.proximal.total_variation",
        penalty(optim.proximal.total_variation(0.3, iterations=5)),
        double=True,
    ),
    Entry("optim.proximal.indicator", penalty(optim.proximal.indicator(SIMPLEX)), double=True),
    Entry("nufftlib.workflows.learn_trajectory", learned, "as `NUFFT`", "", True, 1e-6),
    Entry(
        "nufftlib.workflows.learn_trajectory",
        learned_within_limits,
        "as `NUFFT`",
        "protocol=...",
        True,
        1e-4,
    ),
    Entry("nufftlib.workflows.TrajectoryObjective", objective, "as `NUFFT`", "", True, 1e-6),
    Entry("nufftlib.workflows.ImagesObjective", of_images, NOISE, "", True, 1e-6),
    Entry("nufftlib.workflows.Augmentation", augmented, DRAWS),
    Entry("nufftlib.workflows.learn_on_images", learned_on_images, STEPS, "", True, 1e-6),
    Entry(
        "nufftlib.warp.register",
        registered,
        "the coarsest pictures, to the CPU; from it, which pixels count",
        eps=1e-6,
    ),
    *(
        Entry(
            "nufftlib.workflows.reconstruct",
            reconstructed(method),
            "as `NUFFT`",
            f"method={method!r}",
            True,
            1e-5,
            double=method in ("tv", "wavelet"),
        )
        for method in workflows.RECONSTRUCTIONS
    ),
    Entry("nufftlib.workflows.l_curve", curve, "as `NUFFT`", "", True, 1e-5),
    Entry("nufftlib.workflows.calibrate_psf", calibrated, double=True),
    Entry(
        "nufftlib.workflows.calibrate_field",
        field,
        "the blurred picture, whose noise is estimated if it is not given, to the CPU",
        double=True,
        eps=1e-6,
    ),
    Entry(
        "nufftlib.workflows.calibrate_pair",
        paired,
        "the PSF's matrix, the residuals and which pixels count, to the CPU",
        double=True,
        eps=1e-9,
    ),
    Entry("nufftlib.workflows.measure_psf", of_psf, PSF_ON_HOST),
    *(
        Entry(
            "nufftlib.workflows.deblur",
            deblurred(method),
            SPECTRUM,
            f"method={method!r}",
            double=method == "tv",
        )
        for method in workflows.DEBLURRING
    ),
    Entry("nufftlib.workflows.retrieve_phase", retrieved, STARTS, double=True),
    Entry(
        "nufftlib.workflows.calibrate_blind",
        blind,
        "the spectrum and the PSF to the CPU; filters and small matrices back",
        double=True,
    ),
    Entry("nufftlib.workflows.calibrate_from_stars", stars, STAMPS, "", False, 1e-8, double=True),
    Entry("nufftlib.workflows.slanted_edge_mtf", edge, ON_HOST, double=True),
    Entry(
        "nufftlib.workflows.simulate_blur",
        lambda m: workflows.simulate_blur(positive(m, 9, 8), size=3),
        "the PSF and the noise, from the CPU to the image's library and device",
    ),
    Entry(
        "nufftlib.workflows.identifiability",
        lambda m: list(workflows.identifiability(positive(m, 9, 8), 0.1, size=3))[:1],
        double=True,
    ),
    Entry("nufftlib.workflows.psf_error", errors(workflows.psf_error)),
    Entry(
        "nufftlib.workflows.shift_aligned_error", errors(workflows.shift_aligned_error), double=True
    ),
]


def is_optimizer(thing):
    """Tell whether it makes an optimiser of a learning rate alone."""
    if not inspect.isfunction(thing) or inspect.signature(thing).return_annotation not in OPTIMIZER:
        return False
    wanted = [p.name for p in inspect.signature(thing).parameters.values() if p.default is p.empty]
    return wanted == ["learning_rate"]


def is_operator(thing):
    """Tell whether it is a class of operators, and no base class."""
    is_one = isinstance(thing, type) and issubclass(thing, nl.LinearOperator)
    return is_one and not inspect.isabstract(thing)


def kinds(A, _):
    """Yield the type of an operator, its settings, and whether its parameters are complex."""
    yield type(A)
    yield from (value for value in vars(A).values() if isinstance(value, str))
    yield from ((type(A), p.dtype) for p in A.parameters.values())


def by_cases(name, cases):
    host, eps = any(case.host for case in cases), max(case.eps for case in cases)
    return Entry(name, lambda m: [used(m, *case.make(m)) for case in cases], host=host, eps=eps)


def derived():
    """Yield the entries that follow from cases and signatures."""
    cases = {}
    for case, A, _ in first_of_each(kinds):
        cases.setdefault(type(A), []).append(case)
    for name, thing in PUBLIC.items():
        if is_operator(thing) and thing in cases:  # a missing case is found in test_registry.py
            yield by_cases(name, cases[thing])
        elif is_optimizer(thing):
            yield Entry(name, by_rate(thing))


PUBLIC = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in PACKAGES
    for name in package.__all__
}
OPTIMIZER = optim.Optimizer, "Optimizer"
WRITTEN = {entry.name for entry in BY_HAND}
ENTRIES = [*BY_HAND, *(entry for entry in derived() if entry.name not in WRITTEN)]

LONG = ("nufftlib.workflows.", "nufftlib.mri.calibrate_delays")
IN_SINGLE = [e for e in ENTRIES if not (e.double or e.name.startswith(LONG))]

FILES = "NumPy arrays, of a file"
WRITTEN_FILE = "an array of any library and device, through the CPU, to a file"
PICTURE = "an array of any library and device, through the CPU, to a picture"
FIELDS = "its own arrays"
NO_ARRAYS = "no arrays"
WITHOUT_CALL = {
    "nufftlib.NotConvergedWarning": "a warning",
    "nufftlib.OperatorReport": "numbers, no arrays",
    "nufftlib.blur": "a package",
    "nufftlib.mri": "a package",
    "nufftlib.warp": "a package",
    "nufftlib.warp.Registration": FIELDS,
    "optim.projections": "a module",
    "optim.proximal": "a module",
    "optim.constant": NO_ARRAYS,
    "optim.cosine_schedule": NO_ARRAYS,
    "optim.linear_schedule": NO_ARRAYS,
    "optim.step_schedule": NO_ARRAYS,
    "optim.warmup_schedule": NO_ARRAYS,
    "optim.Checkpoint": "what is saved, to the CPU; what goes on, back",
    "optim.CheckpointError": NO_ARRAYS,
    "optim.Optimizer": FIELDS,
    "optim.Result": FIELDS,
    "optim.NonFiniteError": FIELDS,
    "optim.proximal.Penalty": "two functions of the caller's",
    "nufftlib.mri.trajectories": "a package",
    "nufftlib.mri.trajectories.tools": "a package",
    "nufftlib.mri.sampling": "a package",
    "nufftlib.mri.sampling.AttractedTrajectory": FIELDS,
    "nufftlib.mri.trajectories.patterns": "functions of the same package",
    "nufftlib.mri.trajectories.tilt_angle": NO_ARRAYS,
    "nufftlib.mri.trajectories.tiny_golden_angle": NO_ARRAYS,
    "nufftlib.mri.Certificate": NO_ARRAYS,
    "nufftlib.mri.CalibratedDelays": FIELDS,
    "nufftlib.mri.CompressedCoils": FIELDS,
    "nufftlib.mri.EspiritMaps": FIELDS,
    "nufftlib.mri.Hole": FIELDS,
    "nufftlib.mri.LinearNerveModel": "NumPy arrays; `check_trajectory` gives it those",
    "nufftlib.mri.NerveModel": "an interface",
    "nufftlib.mri.ProjectedTrajectory": FIELDS,
    "nufftlib.mri.PointSpread": FIELDS,
    "nufftlib.mri.Protocol": NO_ARRAYS,
    "nufftlib.mri.Scanner": NO_ARRAYS,
    "nufftlib.mri.TrajectoryReport": FIELDS,
    "nufftlib.workflows.DEBLURRING": NO_ARRAYS,
    "nufftlib.workflows.RECONSTRUCTIONS": NO_ARRAYS,
    "nufftlib.workflows.ReconstructedImage": FIELDS,
    "nufftlib.workflows.LCurve": FIELDS,
    "nufftlib.blur.FocalShift": "NumPy arrays; `Diffraction` gives it those",
    "nufftlib.workflows.METHODS": NO_ARRAYS,
    "nufftlib.workflows.NUISANCES": NO_ARRAYS,
    "nufftlib.workflows.DeblurredPicture": FIELDS,
    "nufftlib.workflows.BlindCalibration": FIELDS,
    "nufftlib.workflows.CalibratedPair": FIELDS,
    "nufftlib.workflows.CalibratedField": FIELDS,
    "nufftlib.workflows.CalibratedPSF": FIELDS,
    "nufftlib.workflows.CalibratedStars": FIELDS,
    "nufftlib.workflows.RejectedStar": FIELDS,
    "nufftlib.workflows.SlantedEdge": FIELDS,
    "nufftlib.workflows.Identifiability": FIELDS,
    "nufftlib.workflows.ImageScore": NO_ARRAYS,
    "nufftlib.workflows.ImageSet": FIELDS,
    "nufftlib.workflows.LearnedOnImages": FIELDS,
    "nufftlib.workflows.LearnedTrajectory": FIELDS,
    "nufftlib.workflows.RetrievedPhase": FIELDS,
    "nufftlib.workflows.load_color": FILES,
    "nufftlib.workflows.load_gray": FILES,
    "nufftlib.workflows.load_images": FILES,
    "nufftlib.workflows.load_picture": FILES,
    "nufftlib.workflows.load_psf": FILES,
    "nufftlib.workflows.load_stack": FILES,
    "nufftlib.workflows.load_volume": FILES,
    "nufftlib.workflows.open_images": FILES,
    "nufftlib.workflows.save_psf": WRITTEN_FILE,
    "nufftlib.workflows.Stack": FIELDS,
    "nufftlib.workflows.StoredImages": FILES,
    "nufftlib.workflows.Curve": FIELDS,
    "nufftlib.workflows.Measured": FIELDS,
    "nufftlib.workflows.PSFMeasures": FIELDS,
    "nufftlib.io.SafeNerveModel": "NumPy arrays; `check_trajectory` gives it those",
    "nufftlib.io.Scan": FIELDS,
    "nufftlib.io.TrajectoryFile": FIELDS,
    "nufftlib.io.load_trajectory": FILES,
    "nufftlib.io.read_scan": FILES,
    "nufftlib.io.read_trajectory": FILES,
    "nufftlib.io.save_trajectory": WRITTEN_FILE,
    "nufftlib.io.write_bart": WRITTEN_FILE,
    "nufftlib.io.write_mrd": WRITTEN_FILE,
    "nufftlib.io.write_pulseq": WRITTEN_FILE,
    "nufftlib.plots.draw_density": PICTURE,
    "nufftlib.plots.draw_edge": PICTURE,
    "nufftlib.plots.draw_field": PICTURE,
    "nufftlib.plots.draw_kspace": PICTURE,
    "nufftlib.plots.draw_overview": PICTURE,
    "nufftlib.plots.draw_phase": PICTURE,
    "nufftlib.plots.draw_point_spread": PICTURE,
    "nufftlib.plots.draw_psf": PICTURE,
    "nufftlib.plots.draw_stars": PICTURE,
    "nufftlib.plots.draw_waveforms": PICTURE,
    "nufftlib.data.astronaut": FILES,
    "nufftlib.data.brain": FILES,
}
"""The other public names, and what stands in their way."""

ROWS = [*CPU_ROWS, "jax", *CUDA_ROWS]
COLUMNS = {
    "numpy": "NumPy",
    "strict": "strict",
    "torch": "torch",
    "jax": "JAX",
    "cupy": "CuPy",
    "torch-cuda": "torch, CUDA",
    "jax-cuda": "JAX, CUDA",
}
MARKERS = "<!--- table -->\n", "<!--- end of table -->\n"


def runs(entry, row, precision):
    """Whether it is tested there.

    JAX compiles each operation anew for each shape and precision. In single precision it has every
    sixth entry of those that work without double precision and are no workflows. What JAX computes
    is tested in double precision, and that single arrays stay single on the other rows: both
    together show in a few entries. Read-only arrays are tested in double precision.
    """
    if precision == "double":
        return True
    if row.startswith("jax"):
        return entry in IN_SINGLE[2::6]
    return row != "numpy-readonly"


def marks_of(row):
    return [pytest.mark.gpu] if row in CUDA_ROWS else []


def cell(entry, row):
    tested = "gpu" if marks_of(row) else "yes"
    return f"{tested}, x64" if entry.double and row.startswith("jax") else tested


def table():
    entries = sorted(ENTRIES, key=lambda entry: list(PUBLIC).index(entry.name))
    lines = [
        f"| function | {' | '.join(COLUMNS.values())} | copied |",
        f"|{'---|' * (len(COLUMNS) + 2)}",
        *(
            f"| `{e.title}` | {' | '.join(cell(e, row) for row in COLUMNS)} | {e.copies} |"
            for e in entries
        ),
        "",
        "| other names | |",
        "|---|---|",
        *(f"| `{name}` | {why} |" for name, why in WITHOUT_CALL.items()),
    ]
    return "\n".join(lines) + "\n"


def with_table(page):
    """Return the page with the table of this registry between its markers."""
    begin, end = MARKERS
    head, rest = page.split(begin)
    return f"{head}{begin}\n{table()}\n{end}{rest.split(end)[1]}"
