"""Plant errors in the library, one at a time, and see whether its tests catch them.

Run from anywhere: ``python tools/plant_errors.py [--only NAME] [--list]``. An error is a piece of
source text, found wherever it is under ``nufftlib/`` and ``optim/``, and what takes its place in a
copy of the tree. It counts as caught if the tests named beside it pass without it and fail with
it. What survives, or cannot be planted, makes the exit status 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("nufftlib", "optim")
COPIED = (*PACKAGES, "tests", "docs", "conftest.py", "pyproject.toml")


@dataclass(frozen=True)
class Plant:
    """An error, and the tests that are there to catch it."""

    name: str
    spellings: dict[str, str]
    """Text and its replacement; of several spellings, the source has one, and has it once."""
    tests: tuple[str, ...]
    """Arguments of pytest."""


def laws(kinds: str) -> tuple[str, ...]:
    """Return the laws of these cases, on NumPy and on engines that compile nothing."""
    return ("tests/test_laws.py", "-k", f"numpy- and ({kinds}) and not grid and not finufft")


NUFFT = laws("nufft and (ortho or None)")
PATTERN = ("tests/mri/trajectories/test_patterns.py", "-k")
COILS = ("tests/nufft/test_coils.py", "-k", "neighbours")
GRAM = ("tests/nufft/test_gram.py", "-k", "one_operator")
BLUR = laws("blur")
WARP = laws("warp and reflect")
REGISTRATION = ("tests/warp/test_registration.py", "-k", "many_draws or lands_on")
SHARED = laws("diagonal or sum or weighted or renamed")
SIGNATURES = ("tests/test_signatures.py", "-k", "kind or numbers")
LOSSES = ("tests/core/test_maps_and_losses.py",)
SSIM = ("tests/core/test_ssim.py", "-k", "numpy or not row")
METRICS = ("tests/core/test_metrics.py", "-k", "numpy or values")
DIFFRACTION = ("tests/blur/test_diffraction.py",)
PHASE = ("tests/blur/test_phase.py", "-k", "not deviations and not twelve")
PROJECTIONS = ("tests/optim/test_projections.py",)
PROXIMAL = ("tests/optim/test_proximal.py",)
OPTIMIZERS = ("tests/optim/test_optimizers.py",)
MINIMIZE = ("tests/optim/test_minimize.py",)
RESUMED = ("tests/optim/test_checkpoints.py", "-k", "not goes_on_from_every or numpy and float64")
JOBS_RESUMED = ("tests/workflows/test_checkpoints.py",)
COMMANDS_RESUMED = ("tests/cli/test_checkpoints.py",)
CLUSTER = ("tests/interop/test_dask.py",)
SOLVERS = ("tests/optim/test_solvers.py",)
RAW = ("tests/io/test_raw.py",)
RECONSTRUCT = ("tests/mri/test_reconstruct.py",)
PRIMAL_DUAL = ("tests/optim/test_primal_dual.py", "-k", "not row and not library")
DEBLUR = ("tests/workflows/test_deblur.py", "-k")
STACKS = ("tests/workflows/test_stacks.py", "-k")
STACK_FILES = ("tests/cli/test_stacks.py", "-k")
FIELD = ("tests/workflows/test_field.py", "-k")
BLIND = ("tests/workflows/test_blind.py", "-k")
LBFGS = ("tests/optim/test_lbfgs.py",)
PAIR = ("tests/blur/test_pair.py", "-k", "sums or value or active or slope or exact or limited")
PAIRS = ("tests/blur/test_pair.py", "-k", "whatever or cover or several")
MEASURES = ("tests/blur/test_measures.py",)
LBFGS_BATCH = ("tests/optim/test_lbfgs_batch.py",)
LIMITS = ("tests/mri/scanner/test_limits.py",)
TRAVERSAL = ("tests/mri/scanner/test_traversal.py", "-k", "least_time or three_axes")
PROJECTION = ("tests/mri/scanner/test_project.py", "-k", "not row and not conic and not planted")
ATTRACTION = ("tests/mri/sampling/test_attraction_repulsion.py", "-k", "definition and 256-float64")
SAMPLES = ("tests/mri/sampling/test_samples.py", "-k", "not what_all_have and not errors")
CURVES = ("tests/mri/trajectories/test_patterns.py", "-k", "own_property")
LEAST_SQUARES = (
    "tests/test_laws.py",
    "-k",
    "test_operator and numpy and least and not jacobian and double",
)
PENALTIES = ("tests/inverse/test_penalties.py", "-k", "not strict and not torch")
PENALIZED = ("tests/inverse/test_penalized.py", "-k", "finite_differences or far_sharper or report")
UNROLLED = (
    "tests/inverse/test_unrolled.py",
    "-k",
    "(finite_differences and 3) or steps_are or alive or converged_item",
)
IMAGES = ("tests/mri/test_learn_on_images.py", "-k")
POOL = ("tests/core/test_pool.py",)
STORED = ("tests/io/test_stored_images.py", "-k")
AUGMENTATION = ("tests/mri/test_augmentation.py", "-k")
IMAGE_SETS = ("tests/workflows/test_image_sets.py",)
COPIES = ("tests/mri/trajectories/test_tools.py",)
CELLS = ("tests/mri/density/test_density.py",)
GRADIENTS = ("tests/mri/gradient_system/test_gradient_system.py", "-k", "not refused")
ECHOES = ("tests/mri/test_echoes.py", "-k", "not refused")
MATRICES = ("tests/mri/coils/test_matrix.py",)
ESPIRIT = ("tests/mri/coils/test_espirit.py",)
DENSITY = ("tests/mri/test_derivatives.py", "-k", "density_weights and direct")
POINT_SOURCES = laws("point")
STARS = (
    "tests/workflows/test_stars.py",
    "-k",
    "finer_pixels or psf_step or told_apart or deviations",
)
EDGES = ("tests/workflows/test_slanted_edge.py", "-k", "without_noise or deviations")
ESTIMATED = ("tests/mri/test_derivatives.py", "-k", "estimated_maps and direct")
EVERY_OTHER_VOXEL = ("tests/mri/coils/test_low_frequency.py", "-k", "not 34 and not library")
SPREADING = ("tests/mri/test_derivatives.py", "-k", "spreading and direct")
MRINUFFT = ("tests/interop/test_mrinufft.py",)
SIGPY = ("tests/interop/test_sigpy.py", "-k", "apps or single or imaginary or nufft")
PAGES = ("tests/report", "-k", "holds or course or left_out")
SCRATCH = ("tests/nufft/test_scratch.py",)
NOTEBOOK = ("tests/core/test_notebook.py",)
JOB_1 = ("tests/workflows/test_jobs.py", "-k", "whole_loss_of_job_1 and direct")

PLANTS = [
    # --- notebooks
    Plant(
        "texts of a notebook as they are",
        {"{value}{escape(text)}</td>": "{value}{text}</td>"},
        NOTEBOOK,
    ),
    Plant(
        "axes of a trajectory exchanged in a notebook",
        {"points[:, -2], points[:, -1], bins": "points[:, -1], points[:, -2], bins"},
        NOTEBOOK,
    ),
    Plant(
        "an operator in a notebook without its own names of parameters",
        {"return card(self, self._parameters)": "return card(self)"},
        NOTEBOOK,
    ),
    Plant(
        "black of a notebook's picture at its least value",
        {"black, white = min(values.min(), 0.0),": "black, white = values.min(),"},
        NOTEBOOK,
    ),
    # --- scratch arrays of compiled loops
    Plant(
        "scratch of a loop is zero, whatever it should be filled with",
        {"get_constant(like.dtype, number.literal_value)": "get_constant(like.dtype, 0)"},
        SCRATCH,
    ),
    Plant(
        "rows of scratch lie one number too close",
        {"math.prod(sizes[axis + 1 :])": "max(math.prod(sizes[axis + 1 :]) - axis, 1)"},
        SCRATCH,
    ),
    # --- sums in a fixed order, and images that stay in their files
    Plant(
        "partial sums of several sizes added as they come",
        {
            "while len(held) > 1 and held[-1][0] == held[-2][0]:": "while len(held) > 1:",
        },
        POOL,
    ),
    Plant(
        "blocks that are no subtrees",
        {"        size *= 2\n    return [range(i": "        size += 1\n    return [range(i"},
        POOL,
    ),
    Plant(
        "slices of a volume counted from its other end",
        {
            "(self.orientation[self.across, 1] < 0) != (self.axis < 2)": (
                "(self.orientation[self.across, 1] < 0) == (self.axis < 2)"
            )
        },
        (*STORED, "volume"),
    ),
    Plant(
        "lots that count alike, whatever they hold",
        {"            len(part) / len(which),\n": "            1 / len(cut),\n"},
        (*STORED, "in_memory or lots"),
    ),
    Plant(
        "an image of the set in place of one of its part",
        {'which=self.which[self._numbers("take", which)]': "which=np.asarray(which)"},
        (*STORED, "numbers or digest"),
    ),
    # --- pages of results
    Plant(
        "shots of a page with their axes in another order",
        {'"k": np.moveaxis(packed.values, -1, 1).ravel()': '"k": packed.values.ravel()'},
        PAGES,
    ),
    Plant(
        "a page without the best moment",
        {
            "np.linspace(0, len(course.steps) - 1, number)": (
                "np.linspace(0, len(course.steps) - 2, number)"
            )
        },
        PAGES,
    ),
    Plant(
        "moments of the learning too coarse for slew rates",
        {
            "trajectories=np.stack(trajectories),": (
                "trajectories=np.stack(trajectories).astype(np.float16),"
            )
        },
        PAGES,
    ),
    # --- adapters to mri-nufft and sigpy
    Plant(
        "mri-nufft's factor without the 2 of each axis",
        {"F: LinearOperator = 2 ** (-self.ndim / 2) * self._F": "F: LinearOperator = self._F"},
        MRINUFFT,
    ),
    Plant(
        "samples of mri-nufft in cycles, whatever they are",
        {
            "return k * (2 * math.pi) if abs(k).max() - 1e-4 < 0.5 else k": (
                "return k * (2 * math.pi)"
            )
        },
        MRINUFFT,
    ),
    Plant(
        "mri-nufft's weights in op, too",
        {
            "return self._result(self._forward(data), self.ksp_full_shape, data)": (
                "return self._result(self._forward(data) * (1 if self.density is None else "
                "self.density), self.ksp_full_shape, data)"
            )
        },
        MRINUFFT,
    ),
    Plant(
        "mri-nufft's adjoint in torch without the weights",
        {"y = given(A.density, y).to(y.dtype) * y": "y = given(A.density, y).to(y.dtype) * 0 + y"},
        MRINUFFT,
    ),
    Plant(
        "the gradient by mri-nufft's samples in another unit than theirs",
        {
            "if samples is None else samples) / (2 * math.pi)": (
                "if samples is None else samples.detach() + (samples - samples.detach()) / 2) "
                "/ (2 * math.pi)"
            )
        },
        MRINUFFT,
    ),
    Plant(
        "mri-nufft's weights by a method kept when samples change",
        {"if self._method is not None:": "if False:"},
        MRINUFFT,
    ),
    Plant(
        "sigpy's adjoint with the wrong sign",
        {
            "return OperatorLinop(self.op.H, self.range, self.domain)": (
                "return OperatorLinop(-self.op.H, self.range, self.domain)"
            )
        },
        SIGPY,
    ),
    Plant(
        "sigpy's single arrays, turned double, not cast back",
        {"return self.op(input.astype(self.domain.dtype, copy=False))": "return self.op(input)"},
        SIGPY,
    ),
    Plant(
        "sigpy's complex arrays that lose their imaginary part",
        {'if not np.can_cast(input.dtype, self.domain.dtype, "same_kind"):': "if False:"},
        SIGPY,
    ),
    Plant(
        "sigpy's Gram by the operator and its adjoint",
        {
            "return OperatorLinop(self.op.N, self.domain, self.domain)": (
                "return OperatorLinop(self.op.H @ self.op, self.domain, self.domain)"
            )
        },
        SIGPY,
    ),
    # --- operators and their rules
    Plant(
        "the position of a point source without the oversampling in its derivative",
        {
            "found.append(s * (-s) ** k * bspline(xp, u, k))": (
                "found.append(s * (-1) ** k * bspline(xp, u, k))"
            )
        },
        POINT_SOURCES,
    ),
    Plant(
        "the first derivative of the B-spline with the wrong sign",
        {"return -xp.sign(u) * value if order == 1": "return xp.sign(u) * value if order == 1"},
        POINT_SOURCES,
    ),
    Plant(
        "the stars' light moved against the centre of gravity",
        {
            "xp.concat([stars[:, :2] + xp.concat(moved, axis=1)": (
                "xp.concat([stars[:, :2] - xp.concat(moved, axis=1)"
            )
        },
        STARS,
    ),
    Plant(
        "the light of neighbours left out of the adjoint",
        {"own.adjoint(wr) + others.adjoint(wr) + L.H(curved)": "own.adjoint(wr) + L.H(curved)"},
        STARS,
    ),
    Plant(
        "the MTF of an edge without the average over a bin",
        {"sinc = np.sinc(f / BINS) ** 2": "sinc = np.sinc(f / BINS)"},
        EDGES,
    ),
    Plant(
        "the distance from an edge along the row",
        {"/ np.sqrt(1 + slope[:, None] ** 2)": "* 1.0"},
        EDGES,
    ),
    Plant(
        "the form of a product applies the left factor, not its adjoint",
        {
            "self.right.vjp(name, x, self.left.adjoint(y))": (
                "self.right.vjp(name, x, self.left.apply(y))"
            )
        },
        laws("weighted or blurs"),
    ),
    Plant(
        "the form of an adjoint forgets to swap its arguments",
        {"self.operator.vjp(name, y, x)": "self.operator.vjp(name, x, y)"},
        SHARED,
    ),
    Plant(
        "a scalar without its conjugate in the adjoint",
        {"self.scalar.conjugate() * y": "self.scalar * y"},
        SHARED,
    ),
    Plant(
        "a renamed parameter is looked up the wrong way round",
        {"{new: old for old, new in self.names}": "{old: new for old, new in self.names}"},
        laws("renamed or blurs"),
    ),
    Plant(
        "a shared operator is remade in each place",
        {
            "    if key not in made:\n        inside": "    if key:\n        inside",
        },
        ("tests/nufft/test_gram.py", "-k", "shared_in_a_composition"),
    ),
    Plant(
        "the gradient of a shared parameter is a mean, not a sum",
        {"xp.sum(x, axis=axes) if axes else x": "xp.mean(x, axis=axes) if axes else x"},
        SHARED,
    ),
    Plant(
        "a coil sum without conjugates",
        {"conj(self.maps) * y": "self.maps * y"},
        laws("sense"),
    ),
    Plant(
        "every frame has the parameter's direction of the first",
        {"direction[t, ...] if name": "direction[0, ...] if name"},
        laws("paired"),
    ),
    Plant(
        "each frame has the image of the one before",
        {"(x[(..., t, *behind)] for": "(x[(..., t - 1, *behind)] for"},
        laws("paired"),
    ),
    Plant(
        "frames are joined in front of the batch",
        {"stack(items, axis=-len(after) - 1)": "stack(items, axis=0)"},
        laws("paired"),
    ),
    Plant(
        "k-space of odd sizes is off by an entry",
        {"tuple(sign * (n // 2) for n in shape)": "tuple(n // 2 for n in shape)"},
        laws("fft"),
    ),
    Plant(
        "the adjoint of an FFT is its inverse, without the factor N",
        {"scale(self.norm, self.shape) * count *": "scale(self.norm, self.shape) *"},
        laws("fft"),
    ),
    Plant(
        "slices are counted from the first, not from the centre",
        {"sign * (self.shape[0] // 2)": "0 * sign"},
        laws("partitions or stack"),
    ),
    Plant(
        "partitions are found in the order of the grid, not in that of the data",
        {
            "where = {p % n: i for i, p in enumerate(self.sampled)}": (
                "where = {p % n: i for i, p in enumerate(sorted(self.sampled))}"
            )
        },
        laws("partitions or stack"),
    ),
    Plant(
        "the image is shifted the other way",
        {"xp.exp(-2j * math.pi * xp.astype(cycles": "xp.exp(2j * math.pi * xp.astype(cycles"},
        laws("field-of-view"),
    ),
    Plant(
        "the gradient by the shift is a real part",
        {"2.0 * math.pi * namespace(z).imag(z)": "2.0 * math.pi * namespace(z).real(z)"},
        laws("field-of-view"),
    ),
    Plant(
        "a phase's derivative by the points does not depend on the shift",
        {'other = "trajectory" if name == "shift" else "shift"': 'other = "trajectory"'},
        laws("field-of-view"),
    ),
    Plant(
        "details with the sign of the other wavelet",
        {"(-1) ** m * h[-1 - m]": "(-1) ** (m + 1) * h[-1 - m]"},
        laws("wavelets"),
    ),
    Plant(
        "the adjoint of a wavelet transform is off by two voxels",
        {"xp.roll(x, 1 - reach, axis=axis)": "xp.roll(x, 3 - reach, axis=axis)"},
        laws("wavelets"),
    ),
    Plant(
        "a filter with a wrong digit",
        {"0.8365163037378079": "0.8365163037388079"},
        ("tests/core/test_wavelets.py", "-k", "moments"),
    ),
    Plant(
        "the adjoint of a contraction without conjugates",
        {"conj(self.weights) * self._with_axis(y)": "self.weights * self._with_axis(y)"},
        laws("subspace"),
    ),
    Plant(
        "a gradient by the basis sums over the frames, not over the samples",
        {"range(-ndim, 0) if a != self.axis": "range(-ndim, 0) if a == self.axis"},
        laws("subspace and not gram"),
    ),
    Plant(
        "kernels between coefficients that are not conjugated",
        {"(k, j): conjugate(xp, p) for": "(k, j): p for"},
        laws("subspace"),
    ),
    Plant(
        "images are mixed by the transposed basis, unconjugated, in the adjoint",
        {"matrix_transpose(conj(self.basis)), y)": "matrix_transpose(self.basis), y)"},
        laws("subspace"),
    ),
    Plant(
        "off-resonance turns the other way",
        {"else 2j * math.pi * as_complex(field_map)": "else -2j * math.pi * as_complex(field_map)"},
        laws("off-resonance"),
    ),
    Plant(
        "the times of an off-resonance are not conjugated: a form by the map",
        {"unit = 1.0 if is_complex": "unit = -1.0 if is_complex"},
        laws("off-resonance"),
    ),
    Plant(
        "functions of the time that are not divided by the singular values",
        {"[:, :kept] / s[:kept]": "[:, :kept]"},
        laws("off-resonance"),
    ),
    Plant(
        "an expansion that is content with a hundred times the error",
        {"(r, wr), (f, wf), (t, wt) =": "eps *= 100\n    (r, wr), (f, wf), (t, wt) ="},
        ("tests/mri/test_off_resonance.py",),
    ),
    # --- delays and eddy currents
    Plant(
        "delays that lead",
        {"parts = [-v[..., entries[a]]": "parts = [v[..., entries[a]]"},
        GRADIENTS,
    ),
    Plant(
        "an eddy current that begins with its step",
        {"xp.concat([xp.zeros_like(e[..., :1]), e]": "xp.concat([e, xp.zeros_like(e[..., :1])]"},
        GRADIENTS,
    ),
    Plant(
        "a rate whose kernel keeps its area",
        {"return c * decay, (dc - m * c) * decay": "return c * decay, -m * c * decay"},
        GRADIENTS,
    ),
    Plant(
        "a fit of delays whose derivative is not stretched",
        {"by_points(self.selected(columns": "by_points(0.5 * self.selected(columns"},
        GRADIENTS,
    ),
    # --- field maps of two echoes
    Plant(
        "a field map of the other sign",
        {"field = -turn / (2.0 * math.pi * spacing)": "field = turn / (2.0 * math.pi * spacing)"},
        ECHOES,
    ),
    Plant(
        "a field map that is smoothed without weights",
        {"normal = Diagonal(w + FLOOR)": "normal = Diagonal(1.0 + 0.0 * w)"},
        ECHOES,
    ),
    # --- combinations of coils
    Plant(
        "combinations of coils whose adjoint is the transpose",
        {"combined(conj(self.matrix).T, y": "combined(self.matrix.T, y"},
        laws("coil and matrix"),
    ),
    Plant(
        "the form of a coil matrix without the conjugate",
        {"moveaxis(a, axis, 0) for a in (conj(x), y)": "moveaxis(a, axis, 0) for a in (x, y)"},
        laws("coil and matrix"),
    ),
    Plant(
        "a covariance of the noise without the half",
        {"unit @ conj(unit).T / (2 * count)": "unit @ conj(unit).T / count"},
        MATRICES,
    ),
    Plant(
        "virtual coils that are not conjugated",
        {"CoilMatrix(conj(v).T, tuple(data": "CoilMatrix(v.T, tuple(data"},
        MATRICES,
    ),
    # --- density weights
    Plant(
        "cells of a volume by the formula of the plane",
        {"length) * distance / (2 * d)": "length) * distance / 4"},
        CELLS,
    ),
    Plant(
        "samples at one place that each get its whole cell",
        {"(cell_volumes(points) / count)[number]": "cell_volumes(points)[number]"},
        CELLS,
    ),
    Plant(
        "mirror images at the plane itself",
        {"return p + 2 * slack": "return p + slack"},
        CELLS,
    ),
    Plant(
        "a shell that the shot crosses twice",
        {"xp.clip(first, 0.0)": "xp.abs(first)"},
        CELLS,
    ),
    Plant(
        "samples of a cell counted one too many",
        {"- xp.searchsorted(ordered, cell)": "- xp.searchsorted(ordered, cell) + 1"},
        CELLS,
    ),
    # --- raw data and their reconstruction
    Plant(
        "the filter of a noise scan counted the wrong way round",
        {"sample_time else 1) / part": "sample_time else 1) * part"},
        ("tests/io/test_raw.py", "-k", "filtered_band"),
    ),
    Plant(
        "the image cut out beside the middle of what is encoded",
        {"m // 2 - n // 2 for m, n": "(m - n) // 2 + 1 for m, n"},
        ("tests/cli/test_reconstruct.py", "-k", "beyond_the_image"),
    ),
    Plant(
        "an image so much wider than its encoding that its rim is there twice",
        {"n - encoded <= encoded - voxels": "n >= encoded"},
        ("tests/cli/test_reconstruct.py", "-k", "another_one"),
    ),
    Plant(
        "an L-curve whose small weights have not converged",
        {"TOLERANCE = 1e-6": "TOLERANCE = 1e-4"},
        ("tests/mri/test_reconstruct.py", "-k", "l_curve"),
    ),
    # --- coil maps
    Plant(
        "kernels of ESPIRiT that are correlated the wrong way round",
        {"xp.roll(lags, (kernel - 1,) * d": "xp.roll(xp.conj(lags), (kernel - 1,) * d"},
        ESPIRIT,
    ),
    Plant(
        "noise whose eigenvalues end at its variance",
        {"(math.sqrt(size) + math.sqrt(windows)) ** 2": "max(size, windows)"},
        ESPIRIT,
    ),
    Plant(
        "the smallest eigenvector in place of the largest",
        {"vectors[..., -count:]": "vectors[..., :count]"},
        ESPIRIT,
    ),
    Plant(
        "a calibration region whose samples are not stretched to the grid",
        {"[n / c for n, c in zip(F.shape, whole": "[n / c for n, c in zip(F.shape, size"},
        ESPIRIT,
    ),
    Plant(
        "a covariance without the conjugate",
        {"part[..., :, None] * xp.conj(part)": "part[..., :, None] * (part)"},
        ESPIRIT,
    ),
    Plant(
        "blocks are not transposed in the adjoint",
        {
            "conj(self.blocks) * y[..., :, None], axis=-2": (
                "conj(self.blocks) * y[..., None, :], axis=-1"
            )
        },
        laws("block"),
    ),
    # --- warps and registration
    Plant(
        "the adjoint of a warp gathers one pixel too few",
        {"np.ceil(2 * self._reach)": "np.floor(2 * self._reach)"},
        WARP,
    ),
    Plant(
        "the slope of a B-spline without its inner part",
        {"(2.0 * near * near - 0.5 * far * far)": "(near * near - 0.5 * far * far)"},
        WARP,
    ),
    Plant(
        "a derivative by the scale turns as one by the rotation does",
        {'names.count("rotation") * math.pi / 2': "len(names) * math.pi / 2"},
        WARP,
    ),
    Plant(
        "coefficients of a mirrored image as of a periodic one",
        {
            "BOUNDARIES[boundary].extend(namespace(samples), samples": (
                'BOUNDARIES["circular"].extend(namespace(samples), samples'
            )
        },
        WARP,
    ),
    Plant(
        "registration by Gauss-Newton, which takes noise for detail",
        {"self._at(q).hessian(self._moving, r) /": "0 * self._at(q).hessian(self._moving, r) /"},
        REGISTRATION,
    ),
    Plant(
        "deviations by the Hessian alone, as if the moving picture had no noise",
        {"inverse @ normal @ inverse": "inverse"},
        REGISTRATION,
    ),
    # --- differences, penalties, solves and unrolled iterations
    Plant(
        "an adjoint difference at the wrong end",
        {
            "xp.concat([zero, change], axis=a) - xp.concat([change, zero], axis=a)": (
                "xp.concat([change, zero], axis=a) - xp.concat([zero, change], axis=a)"
            )
        },
        laws("differences"),
    ),
    Plant(
        "the last difference goes around",
        {
            "components.append(xp.concat([change, nothing(x, a)], axis=a))": (
                "components.append(xp.roll(x, -1, axis=a) - x)"
            )
        },
        laws("differences"),
    ),
    Plant(
        "a curvature without the part along the vector",
        {"self.weight * (x - self.p * products(self.p, x, self.axis))": "self.weight * x"},
        PENALTIES,
    ),
    Plant(
        "the products of complex vectors stay complex",
        {"product = real_part(xp, conjugate(xp, a) * b)": "product = conjugate(xp, a) * b"},
        PENALTIES,
    ),
    Plant(
        "the gradient of a penalty by its operator forgets one of two places",
        {"(R.vjp(name, z, self.p) + R.vjp(name, self.x, back))": "R.vjp(name, z, self.p)"},
        PENALTIES,
    ),
    Plant(
        "a number in a parameter's place is replaced by the parameter of a part",
        {"inside.get(name, value) if is_array(value) else value": "inside.get(name, value)"},
        ("tests/inverse/test_penalized.py", "-k", "name_of_a_part"),
    ),
    Plant(
        "the solution's gradient by the weights has the wrong sign",
        {"project_like(namespace(p), conj(p) * self.residual, w)": "-conj(p) * self.residual"},
        PENALIZED,
    ),
    Plant(
        "a solution whose Hessian lacks the penalty",
        {
            "self.normal if self.penalty is None else self.normal + self.penalty.hessian(x)": (
                "self.normal"
            )
        },
        PENALIZED,
    ),
    Plant(
        "Newton's method does not start",
        {"in range(self.iterations):\n            # Steps": "in ():\n            # Steps"},
        PENALIZED,
    ),
    Plant(
        "the solution's gradient by the model lacks the term of the solution",
        {"J.adjoint(Wr) - self.modelled[1].adjoint(Wp)": "J.adjoint(Wr)"},
        LEAST_SQUARES,
    ),
    Plant(
        "the solution's gradient by the weights takes the data for the residual",
        {
            "terms.append(project_like(namespace(p), conj(p) * self.residual": (
                "terms.append(project_like(namespace(p), conj(p) * self.y"
            )
        },
        LEAST_SQUARES,
    ),
    Plant(
        "conjugate gradients: the solution is as near as the right-hand side is large",
        {"xp.sqrt(scale * squares(xp, x, vector)) + xp.sqrt(b2)": "1e3 * xp.sqrt(b2)"},
        ("tests/optim/test_conjugate_gradient.py",),
    ),
    Plant(
        "the circulant matrix of the conjugate coil maps",
        {"means = p * xp.conj(r) / math.prod(shape)": "means = p * r / math.prod(shape)"},
        ("tests/inverse/test_least_squares.py", "-k", "preconditioner"),
    ),
    Plant(
        "the change of a step size is not that of the threshold",
        {"by_l = by_s * method.threshold - inner(by_z, self.g)": "by_l = -inner(by_z, self.g)"},
        UNROLLED,
    ),
    Plant(
        "step sizes of conjugate gradients are taken for constants",
        {"by_rr = by_a - self.c * by_c": "by_rr = -self.c * by_c"},
        UNROLLED,
    ),
    Plant(
        "every state is a checkpoint",
        {"            if k % self.stretch == 0:\n": "            if True:\n"},
        UNROLLED,
    ),
    Plant(
        "no momentum",
        {"found.append(2 / (1 + root) if self.accelerated else 1.0)": "found.append(1.0)"},
        UNROLLED,
    ),
    Plant(
        "a converged system divides by nothing",
        {"moves = (rr >= least) & (ph >= least)": "moves = (rr >= -1) & (ph >= -1)"},
        UNROLLED,
    ),
    # --- settings
    Plant(
        "fractions and text are cut to integers",
        {"        return operator.index(value)\n": "        return int(value)\n"},
        SIGNATURES,
    ),
    Plant(
        "text is a sequence of sizes",
        {
            "isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)": (
                "isinstance(value, Sequence)"
            )
        },
        SIGNATURES,
    ),
    Plant(
        "True is a number",
        {
            "isinstance(value, Real) and not isinstance(value, bool)\n    if not (real": (
                "isinstance(value, Real)\n    if not (real"
            )
        },
        SIGNATURES,
    ),
    Plant(
        "a constructor keeps the setting as it came",
        {'finite("Quadratic", "constant", self.constant)': "self.constant"},
        SIGNATURES,
    ),
    # --- maps and losses
    Plant(
        "the mean of large numbers overflows",
        {"largest * xp.mean(x / largest)": "xp.mean(x)"},
        LOSSES,
    ),
    Plant(
        "an inner product of integers wraps",
        {"if p is None or q is None:": "if False:"},
        SIGNATURES,
    ),
    Plant(
        "a complex cotangent counts by its modulus",
        {"y = xp.real(y)  # <y, A x> of a real A x": "y = xp.abs(y)"},
        ("tests/blur/test_blur.py", "-k", "cotangent"),
    ),
    Plant(
        "the gradient of the mean squared error lacks its factor 2",
        {"(2.0 / self._count) * r": "(1.0 / self._count) * r"},
        LOSSES,
    ),
    Plant("Poisson: the gradient's sign", {"1.0 - t / safe": "1.0 + t / safe"}, LOSSES),
    Plant(
        "Poisson: the series beside the expected count",
        {"v * (r + 2 * t * series)": "v * (r + t * series)"},
        LOSSES,
    ),
    Plant("Huber: the value beyond delta", {"m * (t - 0.5 * m)": "m * (t - m)"}, LOSSES),
    Plant(
        "the transpose of the mean normalisation",
        {"inner(self.value, y) / size(self.value)": "inner(self.value, y)"},
        laws("normalisation"),
    ),
    Plant(
        "half of a quadratic form",
        {"value = inner(h, 0.5 * Gh - self.rhs)": "value = inner(h, Gh - self.rhs)"},
        ("tests/blur/test_normal_equations.py",),
    ),
    Plant(
        "a tile of a picture without the margin of its PSF",
        {"slice(t.start, t.stop + p - 1)": "slice(t.start, t.stop + p - 2)"},
        ("tests/blur/test_normal_equations.py", "-k", "tiles"),
    ),
    Plant(
        "only the first tile of the lags' sums",
        {"products[forward] = products[forward] + xp.sum": "products[forward] = xp.sum"},
        ("tests/blur/test_normal_equations.py", "-k", "tiles"),
    ),
    Plant(
        "diffraction: the intensity's derivative lacks its factor 2",
        {"dI = 2 * (xp.real": "dI = (xp.real"},
        DIFFRACTION,
    ),
    Plant(
        "diffraction: the field without its conjugate",
        {"xp.imag(xp.conj(self.pupil) * g)": "xp.imag(self.pupil * g)"},
        DIFFRACTION,
    ),
    Plant(
        "phase: a shift along the axis with the other sign",
        {"return -s2 / (self.index + root)": "return s2 / (self.index + root)"},
        PHASE,
    ),
    Plant(
        "phase: half of the bead's radius",
        {"ball_transfer(2 * np.pi * bead": "ball_transfer(np.pi * bead"},
        PHASE,
    ),
    Plant(
        "phase: the pixel along one axis alone",
        {"T * np.sinc(u0) * np.sinc(u1)": "T * np.sinc(u0)"},
        PHASE,
    ),
    Plant(
        "phase: the information as if amplitude and background were known",
        {"F = DwD - DwN @ xp.linalg.solve(NwN, xp.matrix_transpose(DwN))": "F = DwD"},
        PHASE,
    ),
    Plant(
        "phase: the background's share from a wrong slope",
        {"over(self.data * (1 / n - h) / mixed)": "over(self.data * (1 - h) / mixed)"},
        PHASE,
    ),
    Plant(
        "phase: the information of counts without their gain",
        {"1 / (self.gain * xp.where(lit, mean, 1.0))": "1 / xp.where(lit, mean, 1.0)"},
        PHASE,
    ),
    Plant(
        "phase: half of the shift",
        {"4 / optics.cutoff *": "2 / optics.cutoff *"},
        PHASE,
    ),
    Plant(
        "phase: steps made of rounding",
        {"floor = FLOOR *": "floor = 0.0 *"},
        PHASE,
    ),
    Plant(
        "phase: the noise's variance left out of the covariance",
        {"(1.0 if known else misfit)": "1.0"},
        ("tests/blur/test_phase.py", "-k", "deviations"),
    ),
    Plant(
        "a mean in a mask divided by all entries",
        {"xp.count_nonzero(xp.broadcast_to(mask, shape)": "xp.count_nonzero(xp.ones_like(images)"},
        LOSSES,
    ),
    Plant(
        "what is outside of a mask keeps its error",
        {"xp.where(mask, x, xp.zeros_like(x))": "xp.where(mask, x, x)"},
        LOSSES,
    ),
    Plant(
        "the gradient of SSIM without the change of the means in the variances",
        {"+ p * (self.b * self.mx - self.md)": "- p * self.md"},
        SSIM,
    ),
    Plant(
        "the gradient of SSIM without the change of the luminance's denominator",
        {"2.0 * (md - a * (mx + self.centre)) / A": "2.0 * md / A"},
        SSIM,
    ),
    Plant(
        "the gradient of SSIM without that of contrast's denominator",
        {"self.d * of_d - self.x * of_x": "self.d * of_d"},
        SSIM,
    ),
    Plant(
        "the gradient of SSIM without luminance as a factor of contrast's",
        {"w * (1.0 - self.a) / self.B": "w / self.B"},
        SSIM,
    ),
    Plant(
        "the gradient of SSIM without the factor of a sample's variance",
        {"(2.0 * r.f) * w": "2.0 * w"},
        SSIM,
    ),
    Plant(
        "a border of ones in the adjoint of windows",
        {
            "edge = zeros_along(xp, y, axis, len(weights) - 1)\n": (
                "edge = xp.ones_like(zeros_along(xp, y, axis, len(weights) - 1))\n"
            )
        },
        SSIM,
    ),
    Plant(
        "the mean of the target left out of the luminance",
        {"A = (mx + self.centre) ** 2 + (self.my + self.centre) ** 2": "A = mx**2 + self.my**2"},
        SSIM,
    ),
    Plant(
        "the gradient of SSIM in units of the data's range",
        {"entries(lack))) / self._range": "entries(lack)))"},
        SSIM,
    ),
    Plant(
        "a relative error whose squares underflow",
        {"sum_of_squares(xp, a / largest, ndim) for a": "sum_of_squares(xp, a, ndim) for a"},
        ("tests/core/test_metrics.py", "-k", "units"),
    ),
    Plant(
        "soft thresholding by zero holds what is zero",
        {"kept | (s == 0), s / safe": "kept, s / safe"},
        ("tests/inverse/test_unrolled.py", "-k", "zeros_move"),
    ),
    Plant(
        "a cut readout has the samples' mean over the image, not over what it saw",
        {"np.exp(2j * np.pi * np.outer(i, k)) / n": "np.exp(2j * np.pi * np.outer(i, k)) / size"},
        RAW,
    ),
    Plant(
        "a Cartesian line is where the encoded space, not the image, has it",
        {"a) for space in (recon, encoded)]": "a) for space in (recon, recon)]"},
        RAW,
    ),
    Plant(
        "a line that was read backwards stays backwards",
        {"along[::-1] if reverse else along, *steps": "along, *steps"},
        RAW,
    ),
    Plant(
        "a grid of BART has its centre between two samples",
        {"(steps - np.asarray(sizes) // 2)": "(steps - np.asarray(sizes) / 2 + 0.5)"},
        RAW,
    ),
    Plant(
        "frames are joined with their shots in turn",
        {"np.moveaxis(self.data, 0, 1).reshape(1, coils": "self.data.reshape(1, coils"},
        RAW,
    ),
    Plant(
        "coil maps are not whitened with the data",
        {
            "maps = np.tensordot(matrix, maps, (1, 0))": (
                "maps = np.tensordot(matrix.conj(), maps, (1, 0))"
            )
        },
        ("tests/cli/test_reconstruct.py", "-k", "whitens"),
    ),
    Plant(
        "the image of the adjoint is as large as the maps' squares",
        {"/ xp.where(seen, power, xp.ones_like(power))": "/ xp.where(seen, xp.sqrt(power), 1.0)"},
        RECONSTRUCT,
    ),
    Plant(
        "the weight of least squares is that of an image which density weights dim",
        {"root_mean_square(model.trial)": "root_mean_square(model.compensated)"},
        RECONSTRUCT,
    ),
    Plant(
        "noise that a fit of voxels takes away is not put back",
        {"math.sqrt(count / free)": "math.sqrt(free / count)"},
        RECONSTRUCT,
    ),
    Plant(
        "shifted copies of wavelets are shifted on",
        {"self._shifted(images[i, ...], s, -1)": "self._shifted(images[i, ...], s, 1)"},
        RECONSTRUCT,
    ),
    Plant(
        "the l1 norm of copies is a sum",
        {"soft_threshold(weight / math.sqrt(len(SHIFTS)))": "soft_threshold(weight)"},
        RECONSTRUCT,
    ),
    Plant(
        "the damping of LSQR is not in its residual",
        {"passed = c * phi, passed + (s * phi) ** 2": "passed = c * phi, passed"},
        ("tests/optim/test_bidiagonal.py",),
    ),
    Plant(
        "the direction of LSMR takes the diagonal after for that before",
        {"ratio(xp, before * r, rho * outer), g)": "ratio(xp, before * r, r * outer), g)"},
        ("tests/optim/test_bidiagonal.py",),
    ),
    Plant(
        "the dual variable of ADMM moves with the map that is not relaxed",
        {"u + c * (v - n), u, v, new)": "u + c * (v - n), u, Kx, new)"},
        ("tests/optim/test_admm.py",),
    ),
    Plant(
        "the gradient of ADMM's last point leaves out its coupling",
        {"Hx = b - solved.state.residual - c * transposed(Kx)": "Hx = b - solved.state.residual"},
        ("tests/optim/test_admm.py",),
    ),
    Plant(
        "curvature that is rounding moves conjugate gradients",
        {"xp.finfo(rhs.dtype).eps * xp.sqrt(scale) * p2)": "0.0 * p2)"},
        ("tests/optim/test_conjugate_gradient.py", "-k", "outside_of_the_range"),
    ),
    Plant(
        "variances of images with their mean",
        {"found = (self.target - self._centre) / self._range": "found = self.target / self._range"},
        (*SSIM[:1], "-k", "single_precision"),
    ),
    Plant(
        "the adjoint of halving without a half",
        {"xp.repeat(0.5 * y, 2, axis=axis)": "xp.repeat(y, 2, axis=axis)"},
        SSIM,
    ),
    Plant(
        "a row that halving left out at the wrong end of its adjoint",
        {
            "[xp.repeat(0.5 * y, 2, axis=axis), left_out]": (
                "[left_out, xp.repeat(0.5 * y, 2, axis=axis)]"
            )
        },
        SSIM,
    ),
    Plant(
        "luminance at every scale",
        {"luminance=scale == self._scales": "luminance=True"},
        SSIM,
    ),
    Plant(
        "scales whose gradient forgets its own similarity",
        {"s * V * w / (1.0 - q)": "s * V * w"},
        SSIM,
    ),
    Plant(
        "a mask at the corners of windows, not their centres",
        {"slice(size // 2, mask.shape[axis] - size // 2)": "slice(0, mask.shape[axis] - size + 1)"},
        SSIM,
    ),
    Plant(
        "the ratio of signal to noise by the root of the mean",
        {"decibels = -10.0 * xp.log10": "decibels = -20.0 * xp.log10"},
        METRICS,
    ),
    # --- the NUFFT
    Plant(
        "the derivative by the points has the wrong sign",
        {"return -1j * sum(dk[:, a] * self.G": "return 1j * sum(dk[:, a] * self.G"},
        NUFFT,
    ),
    Plant(
        "the ramps of a derivative lack their 2 pi",
        {"2.0 * math.pi * voxel_index(": "1.0 * voxel_index("},
        NUFFT,
    ),
    Plant(
        "the centre of an odd size is off by one",
        {"- float(size // 2)": "- float((size + 1) // 2)"},
        NUFFT,
    ),
    Plant(
        "the ortho norm is that of one axis",
        {"1.0 / math.sqrt(math.prod(shape))": "1.0 / math.sqrt(shape[0])"},
        NUFFT,
    ),
    Plant(
        "the curvature has the wrong sign",
        {"total = -reduce(operator.add, terms)": "total = reduce(operator.add, terms)"},
        ("tests/nufft/test_second_order.py", "-k", "numpy and direct"),
    ),
    Plant(
        "native libraries round the points of long axes to single precision",
        {"return 2.0 * phase_rounding(shape, SINGLE_BITS) > eps": "return eps < 0.0"},
        ("tests/nufft/test_long_axes.py", "-k", "finufft or rule"),
    ),
    Plant(
        "the exact sums multiply points by whole voxel numbers",
        {"s = 2 ** (size.bit_length() // 2)": "s = 2 ** size.bit_length()"},
        ("tests/nufft/test_long_axes.py", "-k", "turns"),
    ),
    Plant(
        "a map is not conjugated where coils are added up",
        {"+= np.conj(maps[s, p, q, n + m]) * value": "+= maps[s, p, q, n + m] * value"},
        COILS,
    ),
    Plant(
        "each block of coils begins with the first map",
        {
            "grid.transform_of(self.images, self.maps, block.start)": (
                "grid.transform_of(self.images, self.maps, 0)"
            )
        },
        COILS,
    ),
    Plant(
        "the gradient by coil maps has image and maps exchanged, and not their data",
        {
            "xp.permute_dims(xp.reshape(data, (*count, data.shape[1])), (1, 0, 2))": (
                "xp.reshape(data, (*count[::-1], data.shape[1]))"
            )
        },
        laws("sense and direct"),
    ),
    Plant(
        "the deconvolution is interpolated over half of the axis",
        {"s = 2.0 * (m / max(last, 1)) ** 2 - 1.0": "s = (m / max(last, 1)) ** 2 - 1.0"},
        ("tests/nufft/test_grid.py", "-k", "deconvolution"),
    ),
    Plant(
        "a number of NumPy is remembered as it comes",
        {"return setting.item()": "return setting"},
        ("tests/core/test_caching.py",),
    ),
    Plant(
        "the first derivative of the kernel has the rate of another width",
        {"-rate * t * g1": "-rate * t * g1 * width / (width + 1)"},
        ("tests/nufft/test_grid.py", "-k", "kernel_and_its or finer or 20-23-0.01"),
    ),
    Plant(
        "a point that is not finite is let through",
        {
            "finite = xp.isfinite(trajectory)": "finite = trajectory == trajectory",
        },
        ("tests/nufft/test_nufft.py", "-k", "not_finite"),
    ),
    Plant(
        "spokes through the centre are as far apart as those of a whole sphere",
        {"np.pi * on_curve / (interleaves": "np.pi * points / (interleaves"},
        (*PATTERN, "own_property and wong"),
    ),
    Plant(
        "directions at both poles have half of the others' share",
        {"(np.arange(len(azimuth)) + 0.5) / len(azimuth)": "np.linspace(0, 1, len(azimuth))"},
        (*PATTERN, "own_property and cones_3d"),
    ),
    Plant(
        "half rings are turned to the wrong side",
        {"about(1, -angle)": "about(1, angle)"},
        (*PATTERN, "own_property and annular"),
    ),
    Plant(
        "the lags of a Gram are shifted by one",
        {"(slice(n - 1, None), slice(n - 1))": "(slice(n, None), slice(n))"},
        GRAM,
    ),
    Plant(
        "the correlation takes the first image of a batch",
        {
            "return xp.sum(product, axis=0)": "return product[0, ...]",
        },
        GRAM,
    ),
    Plant(
        "the density iteration forgets the weights before",
        {"w = w / xp.abs(": "w = 1 / xp.abs("},
        ("tests/mri/test_derivatives.py", "-k", "density_weights and direct-1"),
    ),
    Plant(
        "a step of the density weights divides by C w with its sign",
        {"w[i] /= abs(read[b, 0])": "w[i] /= read[b, 0] * read[b, 0]"},
        ("tests/mri/test_derivatives.py", "-k", "density_weights and grid-1"),
    ),
    Plant(
        "the gradient of the density weights forgets how the weights before moved",
        {"bar += read[b, 0]": "bar += 0 * read[b, 0]"},
        ("tests/mri/test_derivatives.py", "-k", "density_weights and grid-1"),
    ),
    Plant(
        "the weights before a step are those after it",
        {"w[i] *= abs(z[s - 1, i])": "w[i] *= 1"},
        ("tests/mri/test_derivatives.py", "-k", "density_weights and grid-1"),
    ),
    Plant(
        "density weights begin at ones, whatever is given",
        {
            "if weights.start is None else weights.start": "if True else weights.start",
        },
        ("tests/mri/test_derivatives.py", "-k", "begin_at_others"),
    ),
    Plant(
        "a slab leaves lines open that it is the last to add to",
        {"(top + halo, last), (top, bottom + halo)": "(top + halo, last), (top, bottom)"},
        ("tests/nufft/test_grid.py", "-k", "slabs_that_wait"),
    ),
    Plant(
        "an image that stays on its grid is deconvolved once",
        {"cells[m, c] *= factor * factor": "cells[m, c] *= factor"},
        ("tests/nufft/test_grid.py", "-k", "stays_on_its_grid"),
    ),
    Plant(
        "an image and data of different batches are let through",
        {'self._check_pair("weighted_adjoint_vjp(x, y, weights)", x, y)': "pass"},
        ("tests/nufft/test_coils.py", "-k", "different_batches"),
    ),
    Plant(
        "an objective keeps the density's start of the step before",
        {"vars(self), density_start=start, ": "vars(self), "},
        ("tests/workflows/test_jobs.py", "-k", "step_before"),
    ),
    Plant(
        "the scale of density weights forgets that the data of the image are weighted",
        {
            "above = xp.sum(dot(xp, self.data, dy) + dot(xp, ddata, self.y))": (
                "above = 2.0 * xp.sum(dot(xp, self.data, dy))"
            )
        },
        DENSITY,
    ),
    Plant(
        "a crowd is added up in one block",
        {"BLOCK = 1024": "BLOCK = 2**30"},
        ("tests/nufft/test_grid.py", "-k", "very_many"),
    ),
    Plant(
        "crowds are looked for where a whole bin is full of points",
        {"crowded[most > CROWD]": "crowded[most > 1000 * CROWD]"},
        ("tests/nufft/test_grid.py", "-k", "very_many"),
    ),
    Plant(
        "points are numbered by their places in the buckets",
        {"order[place] = dealt[i] & 0xFFFFFFFF": "order[place] = i"},
        ("tests/nufft/test_grid.py", "-k", "sorted_by_bins and 320 and 70000"),
    ),
    Plant(
        "cycles per field of view are divided by the first size alone",
        {"(shape, dtype=k.dtype, device=device(k))": "(shape[:1], dtype=k.dtype)"},
        ("tests/mri/test_mri.py",),
    ),
    # --- PSFs that vary over the field
    Plant(
        "the hats of a grid do not meet",
        {"Values = (1 - np.abs(place": "Values = (1 - 2 * np.abs(place"},
        (*FIELD, "weights"),
    ),
    Plant(
        "the lags of a field are found with the wrong sign",
        {"at[q[0], q[1], q[0] - d0, q[1] - d1] =": "at[q[0], q[1], q[0] - d0, q[1]] ="},
        (*FIELD, "matrices"),
    ),
    Plant(
        "one of a cell's diagonals is forgotten",
        {"else [(n, n + 1), (n + 1, n)]": "else [(n, n + 1)]"},
        (*FIELD, "matrices"),
    ),
    Plant(
        "the penalty of a field forgets its second end",
        {"slope = slope + xp.concat([zeros[1], along], axis=1) - xp": "slope = slope - xp"},
        (*FIELD, "neighbours"),
    ),
    Plant(
        "of one PSF at all nodes, each pair of neighbours counts once",
        {"[float(len(ends(i))) for i in": "[1.0 for i in"},
        (*FIELD, "matrices"),
    ),
    Plant(
        "the grid spans the valid part alone",
        {"hats(nodes, pixels)[:, before : before + used]": "hats(nodes, used)"},
        (*FIELD, "spans"),
    ),
    Plant(
        "a star has all nodes' PSFs in equal parts",
        {
            "return array_namespace(c).sum(self.shares * self.stars(c), axis=0)": (
                "return array_namespace(c).mean(self.stars(c), axis=0)"
            ),
        },
        ("tests/workflows/test_stars.py", "-k", "varies"),
    ),
    # --- blind calibration
    Plant(
        "the sum of a blind PSF is held at one",
        {"f.value_and_grad, h, NONNEGATIVE": "f.value_and_grad, h, optim.projections.simplex()"},
        (*BLIND, "known_image"),
    ),
    Plant(
        "a blind PSF is as smooth as all of the data",
        {"left = 2 * f.constant - product**2 / power": "left = 2 * f.constant"},
        (*BLIND, "known_image"),
    ),
    Plant(
        "the blur of a picture of few edges is dark beyond the frame",
        {"known + unknown * ifft": "known + 0 * unknown * ifft"},
        (*BLIND, "few_edges"),
    ),
    Plant(
        "the stiffness of an edge's copy is taken upside down",
        {"u0**2 + u1**2 > weight / beta": "u0**2 + u1**2 > weight * beta"},
        (*BLIND, "few_edges or heavy"),
    ),
    Plant(
        "the weight of an edge does not fall",
        {"weight * FIRST ** (1 - n / max(rounds - 1, 1))": "weight * FIRST"},
        (*BLIND, "weight_falls"),
    ),
    Plant(
        "the weight of an edge follows the noise and not its variance",
        {"PER_VARIANCE * estimate_noise(blurred) ** 2": "PER_VARIANCE * estimate_noise(blurred)"},
        (*BLIND, "grows_with"),
    ),
    Plant(
        "a finer PSF is interpolated about its corner",
        {"dtype=np.float64) - m // 2) * STEP + n // 2": "dtype=np.float64)) * STEP"},
        (*BLIND, "finer_psf"),
    ),
    # --- stacks
    Plant(
        "a stack: rows before the window are added, not taken away",
        {"(-1.0) ** after.count(False) * u": "1.0 * u"},
        ("tests/blur/test_normal_equations.py", "-k", "squared_error"),
    ),
    Plant(
        "a stack: the opposite lag of two rows does not exchange them",
        {"conjugate(xp, xp.matrix_transpose(c))": "conjugate(xp, c)"},
        ("tests/blur/test_normal_equations.py", "-k", "squared_error"),
    ),
    Plant(
        "a stack: the valid part begins half a PSF too early",
        {"slice(p - 1 - p // 2, m - p // 2)": "slice(p // 2, m - (p - 1) // 2 - (p + 1) % 2)"},
        (*STACKS, "sharp_ones_size"),
    ),
    Plant(
        "a stack: its best shift is that of the wrong corner",
        {"tuple(p - 1 - p // 2 - int(i)": "tuple(p // 2 - int(i)"},
        (*STACKS, "best_shift"),
    ),
    Plant(
        "a stack: a drift falls on the near voxel alone",
        {"np.where(far, f, 1 - f)": "np.where(far, f, 1.0)"},
        (*STACKS, "drift"),
    ),
    Plant(
        "a stack: the Laplacian has the middle of a picture's",
        {"kernel[(1,) * d] = 2 * d": "kernel[(1,) * d] = 4"},
        (*STACKS, "linear_system"),
    ),
    Plant(
        "a stack: total variation by two axes",
        {"soft_threshold(weight, axes=-1 - model.ndim)": "soft_threshold(weight, axes=-3)"},
        (*STACKS, "equal_planes"),
    ),
    Plant(
        "a stack: a section is not turned",
        {"(stack[:, :, k].T, (columns": "(stack[:, :, k], (columns"},
        (*STACK_FILES, "one_place"),
    ),
    Plant(
        "a stack: the valid part is drawn from the sharp one's corner",
        {"first=tuple(s * (p - 1 - p // 2) * (n > m)": "first=tuple(0 * s * (p - p) * (n > m)"},
        (*STACK_FILES, "valid_part"),
    ),
    Plant(
        "a stack: its widths are named after the wrong axes",
        {"(across[1].widths[0], *across[0].widths)": "(*across[0].widths, across[1].widths[0])"},
        (*STACK_FILES, "voxels_go"),
    ),
    # --- deblurring
    Plant(
        "Wiener's right-hand side has the pixels that do not count",
        {"self.model.map.adjoint(self.model.data)": "self.model.blur.adjoint(self.model.blurred)"},
        (*DEBLUR, "masked"),
    ),
    Plant(
        "noise and weight are those of the pixels that do not count",
        {"blurred=self.data + (1 - self.seen) * values": "blurred=self.blurred"},
        (*DEBLUR, "any_value"),
    ),
    Plant(
        "the dual step extrapolates not",
        {"u + b * (2 * n - k)": "u + b * n"},
        PRIMAL_DUAL,
    ),
    Plant(
        "the conjugate's proximal map without Moreau's scaling",
        {"lambda v: v / b, v), 1 / b)": "lambda v: v / b, v), b)"},
        PRIMAL_DUAL,
    ),
    Plant(
        "the error of the primal-dual method forgets the change of the gradient",
        {"(x - n) / a + (m - g) + (j - k)": "(x - n) / a + (j - k)"},
        PRIMAL_DUAL,
    ),
    Plant(
        "the group threshold counts its weight by the entry",
        {"shrunk = xp.maximum(length - t / unit, 0.0)": "shrunk = xp.maximum(length - t, 0.0)"},
        (*PROXIMAL, "-k", "group"),
    ),
    Plant(
        "Wiener's filter has the amplitude of the blur, not its power",
        {"H = self.model.power(shape) + self": "H = self.model.power(shape) ** 0.5 + self"},
        (*DEBLUR, "circular_filter"),
    ),
    Plant(
        "the Laplacian of a periodic picture stops at the frame",
        {'Blur(k, "circular" if circular else "replicate", d)': 'Blur(k, "replicate", d)'},
        (*DEBLUR, "circular_filter or vanishes"),
    ),
    Plant(
        "Richardson and Lucy forget the light that falls beside the picture",
        {"n = A.adjoint(xp.ones_like(y))": "n = xp.ones_like(start)"},
        (*DEBLUR, "stays or formula"),
    ),
    Plant(
        "the background is left out of the residual",
        {"model.blur.apply(x) - background": "model.blur.apply(x)"},
        (*DEBLUR, "stays"),
    ),
    Plant(
        "the sign of the total variation in Richardson and Lucy's step",
        {"total + float(more), g + t": "total + float(more), g - t"},
        (*DEBLUR, "formula"),
    ),
    Plant(
        "the median of the noise's power is its mean",
        {"float(np.median(Y)) / math.log(2)": "float(np.median(Y))"},
        (*DEBLUR, "white_noise"),
    ),
    Plant(
        "the noise is read where the light is",
        {"quiet = np.argsort(light, axis=None)[:": "quiet = np.argsort(-light, axis=None)[:"},
        (*DEBLUR, "beside_texture and gaussian"),
    ),
    Plant(
        "the noise that the filter lets through is left out of the risk",
        {" * sharp + noise**2 * power / total**2": " * sharp"},
        (*DEBLUR, "near_the_best and wiener"),
    ),
    Plant(
        "the mean power of PSFs that vary has no cross terms",
        {"return psf, w @ w.T / w.shape[1]": "return psf, np.diag(np.mean(w**2, axis=1))"},
        (*DEBLUR, "mean_over"),
    ),
    Plant(
        "the last node of a grid is beyond the last pixel",
        {"np.linspace(0, nodes - 1, pixels)": "np.arange(pixels) * (nodes - 1) / pixels"},
        (*FIELD, "weights"),
    ),
    # --- the blur
    Plant(
        "a small PSF is not flipped",
        {"tuple(p - 1 - i for p, i in zip(self.psf_shape, q, strict=True))": "tuple(q)"},
        BLUR,
    ),
    Plant(
        "an even PSF has its centre on the other side",
        {"(axis, p - 1 - p // 2, p // 2)": "(axis, p // 2, p - 1 - p // 2)"},
        BLUR,
    ),
    Plant(
        "the last edge keeps what replicates it",
        {"part(e, axis, end - after - 1, end)": "part(e, axis, end - after, end)"},
        BLUR,
    ),
    Plant(
        "a reflected margin is folded without a flip",
        {
            "xp.flip(part(p, axis, size, 2 * size - 2), axis=axis)": (
                "part(p, axis, size, 2 * size - 2)"
            )
        },
        BLUR,
    ),
    Plant(
        "the gradient by the PSF lacks a conjugate",
        {"self._sum_to(e * xp.conj(y), lead)": "self._sum_to(e * y, lead)"},
        BLUR,
    ),
    Plant(
        "the defocus disk grows by a pixel's corner",
        {"b0 * c + circle_integral(a0, r)": "a0 * c + circle_integral(a0, r)"},
        ("tests/blur/test_psfs.py", "-k", "defocus or disk"),
    ),
    Plant(
        "a transform's imaginary rounding stays with a real PSF",
        {"return y if self.real or self._gives_complex": "return y if True or self._gives_complex"},
        ("tests/blur/test_blur.py", "-k", "what_it_says"),
    ),
    # --- projections and proximal maps
    Plant(
        "the threshold of the simplex counts one entry too few",
        {"excess / support, 0.0)": "excess / (support + 1), 0.0)"},
        PROJECTIONS,
    ),
    Plant(
        "infinity has a projection onto the simplex",
        {"xp.where(xp.isfinite(top), top, xp.nan)": "xp.where(xp.isfinite(top), top, 0.0)"},
        PROJECTIONS,
    ),
    Plant(
        "a point inside of the ball is scaled to its surface",
        {"inside = length <= radius / unit": "inside = length < 0"},
        PROJECTIONS,
    ),
    Plant(
        "the affine sum counts the axes' entries once more",
        {"xp.sum(y / n, axis": "xp.sum(y / (n + 1), axis"},
        PROJECTIONS,
    ),
    Plant(
        "the threshold forgets the step",
        {"modulus - step * weight": "modulus - weight"},
        PROXIMAL,
    ),
    Plant(
        "total variation: the dual step is twice as long as it may be",
        {"rate = 1 / (t * 4 * len(D.axes))": "rate = 1 / (t * 2 * len(D.axes))"},
        PROXIMAL,
    ),
    Plant(
        "total variation: a primal step is counted once more",
        {"enough = 0.5 * (accuracy * norm(x)) ** 2": "enough = 50 * (accuracy * norm(x)) ** 2"},
        PROXIMAL,
    ),
    # --- optimisers
    Plant(
        "Adam without the bias correction of its mean",
        {"step_size = rate(state.step) / (1 - b1**t)": "step_size = rate(state.step)"},
        OPTIMIZERS,
    ),
    Plant(
        "Adam without the bias correction of its squares",
        {"root = math.sqrt(1 - b2**t)": "root = 1.0"},
        OPTIMIZERS,
    ),
    Plant(
        "the decay of the weights forgets the learning rate",
        {"keep = 1 - rate(state.step) * weight_decay": "keep = 1 - weight_decay"},
        OPTIMIZERS,
    ),
    Plant(
        "momentum as an average",
        {"momentum * b + g": "momentum * b + (1 - momentum) * g"},
        OPTIMIZERS,
    ),
    Plant(
        "a schedule goes on beyond its end",
        {"return start + (end - start) * min(t, steps)": "return start + (end - start) * t"},
        ("tests/optim/test_schedules.py",),
    ),
    # --- checkpoints
    Plant(
        "a run that goes on without its best point",
        {
            "            result, ended = saved\n": (
                "            result, ended = saved\n"
                "            result = result._replace(best_params=result.params)\n"
            )
        },
        RESUMED,
    ),
    Plant(
        "a run that goes on with the loss of an interrupted step",
        {"history=result.history[: result.steps + 1 - first])": "history=result.history)"},
        RESUMED,
    ),
    Plant(
        "a run that has converged, and goes on all the same",
        {
            "left = range(result.steps + 1 if history else first, 0 if ended else steps + 1)": (
                "left = range(result.steps + 1 if history else first, steps + 1)"
            )
        },
        RESUMED,
    ),
    Plant(
        "a checkpoint that forgets what the callback keeps",
        {"self.kept.update(frozen(kept))": "pass"},
        RESUMED,
    ),
    Plant(
        "a checkpoint with what an interrupted callback has kept",
        {
            "Settled(state, frozen(self.kept or {}), self.seconds)": (
                "Settled(state, self.kept or {}, self.seconds)"
            )
        },
        RESUMED,
    ),
    Plant(
        "a checkpoint with axes in another order in memory",
        {"key=lambda axis: -abs(plain.strides[axis])": "key=lambda axis: axis"},
        RESUMED,
    ),
    Plant(
        "a checkpoint of another run, accepted",
        {"elif repr(then[name]) != repr(here[name]):": "elif False:"},
        RESUMED,
    ),
    Plant(
        "a checkpoint that is half there",
        {'temporary = path.with_name(f".{path.name}.{os.getpid()}")': "temporary = path"},
        RESUMED,
    ),
    Plant(
        "a file of several loops that loses those to come",
        {"parts = self.saved | {name: part.saved()": "parts = {name: part.saved()"},
        RESUMED,
    ),
    Plant(
        "an epoch whose batches are drawn from its first again",
        {"            if i < done:\n                continue\n": ""},
        JOBS_RESUMED,
    ),
    Plant(
        "an epoch that goes on with the losses of its last images alone",
        {
            "total, images = self.place.total + n * loss, self.place.images + n": (
                "total, images = (self.place.total if i > done else 0.0) + n * loss, "
                "self.place.images + n"
            )
        },
        JOBS_RESUMED,
    ),
    Plant(
        "the rounds of a blind calibration that go on at their level's first weight",
        {"now, done = place.last, place.rounds": "now, done = place.last, 0"},
        JOBS_RESUMED,
    ),
    Plant(
        "the rounds of a pair that doubt again what they have found",
        {"self.names, self.doubted = place.names, place.doubted": "self.names = place.names"},
        JOBS_RESUMED,
    ),
    Plant(
        "the rounds of a pair that begin with its middle again",
        {"if not whole and (place is None or not place.whole):": "if not whole:"},
        JOBS_RESUMED,
    ),
    Plant(
        "the rounds of a pair that go on after they have settled",
        {"while place.round < ROUNDS and not place.settled:": "while place.round < ROUNDS:"},
        JOBS_RESUMED,
    ),
    Plant(
        "a condition that ends a loop, and not the one that goes on from it",
        {"return step._replace(converged=True) if met": "return step._replace(last=met) if met"},
        RESUMED,
    ),
    Plant(
        "short loops that write the file at their ends",
        {"if self.file.changed and (self.file.due or not self.brief):": "if self.file.changed:"},
        RESUMED,
    ),
    Plant(
        "the part of a loop that is never forgotten",
        {"        self.file.drop(": "        len("},
        RESUMED,
    ),
    Plant(
        "frames that are complete and not kept",
        {"        kept.append(result)\n": "        kept = [*kept, result]\n"},
        COMMANDS_RESUMED,
    ),
    Plant(
        "a checkpoint that stays beside a complete result",
        {"        folder.remove_checkpoint()\n": "        pass\n"},
        COMMANDS_RESUMED,
    ),
    Plant(
        "a checkpoint that a new job overwrites",
        {"        if there := self._there([CHECKPOINT]):": "        if there := self._there([]):"},
        COMMANDS_RESUMED,
    ),
    # --- clusters
    Plant(
        "a worker without the library is let in",
        {"    if there != here:\n": "    if there != here and isinstance(there, str):\n"},
        (*CLUSTER, "-k", "without_the_library"),
    ),
    Plant(
        "chunks that are put together before their function is called",
        {
            "    for x in arrays:\n        pairs += [x,": (
                "    for x in arrays:\n        pairs += [x.rechunk(-1).rechunk(x.chunks),"
            )
        },
        (*CLUSTER, "-k", "no_more_chunks"),
    ),
    Plant(
        "a scheduler without the library is asked nothing",
        {"        self.greet_scheduler()\n": ""},
        (*CLUSTER, "-k", "scheduler_without"),
    ),
    Plant(
        "a descent without its projection",
        {
            'p = projected("minimize", project, p, result.params)': (
                'projected("minimize", project, p, result.params)'
            )
        },
        MINIMIZE,
    ),
    Plant(
        "a loss that is not a number goes on",
        {
            '    if not math.isfinite(loss):\n        return f"the loss': (
                '    if math.isinf(loss):\n        return f"the loss'
            )
        },
        MINIMIZE,
    ),
    Plant(
        "a projected step without its projection",
        {
            "return project(moved(point.params, -a, point.gradient))": (
                "return moved(point.params, -a, point.gradient)"
            )
        },
        SOLVERS,
    ),
    Plant(
        "acceleration with another sequence of weights",
        {"2 / (1 + math.sqrt(1 + 4 / t**2))": "2 / (1 + math.sqrt(1 + 2 / t**2))"},
        SOLVERS,
    ),
    Plant(
        "Levenberg-Marquardt predicts twice the curvature",
        {"state.gradient + 0.5 * change": "state.gradient + change"},
        ("tests/optim/test_levenberg_marquardt.py",),
    ),
    Plant(
        "a converged point ignores the projection",
        {"lambda p, g: p - g, params, gradient": "lambda p, g: p + g, params, gradient"},
        ("tests/optim",),
    ),
    Plant(
        "problems share the first loop's products",
        {"parts.append(self.inner(s, v))": "parts.append(self.inner(s, v)[:1, ...])"},
        LBFGS_BATCH,
    ),
    Plant(
        "pairs of all problems move up where one has a new one",
        {"return xp.where(where, xp.concat([rows": "return xp.where(True, xp.concat([rows"},
        LBFGS_BATCH,
    ),
    Plant(
        "problems at rest take their trials",
        {"active = ~state.rest": "active = state.rest | True"},
        LBFGS_BATCH,
    ),
    Plant(
        "the values of a batch's model rise by the descent",
        {"value = value - t * descent": "value = value + t * descent"},
        LBFGS_BATCH,
    ),
    Plant(
        "a batch's search is begun again in all problems",
        {"chosen(xp, begins, fresh, state.search)": "fresh"},
        LBFGS_BATCH,
    ),
    Plant(
        "ends of masked columns with the other sign",
        {"padded[:-1] - padded[1:]": "padded[1:] - padded[:-1]"},
        PAIR,
    ),
    Plant(
        "the offset's mean is that of all pixels",
        {"self.columns(counted), xp.sum(counted": "self.columns(counted), xp.sum(one"},
        PAIR,
    ),
    Plant(
        "bound pixels are freed where the gradient is positive",
        {"(~free & (slope < -1e-12": "(~free & (slope > 1e-12"},
        PAIR,
    ),
    Plant(
        "the derivative between pixels has the other sign",
        {"filtered(part, -s0, v1)": "filtered(part, s0, v1)"},
        PAIR,
    ),
    Plant(
        "the slope of a motion keeps what a gain can make",
        {"d = projected(pair.sharp, d, p) if fit.photometry else d": "d = d"},
        PAIRS,
    ),
    Plant(
        "clipping levels are looked for at the largest value alone",
        {"(beyond <= BEYOND * size)": "(beyond <= 0)"},
        PAIRS,
    ),
    Plant(
        "the peak of a PSF looked for beside its first pixel alone",
        {"np.arange(-FINE, FINE * n + 1) / FINE": "np.arange(-FINE, FINE * 3 + 1) / FINE"},
        (*MEASURES, "-k", "strehl"),
    ),
    Plant(
        "an ellipse whose axes turn around the first pixel",
        {"self.u[0]]) @ away": "self.u[0]]) @ np.stack(self.known.places)"},
        (*MEASURES, "-k", "where_the_psf"),
    ),
    Plant(
        "a circle moves against its centre",
        {"across[0] - across[1], down": "across[1] - across[0], down"},
        MEASURES,
    ),
    Plant(
        "the centroid of encircled energy stands still",
        {"area + moved.T @ np.stack(self.known.places)": "area"},
        MEASURES,
    ),
    Plant(
        "a width forgets that its peak changes",
        {"side * (change / 2 - gradient) / slope": "-side * gradient / slope"},
        MEASURES,
    ),
    Plant(
        "an axis of the ellipse turns the other way",
        {"Line(self.known, u, -self.turning)": "Line(self.known, u, self.turning)"},
        MEASURES,
    ),
    Plant(
        "the transfer function's deviation lacks its modulus",
        {"deviations(column)[0]) / m if m": "deviations(column)[0]) if m"},
        MEASURES,
    ),
    Plant(
        "noise adds nothing to a modulus",
        {"return m, std, float(np.sum(wave * self.covariances))": "return m, std, 0.0"},
        MEASURES,
    ),
    Plant(
        "the largest of many values is taken for the true one",
        {"max(float(np.quantile(self.errors, 0.975)), SIDE)": "SIDE"},
        MEASURES,
    ),
    Plant(
        "half the peak is that of the noise",
        {"gradients.T).lift(0.5)": "gradients.T).lift(0.0)"},
        MEASURES,
    ),
    Plant(
        "the interval of a width knows no other peak",
        {"np.concatenate([moves, -moves, np": "np.concatenate([np"},
        MEASURES,
    ),
    Plant(
        "the gradient of a length forgets its level",
        {"tops] -= np.sum(found, axis=1) / 2": "tops] -= 0.0"},
        MEASURES,
    ),
    Plant(
        "the sigmas of a circle are known apart",
        {"low=min(found.low, round_one.low)": "low=found.low"},
        MEASURES,
    ),
    Plant(
        "all dim light may be noise",
        {"chdtrc(counts, squares) > SURE": "chdtrc(counts, squares) >= 0.0"},
        MEASURES,
    ),
    Plant(
        "the sum of a PSF is taken for known",
        {"np.outer(v, v) * rows.sum()) / total**2": "0.0 * rows.sum()) / total**2"},
        MEASURES,
    ),
    Plant(
        "a noise that is given does not reach the motion's deviations",
        {"found = [unit * math.sqrt": "found = [math.sqrt"},
        ("tests/blur/test_pair.py", "-k", "given_is"),
    ),
    Plant(
        "the shift of a part of two pictures as if nothing turned",
        {"np.asarray(self.motion[:2]) - M @ (b": "np.asarray(self.motion[:2]) - (b"},
        ("tests/blur/test_pair.py", "-k", "rotation"),
    ),
    Plant(
        "a picture on finer pixels moves half as far",
        {"shift=2 * self.warp.shift": "shift=self.warp.shift"},
        ("tests/blur/test_pair.py", "-k", "rotation"),
    ),
    Plant(
        "the light that a vignette took is not given back",
        {"/ self.inner(self.vignette) + self.black": "* self.inner(self.vignette) + self.black"},
        ("tests/blur/test_pair.py", "-k", "vignette_is_found"),
    ),
    Plant(
        "offsets in a vignette's sums count hidden pixels",
        {"counts * pair.decoded(pair.inner(pair.y))": "pair.decoded(pair.inner(pair.y))"},
        ("tests/blur/test_pair.py", "-k", "least_squares_one"),
    ),
    Plant(
        "deviations are half as large",
        {"covariance = fit.misfit * inverse": "covariance = 0.25 * fit.misfit * inverse"},
        PAIRS,
    ),
    Plant(
        "the light of stored values is their root",
        {"xp.abs(y) ** self.gamma": "xp.abs(y) ** (1 / self.gamma)"},
        PAIRS,
    ),
    Plant(
        "the second loop without the part of the first",
        {"parts.pop() - inner(y, v), s)": "-inner(y, v), s)"},
        LBFGS,
    ),
    Plant(
        "the pairs are taken from old to new in the first loop",
        {"for s, y in reversed(state.pairs):": "for s, y in state.pairs:"},
        LBFGS,
    ),
    Plant(
        "the model's Hessian does not take the old curvature away",
        {"moved(moved(Bv, inner(y, v), y), -inner(b, v), b)": "moved(Bv, inner(y, v), y)"},
        LBFGS,
    ),
    Plant(
        "pairs are divided by <s, y>, not by its root",
        {"root = math.sqrt(a) / math.sqrt(s_ay)": "root = a / s_ay"},
        LBFGS,
    ),
    Plant(
        "the first matrix without its diagonal in the curvature",
        {"a * s_ay / inner(ay, weighted(state, ay))": "a * s_ay / ay_ay"},
        LBFGS,
    ),
    Plant(
        "the diagonal forgets the gradients before the last",
        {"lambda c, m: KEPT * c + m, state": "lambda c, m: m, state"},
        LBFGS,
    ),
    Plant(
        "a pair without curvature is kept",
        {"if not s_ay > rounding(s) * math.sqrt(s_s * ay_ay):": "if s_ay == 0:"},
        LBFGS,
    ),
    Plant(
        "a search without the condition on the new slope",
        {"if slope_t >= FLATTER * slope or t >= longest:": "if True:"},
        LBFGS,
    ),
    Plant(
        "a search goes beyond the set",
        {"longest = math.inf if projection is None else 1.0": "longest = math.inf"},
        LBFGS,
    ),
    Plant(
        "the model's loop keeps an interrupt to itself",
        {
            "        raise KeyboardInterrupt\n    return result.params if": (
                "        pass\n    return result.params if"
            )
        },
        LBFGS,
    ),
    Plant(
        "half a cosine is a whole one",
        {"math.cos(math.pi * min(t, steps)": "math.cos(2 * math.pi * min(t, steps)"},
        ("tests/optim/test_schedules.py",),
    ),
    Plant(
        "a schedule after its warm-up has gone on meanwhile",
        {"return schedule(t - steps)": "return schedule(t)"},
        ("tests/optim/test_schedules.py",),
    ),
    Plant(
        "the rate of a step begins anew in each epoch",
        {"self.at = epoch * steps + min(i, steps - 1)": "self.at = min(i, steps - 1)"},
        (*IMAGES, "rate"),
    ),
    # --- files for a scanner
    Plant(
        "a shot without rest at its end stops there at once",
        {"along[:, -1] * (not protocol.rests_at_end)": "along[:, -1] * 0"},
        ("tests/io/test_repetition.py",),
    ),
    Plant(
        "an anisotropic voxel is taken for an isotropic one in the sequence",
        {"k / np.asarray(protocol.voxel), to_3d": "k / protocol.voxel[0], to_3d"},
        ("tests/io/test_repetition.py",),
    ),
    Plant(
        "the way to a shot keeps the limits on each axis alone",
        {"longest = np.max(lengths(way, scanner.norm))": 'longest = np.max(lengths(way, "max"))'},
        ("tests/io/test_repetition.py",),
    ),
    Plant(
        "the receiver is half a raster time late",
        {"delay=(wait + first) * raster": "delay=(wait + first + 0.5) * raster"},
        ("tests/io/test_pulseq.py",),
    ),
    Plant(
        "the rephasing of the slice has the wrong sign",
        {"protocol, -rephaser.area, spoiler": "protocol, rephaser.area, spoiler"},
        ("tests/io/test_pulseq.py",),
    ),
    Plant(
        "the nerve model takes gradients for slew rates",
        {"np.cumsum(slew, -2) * raster, (": "slew * raster, ("},
        ("tests/io/test_pulseq.py",),
    ),
    # --- sampling by a density
    Plant(
        "the repulsion is counted twice",
        {"value = inner(pull - 0.5 * push, a)": "value = inner(pull - push, a)"},
        ATTRACTION,
    ),
    Plant(
        "the gradient of the far part is by points in periods",
        {" one) / self._distance.period": " one)"},
        ATTRACTION,
    ),
    Plant(
        "the attraction lacks the near part of the distance",
        {
            "(self._distance.smooth() + self._distance.near()) * spectrum": (
                "self._distance.smooth() * spectrum"
            )
        },
        ATTRACTION,
    ),
    Plant(
        "a density is a point in each cell",
        {"turns = turns * np.sinc(n / (size * self._distance.period))[:, None]": "turns = turns"},
        ATTRACTION,
    ),
    Plant(
        "near pairs are pulled the other way",
        {"weight * (some[i, a] - x[j])": "weight * (x[j] - some[i, a])"},
        ATTRACTION,
    ),
    Plant(
        "Lloyd's points have the density of quantisers",
        {"density.at(self.cloud) ** (2 / density.ndim)": "density.at(self.cloud) ** 0.0"},
        SAMPLES,
    ),
    Plant(
        "discs of one size",
        {
            "scale * (count * density.at(k)) ** (-1 / d)": (
                "scale * (count + 0 * density.at(k)) ** (-1 / d)"
            )
        },
        SAMPLES,
    ),
    Plant(
        "jitter of half a cell",
        {
            "(rng.random((count, self.ndim)) - 0.5) * self.size": (
                "(rng.random((count, self.ndim)) - 0.5) * 0.5 * self.size"
            )
        },
        SAMPLES,
    ),
    Plant(
        "the wavelets of a level are those of the level before",
        {
            "squared_filter(omega * 2**level + np.pi, moments)": (
                "squared_filter(omega * 2**max(level - 1, 0) + np.pi, moments)"
            )
        },
        ("tests/mri/sampling/test_densities.py",),
    ),
    Plant(
        "a tour through cities of the density that the curve should have",
        {"density.raised(d / (d - 1)).draw(count, rng)": "density.draw(count, rng)"},
        CURVES,
    ),
    Plant(
        "a random walk by the density itself",
        {"weight = np.sqrt(flat)": "weight = 1.0 * flat"},
        CURVES,
    ),
    Plant(
        "a way is moved to the wrong side",
        {
            "        if x == c:\n            self.exchange(x, z, a, y)": (
                "        if x != c:\n            self.exchange(x, z, a, y)"
            )
        },
        ("tests/mri/trajectories/test_tour.py",),
    ),
    # --- pictures of files
    Plant(
        "light of sRGB is a power of 2.2",
        {"/ 1.055) ** 2.4": "/ 1.055) ** 2.2"},
        ("tests/io/test_png.py",),
    ),
    Plant(
        "doubles that MATLAB stores in bytes are pictures of 8 bits",
        {'array.dtype.kind in "biu" else array': 'array.dtype.kind in "b" else array'},
        ("tests/io/test_matlab.py",),
    ),
    Plant(
        "counts have a white",
        {'if array.dtype.kind in "iu" else array': 'if array.dtype.kind in "i" else array'},
        ("tests/io/test_tiff.py", "tests/io/test_fits.py", "tests/io/test_dicom.py"),
    ),
    Plant(
        "pictures are turned to the other side",
        {"orientation in (3, 4, 7, 8)": "orientation in (3, 4, 6, 7)"},
        ("tests/io/test_tiff.py",),
    ),
    Plant(
        "colours are multiplied by an alpha that they have in them",
        {"if extra == UNASSOCIATED]": "if extra]"},
        ("tests/io/test_tiff.py",),
    ),
    Plant(
        "the pixels of DICOM have their columns first",
        {'"SpacingBetweenSlices"), *steps)': '"SpacingBetweenSlices"), *steps[::-1])'},
        ("tests/io/test_dicom.py",),
    ),
    Plant(
        "the darkest is white, and is inverted without its smallest value",
        {"(ends, about).sum() - found": "(ends, about).max() - found"},
        ("tests/io/test_dicom.py",),
    ),
    Plant(
        "the last channel of a page is taken for its plane",
        {"ranks = np.argsort(np.argsort(plane))": "ranks = np.arange(len(plane))"},
        ("tests/io/test_tiff.py",),
    ),
    # --- trajectories of files, and pictures of them
    Plant(
        "radians are taken for cycles",
        {'radians = 2 * math.pi if unit.startswith("rad") else 1.0': "radians = 1.0"},
        ("tests/io/test_read.py",),
    ),
    Plant(
        "the components of BART are z, y, x",
        {"reshape(dimensions[::-1])": "reshape(dimensions[::-1])[..., ::-1]"},
        ("tests/io/test_read.py",),
    ),
    Plant(
        "points go to BART in cycles per voxel",
        {"reshape(-1, *k.shape[-2:]) * shape\n": "reshape(-1, *k.shape[-2:]) * 1.0\n"},
        ("tests/io/test_read.py",),
    ),
    Plant(
        "the field of view of ISMRMRD is in metres",
        {"fov=(length.x / 1e3, length.y / 1e3,": "fov=(length.x, length.y,"},
        ("tests/io/test_read.py",),
    ),
    Plant(
        "backward lines of Siemens are not turned",
        {'if acquisition.is_flag_set("REFLECT"):': 'if acquisition.is_flag_set("SIGNREV"):'},
        ("tests/io/test_twix.py",),
    ),
    Plant(
        "steps of Siemens are 1/FOV of the image, without the oversampling",
        {"scale = 1 / (np.asarray(shape) * wider)": "scale = 1 / np.asarray(shape)"},
        ("tests/io/test_twix.py",),
    ),
    Plant(
        "lines of Siemens are counted from the middle of the grid",
        {"(count.Lin - header.CenterLin, count": "(count.Lin - 4, count"},
        ("tests/io/test_twix.py",),
    ),
    Plant(
        "noise scans are shots",
        {"size and not acquisition.is_flag_set": "size or acquisition.is_flag_set"},
        ("tests/io/test_read.py",),
    ),
    Plant(
        "what a receiver samples begins and ends at rest",
        {"Protocol(stored.scanner, fov, shape, rest=None)": "Protocol(stored.scanner, fov, shape)"},
        ("tests/io/test_read.py",),
    ),
    Plant(
        "the hull of a hole's centre is another one",
        {"np.unique(sides, axis=0), points": "np.unique(sides, axis=0) - 0.1, points"},
        ("tests/mri/test_holes.py",),
    ),
    Plant(
        "the first diagram is taken for that of all samples",
        {"        used = more\n": "        break\n"},
        ("tests/mri/test_holes.py",),
    ),
    Plant(
        "half of a width at half maximum",
        {"float(ends[1] - ends[0])": "float(ends[1])"},
        ("tests/mri/test_point_spread.py",),
    ),
    Plant(
        "the point spread is on the grid of voxels",
        {"magnitude(F.trajectory, FINE, window)": "magnitude(F.trajectory, 1, window)"},
        ("tests/mri/test_point_spread.py",),
    ),
    Plant(
        "a picture of the point spread is half a pixel off",
        {"-(n // 2 + 0.5) / FINE": "-(n // 2) / FINE"},
        ("tests/plots/test_overview.py",),
    ),
    Plant(
        "a bin of several cells is taken for one",
        {"density: Real = counts / cells**2": "density: Real = counts / cells"},
        ("tests/plots/test_overview.py",),
    ),
    Plant(
        "a spiral's slew rate without the change of its density",
        {"2 * np.pi * float(slope(r))": "0.0"},
        CURVES,
    ),
    Plant(
        "a spiral's slew rate with a turning rate in place of its square",
        {"b = v**2 * (inward + w * r * across)": "b = v**2 * (inward + r * across)"},
        CURVES,
    ),
    Plant(
        "a ring samples its beginning twice",
        {"count * samples, endpoint=False)": "count * samples)"},
        CURVES,
    ),
    Plant(
        "petals of a rosette fall on one another",
        {"start=1 if odd else half % 2 + 1, step=2": "start=1, step=1"},
        CURVES,
    ),
    Plant(
        "a turn to the opposite side is a reflection",
        {"half_turn = 2 * np.outer(across, across) - np.eye(3)": "half_turn = -np.eye(3)"},
        COPIES,
    ),
    Plant(
        "lines of CAIPI are shifted in every second row",
        {"second - rows * shift": "second - rows % 2 * shift"},
        COPIES,
    ),
    Plant(
        "a line at the centre runs backwards",
        {"end[i] = first if i < middle else last": "end[i] = last if i < middle else first"},
        COPIES,
    ),
    # --- within a scanner's limits
    Plant(
        "a shot that rests at its start is taken for one that moves",
        {"padded(xp, first, *self.rest)": "padded(xp, first, False, self.rest[1])"},
        LIMITS,
    ),
    Plant(
        "the transpose of the second differences has the wrong sign",
        {
            "            v = -difference(padded(xp, v, 1, 1))\n            v = v[": (
                "            v = difference(padded(xp, v, 1, 1))\n            v = v["
            )
        },
        LIMITS,
    ),
    Plant(
        "the matrix of a step lacks what couples a sample with the next but one",
        {"            F = -outer[..., 1:-1]": "            F = 0 * outer[..., 1:-1]"},
        LIMITS,
    ),
    Plant(
        "an anisotropic voxel is taken for an isotropic one",
        {"protocol.slew_step * voxel for voxel": "protocol.slew_step * protocol.voxel[0] for _"},
        PROJECTION,
    ),
    Plant(
        "the slew limit in units of the gradient's",
        {"scanner.gamma * self.scanner.raster**2": "scanner.gamma * self.scanner.raster"},
        ("tests/mri/scanner/test_protocol.py",),
    ),
    Plant(
        "the gap of tightened limits is taken for that of the limits",
        {"            a * (tight.scale / rows.scale)\n": "            a * 1.0\n"},
        PROJECTION,
    ),
    Plant(
        "the gap without what multipliers and slacks leave",
        {"gap = gap + xp.sum(excess, axis=(0, 2))": "gap = gap + 0 * xp.sum(excess, axis=(0, 2))"},
        PROJECTION,
    ),
    Plant(
        "limits without room for the rounding of samples",
        {"room = 2**rows.order * spread * rounding": "room = 0 * spread * rounding"},
        PROJECTION,
    ),
    Plant(
        "a start from outside of the limits is taken up",
        {"near = near & xp.all(s > 0, axis=(0, 2))": "near = near & xp.all(s < 1, axis=(0, 2))"},
        ("tests/mri/scanner/test_project.py", "-k", "another_problem"),
    ),
    Plant(
        "the corrector believes a short prediction",
        {"+ length * (m * step.square": "+ 1.0 * (m * step.square"},
        ("tests/mri/scanner/test_project.py", "-k", "stalls"),
    ),
    Plant(
        "cyclic reduction: the block that an odd one leaves",
        {"        below = -after @ left": "        below = after @ left"},
        ("tests/mri/scanner/test_banded.py",),
    ),
    Plant(
        "the fastest motion does not slow down before its end",
        {"            top[n:, i] = 0\n": "            top[n:, i] += 0\n"},
        TRAVERSAL,
    ),
    Plant(
        "the fastest motion starts at full speed",
        {"        w[0] = 0\n": "        w[0] += 0\n"},
        TRAVERSAL,
    ),
    Plant(
        "the fastest motion knows no curvature",
        {"way[:n, i], bend[:n, i] = (": "way[:n, i], _ = ("},
        TRAVERSAL,
    ),
    Plant(
        "a path ends before a point of return",
        {"greatest = np.maximum(length, beside(": "greatest = np.minimum(length, beside("},
        (*TRAVERSAL[:1], "-k", "point_of_return"),
    ),
    Plant(
        "the samples of a motion are not checked",
        {"        if excess <= 1:": "        if excess <= 2:"},
        (*TRAVERSAL[:1], "-k", "keeps_the_limits_on or single"),
    ),
    Plant(
        "the limit of each axis lets a corner of its polygon out",
        {"for sign in (1, -1):\n                w0": "for sign in (1,):\n                w0"},
        TRAVERSAL,
    ),
    Plant(
        "a spline goes on at rest where it should go straight",
        {"straight = 0 if self.rest in": "straight = 1 if self.rest in"},
        ("tests/mri/scanner/test_curve.py",),
    ),
    Plant(
        "the receiver samples at the beginning of its dwell times",
        {"count, spacing, spacing / 2, protocol.rest": "count, spacing, 0.0, protocol.rest"},
        ("tests/mri/scanner/test_curve.py", "-k", "receiver"),
    ),
    Plant(
        "the gradient by control points is that by samples",
        {"receiver(protocol, samples) @ spline": "spline"},
        ("tests/mri/test_learn_within_limits.py", "-k", "gradient_goes"),
    ),
    # --- sets of images
    Plant(
        "the gradient of a set forgets the density weights",
        {"k_bar = k_bar + density.adjoint(d_bar)": "k_bar = k_bar"},
        (*IMAGES, "finite_differences"),
    ),
    Plant(
        "the gradient of a set is a sum",
        {"return value / n, Functional(k_bar / n)": "return value / n, Functional(k_bar)"},
        (*IMAGES, "mean_of_those"),
    ),
    Plant(
        "the last, smaller batch counts as the others",
        {"n = objective.count": "n = 1"},
        (*IMAGES, "at_their_steps"),
    ),
    Plant(
        "the order is the same in every epoch",
        {"default_rng((self.seed, epoch)).permutation": "default_rng(self.seed).permutation"},
        (*IMAGES, "each_image_once"),
    ),
    Plant(
        "the held-out images are learned from",
        {"for part in (order[:count], order[count:])": "for part in (order[:count], order)"},
        (*IMAGES, "held_out_and_not"),
    ),
    Plant(
        "patience waits for an epoch more",
        {"waited >= self.patience": "waited > self.patience"},
        (*IMAGES, "patience"),
    ),
    Plant(
        "the steps of a set leave the band",
        {"p = stage.project(p)": "stage.project(p)"},
        (*IMAGES, "stay_in_the_band"),
    ),
    Plant(
        "noise of both parts has the deviation of one",
        {"math.sqrt(voxels / 2)": "math.sqrt(voxels)"},
        (*IMAGES, "full_grid"),
    ),
    Plant(
        "coils stay where they are while their image turns",
        {"moved(s, turns, axes, x.ndim)": "s"},
        (*AUGMENTATION, "symmetries"),
    ),
    Plant(
        "two quarter turns are one flip",
        {"x = xp.flip(x, axis=(rows, columns))": "x = xp.flip(x, axis=rows)"},
        (*AUGMENTATION, "moved_image or of_numpy"),
    ),
    Plant(
        "the cosines of a phase have a mean square of one half",
        {"(math.sqrt(2.0) if waves else 1.0) * np.cos": "np.cos"},
        (*AUGMENTATION, "smooth"),
    ),
    # --- volumes
    Plant(
        "the wires of a ring are twice as long",
        {"-1 + 2 * (ring + i) / rings - p2": "-1 + 2 * (ring + 2 * i) / rings - p2"},
        ("tests/mri/test_mri.py", "-k", "biot_and_savart"),
    ),
    Plant(
        "a missing package of the figures is told after the steps",
        {"        if find_spec(name) is None:": "        if not name:"},
        ("tests/cli/test_first_call.py", "-k", "missing"),
    ),
    Plant(
        "compilation is told at each function",
        {"        self.told = True\n": "        self.told = False\n"},
        ("tests/cli/test_first_call.py", "-k", "told"),
    ),
    Plant(
        "the golden section keeps the wrong part",
        {"        if f_left < f_right:\n": "        if f_left > f_right:\n"},
        ("tests/nufft/test_grid.py", "-k", "golden"),
    ),
    Plant(
        "the settings of a loop share files in Numba's cache",
        {"(function.__qualname__, SOURCES, *setting)": "(function.__qualname__, SOURCES)"},
        ("tests/nufft/test_grid.py", "-k", "files_of_its_own"),
    ),
    Plant(
        "a loop is read from Numba's cache though a function in it has changed",
        {"(function.__qualname__, SOURCES, *setting)": "(function.__qualname__, *setting)"},
        ("tests/nufft/test_grid.py", "-k", "files_of_its_own"),
    ),
    Plant(
        "a coil sees what lies on the line of its wire, beyond its ends",
        {"out=np.full_like(distance, np.inf), where=part > 0": "out=0 * distance, where=part > 0"},
        ("tests/mri/test_mri.py", "-k", "maps_of_a_volume_are_maps"),
    ),
    Plant(
        "the axes of a NIfTI volume are as in the file",
        {"array[::-1, ::-1].transpose(1, 0, 2)": "array[::-1, ::-1]"},
        ("tests/workflows/test_volumes.py",),
    ),
    Plant(
        "a start is turned the other way",
        {"(c, s), (-s, c)": "(c, -s), (s, c)"},
        ("tests/cli/test_learn_trajectory.py", "-k", "seed_turns"),
    ),
    Plant(
        "the echo of a start may move",
        {"return {sample: (0.0,) * trajectory.shape[-1]}": "return None"},
        ("tests/cli/test_learn_trajectory.py", "-k", "in_out_shots or limits_are_kept"),
    ),
    Plant(
        "the bore runs downwards in a figure",
        {"Plane(image[i].T[::-1],": "Plane(image[i].T,"},
        ("tests/cli/test_figures.py", "-k", "three_middle_planes"),
    ),
    Plant(
        "density: half of the slopes in the weights' gradient",
        {
            "p[:, None] * slopes + w[:, None] * slopes_p": "p[:, None] * slopes",
        },
        DENSITY,
    ),
    Plant(
        "density: an iteration forgets those before it",
        {"            bar = q + Cp\n": "            bar = q\n"},
        DENSITY,
    ),
    Plant(
        "density: the other half of the forward derivative",
        {"dz = C.apply(dw) + C.along(dk, w) + xp.sum(": "dz = C.apply(dw) + xp.sum("},
        DENSITY,
    ),
    Plant(
        "density: the scale does not follow the trajectory",
        {"k_bar = self.J.adjoint(y_bar) + K.adjoint(self.data)": "k_bar = self.J.adjoint(y_bar)"},
        DENSITY,
    ),
    Plant(
        "density: the spectrum of a usual picture is held",
        {"k_bar = k_bar + v_bar[..., None] * self._spectrum_slopes()": "k_bar = k_bar + 0.0"},
        DENSITY,
    ),
    Plant(
        "density: the kernel's slope for a cell half as wide",
        {"rate[:-1] = -2.0 * powers": "rate[:-1] = -1.0 * powers"},
        SPREADING,
    ),
    Plant(
        "maps: the phase is held",
        {
            "(p * self.nodes.up(xp, a_bar) + 1j * p * turn)": "(p * self.nodes.up(xp, a_bar))",
        },
        ESTIMATED,
    ),
    Plant(
        "maps: the nodes of a spline do not move with the samples",
        {" + window[:, None] * change\n": "\n"},
        EVERY_OTHER_VOXEL,
    ),
    Plant(
        "maps: smoothing of nodes as if they were voxels",
        {"np.real(np.fft.fft(kernel)) * unmixed**2": "np.real(np.fft.fft(kernel))"},
        EVERY_OTHER_VOXEL,
    ),
    Plant(
        "maps: compiled loops turn phases the other way",
        {"line[BAR_IM, r] - y * line": "line[BAR_IM, r] + y * line"},
        EVERY_OTHER_VOXEL,
    ),
    Plant(
        "coils: maps of another image's shape are read",
        {"if tuple(maps.shape[1:]) != F.shape or maps.shape[0] == 0:": "if maps.shape[0] == 0:"},
        ("tests/nufft/test_coils.py", "-k", "refused"),
    ),
    Plant(
        "maps: a compiled loop without the projection",
        {" - v[1 + SMOOTH, c, r] * line[PART, r]": ""},
        EVERY_OTHER_VOXEL,
    ),
    Plant(
        "grid: all cells of a chunk have the weight of the first",
        {"[cell % LANES + lane for lane in lanes]": "[cell % LANES for lane in lanes]"},
        ("tests/nufft/test_grid.py",),
    ),
    Plant(
        "compiled loops: a function of theirs is left to the compiler",
        {"@inlined\ndef inverse_root": "@compiled\ndef inverse_root"},
        ("tests/nufft/test_compiled.py",),
    ),
    Plant(
        "maps: slopes of one axis of nodes alone",
        {"[*(value * other for other in slopes), total": "[*slopes, total"},
        EVERY_OTHER_VOXEL,
    ),
    Plant(
        "maps: voxels beside the image are added to the nodes",
        {"    if block.before:\n        nodes[EVEN, more] = 0\n": ""},
        EVERY_OTHER_VOXEL,
    ),
    Plant(
        "coils: weights are not in the gradient by the points",
        {"out[j, axis] += weight * total": "out[j, axis] += total"},
        ("tests/nufft/test_coils.py", "-k", "weights"),
    ),
    Plant(
        "maps: the window is held",
        {" + at.slope * (w_bar * self.d)[:, None]": ""},
        ESTIMATED,
    ),
    Plant(
        "maps: the window's slope along another circle",
        {"xp.ones_like(t)) / radius**2": "xp.ones_like(t)) / radius"},
        ESTIMATED,
    ),
    Plant(
        "maps: the root sum of squares is held",
        {"return (ds - u * part) * (rate": "return ds * (rate"},
        ESTIMATED,
    ),
    Plant(
        "total variation: the unit is held",
        {" + (r_bar / self.voxels) * (self.d * v)": ""},
        ("tests/mri/test_derivatives.py", "-k", "test_reconstructions and tv"),
    ),
    Plant(
        "total variation: the unit of the data is not that of the penalty",
        {"solution = solver.differential(v)": "solution = solver.differential(y)"},
        ("tests/mri/test_derivatives.py", "-k", "units"),
    ),
    Plant(
        "job 1: the density is held",
        {"else k_bar + density.adjoint(d_bar)": "else k_bar"},
        JOB_1,
    ),
    Plant(
        "job 1: the data of the estimated maps are held",
        {"plus(k_bar, k_more), plus(y_bar, y_more)": "plus(k_bar, k_more), y_bar"},
        JOB_1,
    ),
    Plant(
        "neighbours of a held-out slice are learned from",
        {"near |= (unit >= first - gap) &": "near |= (unit >= first) &"},
        IMAGE_SETS,
    ),
    Plant(
        "empty slices are images too",
        {"max(0, EMPTY * means.max())": "-np.inf"},
        IMAGE_SETS,
    ),
    Plant(
        "the top of the head is down in a coronal slice",
        {"images.transpose(0, 2, 1)[:, ::-1]": "images.transpose(0, 2, 1)"},
        IMAGE_SETS,
    ),
    Plant(
        "slice 10 comes before slice 9",
        {"int(part) if i % 2 else part": "part"},
        IMAGE_SETS,
    ),
    Plant(
        "a central square has the field of view of its image",
        {"(fov[0] * side / rows, fov[1] * side / columns)": "fov"},
        IMAGE_SETS,
    ),
    Plant(
        "images of a set share one scale",
        {"found.images.max(axis=(1, 2), keepdims=True)": "found.images.max()"},
        ("tests/cli/test_learn_images.py", "-k", "parts_of_the_set or passed_on"),
    ),
    Plant(
        "the best image is shown as the worst",
        {"losses.index(max(losses)), losses.index(min(losses))": "losses.index(min(losses)), 0"},
        ("tests/cli/test_learn_images.py", "-k", "by_the_loss or parts_of_the_set"),
    ),
    Plant(
        "the mean over an epoch is drawn at its start",
        {"np.arange(len(learned.training)) + 0.5": "np.arange(len(learned.training))"},
        ("tests/cli/test_figures.py", "-k", "course_on_a_set"),
    ),
    Plant(
        "the error of a reconstruction is that of the other one",
        {"error = example.learned - example.image": "error = example.start - example.image"},
        ("tests/cli/test_figures.py", "-k", "held_out_images_are_shown"),
    ),
]


def find(plant: Plant, root: Path) -> tuple[Path, str, str] | str:
    """Return the file, the text and its replacement, or what is wrong with them."""
    sources = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    found = [
        (path, text, new, path.read_text(encoding="utf-8").count(text))
        for path in sources
        for text, new in plant.spellings.items()
    ]
    times = sum(count for *_, count in found)
    if times != 1:
        return f"its text is found {times} times, not once"
    return next((path, text, new) for path, text, new, count in found if count)


def run(tests: tuple[str, ...], root: Path) -> tuple[int, str]:
    """Return pytest's exit status, and its last line."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")]),
        "PYTHONDONTWRITEBYTECODE": "1",  # bytecode of the same second would hide the error
        "NUMBA_CACHE_DIR": str(root / "numba"),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]


