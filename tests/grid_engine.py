"""Settings of the grid engine and what it computes in them, for the tests of its CUDA kernels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nufftlib.nufft.engines.base import CoilImages, Engine

# On the edge of the period, on the grid, twice at one place.
SPECIAL = [-0.5, 0.5, 0.0, 0.25, 0.25]


@dataclass(frozen=True)
class Setting:
    shape: tuple
    samples: int
    batch: int
    eps: float
    real: str = "float64"
    memory_limit: int = 2**30
    large: bool = False
    """Whether grids count as large, so that points are read bin by bin."""
    together: bool = False
    """Whether all points are the same."""

    @property
    def rounding(self):
        return 2e-5 if self.real == "float32" else 1e-12

    @cached_property
    def arrays(self):
        """Trajectory, direction, images, data, weights; images, maps, data of coils, in NumPy."""
        rng = np.random.default_rng(5)
        d = len(self.shape)
        k = rng.uniform(-0.8, 0.8, (self.samples, d))
        k[: len(SPECIAL)] = np.asarray(SPECIAL)[:, None]
        dk = rng.standard_normal(k.shape)
        if self.together:
            k[:] = 0.3
            # All directions are added in one place, in an order that varies. Of both signs they
            # would cancel, and the rounding relative to what is left would vary as well.
            dk = np.abs(dk)
        reals = k, dk, rng.uniform(0.5, 1.5, self.samples)
        x, y = (
            rng.standard_normal((self.batch, *s)) + 1j * rng.standard_normal((self.batch, *s))
            for s in (self.shape, (self.samples,))
        )
        images, coils = 2, self.batch if self.samples < 1000 else 1
        of_coils = (
            rng.standard_normal((count, *s)) + 1j * rng.standard_normal((count, *s))
            for count, s in (
                (images, self.shape),
                (coils, self.shape),
                (images * coils, (self.samples,)),
            )
        )
        dtype = np.dtype(self.real)
        k, dk, w = (a.astype(dtype) for a in reals)
        x, y, *of_coils = (a.astype(np.result_type(dtype, np.complex64)) for a in (x, y, *of_coils))
        return k, dk, x, y, w, *of_coils

    def restrict(self, patch, module):
        """Set what the module of the engine goes by."""
        if self.large:
            patch.setattr(module, "L2", 0)
            patch.setattr(module, "SORT", 0)


SETTINGS = {
    "1D": Setting((17,), 70_000, 2, 1e-4, "float32"),
    "1D, fine": Setting((40,), 60, 1, 1e-11),
    "2D": Setting((12, 9), 8192, 6, 1e-3, "float32"),
    "2D, prime": Setting((13, 11), 150, 5, 1e-9),
    "2D, one image at a time": Setting((13, 11), 150, 5, 1e-9, memory_limit=1),
    "2D, large": Setting((13, 11), 150, 5, 1e-9, large=True),
    "2D, a row": Setting((1, 40), 150, 1, 1e-6),
    "2D, together": Setting((12, 9), 1100, 6, 1e-3, "float32", together=True),
    "3D": Setting((5, 6, 7), 300, 2, 1e-3, "float32"),
    "3D, fine": Setting((4, 3, 5), 40, 1, 1e-6),
    "3D, no tile fits": Setting((4, 3, 5), 20, 1, 1e-12),
}


BY = "coil weights' vjp by points", "coil weights' vjp by data", "coil weights' vjp by weights"


def compute(engine, arrays):
    """Return all that an engine computes."""
    k, dk, x, y, w, u, s, v = arrays
    points = engine.prepare(k)
    coils, reals = CoilImages(u, s), CoilImages(u, s.real)
    spectrum = engine.fix(x)
    value, J = spectrum.linearize(points)
    C = engine.gridding(k, engine.shape, 4)
    values, slopes = C.slopes(w)
    return {
        "forward": engine.forward(points, x),
        "linearized value": value,
        "adjoint": engine.adjoint(points, y),
        "jvp": J.apply(dk),
        "vjp": J.adjoint(y),
        "vjp in one launch": spectrum.vjp(points, y),
        "gauss_newton": J.gauss_newton(),
        "curvature": spectrum.curvature(points, y),
        "derivative_adjoint": engine.derivative_adjoint(points, dk, y),
        "coil forward": engine.coil_forward(points, coils),
        "coil forward, real maps": engine.coil_forward(points, reals),
        "coil adjoint": engine.coil_adjoint(points, v, s),
        "coil adjoint, real maps": engine.coil_adjoint(points, v, s.real),
        "coil derivative_adjoint": engine.coil_adjoint(points, v, s, dk),
        "coil jvp": engine.coil_fix(coils).jvp(points, dk),
        "coil vjp": engine.coil_fix(coils, lasting=True).vjp(points, v),
        "coil weighted adjoint": engine.weighted_adjoint(points, v, w, s),
        **dict(zip(BY, engine.weighted_adjoint_vjp(points, coils, v, w), strict=True)),
        "density": C.apply(w),
        "density and slopes": np.concatenate([values[:, None], slopes], axis=-1),
        "density along": C.along(dk, w),
    }


TOLERANCES = {"forward": 1, "linearized value": 1, "adjoint": 1, "curvature": 16}
TOLERANCES |= {
    f"coil {way}{maps}": 1 for way in ("forward", "adjoint") for maps in ("", ", real maps")
}
TOLERANCES |= {"coil weighted adjoint": 1, BY[1]: 1}
"""In eps; a first derivative has 4."""


def deviations(got, want):
    """Return the relative l2 deviation of each array."""
    return {
        name: float(np.linalg.norm(got[name] - want[name]) / np.linalg.norm(want[name]))
        for name in want
    }


def check(setting, got, exact):
    """Compare with the exact sums, to the accuracy that was asked for."""
    want = {name: value for name, value in exact.items() if not name.startswith("density")}
    for name, deviation in deviations(got, want).items():
        bound = TOLERANCES.get(name, 4) * setting.eps + setting.rounding
        assert deviation < bound, f"{name}: {deviation:.1e}, want {bound:.1e}"


def check_adjoint(setting, got):
    """Compare both directions with each other: to rounding, whatever eps is."""
    _, dk, x, y, _, u, _, v = setting.arrays
    for left, right in (
        (np.vdot(v, got["coil forward"]), np.vdot(got["coil adjoint"], u)),
        (np.vdot(v, got["coil jvp"]), np.vdot(got["coil derivative_adjoint"], u)),
        (np.vdot(v, got["coil jvp"]), np.vdot(got["coil vjp"], dk)),
        (np.vdot(y, got["forward"]), np.vdot(got["adjoint"], x)),
        (np.vdot(y, got["jvp"]), np.vdot(got["derivative_adjoint"], x)),
        (np.vdot(y, got["jvp"]), np.vdot(got["vjp"], dk)),
        (np.vdot(y, got["jvp"]), np.vdot(got["vjp in one launch"], dk)),
    ):
        scale = np.linalg.norm(y) * np.linalg.norm(got["jvp"])
        scale = max(scale, np.linalg.norm(v) * np.linalg.norm(got["coil jvp"]))
        assert abs(np.real(left - right)) < setting.rounding * scale


def check_density(kernel_layout, setting, got):
    """Compare ``C w`` and its derivatives with the kernel written out, a matrix for each axis."""
    k, dk, _, _, w, *_ = setting.arrays
    k = k.astype("f8") - np.rint(k.astype("f8"))
    ndim = len(setting.shape)
    G, *derivatives = np.ones((1 + ndim, setting.samples, *setting.shape))  # by no axis, by each
    width = kernel_layout.kernel.width
    for axis, size in enumerate(setting.shape):
        left = k[:, axis] * size - width / 2
        first = np.ceil(left)
        powers = (2 * (first - left) - 1)[:, None] ** np.arange(kernel_layout.kernel.degree + 1)
        dense = np.zeros((2, setting.samples, size))
        shape = [1] * ndim
        shape[axis] = size
        for order in (0, 1):
            weights = powers @ kernel_layout.polynomials[axis, order]
            for cell in range(width):
                place = (first.astype(int) + cell) % size
                np.add.at(dense[order], (np.arange(setting.samples), place), weights[:, cell])
        dense = dense.reshape(2, setting.samples, *shape)
        G *= dense[0]
        for other, derivative in enumerate(derivatives):
            derivative *= dense[int(other == axis)]
    G, *derivatives = (each.reshape(setting.samples, -1) for each in (G, *derivatives))
    grid = G.T @ w
    want = {
        "density": G @ grid,
        "density and slopes": np.stack([each @ grid for each in (G, *derivatives)], axis=-1),
        "density along": G @ sum(d.T @ (dk[:, a] * w) for a, d in enumerate(derivatives)),
    }
    for name, deviation in deviations(got, want).items():
        assert deviation < setting.rounding, f"{name}: {deviation:.1e}"


def exact_of(engine: Engine, setting):
    """Return what the engine of the exact sums computes, in double precision."""
    return compute(engine, tuple(a.astype(np.result_type(a, np.float64)) for a in setting.arrays))
