"""A wrong kind is an error in one manner of words: for every public signature of `nufftlib`.

The message begins with the call, names the argument, and says what is wanted. A new function,
class or method goes into these tables with a call that works, and a new argument with values of
the wrong kind: the first tests say what is missing. ``tests/optim/test_settings.py`` does the same
for `optim`.
"""

import importlib
import inspect
import os
import re
import types
from fractions import Fraction

import numpy as np
import pytest
from packages import ADAPTERS, PACKAGES
from patterns import PATTERNS

import nufftlib as nl
from nufftlib import blur, data, io, mri, plots, warp, workflows
from nufftlib.core import kinds
from nufftlib.inverse.differential import Differentiable

RNG = np.random.default_rng(0)
K = RNG.uniform(-0.4, 0.4, (4, 9, 2))
SHAPE = (14, 15)
X = RNG.random(SHAPE) + 0.5
H = np.full((3, 3), 1 / 9)
PICTURE = RNG.random((33, 32))
STARS = 50 * np.exp(-0.5 * np.hypot(*np.mgrid[-8:9, -8:9]) ** 2)
EDGE = 0.5 + np.arctan(np.arange(32) - 16 - 0.13 * np.arange(-20, 20)[:, None]) / 4
FOUND_STARS = workflows.calibrate_from_stars(STARS, size=5, noise=0.5, rounds=1)
FOUND_EDGE = workflows.slanted_edge_mtf(EDGE)
COILS = RNG.random((2, *SHAPE)) + 0j
F = nl.NUFFT(K, SHAPE, engine="direct")
POINTS = np.ones(K.shape[:-1])
FRAMES = nl.NUFFT(K[:3], (4, 4), engine="direct")
FOUND_IMAGE = workflows.reconstruct(np.ones((2, 4, 9), complex), K, SHAPE, maps=COILS, steps=1)
BLURRED = nl.Blur(H)(X)
TURNS = {"in_out": True, "tilt": "golden"}
XP = {"xp": np, "dtype": np.float64, "device": "cpu"}
V = np.ones(3)
PROBLEM = nl.PenalizedLeastSquares(nl.Diagonal(V), damping=0.5)
SCANNER = mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
SCAN = mri.Protocol(SCANNER, 0.24, SHAPE)
FILE = open(os.devnull, "wb")  # noqa: SIM115  # of all tests
OPTICS = blur.ThroughFocus(9, (0.0, 0.5), indices=(4, 5))
STACK = 100 * OPTICS(np.asarray([0.05, 0.03])) + 1.0
FOUND = workflows.retrieve_phase(STACK, OPTICS, steps=1, starts=1)
CURVE = 1e-4 * RNG.standard_normal((2, 9, 2))
TOOLS = mri.trajectories.tools
SPOKES = mri.trajectories.radial(14, 9, dtype=np.float64)
SPATIAL = RNG.uniform(-0.4, 0.4, (4, 9, 3))


SIMILARITY = {
    "data_range": 0.5,
    "window": "gaussian",
    "size": 3,
    "sigma": 1.5,
    "k1": 0.25,
    "k2": 0.5,
    "sample_covariance": False,
    "mask": X > 0,
    "ndim": 2,
}


def spokes(shots):
    return mri.trajectories.radial(shots, 9, dtype=np.float64)


# --- calls that work ----------------------------------------------------------------------------