def planted(plant: Plant, root: Path, passing: dict[tuple[str, ...], str]) -> str:
    """Return "caught", "SURVIVED", or why the question could not be asked."""
    found = find(plant, root)
    if isinstance(found, str):
        return found
    if plant.tests not in passing:
        status, line = run(plant.tests, root)
        passing[plant.tests] = "" if status == 0 else f"without it: {line}"
    if passing[plant.tests]:
        return passing[plant.tests]
    path, text, new = found
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace(text, new), encoding="utf-8")
    try:
        status, line = run(plant.tests, root)
    finally:
        path.write_text(right, encoding="utf-8")
    return {0: "SURVIVED", 1: "caught"}.get(status, f"pytest ends with {status}: {line}")


def main() -> int:
    """Plant what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="NAME", help="errors whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the errors, and plant none")
    arguments = parser.parse_args()
    plants = [plant for plant in PLANTS if (arguments.only or "") in plant.name]
    if not plants:
        parser.error(f"no error has {arguments.only!r} in its name")
    if arguments.list:
        wrong = False
        for plant in plants:
            found = find(plant, ROOT)
            where = found if isinstance(found, str) else found[0].relative_to(ROOT)
            wrong = wrong or isinstance(found, str)
            print(f"{plant.name}: {where}")
        return int(wrong)
    outcomes, passing = [], {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / name, root / name)
        for plant in plants:
            start = time.perf_counter()
            outcomes.append(planted(plant, root, passing))
            seconds = time.perf_counter() - start
            print(f"| {plant.name} | {outcomes[-1]} | {seconds:.0f} s |", flush=True)
    caught = outcomes.count("caught")
    print(f"{caught} of {len(outcomes)} caught")
    return int(caught < len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