FUNCTIONS = {  # a call that works, of every public function and class
    nl.NUFFT: {
        "trajectory": K,
        "shape": SHAPE,
        "norm": None,
        "eps": 1e-6,
        "engine": "direct",
        "memory_limit": 2**20,
    },
    nl.Blur: {"psf": H, "boundary": "valid", "ndim": 2, "method": "auto"},
    nl.Downsample: {
        "psf": H,
        "factor": 2,
        "shape": SHAPE,
        "boundary": "valid",
        "method": "auto",
    },
    nl.SpaceVaryingBlur: {
        "psf": H[None],
        "weights": X[None],
        "boundary": "zero",
        "ndim": 2,
        "method": "auto",
    },
    nl.Warp: {
        "shift": V[:2],
        "rotation": np.asarray(0.25),
        "scale": np.asarray(1.5),
        "boundary": "reflect",
    },
    nl.PointSources: {
        "positions": H[:, :2],
        "fluxes": V,
        "size": 5,
        "stamp": 3,
        "oversampling": 1,
        "orders": (0, 0),
    },
    nl.Sense: {"maps": COILS},
    nl.OffResonance: {"operator": F, "field_map": X, "times": POINTS, "eps": 1e-6},
    nl.FieldOfViewShift: {"operator": F, "shift": V[:2]},
    nl.Subspace: {"operator": FRAMES, "basis": H[:, :2], "axis": -2},
    nl.Wavelet: {"shape": (8, 4), "wavelet": "db2", "levels": 2},
    nl.FFT: {"shape": SHAPE, "norm": None},
    nl.PartitionFFT: {"shape": (4, 3), "partitions": (0, -2), "norm": None},
    nl.Paired: {"operator": nl.Diagonal(V), "stacks": {"weights": H}},
    nl.Diagonal: {"weights": V},
    nl.FiniteDifferences: {"shape": SHAPE},
    nl.BlockDiagonal: {"blocks": np.eye(3)},
    nl.Inverse: {
        "operator": nl.Diagonal(V),
        "tolerance": 1e-6,
        "steps": 9,
        "preconditioner": None,
    },
    mri.circulant_preconditioner: {"F": F, "maps": COILS, "damping": 0.5, "weights": POINTS},
    nl.LeastSquares: {
        "model": nl.BlockDiagonal(np.eye(3)),
        "damping": 0.5,
        "weights": V,
        "regularizer": None,
        "guess": None,
        "tolerance": 1e-6,
        "steps": 9,
        "preconditioner": None,
    },
    nl.Charbonnier: {"scale": 0.5, "delta": 0.25, "operator": nl.Diagonal(V), "axis": None},
    nl.PenalizedLeastSquares: {
        "model": nl.BlockDiagonal(np.eye(3)),
        "penalty": None,
        "damping": 0.5,
        "weights": V,
        "guess": None,
        "tolerance": 1e-6,
        "steps": 9,
        "iterations": 9,
    },
    nl.UnrolledProximalGradient: {
        "problem": PROBLEM,
        "steps": 3,
        "step_size": 0.5,
        "threshold": 0.25,
        "accelerated": True,
    },
    nl.UnrolledConjugateGradient: {"problem": PROBLEM, "steps": 3},
    nl.HalfSquaredError: {"target": V, "weights": V},
    nl.MeanSquaredError: {"target": V, "mask": V > 0},
    nl.MeanAbsoluteError: {"target": V, "mask": V > 0},
    nl.Huber: {"target": V, "delta": 0.5},
    nl.PoissonLikelihood: {"target": V, "gain": 0.5, "background": 0.25},
    nl.SSIM: {"target": X, **SIMILARITY},
    nl.MultiScaleSSIM: {"target": X, **SIMILARITY, "weights": (0.5, 0.5)},
    nl.psnr: {"image": X, "reference": X, "data_range": 0.5, "mask": X > 0, "ndim": 2},
    nl.nrmse: {"image": X, "reference": X, "mask": X > 0, "ndim": 2},
    nl.ssim: {"image": X, "reference": X, **SIMILARITY},
    nl.ms_ssim: {"image": X, "reference": X, **SIMILARITY, "weights": (0.5, 0.5)},
    nl.Quadratic: {"gram": np.eye(3), "rhs": V, "constant": 0.5},
    nl.Magnitude: {},
    nl.MeanNormalize: {},
    nl.check_operator: {
        "operator": nl.Diagonal(V),
        "x": V,
        "parameters": ["weights"],
        "seed": 0,
        "dot_tolerance": 1e-9,
        "difference_tolerance": 1e-5,
    },
    nl.convert: {"tree": nl.Diagonal(V), "xp": np, "device": "cpu"},
    nl.inner: {"a": V, "b": V},
    **{
        pattern.make: {
            "shots": pattern.shots[1],
            "samples": 200,
            **pattern.settings,
            **{k: v for k, v in TURNS.items() if k in inspect.signature(pattern.make).parameters},
            **XP,
        }
        for pattern in PATTERNS
    },
    mri.trajectories.patterns: {"ndim": 2},
    mri.trajectories.tilt_angle: {"tilt": "golden", "shots": 4, "in_out": False},
    mri.trajectories.tiny_golden_angle: {"order": 7},
    TOOLS.stack: {"k": K, "stacks": 3, "tilt": "golden", "bounded": False},
    TOOLS.rotate: {"k": K, "rotations": 3, "tilt": "golden", "axis": 1},
    TOOLS.precess: {
        "k": K,
        "rotations": 3,
        "tilt": "uniform",
        "half": True,
        "partition": "polar",
        "axis": [1.0, 0, 0],
    },
    TOOLS.conify: {
        "k": K,
        "cones": 3,
        "tilt": "golden",
        "in_out": True,
        "max_angle": 1.0,
        "borders": True,
    },
    TOOLS.duplicate_along_axes: {"k": SPATIAL, "axes": (0, 2)},
    TOOLS.place: {"k": K, "offsets": K[0]},
    TOOLS.stack_random: {
        "k": K,
        "stacks": 3,
        "size": 8,
        "calibration": 1,
        "density": "gaussian",
        "order": "up",
        "seed": 1,
    },
    TOOLS.in_out: {"k": K - K[:, :1], "partner": "opposite"},
    TOOLS.oversample: {"k": K, "samples": 20, "kind": "linear"},
    TOOLS.radialize_centre: {"k": K, "samples": 3, "in_out": True},
    TOOLS.epify: {"k": K, "trains": 2, "transition": 3, "alternate": True},
    TOOLS.unepify: {"x": K, "samples": 3, "transition": 3, "alternate": True},
    TOOLS.caipi_offsets: {
        "shape": (8, 9),
        "acceleration": (2, 3),
        "shift": 1,
        "calibration": (2, 2),
        **XP,
    },
    TOOLS.packing_offsets: {
        "number": 5,
        "packing": "square",
        "shape": "circle",
        "spacing": (1.0, 2.0),
        "seed": 1,
        **XP,
    },
    TOOLS.stack_spherically: {
        "make": spokes,
        "shots": 6,
        "stacks": 2,
        "tilt": "golden",
        "bounded": False,
    },
    TOOLS.shells: {
        "make": spokes,
        "shots": 6,
        "shells": 2,
        "tilt": "uniform",
        "lower": "reversed",
    },
    mri.sampling.random_samples: {"density": X, "count": 5, "seed": 0},
    mri.sampling.poisson_disc_samples: {"density": X, "count": 5, "seed": 0},
    mri.sampling.lloyd_samples: {"density": X, "count": 5, "seed": 0, "steps": 1, "cloud": 4},
    mri.sampling.decay_density: {"shape": SHAPE, "cutoff": 0.25, "power": 2.0, **XP},
    mri.sampling.polynomial_density: {"shape": SHAPE, "power": 2.0, **XP},
    mri.sampling.wavelet_density: {
        "shape": SHAPE,
        "moments": 2,
        "levels": 2,
        "separable": False,
        **XP,
    },
    mri.sampling.energy_density: {"images": X, "ndim": 2},
    mri.sampling.AttractionRepulsion: {"density": X, "grid": 32, "engine": "direct"},
    mri.sampling.attract_repel: {
        "k": CURVE,
        "density": X,
        "protocol": SCAN,
        "fixed": None,
        "steps": 1,
        "learning_rate": 0.25,
        "grid": 32,
        "engine": "direct",
        "callback": None,
        "progress": False,
    },
    mri.from_radians: {"k": K},
    mri.from_cycles_per_fov: {"k": K, "shape": SHAPE},
    mri.to_radians: {"k": K},
    mri.to_cycles_per_fov: {"k": K, "shape": SHAPE},
    mri.from_cycles_per_metre: {"k": K, "shape": SHAPE, "fov": 0.24},
    mri.to_cycles_per_metre: {"k": K, "shape": SHAPE, "fov": 0.24},
    mri.birdcage_maps: {
        "coils": 2,
        "shape": (4, 5),
        "radius": 1.5,
        "rings": 2,
        "angle": 0.5,
        **XP | {"dtype": np.complex128},
    },
    mri.low_frequency_maps: {
        "F": F,
        "data": F(COILS),
        "weights": POINTS,
        "radius": 0.25,
        "smoothing": 2.0,
    },
    mri.espirit_maps: {
        "calibration": COILS + 0j,
        "shape": (16, 17),
        "kernel": 3,
        "threshold": 0.5,
        "crop": 0.5,
        "sets": 1,
        "soft": False,
    },
    mri.walsh_maps: {"images": COILS + 0j, "window": 3},
    mri.calibration_region: {"F": F, "data": F(COILS), "size": (3, 3)},
    mri.field_map_from_echoes: {
        "first": COILS,
        "second": COILS,
        "spacing": 0.25,
        "smoothing": 0.5,
    },
    mri.CoilMatrix: {"matrix": COILS[:, 0, :2], "samples": (3, 4)},
    mri.whiten: {"noise": COILS, "samples": (3, 4)},
    mri.compress_coils: {"data": COILS, "coils": 1},
    mri.GradientDelays: {"trajectory": CURVE},
    mri.GradientResponse: {"trajectory": CURVE},
    mri.calibrate_delays: {
        "F": nl.NUFFT(SPOKES, (8, 8), engine="direct"),
        "data": SPOKES[None, ..., 0] + 0j,
        "size": (6, 6),
        "steps": 1,
    },
    mri.cell_count_weights: {"F": F, "grid": (8, 8)},
    mri.shell_weights: {"F": nl.NUFFT(CURVE, SHAPE, engine="direct")},
    mri.voronoi_weights: {"F": F},
    mri.pipe_menon: {
        "F": F,
        "width": 4,
        "grid": (16, 16),
        "iterations": 1,
        "start": np.ones_like(POINTS),
    },
    mri.PipeMenon: {
        "F": F,
        "width": 4,
        "grid": (16, 16),
        "iterations": 1,
        "start": np.ones_like(POINTS),
    },
    mri.Scanner: {"gmax": 40e-3, "smax": 180.0, "raster": 1e-5, "gamma": 1e7, "norm": "l2"},
    mri.Protocol: {
        "scanner": SCANNER,
        "fov": 0.24,
        "shape": SHAPE,
        "dwell": 4e-6,
        "rest": "start",
    },
    mri.gradients: {"k": CURVE, "protocol": SCAN},
    mri.slew_rates: {"k": CURVE, "protocol": SCAN},
    mri.trajectory_from_gradients: {
        "waveform": CURVE,
        "protocol": SCAN,
        "start": CURVE[:, 0],
    },
    mri.largest_hole: {"k": K},
    mri.point_spread: {"k": K, "shape": SHAPE, "weights": POINTS},
    mri.check_trajectory: {"k": CURVE, "protocol": SCAN, "nerve": None},
    mri.LinearNerveModel: {"chronaxie": 360e-6, "rheobase": 20.0, "effective_length": 0.333},
    mri.BSpline: {
        "points": 5,
        "samples": 9,
        "spacing": 0.5,
        "first": 0.25,
        "rest": "both",
        "ndim": 2,
    },
    mri.receiver: {"protocol": SCAN, "samples": 9},
    mri.project_trajectory: {
        "k": CURVE,
        "protocol": SCAN,
        "fixed": {0: (0.0, 0.0)},
        "tolerance": 1e-6,
        "start": None,
        "iterations": 9,
    },
    mri.traverse: {"curve": CURVE, "protocol": SCAN, "samples": 200},
    mri.TrajectoryProjection: {"protocol": SCAN, "fixed": None, "tolerance": 1e-6},
    blur.motion_psf: {"size": 5, "seed": 0, "length": 0.25, "std": 0.25, "batch": 2, **XP},
    blur.grid_weights: {"grid": 2, "shape": (3, 4), **XP},
    blur.gaussian_psf: {"size": 5, "std": 1.5, "angle": 0.5, **XP},
    blur.defocus_psf: {"size": 5, "radius": 1.5, **XP},
    blur.Diffraction: {
        "size": 5,
        "indices": (4, 5),
        "cutoff": 0.25,
        "modes": (blur.FocalShift(0.5, 0.8),),
    },
    blur.FocalShift: {"wavelength": 0.5, "aperture": 0.8, "index": 1.0},
    blur.ThroughFocus: {
        "size": 5,
        "defocus": (0.0, 0.5),
        "indices": (4, 5),
        "cutoff": 0.25,
        "focus": None,
        "bead": 0.5,
        "pixel": True,
    },
    blur.random_psf: {"size": 5, "kind": "gaussian", "seed": 0, "batch": (2, 3), **XP},
    blur.gaussian_noise: {"x": X, "std": 0.5, "seed": 0},
    blur.poisson_noise: {"x": X, "gain": 0.5, "seed": 0},
    blur.poisson_gaussian_noise: {"x": X, "gain": 0.5, "std": 0.5, "seed": 0},
    warp.register: {"fixed": PICTURE, "moving": PICTURE, "motion": "shift"},
    blur.normal_equations: {"blur": nl.Blur(H), "x": X, "y": BLURRED},
    workflows.learn_trajectory: {
        "image": X,
        "coil_maps": COILS,
        "trajectory": CURVE,
        "maps": "true",
        "constants": False,
        "reconstruction": "adjoint",
        "loss": "mse",
        "steps": 1,
        "learning_rate": (1e-5, 0.0),
        "eps": 1e-4,
        "engine": "direct",
        "protocol": SCAN,
        "fixed": None,
        "control_points": (2, 4),
        "callback": None,
        "progress": False,
        "checkpoint": None,
    },
    workflows.TrajectoryObjective: {
        "image": X,
        "coil_maps": COILS,
        "nufft": F,
        "maps": "true",
        "constants": False,
        "reconstruction": "adjoint",
        "loss": "mse",
        "noise": F(COILS),
        "density_start": np.ones_like(POINTS),
        "density_iterations": 1,
    },
    workflows.ImagesObjective: {
        "images": X[None],
        "coil_maps": COILS,
        "nufft": F,
        "maps": "true",
        "constants": False,
        "reconstruction": "adjoint",
        "loss": "mse",
        "noise": 0.5,
        "seed": 1,
    },
    workflows.Augmentation: {
        "flips": True,
        "quarter_turns": False,
        "phase": 0.5,
        "coils": (1.5, 2.0),
    },
    workflows.learn_on_images: {
        "images": X[None],
        "coil_maps": COILS,
        "trajectory": CURVE,
        "validation": X[None],
        "maps": "true",
        "reconstruction": "adjoint",
        "loss": "mse",
        "constants": False,
        "epochs": 1,
        "batch": 2,
        "seed": 0,
        "augment": None,
        "patience": 1,
        "learning_rate": (1e-5, 0.0),
        "noise": 0.25,
        "eps": 1e-4,
        "engine": "direct",
        "protocol": SCAN,
        "fixed": None,
        "control_points": (2, 4),
        "callback": None,
        "progress": False,
        "checkpoint": None,
        "pool": None,
    },
    workflows.calibrate_psf: {
        "sharp": X,
        "blurred": BLURRED,
        "method": "adam",
        "size": 3,
        "ndim": 2,
        "steps": 1,
        "boundary": "valid",
        "path": "general",
        "tolerance": 0.0,
        "truth": H,
        "callback": None,
        "progress": False,
        "checkpoint": None,
    },
    workflows.calibrate_field: {
        "sharp": X,
        "blurred": BLURRED,
        "grid": (1, 2),
        "size": 3,
        "boundary": "valid",
        "smoothness": 0.5,
        "noise": 0.25,
        "steps": 1,
        "tolerance": 0.5,
        "callback": None,
        "progress": False,
        "checkpoint": None,
    },
    workflows.calibrate_pair: {
        "sharp": X,
        "blurred": BLURRED,
        "size": 3,
        "nuisances": ("photometry",),
        "seen": None,
        "noise": None,
        "callback": None,
        "checkpoint": None,
    },
    blur.estimate_noise: {"picture": X, "psf": H},
    workflows.deblur: {
        "blurred": BLURRED,
        "psf": H,
        "ndim": 2,
        "method": "richardson-lucy",
        "noise": 0.25,
        "weight": 0.25,
        "boundary": "valid",
        "nonnegative": True,
        "background": 0.0,
        "seen": None,
        "steps": 1,
        "callback": None,
        "progress": False,
        "checkpoint": None,
    },
    workflows.reconstruct: {
        "data": np.ones((2, 4, 9), complex),
        "trajectory": K,
        "shape": SHAPE,
        "method": "cg",
        "maps": COILS,
        "noise": 0.5,
        "weight": 0.5,
        "field_map": None,
        "times": None,
        "steps": 1,
        "callback": None,
        "progress": False,
        "checkpoint": None,
    },
    workflows.l_curve: {
        "data": np.ones((2, 4, 9), complex),
        "trajectory": K,
        "shape": SHAPE,
        "found": FOUND_IMAGE,
        "method": "cg",
        "field_map": None,
        "times": None,
        "steps": 1,
        "checkpoint": None,
    },
    workflows.retrieve_phase: {
        "stack": STACK,
        "optics": OPTICS,
        "gain": None,
        "std": 0.5,
        "shifts": "common",
        "starts": 1,
        "steps": 1,
        "tolerance": 0.5,
        "seed": 0,
        "callback": None,
        "checkpoint": None,
    },
    workflows.simulate_blur: {
        "sharp": X,
        "psf": "motion",
        "size": 3,
        "ndim": 2,
        "boundary": "valid",
        "noise": 0.25,
        "seed": 0,
    },
    workflows.identifiability: {
        "sharp": X,
        "noise": 0.25,
        "size": 3,
        "ndim": 2,
        "boundary": "valid",
    },
    workflows.psf_error: {"psf": H, "truth": H},
    workflows.calibrate_blind: {
        "blurred": X[:3, :3],
        "size": 1,
        "weight": 0.5,
        "rounds": 1,
        "callback": None,
        "checkpoint": None,
    },
    workflows.calibrate_from_stars: {
        "picture": STARS,
        "size": 5,
        "oversampling": 1,
        "positions": np.asarray([[8.0, 8.0]]),
        "threshold": 5.5,
        "noise": 0.5,
        "saturation": 1e3,
        "background": "constant",
        "grid": None,
        "rounds": 1,
        "callback": None,
    },
    workflows.slanted_edge_mtf: {"picture": EDGE, "degree": 1, "window": 1.5},
    workflows.measure_psf: {"psf": H, "covariance": None, "ideal": None, "pitch": 0.5},
    workflows.shift_aligned_error: {"psf": H, "truth": H},
    io.save_trajectory: {"path": "saved.npz", "k": CURVE, "protocol": SCAN},
    io.load_trajectory: {"path": "scan.npz"},
    io.read_scan: {
        "path": "raw.npz",
        "trajectory": "points.npy",
        "unit": "1/m",
        "shape": SHAPE,
        "fov": 0.24,
    },
    io.read_trajectory: {"path": "points.npy", "unit": "1/m", "shape": SHAPE, "fov": 0.24},
    io.write_bart: {"path": "saved.cfl", "k": CURVE, "shape": SHAPE},
    plots.draw_kspace: {"k": K, "file": FILE, "shot": 1, "hole": None},
    plots.draw_density: {"k": K, "shape": SHAPE, "file": FILE},
    plots.draw_point_spread: {"k": K, "shape": SHAPE, "file": FILE},
    plots.draw_field: {"psfs": H[None, None], "shape": 8, "file": FILE, "residual": None},
    plots.draw_phase: {"stack": STACK, "result": FOUND, "file": FILE, "truth": None},
    plots.draw_stars: {"field": STARS, "result": FOUND_STARS, "file": FILE, "truth": None},
    plots.draw_edge: {"edge": EDGE, "result": FOUND_EDGE, "file": FILE, "truth": None},
    plots.draw_psf: {
        "psf": H,
        "file": FILE,
        "covariance": None,
        "ideal": None,
        "truth": None,
        "pitch": 0.5,
    },
    plots.draw_waveforms: {"k": CURVE, "protocol": SCAN, "file": FILE, "shot": 1},
    plots.draw_overview: {
        "k": CURVE,
        "shape": SHAPE,
        "file": FILE,
        "protocol": SCAN,
        "shot": 1,
        "hole": None,
        "spread": None,
    },
    workflows.load_gray: {"path": "picture.npy", "size": 4, "encoding": "srgb"},
    workflows.load_color: {"path": "picture.npy", "size": 4, "encoding": "srgb"},
    workflows.load_picture: {"path": "picture.npy", "encoding": "srgb"},
    workflows.load_psf: {"path": "picture.npy", "ndim": 2, "encoding": "srgb"},
    workflows.load_stack: {"path": "volume.npy"},
    workflows.save_psf: {"path": "psf.tif", "psf": X / X.max(), "pixel_size": (1e-6, 1e-6)},
    workflows.load_volume: {"path": "volume.npy", "size": 4},
    workflows.load_images: {
        "path": "volume.npy",
        "size": 2,
        "plane": None,
        "slices": None,
        "progress": False,
    },
    workflows.open_images: {
        "path": "volume.npy",
        "size": 2,
        "plane": None,
        "slices": None,
        "bright": True,
        "pool": None,
    },
    data.brain: {},
    data.astronaut: {},
}
HOOKS = (  # that authors of operators, losses and iterations write
    "inner_names(",
    "joined_to(",
    "at(",
    "differential(",
    "inverse_at(",
    "added_slope(",
    "begin(",
    "advance(",
)
NOT_CALLED_WITH_SETTINGS = {
    nl.LinearOperator,  # a base class, as Map is
    nl.Map,
    nl.NotConvergedWarning,  # which the library gives
    io.SafeNerveModel,  # needs pypulseq, as the next; tests/io has their errors
    io.write_pulseq,
    io.write_mrd,  # needs ismrmrd
    mri.NerveModel,  # an interface
    mri.CalibratedDelays,
    mri.CompressedCoils,
    mri.EspiritMaps,
    mri.Hole,  # results, which the library makes
    mri.PointSpread,
    nl.OperatorReport,
    mri.Certificate,
    mri.ProjectedTrajectory,
    mri.TrajectoryReport,
    mri.sampling.AttractedTrajectory,
    workflows.BlindCalibration,
    workflows.CalibratedPair,
    workflows.Curve,
    workflows.Measured,
    workflows.PSFMeasures,
    workflows.CalibratedField,
    workflows.CalibratedPSF,
    workflows.DeblurredPicture,
    workflows.LCurve,
    workflows.ReconstructedImage,
    io.Scan,
    workflows.CalibratedStars,
    workflows.RejectedStar,
    workflows.SlantedEdge,
    workflows.Identifiability,
    warp.Registration,
    workflows.ImageScore,
    workflows.ImageSet,
    workflows.LearnedOnImages,
    workflows.LearnedTrajectory,
    workflows.Stack,
    workflows.StoredImages,
    workflows.RetrievedPhase,
    io.TrajectoryFile,
}

OPERATORS = {  # an operator of each class, and its input
    "NUFFT": (F, X + 0j),
    "Blur": (nl.Blur(H), X),
    "Downsample": (nl.Downsample(H, 2, SHAPE), X),
    "SpaceVaryingBlur": (nl.SpaceVaryingBlur(H[None], X[None], "zero"), X),
    "Warp": (nl.Warp(0.3 * V[:2], np.asarray(0.25)), X),
    "PointSources": (nl.PointSources(H[:, :2], V, 3, 3), H),
    "Sense": (nl.Sense(COILS), X),
    "CoilMatrix": (mri.CoilMatrix(np.ones((2, 3)), (3,)), np.ones((3, 3))),
    "OffResonance": (nl.OffResonance(F, X, POINTS), X + 0j),
    "FieldOfViewShift": (nl.FieldOfViewShift(F, V[:2]), POINTS + 0j),
    "Paired": (nl.Paired(nl.Diagonal(V), {"weights": H}), H),
    "Diagonal": (nl.Diagonal(V), V),
    "BlockDiagonal": (nl.BlockDiagonal(np.eye(3)), V),
    "Inverse": (nl.Inverse(nl.Diagonal(V)), V),
    "LeastSquares": (nl.LeastSquares(nl.Diagonal(V), 0.5), V),
    "a product": (nl.Diagonal(V) @ nl.BlockDiagonal(np.eye(3)), V),
    "a sum": (nl.Diagonal(V) + nl.BlockDiagonal(np.eye(3)), V),
    "a multiple": (2 * nl.Diagonal(V), V),
    "an adjoint": (nl.Diagonal(V + 1j).H, V),
    "a convolution": (F.gram(method="toeplitz"), X + 0j),
}
MAPS = {  # a map of each class, and its argument
    "HalfSquaredError": (nl.HalfSquaredError(V), V),
    "MeanSquaredError": (nl.MeanSquaredError(V), V),
    "MeanAbsoluteError": (nl.MeanAbsoluteError(V), V),
    "Huber": (nl.Huber(V, 0.5), V),
    "PoissonLikelihood": (nl.PoissonLikelihood(V), V),
    "SSIM": (nl.SSIM(X, size=5), X),
    "MultiScaleSSIM": (nl.MultiScaleSSIM(X, size=5, weights=(0.5, 0.5)), X),
    "Quadratic": (nl.Quadratic(np.eye(3), V, 0.5), V),
    "Magnitude": (nl.Magnitude(), V),
    "FiniteDifferences": (nl.FiniteDifferences(SHAPE), X),
    "FFT": (nl.FFT(SHAPE), X),
    "Subspace": (nl.Subspace(FRAMES, H[:, :2]), np.ones((2, 4, 4)) + 0j),
    "Wavelet": (nl.Wavelet((4, 8), "haar", 2), np.ones((4, 8))),
    "PartitionFFT": (nl.PartitionFFT(SHAPE, (0, 1)), X),
    "Charbonnier": (nl.Charbonnier(np.asarray(0.5), 0.25), V),
    "PenalizedLeastSquares": (PROBLEM, V),
    "UnrolledProximalGradient": (nl.UnrolledProximalGradient(PROBLEM, 3, 0.5), V),
    "UnrolledConjugateGradient": (nl.UnrolledConjugateGradient(PROBLEM, 3), V),
    "MeanNormalize": (nl.MeanNormalize(), V),
    "BSpline": (mri.BSpline(9, 17, 0.5), CURVE),
    "Diffraction": (blur.Diffraction(5, indices=(4, 5, 6)), V),
    "ThroughFocus": (blur.ThroughFocus(5, (0.0, 0.5), indices=(4, 5, 6)), V),
    "PipeMenon": (mri.PipeMenon(F, iterations=1), K),
    "GradientDelays": (mri.GradientDelays(CURVE), np.zeros(3)),
    "GradientResponse": (mri.GradientResponse(CURVE), np.ones((2, 3))),
    "TrajectoryObjective": (workflows.TrajectoryObjective(X, COILS, F, "true"), K),
    "ImagesObjective": (workflows.ImagesObjective(X[None], COILS, F, "true"), K),
    "a chain": (nl.HalfSquaredError(V) @ nl.Diagonal(V), V),
    "a sum of maps": (nl.Magnitude() + nl.Magnitude(), V),
    "a map of weights": (nl.Diagonal(V).as_map("weights", V), V),
    "a map of a trajectory": (F.as_map("trajectory", X + 0j), K),
    "a map of a PSF": (nl.Blur(H).as_map("psf", X), H),
}
OBJECTIVE = workflows.TrajectoryObjective(X, COILS, F, "true")
OF_IMAGES = workflows.ImagesObjective(X[None], COILS, F, "true")
JACOBIAN = F.linearize(X + 0j, wrt="trajectory")[1]
METHODS = {  # of every other public method
    "LeastSquares.solve": (nl.LeastSquares(nl.Diagonal(V), 0.5).solve, {"y": V}),
    "PenalizedLeastSquares.solve": (PROBLEM.solve, {"y": V}),
    "PenalizedLeastSquares.hessian": (PROBLEM.hessian, {"x": V}),
    "Charbonnier.gradient": (nl.Charbonnier(0.5, 0.25).gradient, {"x": V}),
    "Charbonnier.hessian": (nl.Charbonnier(0.5, 0.25).hessian, {"x": V}),
    "ImageSet.split": (
        workflows.ImageSet(X[:9, None], ("",) * 9, (0,) * 9, (None,) * 9, 0).split,
        {"fraction": 0.3},
    ),
    "ThroughFocus.at": (OPTICS.at, {"defocus": (0.0, 0.5)}),
    "RetrievedPhase.psf_at": (FOUND.psf_at, {"defocus": (0.0, 0.5)}),
    "RetrievedPhase.wavefront": (FOUND.wavefront, {"samples": 8}),
    "FocalShift.__call__": (blur.FocalShift(0.5, 0.8), {"x0": V, "x1": V}),
    "NUFFT.gram": (F.gram, {"weights": POINTS, "method": "auto"}),
    "Warp.columns": (nl.Warp(V[:2]).columns, {"x": X}),
    "Warp.hessian": (nl.Warp(V[:2]).hessian, {"x": X, "y": X}),
    "SSIM.similarity": (nl.SSIM(X).similarity, {"z": X}),
    "MultiScaleSSIM.similarity": (MAPS["MultiScaleSSIM"][0].similarity, {"z": X}),
    "Quadratic.spectrum": (MAPS["Quadratic"][0].spectrum, {}),
    "SampledJacobian.gauss_newton": (JACOBIAN.gauss_newton, {"weights": POINTS}),
    "SampledJacobian.hessian": (JACOBIAN.hessian, {"r": POINTS + 0j, "weights": POINTS}),
    "TrajectoryObjective.reconstruct": (OBJECTIVE.reconstruct, {"k": K}),
    "TrajectoryObjective.begun_at": (
        OBJECTIVE.begun_at,
        {"weights": np.ones_like(POINTS), "iterations": 1},
    ),
    "ImagesObjective.reconstruct": (OF_IMAGES.reconstruct, {"k": K, "which": [0]}),
    "ImagesObjective.scores": (OF_IMAGES.scores, {"k": K}),
    "Augmentation.__call__": (
        workflows.Augmentation(flips=True),
        {"images": X[None], "coil_maps": COILS, "seed": 0},
    ),
    "AttractionRepulsion.value_and_grad": (
        mri.sampling.AttractionRepulsion(X, 32, "direct").value_and_grad,
        {"k": K},
    ),
    "TrajectoryProjection.__call__": (
        mri.TrajectoryProjection(SCAN),
        {"k": CURVE, "state": None},
    ),
    "LinearNerveModel.percent": (
        mri.LinearNerveModel(360e-6, 20.0, 0.333).percent,
        {"slew": CURVE, "raster": 1e-5},
    ),
}


# --- calls of the adapters ----------------------------------------------------------------------


def of_scipy(scipy):
    loss = nl.HalfSquaredError(V)
    objective = scipy.as_objective(loss, V)
    residuals = scipy.as_residuals(nl.Diagonal(V), V, V)
    return {
        "as_linear_operator": (
            scipy.as_linear_operator,
            {"op": nl.Diagonal(V), "shape": (3,), "dtype": float},
        ),
        "as_objective": (scipy.as_objective, {"loss": loss, "params": V}),
        "as_residuals": (
            scipy.as_residuals,
            {"model": nl.Diagonal(V), "params": V, "data": V},
        ),
        "Objective.fun": (objective.fun, {"v": V}),
        "Objective.nlopt": (objective.nlopt, {"v": V, "grad": V.copy()}),
        **{
            f"{type(f).__name__}.{name}": (getattr(f, name), good)
            for f in (objective, residuals)
            for name, good in (("unpack", {"v": V}), ("bounds", {"lower": 0.0, "upper": 1.0}))
        },
        **{
            f"Residuals.{name}": (getattr(residuals, name), {"v": V})
            for name in ("fun", "jac", "dense_jac")
        },
    }


def of_pylops(pylops):
    return {"as_pylops": (pylops.as_pylops, {"op": nl.Diagonal(V), "dims": (3,), "dtype": float})}


def of_torch(torch):
    good = {"operator": nl.Diagonal(V), "learn": ["weights"]}
    return {
        "wrap of torch": (torch.wrap, {"op": nl.Diagonal(V)}),
        "OperatorModule": (torch.OperatorModule, good),
    }


def of_jax(jax):
    return {"wrap of jax": (jax.wrap, {"op": nl.Diagonal(V)})}


def of_deepinv(deepinv):
    good = {"op": nl.Diagonal(V), "two_channels": False}
    return {"as_physics": (deepinv.as_physics, good)}


def of_mrinufft(mrinufft):
    return {}


def of_sigpy(sigpy):
    return {"as_linop": (sigpy.as_linop, {"op": nl.Diagonal(V), "ishape": (3,), "dtype": float})}


def of_dask(dask):
    return {"connect": (dask.connect, {"address": None, "workers": None})}


INSTALLED = {}
for adapter in ADAPTERS:
    try:
        INSTALLED[adapter] = importlib.import_module(adapter)
    except ModuleNotFoundError:
        continue
OF_ADAPTERS = {
    call: found
    for name, module in INSTALLED.items()
    for call, found in globals()[f"of_{name.rpartition('.')[2]}"](module).items()
}
MADE_BY_A_FUNCTION = {"Objective", "Residuals", "OperatorPhysics", "MRINufftlib"}  # of settings
# Those that want workers, or arrays of their own, are called in interop/test_dask.py.
MADE_BY_A_FUNCTION |= {"DistributedObjective", "Workers", "distributed_objective"}
MADE_BY_A_FUNCTION |= {"map_chunks", "sum_chunks"}


# --- values of the wrong kind -------------------------------------------------------------------

MASKED = np.ma.array(V, mask=[0, 1, 0])
NOTHING = [None, object(), b"1", {"a": 1.0}]
SIMILAR = ["SSIM", "MultiScaleSSIM", "ssim", "ms_ssim"]
NO_WEIGHTS = [*NOTHING, "1", ["a"], 0.5, [[0.5]], [-1.0], [0.5, None], (), MASKED, V + 0j]
OFFSETS = ["packing_offsets", "wave_caipi"]
NO_INTEGER = [*NOTHING, 2.5, 3.0, "3", [1], True, V, np.ones(1, int), np.float64(3), MASKED]
NO_NUMBER = [*NOTHING, "1", [1.0], True, np.True_, V, np.ma.array(1.0), 1j, float]
NO_FLAG = [*NOTHING, "yes", 2, [True], V]
NO_NAME = [*NOTHING, 5, "nope", ["valid"], V, str]
NO_SIZE = [*NOTHING, "12", 2.5, (2.5, 3), (None, None), (True, 4), ("4", "5"), {4, 5}, V, len]
NO_SIZES = [*NO_SIZE, 12, np.ones((2, 2), int)]
NO_ARRAY = [
    *NOTHING,
    *("a", [1.0], np.ndarray, MASKED),
    *(np.ones(3, int), np.ones(3, bool), np.ones(3, "f2"), np.asarray(["a", "b", "c"])),
    *(np.asarray(["2020-01-01"] * 3, "M8[D]"), np.asarray([V, None], object)),
]
NO_REAL_ARRAY = [*NO_ARRAY, V + 0j]
NO_OBJECT = [*NOTHING, 5, "a", V, int]
NO_FUNCTION = [object(), 3, "f", [len], V]
JOBS = ("TrajectoryObjective", "learn_trajectory", "ImagesObjective", "learn_on_images")
NO_PATH = [*NOTHING, 5, ["a"], V]
NO_PIXELS = [*NOTHING, 1.5, "a", (1.0, 2.0)]

WRONG = {  # by the argument's name, or by the call and the name where it means another thing
    **dict.fromkeys(("boundary", "method", "engine", "maps", "path", "norm", "name"), NO_NAME),
    **dict.fromkeys(("psf", "blocks", "weights", "target", "rhs", "gram", "a", "b"), NO_ARRAY),
    **dict.fromkeys(("x", "y", "r", "data", "image", "coil_maps"), NO_ARRAY),
    **dict.fromkeys(("trajectory", "k", "sharp", "blurred", "truth", "density"), NO_REAL_ARRAY),
    **dict.fromkeys(("shots", "samples", "coils", "rings", "width", "iterations"), NO_INTEGER),
    **dict.fromkeys(("seed", "rounds", "steps", "ndim", "memory_limit"), NO_INTEGER),
    **dict.fromkeys(("eps", "radius", "smoothing", "delta", "constant", "gain"), NO_NUMBER),
    **dict.fromkeys(("cutoff", "length", "noise", "tolerance", "std"), NO_NUMBER),
    **dict.fromkeys(("weight", "edge", "variation"), NO_NUMBER),
    **dict.fromkeys(("dot_tolerance", "difference_tolerance"), NO_NUMBER),
    **dict.fromkeys(("shape", "grid", "indices"), NO_SIZES),
    **dict.fromkeys(("size", "factor", "batch"), NO_SIZE),
    **dict.fromkeys(("operator", "F", "blur", "nufft", "model"), NO_OBJECT),
    "op": NO_OBJECT,
    "pool": [object(), 5, "a", V],
    "bright": NO_FLAG,
    "address": [object(), 5, b"1", V],
    "workers": [n for n in NO_INTEGER if n is not None],
    **{f"field_map_from_echoes({name})": [*NO_ARRAY, V] for name in ("first", "second")},
    "field_map_from_echoes(spacing)": NO_NUMBER,
    "CoilMatrix(matrix)": NO_ARRAY,
    "whiten(noise)": [*NO_ARRAY, V],
    **dict.fromkeys(("CoilMatrix(samples)", "whiten(samples)"), NO_SIZES),
    "calibrate_delays(size)": NO_SIZE,
    **{name: [*NO_ARRAY, V] for name in ("calibration", "walsh_maps(images)")},
    **dict.fromkeys(("espirit_maps(kernel)", "sets", "walsh_maps(window)"), NO_INTEGER),
    **dict.fromkeys(("espirit_maps(threshold)", "crop"), NO_NUMBER),
    "soft": NO_FLAG,
    **dict.fromkeys(("moving", "register(fixed)", "Warp(shift)"), NO_REAL_ARRAY),
    "Warp(rotation)": [a for a in NO_REAL_ARRAY if a is not None],
    "Warp(scale)": [a for a in NO_REAL_ARRAY if a is not None],
    "motion": NO_NAME,
    **dict.fromkeys(("gmax", "smax", "raster", "gamma", "dwell", "first"), NO_NUMBER),
    **dict.fromkeys(("chronaxie", "rheobase", "effective_length"), NO_NUMBER),
    **dict.fromkeys(("scanner", "protocol"), NO_OBJECT),
    "nerve": [object(), 5, "a", V],
    "hole": [object(), 5, "a", V],
    "spread": [object(), 5, "a", V],
    "shot": [n for n in NO_INTEGER if n is not None],
    "file": [*NOTHING, 5, "picture.png", V],
    "draw_overview(protocol)": [object(), 5, "a", V],
    "start": [object(), 5, "a", V],
    **dict.fromkeys(("waveform", "trajectory_from_gradients(start)"), NO_REAL_ARRAY),
    "curve": [
        *(x for x in NO_REAL_ARRAY if x is not np.ndarray),
        len,
        lambda p: p > 0,
    ],
    "points": NO_INTEGER,
    "rest": [*NO_NAME[1:]],
    "slew": NO_REAL_ARRAY,
    "state": [object(), 5, "a", V],
    "fov": [*NOTHING, "1", ("1", "2"), V + 0j, MASKED, float],
    "fixed": [object(), 5, "a", V, [0], {"a": V}, {2.5: (0, 0)}, {0: "a"}, {0: None}],
    "control_points": [object(), 2.5, "32", (2.5, 5), (None, None), {2, 4}, V, len],
    "tree": [None, object(), 5, "a", int],
    "background": [*NOTHING, "1", [1.0], True, MASKED, 1j, V + 0j, np.ones(3, int)],
    "angle": [*NOTHING, "1", [[1.0], [1.0, 2.0]], True, np.ma.array(1.0), 1j, float],
    "tilt": [*NOTHING, True, "nope", [1.0], V, 1j, str],
    **dict.fromkeys(("revolutions", "power", "reduction", "straight"), NO_NUMBER),
    **dict.fromkeys(("zigzags", "ramp", "centre", "distance", "ratio"), NO_NUMBER),
    **dict.fromkeys(("turn", "modulus", "twist"), NO_NUMBER),
    **dict.fromkeys(("sinusoid(width)", "waves(width)", "cones_2d(width)"), NO_NUMBER),
    **dict.fromkeys(("wave_caipi(width)", "cones_3d(width)"), NO_NUMBER),
    **dict.fromkeys(("strips", "lines", "rings", "segments", "winding"), NO_INTEGER),
    **dict.fromkeys(("order", "interleaves", "blades", "skip"), NO_INTEGER),
    "even_centre": NO_FLAG,
    "variable_density_spiral(fov)": [*NOTHING, "1", ("1", "2"), V + 0j, MASKED, float, (), -1.0],
    **dict.fromkeys(("in_out", "bounded", "half", "borders"), NO_FLAG),
    **dict.fromkeys(("stacks", "rotations", "cones", "shells"), NO_INTEGER),
    "max_angle": NO_NUMBER,
    **dict.fromkeys(("partition", "lower"), NO_NAME),
    "rotate(axis)": NO_INTEGER,
    **dict.fromkeys(("trains", "transition", "number", "shift"), NO_INTEGER),
    **dict.fromkeys(("stack_random(size)", "stack_random(calibration)"), NO_INTEGER),
    **dict.fromkeys(("partner", "oversample(kind)", "packing"), NO_NAME),
    **dict.fromkeys(("stack_random(density)", "stack_random(order)"), NO_NAME),
    "alternate": NO_FLAG,
    "offsets": NO_REAL_ARRAY,
    "acceleration": NO_SIZES,
    "calibration": NO_SIZES,
    **{f"{f}(shape)": [*NOTHING, "nope", [2.0], True, V, 1j, 0.0, -1] for f in OFFSETS},
    "spacing": [*NOTHING, "1", [1.0], True, V, 1j, 0.0],
    "BSpline(spacing)": NO_NUMBER,
    "LeastSquares(damping)": NO_NUMBER,
    **dict.fromkeys(("sigma", "k1", "k2", "data_range"), NO_NUMBER),
    **{f"{call}({n})": NO_INTEGER for call in SIMILAR for n in ("size", "ndim")},
    **{f"{call}(weights)": NO_WEIGHTS for call in SIMILAR},
    **{f"{call}(target)": NO_REAL_ARRAY for call in ("SSIM", "MultiScaleSSIM")},
    **{f"{call}(image)": NO_REAL_ARRAY for call in ("psnr", "ssim", "ms_ssim")},
    "reference": NO_REAL_ARRAY,
    "nrmse(reference)": NO_ARRAY,
    "z": NO_REAL_ARRAY,
    "window": NO_NAME,
    "sample_covariance": NO_FLAG,
    "mask": [object(), 5, "a", [True], V, V + 0j, np.ones(3, int), np.ma.array(V > 0), bool],
    "LeastSquares(weights)": [a for a in NO_REAL_ARRAY if a is not None],
    "circulant_preconditioner(maps)": [a for a in NO_ARRAY if a is not None],
    "circulant_preconditioner(damping)": NO_NUMBER,
    "circulant_preconditioner(weights)": [a for a in NO_REAL_ARRAY if a is not None],
    "preconditioner": NO_OBJECT[1:],
    "regularizer": NO_OBJECT[1:],
    "penalty": NO_OBJECT[1:],
    "problem": NO_OBJECT,
    **dict.fromkeys(
        ("PenalizedLeastSquares(damping)", "scale", "step_size", "threshold"), NO_NUMBER
    ),
    "PenalizedLeastSquares(weights)": [a for a in NO_REAL_ARRAY if a is not None],
    "Charbonnier(operator)": NO_OBJECT[1:],
    "Charbonnier(axis)": [n for n in NO_INTEGER if n is not None],
    "accelerated": NO_FLAG,
    "guess": [a for a in NO_ARRAY if a is not None],
    "precess(axis)": [*NO_INTEGER[:-5], np.ones(2), 3, "z", [0, 0, 0], MASKED],
    "axes": [*NO_SIZES, (0, 0), (), (0, 3)],
    "make": [*NO_FUNCTION, lambda _: V, lambda _: 5, lambda _: SPATIAL],
    **dict.fromkeys(("order", "count", "cloud", "cities", "moments", "levels"), NO_INTEGER),
    "images": NO_ARRAY,
    "separable": NO_FLAG,
    **dict.fromkeys(("AttractionRepulsion(grid)", "attract_repel(grid)"), NO_INTEGER),
    "attract_repel(learning_rate)": NO_NUMBER,
    "xp": [*NOTHING, "numpy", 5],
    "dtype": [*NOTHING[:-1], "nope", 5, int, "int64", bool],
    "device": [object(), "nowhere", 5],
    "parameters": [object(), 5, V, "nope", ["nope"], [5], [["weights"]], [None]],
    "kind": [*NO_NAME, {"nope": 1.0}, {"motion": "1"}, {"motion": 0.5}, {"motion": None}, {}],
    "learning_rate": [*NOTHING, 1e-3, "fast", (1e-3,), (1, 2, 3), ("a", 1), (True, 1), V],
    "callback": NO_FUNCTION,
    "checkpoint": [object(), "run.npz", 5, True, len],
    "loss": NO_FUNCTION,
    "progress": NO_FLAG,
    **dict.fromkeys(("dims", "ishape"), NO_SIZES),
    "which": [x for x in NO_SIZES if x is not None],
    "params": NO_ARRAY,
    "learn": [object(), 5, None, "weights", ["nope"], [5], [["weights"]]],
    "two_channels": NO_FLAG,
    "modes": [*NOTHING[:2], 5, V, "a", [5], [None]],
    **dict.fromkeys(("wavelength", "aperture", "index", "bead"), NO_NUMBER),
    "defocus": [*NOTHING, "1", ["a"], 0.5, (), [[0.5]], [1j], MASKED, V + 0j],
    "focus": [object(), 5, "a", V, blur.FocalShift],
    "pixel": NO_FLAG,
    **{n: [*NOTHING, "1", ["a"], True, MASKED, 1j, V + 0j, float] for n in ("x0", "x1")},
    "stack": NO_REAL_ARRAY,
    **dict.fromkeys(("optics", "result"), NO_OBJECT),
    "retrieve_phase(gain)": [n for n in NO_NUMBER if n is not None],
    "retrieve_phase(std)": [object(), "1", [1.0], True, MASKED, 1j, V + 0j, np.ones(3, int)],
    "retrieve_phase(tolerance)": NO_NUMBER,
    "shifts": NO_NAME,
    "starts": NO_INTEGER,
    "draw_phase(truth)": [a for a in NO_REAL_ARRAY if a is not None],
    **dict.fromkeys(("field", "edge"), NO_REAL_ARRAY),
    "v": [None, object(), 5, "a", [1.0], V + 0j, np.ones(3, int), np.asarray(["a", "b", "c"])],
    "grad": [None, object(), 5, "a", [1.0]],
    "lower": [object(), "a", 1j, True, ["a"], [[1.0], [1.0, 2.0]], MASKED],
    "upper": [object(), "a", 1j, True, ["a"], [[1.0], [1.0, 2.0]], MASKED],
    **dict.fromkeys(("epochs", "patience", "learn_on_images(batch)"), NO_INTEGER),
    **dict.fromkeys(("flips", "quarter_turns"), NO_FLAG),
    "phase": NO_NUMBER,
    "Augmentation(coils)": [object(), 1.5, "a", (1.0,), (1, 2, 3), ("a", 1), (True, 1), V, {1, 2}],
    "augment": NO_OBJECT,
    "validation": [x for x in NO_ARRAY if not isinstance(x, list)] + [(X[None],), True, 1j, V],
    "Sense(maps)": NO_ARRAY,
    "birdcage_maps(angle)": NO_NUMBER,
    "TrajectoryObjective(noise)": NO_ARRAY,
    "TrajectoryObjective(density_start)": [x for x in NO_ARRAY if x is not None],
    "density_iterations": NO_INTEGER,
    "pipe_menon(start)": [x for x in NO_ARRAY if x is not None],
    "PipeMenon(start)": [x for x in NO_ARRAY if x is not None],
    "constants": NO_FLAG,
    "reconstruction": NO_NAME,
    **{f"{job}(loss)": NO_NAME for job in JOBS},
    "gaussian_psf(std)": [*NOTHING, "1", ["a"], [[1.0], [1.0, 2.0]], True, MASKED, 1j, float],
    "defocus_psf(radius)": [*NOTHING, "1", ["a"], [[1.0], [1.0, 2.0]], True, MASKED, 1j, float],
    "psf_error(psf)": NO_REAL_ARRAY,
    "nuisances": [*NOTHING, 5, "some", ["blur"], object()],
    **dict.fromkeys(("grid_weights(grid)", "grid_weights(shape)"), NO_PIXELS),
    **dict.fromkeys(("calibrate_field(grid)", "draw_field(shape)"), NO_PIXELS),
    "calibrate_from_stars(grid)": [x for x in NO_PIXELS if x is not None],
    "smoothness": NO_NUMBER,
    "psfs": NO_REAL_ARRAY,
    "draw_field(residual)": [a for a in NO_REAL_ARRAY if a is not None],
    "calibrate_pair(seen)": [5, "a", object()],
    "deblur(seen)": [5, "a", object(), X],
    "calibrate_pair(noise)": [x for x in NO_NUMBER if x is not None],
    **dict.fromkeys(("picture", "deblur(psf)"), NO_REAL_ARRAY),
    "estimate_noise(psf)": [a for a in NO_REAL_ARRAY if a is not None],
    "deblur(background)": NO_NUMBER,
    "nonnegative": NO_FLAG,
    "shift_aligned_error(psf)": NO_REAL_ARRAY,
    **dict.fromkeys(("PointSources(positions)", "fluxes", "OffResonance(times)"), NO_REAL_ARRAY),
    "field_map": NO_ARRAY,
    "FieldOfViewShift(shift)": NO_REAL_ARRAY,
    "wavelet": NO_NAME,
    "basis": NO_ARRAY,
    "Subspace(axis)": [*NO_INTEGER, -5, 0],
    "Wavelet(levels)": NO_INTEGER,
    "partitions": [object(), 1.5, "a", (0.5, 1.0), (0, 0), (), (5,), ("a",)],
    "Paired(stacks)": [
        *(x for x in NOTHING if not isinstance(x, dict)),
        5,
        "weights",
        ["weights"],
        V,
        {},
    ],
    **dict.fromkeys(("measure_psf(psf)", "draw_psf(psf)"), NO_REAL_ARRAY),
    **{
        n: [a for a in NO_REAL_ARRAY if a is not None]
        for n in ("covariance", "ideal", *(f"draw_{a}(truth)" for a in ("psf", "stars", "edge")))
    },
    "pitch": NO_NUMBER,
    **dict.fromkeys(("oversampling", "slanted_edge_mtf(degree)"), NO_INTEGER),
    "calibrate_from_stars(positions)": [x for x in NO_REAL_ARRAY if x is not None],
    "stamp": [*NOTHING, 1.5, "a", (1.0, 2.0)],
    "orders": [*NOTHING, 1.5, "a", (1.0, 2.0)],
    "calibrate_from_stars(picture)": NO_REAL_ARRAY,
    "calibrate_from_stars(noise)": NO_ARRAY,
    "calibrate_from_stars(background)": NO_NAME,
    "saturation": NO_NUMBER,
    "slanted_edge_mtf(picture)": NO_REAL_ARRAY,
    "slanted_edge_mtf(window)": NO_NUMBER,
    "simulate_blur(psf)": [*NOTHING, 5, "nope", ["motion"], MASKED, np.ones((3, 3), int)],
    "load_gray(path)": NO_PATH,
    "load_color(path)": NO_PATH,
    "load_picture(path)": NO_PATH,
    "load_psf(path)": NO_PATH,
    "load_stack(path)": NO_PATH,
    "save_psf(path)": NO_PATH,
    "save_psf(psf)": NO_REAL_ARRAY,
    "pixel_size": [object(), "1", ("1", "2"), V + 0j, MASKED, float, (), -1.0],
    "encoding": NO_NAME,
    "load_volume(path)": NO_PATH,
    "load_volume(size)": NO_INTEGER,
    "load_images(path)": NO_PATH,
    "ImageSet.split(fraction)": NO_NUMBER,
    "load_images(size)": NO_INTEGER,
    "load_images(plane)": NO_NAME,
    "load_images(slices)": [object(), 5, "2:4", [1, 2], slice(2), MASKED],
    "open_images(path)": NO_PATH,
    "open_images(size)": NO_INTEGER,
    "open_images(plane)": NO_NAME,
    "open_images(slices)": [object(), 5, "2:4", [1, 2], slice(2), MASKED],
    "save_trajectory(path)": NO_PATH,
    "load_trajectory(path)": NO_PATH,
    "read_scan(path)": NO_PATH,
    "read_scan(trajectory)": [x for x in NO_PATH if x is not None],
    "read_scan(unit)": NO_NAME,
    "reconstruct(maps)": [a for a in NO_ARRAY if a is not None],
    "reconstruct(noise)": [n for n in NO_NUMBER if n is not None],
    "reconstruct(weight)": [n for n in NO_NUMBER if n is not None],
    **{
        f"{call}({n})": [a for a in NO_ARRAY if a is not None]
        for call in ("reconstruct", "l_curve")
        for n in ("field_map", "times")
    },
    **{
        f"{call}(steps)": [n for n in NO_INTEGER if n is not None]
        for call in ("reconstruct", "l_curve")
    },
    "found": NO_OBJECT,
    "read_trajectory(path)": NO_PATH,
    "read_trajectory(unit)": NO_NAME,
    "write_bart(path)": NO_PATH,
    "load_gray(size)": NO_INTEGER,
    "load_color(size)": NO_INTEGER,
}

SPEAKERS = {  # another public call takes the argument, and checks it
    "circulant_preconditioner(weights)": ["NUFFT.gram"],
    **{f"read_scan({n})": ["read_trajectory"] for n in ("trajectory", "unit", "fov")},
    **{
        f"l_curve({n})": ["reconstruct"]
        for n in ("data", "trajectory", "shape", "field_map", "times", "steps")
    },
    "reconstruct(trajectory)": ["NUFFT"],
    "TrajectoryProjection.__call__(k)": ["project_trajectory"],
    "PenalizedLeastSquares.solve(y)": ["Diagonal.outline_adjoint"],
    "PenalizedLeastSquares.hessian(x)": ["Diagonal.outline"],
    **{f"Charbonnier.{name}(x)": ["Charbonnier"] for name in ("gradient", "hessian")},
    **{f"ThroughFocus({n})": ["Diffraction"] for n in ("size", "indices", "cutoff")},
    **{
        f"{call}(defocus)": ["ThroughFocus"]
        for call in ("ThroughFocus.at", "RetrievedPhase.psf_at")
    },
    **{f"draw_psf({n})": ["measure_psf"] for n in ("psf", "covariance", "ideal", "pitch")},
    "attract_repel(density)": ["AttractionRepulsion"],
    "attract_repel(grid)": ["AttractionRepulsion"],
    "attract_repel(engine)": ["NUFFT"],
    "attract_repel(fixed)": ["TrajectoryProjection"],
    "AttractionRepulsion(engine)": ["NUFFT"],
    "learn_trajectory(image)": ["TrajectoryObjective"],
    "learn_trajectory(coil_maps)": ["TrajectoryObjective"],
    **{
        f"learn_trajectory({n})": ["TrajectoryObjective"]
        for n in ("maps", "constants", "reconstruction", "loss")
    },
    "learn_trajectory(eps)": ["NUFFT"],
    "learn_trajectory(engine)": ["NUFFT"],
    **{
        f"{job}({n})": ["TrajectoryObjective"]
        for job in ("ImagesObjective", "learn_on_images")
        for n in ("images", "coil_maps", "maps", "constants", "reconstruction", "loss")
    },
    "learn_on_images(eps)": ["NUFFT"],
    "learn_on_images(engine)": ["NUFFT"],
    "simulate_blur(psf)": ["Blur"],
    **{f"ssim({n})": ["SSIM"] for n in SIMILARITY},
    **{f"ms_ssim({n})": ["MultiScaleSSIM"] for n in (*SIMILARITY, "weights")},
    **{f"{f}.similarity(z)": [f] for f in ("SSIM", "MultiScaleSSIM")},
    "OperatorModule(learn)": ["Diagonal"],
    **{f"wave_caipi({n})": ["packing_offsets"] for n in ("packing", "shape", "spacing", "seed")},
    "Objective.nlopt(v)": ["Objective.fun"],
    "Residuals.dense_jac(v)": ["Residuals.jac"],
}


# --- tests --------------------------------------------------------------------------------------

CALLS = {f.__name__: (f, good) for f, good in FUNCTIONS.items()} | METHODS | OF_ADAPTERS
ARGUMENTS = [(call, name) for call, (_, good) in CALLS.items() for name in good]


@pytest.fixture(scope="module", autouse=True)
def _picture(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("pictures"))
        np.save("picture.npy", X / X.max())
        np.save("volume.npy", np.arange(24.0).reshape(2, 3, 4))
        np.save("points.npy", CURVE)
        np.savez("raw.npz", data=np.ones((3, *CURVE.shape[:-1]), complex))
        io.save_trajectory("scan.npz", CURVE, SCAN)
        yield


def public_methods(cls):
    """Return the public methods of a class, and their arguments."""
    return {
        name: [p for p in inspect.signature(method).parameters if p != "self"]
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if name == "__call__" or not name.startswith("_")
    }


def test_every_public_name_is_in_the_tables():
    public = {
        getattr(package, name)
        for package in (*PACKAGES, *INSTALLED.values())
        for name in package.__all__
        if package.__name__.startswith("nufftlib")
    }
    called = {f for f, _ in CALLS.values()} | NOT_CALLED_WITH_SETTINGS
    missing = {x for x in public - called if not isinstance(x, types.ModuleType | tuple)}
    assert {x.__name__ for x in missing} <= MADE_BY_A_FUNCTION


@pytest.mark.parametrize("call", CALLS)
def test_every_argument_is_in_the_tables(call):
    function, good = CALLS[call]
    assert list(inspect.signature(function).parameters) == list(good)
    function(**good)


def test_every_method_of_a_public_class_is_in_the_tables():
    missing = []
    for cls in {f for f in FUNCTIONS if isinstance(f, type)} | {type(JACOBIAN)}:
        of_map = issubclass(cls, nl.Map)
        calls = operator_calls(*OPERATORS["Diagonal"]) if issubclass(cls, nl.LinearOperator) else {}
        calls = calls or (map_calls(*MAPS["Huber"]) if of_map else {})
        calls |= calls_by_name(PROBLEM, V) if issubclass(cls, Differentiable) else {}
        for method, names in public_methods(cls).items():
            known = METHODS.get(f"{cls.__name__}.{method}", (None, ()))[1]
            missing += [
                f"{cls.__name__}.{method}({name})"
                for name in names
                if name not in known and f"{method}({name})" not in calls
            ]
    assert [m for m in missing if not m.partition(".")[2].startswith(HOOKS)] == []


def wrong_values(call, name):
    """Return values of the wrong kind; where None is the default, it is of the right one."""
    default = inspect.signature(CALLS[call][0]).parameters[name].default
    values = WRONG.get(f"{call}({name})") or WRONG[name]
    return [value for value in values if value is not None or default is not None]


def faults(attempt, values, manner):
    """Return what is accepted, and what is refused in another manner."""
    found = []
    for value in values:
        try:
            attempt(value)
        except (TypeError, ValueError) as error:
            message = str(error)
        except Exception as error:
            message = repr(error)
        else:
            message = "accepted"
        if not re.match(manner, message, re.DOTALL) or len(message) >= 300:
            found.append(f"{str(value)[:40]}: {message}")
    return found


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
def test_a_wrong_kind_is_named_with_the_call_and_the_wish(call, name):
    function, good = CALLS[call]
    label = f"{call}({name})"
    speakers = "|".join(map(re.escape, [call.partition(" ")[0], *SPEAKERS.get(label, ())]))
    manner = rf"({speakers})(\([^)]*\b{name}\b[^)]*\): .*; want | has no .*; it has )"
    wrong = wrong_values(call, name)
    assert faults(lambda value: function(**good | {name: value}), wrong, manner) == []


def operator_calls(A, x):
    """Return the calls of an operator's methods, and values of the wrong kind for each."""
    name, theta = next(iter(A.parameters.items()))
    y = A(x)
    return {
        "__call__(x)": (A, NO_ARRAY),
        "apply(x)": (A.apply, NO_ARRAY),
        "adjoint(y)": (A.adjoint, NO_ARRAY),
        "outline(x)": (A.outline, NO_ARRAY),
        "outline_adjoint(y)": (A.outline_adjoint, NO_ARRAY),
        "vjp(name)": (lambda v: A.vjp(v, x, y), NO_NAME),
        "vjp(x)": (lambda v: A.vjp(name, v, y), NO_ARRAY),
        "vjp(y)": (lambda v: A.vjp(name, x, v), NO_ARRAY),
        "jvp(name)": (lambda v: A.jvp(v, x, theta), NO_NAME),
        "jvp(x)": (lambda v: A.jvp(name, v, theta), NO_ARRAY),
        "jvp(dtheta)": (lambda v: A.jvp(name, x, v), NO_ARRAY),
        "derivative(name)": (lambda v: A.derivative(v, theta), NO_NAME),
        "derivative(dtheta)": (lambda v: A.derivative(name, v), NO_ARRAY),
        "as_map(name)": (lambda v: A.as_map(v, x), NO_NAME),
        "as_map(x)": (lambda v: A.as_map(name, v)(theta), NO_ARRAY),
        "linearize(x)": (A.linearize, NO_ARRAY),
        "linearize(wrt)": (lambda v: A.linearize(x, wrt=v), NO_NAME[1:]),
        "replace(parameters)": (lambda v: A.replace(**{name: v}), NO_ARRAY),
        "rename(names)": (lambda v: A.rename(**{name: v}), [*NOTHING, 5, ["w"], V]),
        "require(name)": (A.require, NO_NAME),
        "require_form(name)": (A.require_form, NO_NAME),
        "value_and_grad(x)": ((nl.HalfSquaredError(y) @ A).value_and_grad, NO_ARRAY),
    }


def map_calls(f, x):
    """Return the calls of a map's methods and its Jacobian's, and values of the wrong kind."""
    _, J = f.linearize(x)
    return {
        "__call__(x)": (f, NO_ARRAY),
        "linearize(x)": (f.linearize, NO_ARRAY),
        "outline(x)": (f.outline, NO_ARRAY),
        "value_and_grad(x)": (f.value_and_grad, NO_ARRAY),
        "Jacobian's apply(x)": (J.apply, NO_ARRAY),
        "Jacobian's adjoint(y)": (J.adjoint, NO_ARRAY),
        "Jacobian's outline(x)": (J.outline, NO_ARRAY),
        "Jacobian's outline_adjoint(y)": (J.outline_adjoint, NO_ARRAY),
    }


def calls_by_name(f, x):
    """Return those that a map with parameters has beside."""
    name, theta = next(iter(f.parameters.items()))
    return {
        "as_map(name)": (lambda v: f.as_map(v, x), NO_NAME),
        "as_map(x)": (lambda v: f.as_map(name, v)(theta), NO_ARRAY),
        "linearize(wrt)": (lambda v: f.linearize(x, wrt=v), NO_NAME[1:]),
        "replace(parameters)": (lambda v: f.replace(**{name: v}), NO_ARRAY),
        "require(name)": (f.require, NO_NAME),
    }


OF_METHODS = {
    f"{label}: {call}": found
    for label, calls in (
        *((label, operator_calls(*pair)) for label, pair in OPERATORS.items()),
        *((label, map_calls(*pair)) for label, pair in MAPS.items()),
        *(
            (label, calls_by_name(f, x))
            for label, (f, x) in MAPS.items()
            if isinstance(f, Differentiable)
        ),
    )
    for call, found in calls.items()
}


@pytest.mark.parametrize("call", OF_METHODS)
def test_methods_have_the_same_manner(call):
    """Whoever meets the argument speaks: a factor, or the map ``k -> F(k) x``."""
    manner = r"\w+(\.\w+)?\(.*\): .*; want |[kh] -> .*: .*; want |\w+ has no .*; it has "
    assert faults(*OF_METHODS[call], manner) == []


def test_every_class_of_operators_and_maps_is_walked():
    classes = {f for f in FUNCTIONS if isinstance(f, type) and issubclass(f, nl.Map)}
    assert classes <= {type(f) for f, _ in (*OPERATORS.values(), *MAPS.values())}


# --- what is meant is taken ---------------------------------------------------------------------


def alike(value):
    """Return numbers and sizes as NumPy has them, and as Python has them too."""
    if isinstance(value, int):
        return [np.int64(value), np.asarray(value, np.uint32 if value >= 0 else np.int32)]
    if isinstance(value, float):
        return [np.float32(value), np.asarray(value), Fraction(value)]
    return [list(value), tuple(map(np.int64, value)), np.asarray(value)]


def is_number(value):
    several = isinstance(value, tuple) and all(isinstance(n, int) for n in value)
    return several or (isinstance(value, int | float) and not isinstance(value, bool))


PARAMETERS = {
    "LeastSquares(damping)",
    "PenalizedLeastSquares(damping)",
    "Charbonnier(scale)",
    "UnrolledProximalGradient(step_size)",
    "UnrolledProximalGradient(threshold)",
}
NUMBERS = [
    (call, name)
    for call, name in ARGUMENTS
    # An array given as damping is a parameter, which keeps its dtype and stays an array.
    if is_number(CALLS[call][1][name]) and f"{call}({name})" not in PARAMETERS
]


@pytest.mark.parametrize(("call", "name"), NUMBERS)
def test_numbers_of_numpy_and_arrays_of_no_dimensions_are_numbers(call, name, monkeypatch):
    if call.startswith("draw_"):  # a drawing takes long, and has been made by the first tests
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    function, good = CALLS[call]
    made = function(**good)
    for value in alike(good[name]):
        again = function(**good | {name: value})
        if isinstance(function, type):  # its field is what it would have been
            have, want = getattr(again, name), getattr(made, name)
            assert type(have) is type(want)
            assert have == pytest.approx(want)


def test_arrays_of_no_dimensions_are_taken_from_every_library(row):
    assert kinds.number("f", "x", row.array(0.5)) == 0.5
    assert kinds.integer("f", "n", row.array(3, "int64"), least=1) == 3
    assert kinds.sizes("f", "shape", row.array([3, 4], "int32"), "sizes") == (3, 4)
    assert kinds.flag("f", "x", row.array(True, "bool")) is True
    for wrong in (row.array([0.5]), row.array(0.5j, "complex128"), row.array(True, "bool")):
        with pytest.raises(TypeError, match=r"f\(x\): x is .*; want a number"):
            kinds.number("f", "x", wrong)
    for wrong in (row.array([3], "int64"), row.array(3.0), row.array(True, "bool")):
        with pytest.raises(TypeError, match=r"f\(n\): n is .*; want an integer"):
            kinds.integer("f", "n", wrong, least=1)


def test_numbers_beyond_floats_are_out_of_range():
    for huge in (10**400, Fraction(10**400)):
        with pytest.raises(ValueError, match=r"f\(x\): x is inf; want a positive, finite number"):
            kinds.positive("f", "x", huge)
        assert kinds.number("f", "x", -huge) == -np.inf


def test_a_message_is_short_whatever_came():
    for value in (10**5000, "x" * 10**6, [0] * 10**5, np.zeros((2, 10**4)), object()):
        with pytest.raises((TypeError, ValueError), match=r"f\(n\): n is .*; want ") as caught:
            kinds.integer("f", "n", value, least=0, most=3)
        assert len(str(caught.value)) < 100


def test_a_tensor_that_requires_grad_is_no_setting():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="want a number"):
        nl.Huber(torch.ones(3), torch.tensor(0.5, requires_grad=True))
