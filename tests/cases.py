"""The registry: every operator, in the settings that have ever been wrong somewhere.

A case makes an operator and an input in any array library and precision. The laws of
``test_laws.py`` run on all of them, and ``public.py`` calls a public operator by its cases. An
operator of the library that no case contains fails ``test_registry.py``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from array_api_compat import array_namespace
from rows import open_row
from scipy.interpolate import BSpline, make_interp_spline

import nufftlib as nl
import nufftlib.workflows
from nufftlib.blur.psfs.through_focus import Spread
from nufftlib.core.losses import Functional
from nufftlib.core.operator import Constant, ParameterJacobian, parameter
from nufftlib.core.pointwise import PhaseProjection
from nufftlib.core.shapes import Exchanged
from nufftlib.core.wavelet_filters import FILTERS
from nufftlib.mri.subspace.gram import SubspaceGram
from nufftlib.nufft.coils import CoilGram


class Maker:
    """Random arrays of one row and precision, reproducible by the case's name."""

    def __init__(self, row, precision, seed):
        self.row = row
        self.single = precision == "single"
        self.rng = np.random.default_rng(seed)

    def real(self, *shape):
        return self.row.array(self.rng.standard_normal(shape), self.real_dtype)

    def complex(self, *shape):
        values = self.rng.standard_normal(shape) + 1j * self.rng.standard_normal(shape)
        return self.row.array(values, self.complex_dtype)

    def cotangent(self, operator, x):
        """A random array like ``operator(x)``.

        The laws take it, not ``operator(x)`` itself: of a unitary operator ``<A x, A x>``
        depends on no parameter, and what is compared would be two zeros.
        """
        like = operator(x)
        is_complex = self.row.xp.isdtype(like.dtype, "complex floating")
        return (self.complex if is_complex else self.real)(*like.shape)

    def trajectory(self, *shape):
        """Points beyond one period, two of them equal, one on the edge of the period."""
        k = self.rng.uniform(-0.8, 0.8, shape)
        flat = k.reshape(-1, shape[-1])
        flat[1] = flat[0]
        flat[2] = -0.5
        return self.row.array(k, self.real_dtype)

    def engine(self, name):
        """finufft's counterpart on the GPU is a library of its own."""
        return f"cu{name}" if self.row.cuda and name == "finufft" else name

    @property
    def real_dtype(self):
        return "float32" if self.single else "float64"

    @property
    def complex_dtype(self):
        return "complex64" if self.single else "complex128"


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable
    """``make(maker) -> (operator, input)``."""
    oracle: Callable | None = None
    """``oracle(parameters, input) -> output``, the definition written out, in NumPy."""
    host: bool = False
    """Whether a native library computes it: finufft, or cufinufft on the GPU row."""
    eps: float = 0.0
    """Relative accuracy of an operator that is approximate, in double precision."""
    eps_single: float = 0.0
    dot: float = 1e-10
    """What the exact laws allow in double precision."""

    def build(self, row, precision):
        return self.make(Maker(row, precision, sum(self.name.encode())))


# --- the definitions, as slow and plain as can be -------------------------------------


def dft(shape, k):
    axes = [np.arange(n) - n // 2 for n in shape]
    n = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    return np.exp(-2j * np.pi * k.reshape(-1, len(shape)) @ n.T)


def dense_nufft(shape, norm):
    def oracle(parameters, x):
        k = parameters["trajectory"]
        E = dft(shape, k)
        batch = x.shape[: x.ndim - len(shape)]
        y = x.reshape(-1, E.shape[1]) @ E.T
        return y.reshape(*batch, *k.shape[:-1]) / (np.sqrt(E.shape[1]) if norm else 1.0)

    return oracle


def off_resonance(samples, times, *, batch=(), complex_map=False):
    """Times of a readout; rates whose phases turn by some radians."""

    def make(m):
        F = nl.NUFFT(m.trajectory(*samples, 2), (5, 6), engine="direct")
        field = (m.complex if complex_map else m.real)(5, 6)
        t = m.row.array(np.linspace(-0.2, 1.0, math.prod(times)).reshape(times), m.real_dtype)
        return nl.OffResonance(F, field, t, eps=1e-6 if m.single else 1e-12), m.complex(
            *batch, 5, 6
        )

    return make


def dense_off_resonance(times):
    def oracle(p, x):
        k, z = p["trajectory"], p["field_map"]
        rates = z if np.any(z.imag) else 2j * np.pi * z
        t = np.broadcast_to(np.linspace(-0.2, 1.0, math.prod(times)).reshape(times), k.shape[:-1])
        E = dft((5, 6), k) * np.exp(-np.outer(t.ravel(), rates.ravel()))
        return (x.reshape(-1, 30) @ E.T).reshape(*x.shape[:-2], *k.shape[:-1])

    return oracle


def dense_fft(shape, norm=None):
    """The NUFFT at the points of the grid."""
    axes = [(np.arange(n) - n // 2) / n for n in shape]
    k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return lambda _, x: dense_nufft(shape, norm)({"trajectory": k}, x)


def partitions(nz, chosen, *, batch=(), norm=None, kind="complex"):
    volume = (nz, 2, 3)
    return lambda m: (nl.PartitionFFT(volume, chosen, norm), getattr(m, kind)(*batch, *volume))


def dense_partitions(nz, chosen, norm=None):
    rows = dft((nz,), np.asarray(chosen)[:, None] / nz) / (np.sqrt(nz) if norm else 1.0)
    return lambda _, x: np.einsum("pn,...nij->...pij", rows, x)


def stack(nz, chosen, *, turned, batch=()):
    """A trajectory in the plane for all partitions, or one for each."""

    def make(m):
        k = m.trajectory(len(chosen), 2, 4, 2) if turned else m.trajectory(2, 4, 2)
        F = nl.NUFFT(k[0, ...] if turned else k, (4, 3), engine="direct")
        F = nl.Paired(F, {"trajectory": k}) if turned else F
        return F @ nl.PartitionFFT((nz, 4, 3), chosen), m.complex(*batch, nz, 4, 3)

    return make


def dense_stack(nz, chosen):
    """The NUFFT in 3D, with the height ``p / N`` of each partition."""

    def oracle(p, x):
        k = p["trajectory"]
        k = np.broadcast_to(k, (len(chosen), *k.shape[-3:]))
        heights = np.asarray(chosen)[:, None, None] / nz
        points = np.stack([np.broadcast_to(heights, k.shape[:-1]), k[..., 0], k[..., 1]], axis=-1)
        return dense_nufft((nz, 4, 3), None)({"trajectory": points}, x)

    return oracle


def shifted(*shift, batch=(), image=True):
    """The phase of samples, behind a transform of the image or alone."""

    def make(m):
        F = nl.NUFFT(m.trajectory(3, 4, 2), (5, 6), engine="direct")
        P = nl.FieldOfViewShift(F, m.real(*shift))
        return P @ F if image else P, m.complex(*batch, *((5, 6) if image else (3, 4)))

    return make


def dense_shifted(p, x):
    """The transform with every voxel's index moved."""
    return dense_phase(p, dense_nufft((5, 6), None)(p, x))


def dense_phase(p, y):
    return np.exp(-2j * np.pi * np.sum(p["trajectory"] * p["shift"], axis=-1)) * y


def subspace(kind, *, coils=0, batch=(), axis=-2, paired=False):
    """Frames of a trajectory (4, 3, 2), or (3, 4, 2) if they are the last axis of the data."""

    def make(m):
        k = m.trajectory(4, 3, 2) if axis == -2 else m.trajectory(3, 4, 2)
        A = nl.NUFFT(k[0, ...] if paired else k, (5, 6), engine="direct")
        A = A @ nl.Sense(m.complex(coils, 5, 6)) if coils else A
        A = nl.Paired(A, {"trajectory": k}) if paired else A
        return nl.Subspace(A, getattr(m, kind)(4, 2), axis), m.complex(*batch, 2, 5, 6)

    return make


def dense_subspace(axis=-2, *, paired=False):
    """Every frame's own transform of its own image."""

    def oracle(p, x):
        k = p["trajectory"] if axis == -2 else np.swapaxes(p["trajectory"], 0, 1)
        images = np.einsum("tk,...kij->t...ij", p["basis"], x)
        frames = [dense_coils({**p, "trajectory": q}, u) for q, u in zip(k, images, strict=True)]
        coils = "maps" in p and paired
        return np.stack(frames, axis=-3 if coils else axis)

    return oracle


def subspace_gram(m):
    F = nl.NUFFT(m.trajectory(3, 2, 2), (3, 2), engine="direct")
    return SubspaceGram(F, m.complex(3, 2)), m.complex(2, 2, 3, 2)


def dense_subspace_gram(p, x):
    """The matrix of all coefficients."""
    E = dft((3, 2), p["trajectory"]).reshape(3, 2, 6)
    E = np.einsum("tk,tjn->tjkn", p["basis"], E).reshape(-1, 12)
    return (x.reshape(-1, 12) @ (E.conj().T @ E).T).reshape(x.shape)


def paired(*, coils=0, batch=(), frames=3):
    """A NUFFT for each frame, its coil maps shared."""

    def make(m):
        k = m.trajectory(frames, 2, 4, 2)
        A = nl.NUFFT(k[0, ...], (5, 6), engine="direct")
        A = A @ nl.Sense(m.complex(coils, 5, 6)) if coils else A
        return nl.Paired(A, {"trajectory": k}), m.complex(*batch, frames, 5, 6)

    return make


def paired_grams(m):
    k, w = m.trajectory(3, 8, 2), m.real(3, 8)
    gram = nl.NUFFT(k[0, ...], (4, 3), engine="direct").gram(w[0, ...], "toeplitz")
    return nl.Paired(gram, {"trajectory": k, "weights": w}), m.complex(2, 3, 4, 3)


def paired_jacobian(m):
    A, x = paired(coils=2, batch=(2,))(m)
    return A.linearize(x, wrt="trajectory")[1], m.real(*A.parameters["trajectory"].shape)


def frame_by_frame(oracle, *names):
    """The oracle of one frame for each: the axis of the frames is the third from the end."""

    def whole(p, x):
        frames = [
            oracle({n: v[t] if n in names else v for n, v in p.items()}, x[..., t, :, :])
            for t in range(x.shape[-3])
        ]
        behind = frames[0].ndim - (x.ndim - 3)
        return np.stack(frames, axis=-behind - 1)

    return whole


def dense_coils(p, x):
    """A NUFFT of every coil's image."""
    x = p["maps"] * x[..., None, :, :] if "maps" in p else x
    return dense_nufft((5, 6), None)(p, x)


def dense_gram(shape, norm):
    def oracle(parameters, x):
        E = dft(shape, parameters["trajectory"])
        w = parameters.get("weights", np.ones(len(E))).reshape(-1, 1)
        z = x.reshape(-1, E.shape[1]) @ (E.conj().T @ (w * E)).T
        return z.reshape(x.shape) / (E.shape[1] if norm else 1.0)

    return oracle


BOUNDARIES = ("valid", "circular", "replicate", "reflect", "zero")
SOME = ("valid", "zero")
PAD = {"circular": "wrap", "replicate": "edge", "reflect": "reflect", "zero": "constant"}


def convolve(h, x, boundary, d):
    """The convolution of the last `d` axes, whose leading ones broadcast."""
    P = h.shape[-d:]
    if boundary != "valid":
        margins = [(p - 1 - p // 2, p // 2) for p in P]
        x = np.pad(x, [(0, 0)] * (x.ndim - d) + margins, mode=PAD[boundary])
    M = [n - p + 1 for n, p in zip(x.shape[-d:], P, strict=True)]
    y = 0
    for q in np.ndindex(*P):
        pixel = h[(..., *q)].reshape(*h.shape[:-d], *[1] * d)
        first = [p - 1 - i for p, i in zip(P, q, strict=True)]
        y = y + pixel * x[(..., *(slice(f, f + m) for f, m in zip(first, M, strict=True)))]
    return y


def dense_blur(boundary, d=2):
    return lambda parameters, x: convolve(parameters["psf"], x, boundary, d)


def dense_downsample(boundary, factor):
    steps = tuple(slice(None, None, s) for s in factor)
    blurred = dense_blur(boundary, len(factor))
    return lambda parameters, x: blurred(parameters, x)[(..., *steps)]


def dense_space_varying(boundary, d=2):
    def oracle(parameters, x):
        modes = convolve(parameters["psf"], np.expand_dims(x, -d - 1), boundary, d)
        return np.sum(parameters["weights"] * modes, axis=-d - 1)

    return oracle


def dense_warp(boundary, d):
    """SciPy's spline through the image, which is continued so far that its ends do not matter."""

    def oracle(parameters, x):
        t = parameters["shift"].real
        angle = np.real(parameters.get("rotation", 0.0))
        turn = np.eye(d)
        if d == 2:
            turn = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        M = turn @ np.diag(np.broadcast_to(np.real(parameters.get("scale", 1.0)), d))
        shape, far = x.shape[-d:], 60
        c = np.pad(x, [(0, 0)] * (x.ndim - d) + [(far, far)] * d, mode=PAD[boundary])
        centre = np.asarray(shape) // 2
        points = (np.indices(shape).reshape(d, -1).T - centre) @ M.T + centre + t
        bases = []
        for a in range(d):
            n = np.arange(-far, shape[a] + far)
            spline = make_interp_spline(n, c, k=3, axis=a - d)
            c = np.moveaxis(spline.c, 0, a - d)
            bases.append(BSpline.design_matrix(points[:, a], spline.t, 3).toarray())
        letters = "ijk"[:d]
        sums = ",".join(f"n{i}" for i in letters) + f",...{letters}->...n"
        return np.einsum(sums, *bases, c, optimize=True).reshape(x.shape)

    return oracle


def dense_differences(d):
    def oracle(parameters, x):
        ends = [np.take(x, [-1], axis=a) for a in range(-d, 0)]
        pairs = zip(range(-d, 0), ends, strict=True)
        return np.stack([np.diff(x, axis=a, append=end) for a, end in pairs], axis=-d - 1)

    return oracle


def dense_wavelet(shape, wavelet, levels):
    """A matrix for each axis and level, of the filters as they are defined."""
    h = np.asarray(FILTERS[wavelet])
    g = (-1.0) ** np.arange(len(h)) * h[::-1]

    def matrix(n):
        M = np.zeros((n, n))
        for k in range(n // 2):
            for m in range(len(h)):
                i = (2 * k + m + 1 - len(h) // 2) % n
                M[k, i] += h[m]
                M[n // 2 + k, i] += g[m]
        return M

    def oracle(_, x):
        c = x.copy()
        for level in range(levels):
            corner = (..., *(slice(n >> level) for n in shape))
            for a, n in enumerate(shape):
                part = np.moveaxis(c[corner], a - len(shape), -1) @ matrix(n >> level).T
                c[corner] = np.moveaxis(part, -1, a - len(shape))
        return c

    return oracle


# --- an operator that the library does not have ------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Shift(nl.LinearOperator):
    """Each line moved periodically by a part of a pixel: unitary, whatever the shift.

    ``x -> F^H diag(factor exp(slope shift)) F x``, with ``slope = -2 pi i f``. The factor is 1;
    in the derivative it is ``slope dshift``.
    """

    shift: object = parameter()
    slope: object = None
    factor: object = None

    @property
    def shapes(self):
        line = (self.shift.shape[0], self.slope.shape[0])
        return Exchanged(line, line)

    def _multiplier(self):
        xp = array_namespace(self.shift)
        return self.factor * xp.exp(self.slope * self.shift[:, None])

    def _apply(self, x):
        fft = array_namespace(x).fft
        return fft.ifft(self._multiplier() * fft.fft(x))

    def _adjoint(self, y):
        xp = array_namespace(y)
        return xp.fft.ifft(xp.conj(self._multiplier()) * xp.fft.fft(y))

    def _derivative(self, name, dtheta):
        return replace(self, factor=self.factor * self.slope * dtheta[:, None])

    def _form(self, name, x, y):
        xp = array_namespace(x)
        moved = replace(self, factor=self.factor * self.slope)._apply(x)
        return xp.sum(xp.real(xp.conj(moved) * y), axis=-1)


def shift(m):
    slope = -2j * np.pi * np.fft.fftfreq(7)
    slope, one = (m.row.array(a, m.complex_dtype) for a in (slope, np.ones(7)))
    return Shift(m.real(3), slope, one), 30 * m.complex(2, 3, 7)


def dense_shift(parameters, x):
    """Interpolation by the periodic sinc of an odd number of points."""
    n = np.arange(7)
    t = n[:, None] - n - parameters["shift"][:, None, None].real
    kernel = (1 + 2 * sum(np.cos(2 * np.pi * f * t / 7) for f in (1, 2, 3))) / 7
    return np.einsum("cnm,bcm->bcn", kernel, x)


# --- makers ----------------------------------------------------------------------------


def nufft(shape, samples, batch=(), norm=None, engine="direct", eps=1e-12, **settings):
    def make(m):
        F = nl.NUFFT(
            m.trajectory(*samples, len(shape)),
            shape,
            norm=norm,
            engine=m.engine(engine),
            eps=max(eps, 1e-6) if m.single else eps,
            **settings,
        )
        return F, m.complex(*batch, *shape)

    return make


def coil_nufft(shape, engine, kind="complex", norm=None, batch=(2,), **settings):
    """Three coils, whose maps the engine multiplies by."""

    def make(m):
        F, x = nufft(shape, (4, 2), batch, norm, engine, **settings)(m)
        return F @ nl.Sense(getattr(m, kind)(3, *shape)), x

    return make


def dense_coil_nufft(shape, norm=None):
    def oracle(p, x):
        x = p["maps"] * np.expand_dims(x, -len(shape) - 1)
        return dense_nufft(shape, norm)(p, x)

    return oracle


def of_coils(change, *settings, **more):
    """What `change` makes of the maker, three coils' NUFFT and its image."""
    return lambda m: change(m, *coil_nufft(*settings, **more)(m))


def coil_gram(shape, *, weighted, **more):
    def make(m):
        T, x = gram(shape, (4, 2), (2,), weighted=weighted, **more)(m)
        return CoilGram(T, m.complex(3, *shape)), x

    return make


def dense_coil_gram(shape):
    def oracle(p, x):
        s = p["maps"]
        z = dense_gram(shape, None)(p, s * np.expand_dims(x, -len(shape) - 1))
        return np.sum(s.conj() * z, axis=-len(shape) - 1)

    return oracle


def gram(shape, samples, *settings, weighted, **more):
    def make(m):
        F, x = nufft(shape, samples, *settings, **more)(m)
        return F.gram(m.real(*samples) if weighted else None, method="toeplitz"), x

    return make


def blur(psf, image, boundary, d=2, method="auto", *, complex_psf=False, complex_image=False):
    def make(m):
        h = (m.complex if complex_psf else m.real)(*psf)
        A = nl.Blur(h, boundary=boundary, ndim=d, method=method)
        return A, (m.complex if complex_image else m.real)(*image)

    return make


def downsample(psf, image, boundary, factor, *, complex_psf=False):
    def make(m):
        h, d = (m.complex if complex_psf else m.real)(*psf), len(factor)
        return nl.Downsample(h, factor, image[-d:], boundary), m.real(*image)

    return make


def space_varying(psf, weights, image, boundary, d=2, method="auto", kinds="rrr"):
    def make(m):
        h, w, x = (
            (m.complex if kind == "c" else m.real)(*shape)
            for kind, shape in zip(kinds, (psf, weights, image), strict=True)
        )
        return nl.SpaceVaryingBlur(h, w, boundary, d, method), x

    return make


def warp(shift, rotation, scale, boundary, image, *, complex_image=False):
    """A warp whose points lie between the pixels: there, no third derivative jumps."""

    def make(m):
        given = [m.row.array(p, m.real_dtype) for p in (shift, rotation, scale) if p is not None]
        names = [n for n, p in (("rotation", rotation), ("scale", scale)) if p is not None]
        A = nl.Warp(given[0], **dict(zip(names, given[1:], strict=True)), boundary=boundary)
        return A, (m.complex if complex_image else m.real)(*image)

    return make


def point_sources(count, size, stamp, oversampling, *, batch=(), kind="real", orders=(0, 0)):
    def make(m):
        p, f = 0.5 * m.real(count, 2), m.real(count)
        A = nl.PointSources(p, f, size, stamp, oversampling, orders)
        return A, getattr(m, kind)(*batch, *size)

    return make


def dense_point_sources(stamp, s, orders=(0, 0)):
    """Sums over the coefficients, with SciPy's B-spline."""
    beta = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)

    def weights(n, m, p, k):
        u = s * (np.arange(n)[:, None] - n // 2 - p) - (np.arange(m) - m // 2)
        return s * (-s) ** k * np.nan_to_num((beta.derivative(k) if k else beta)(u))

    def oracle(parameters, c):
        stamps = [
            f
            * weights(stamp[0], c.shape[-2], p[0], orders[0])
            @ c
            @ weights(stamp[1], c.shape[-1], p[1], orders[1]).T
            for p, f in zip(parameters["positions"].real, parameters["fluxes"], strict=True)
        ]
        return np.stack(stamps, axis=-3)

    return oracle


def jacobian_of_a_space_varying_blur(m):
    A, x = space_varying((3, 2, 3), (3, 4, 5), (2, 5, 7), "valid", kinds="rcr")(m)
    return A.as_map("psf", x), m.real(3, 2, 3)


def small_nufft(m, name="trajectory"):
    F = nl.NUFFT(m.trajectory(3, 4, 2), (5, 6), engine="direct")
    return F if name == "trajectory" else F.rename(trajectory=name)


def weighted_gram(m):
    F = small_nufft(m)
    return F.H @ nl.Diagonal(m.real(3, 4)) @ F, m.complex(5, 6)


def dense_least_squares(parameters, y):
    """The normal equations of a NUFFT, between coil maps or not, item after item."""
    A = dft((2, 2), parameters["trajectory"])
    if "maps" in parameters:
        A = np.concatenate([A * row for row in parameters["maps"].reshape(2, -1)])
    w = np.broadcast_to(np.ravel(parameters.get("weights", 1.0)), len(A))[:, None]
    penalty = parameters.get("damping", 0.5) * np.abs(parameters.get("gain", np.ones(4))) ** 2
    H = A.conj().T @ (w * A) + np.diag(np.ravel(penalty))
    rhs = y.reshape(-1, len(A)) @ (w * A).conj()
    batch = y.shape[: y.ndim - (2 if "maps" in parameters else 1)]
    return np.linalg.solve(H, rhs.T).T.reshape(*batch, 2, 2)


def least_squares(*, coils=(2,), batch=(), weights=None, **settings):
    """A few voxels, which as many steps solve."""

    def make(m):
        A = nl.NUFFT(m.trajectory(6, 2), (2, 2), engine="direct")
        A = A @ nl.Sense(m.complex(*coils, 2, 2)) if coils else A
        more = {name: value(m) for name, value in settings.items()}
        w = None if weights is None else positive(m, *weights)
        f = nl.LeastSquares(
            A, weights=w, tolerance=1e-6 if m.single else 1e-14, **{"damping": 0.5} | more
        )
        return f, m.complex(*batch, *coils, 6)

    return make


def positive(m, *shape):
    return m.row.array(m.rng.uniform(0.5, 1.5, shape), m.real_dtype)


def gain(m):
    return nl.Diagonal(positive(m, 2, 2)).rename(weights="gain")


def inverse(m):
    """Of a Gram and more, which stays self-adjoint whatever its blocks become."""
    H = nl.BlockDiagonal(m.complex(2, 3, 3)).N + nl.Diagonal(positive(m, 3)).rename(weights="more")
    return nl.Inverse(H, tolerance=1e-6 if m.single else 1e-14), m.complex(2, 2, 3)


NINE = np.random.default_rng(0).uniform(-0.8, 0.8, (9, 2))


def circulant(m):
    F = nl.NUFFT(m.row.array(NINE, m.real_dtype), (4, 3), engine="direct", norm="ortho")
    return nl.mri.circulant_preconditioner(F, damping=0.5), m.complex(2, 4, 3)


def dense_circulant(parameters, x):
    """By the mean of the dense matrix along each cyclic diagonal."""
    E = dft((4, 3), NINE) / np.sqrt(12)
    H = (E.conj().T @ E).reshape(4, 3, 4, 3)
    c = np.zeros((4, 3), complex)
    for a, b, i, j in np.ndindex(H.shape):
        c[(a - i) % 4, (b - j) % 3] += H[a, b, i, j] / 12
    return np.fft.ifft2(np.fft.fft2(x) / (np.fft.fft2(c).real + 0.5))


def dense_inverse(parameters, x):
    M = parameters["blocks"]
    H = M.conj().swapaxes(-1, -2) @ M + np.diag(parameters["more"])
    return np.linalg.solve(H, x[..., None])[..., 0]


def penalized(m, batch=()):
    """Few voxels, well conditioned: their solution is at rounding in either precision."""
    A = nl.BlockDiagonal(m.complex(4, 3, 3)) + nl.Diagonal(m.row.array([3.0], m.real_dtype)).rename(
        weights="more"
    )
    R = nl.FiniteDifferences((4, 3)) @ nl.Diagonal(positive(m, 4, 3)).rename(weights="gain")
    scale, damping = (m.row.array(value, m.real_dtype) for value in (0.5, 0.2))
    phi = nl.Charbonnier(scale, 0.7, R, axis=-3)
    f = nl.PenalizedLeastSquares(
        A, phi, damping, positive(m, 4, 1), tolerance=1e-5 if m.single else 1e-13
    )
    return f, m.complex(*batch, 4, 3)


def jacobian_of(kind, name=None):
    """The Jacobian of a map that solves or iterates, by its data or by a parameter."""

    def make(m):
        f, y = penalized(m, (2,))
        problem = nl.PenalizedLeastSquares(f.model, None, f.damping, f.weights)
        size, threshold = (m.row.array(value, m.real_dtype) for value in (0.02, 0.01))
        f, x = {
            "penalty": lambda: (f.penalty, y),
            "penalized": lambda: (f, y),
            "descent": lambda: (nl.UnrolledProximalGradient(f, 5, size, threshold), y),
            "conjugate": lambda: (nl.UnrolledConjugateGradient(problem, 3), y),
        }[kind]()
        _, J = f.linearize(x, wrt=name)
        theta = x if name is None else f.parameters[name]
        is_complex = m.row.xp.isdtype(theta.dtype, "complex floating")
        return J, (m.complex if is_complex else m.real)(*theta.shape)

    return make


def two_blurs(m):
    first = nl.Blur(m.real(2, 3), boundary="circular")
    second = nl.Blur(m.real(3, 3)).rename(psf="second")
    return second @ first, m.real(2, 7, 6)


def normalized(m):
    _, J = nl.MeanNormalize().linearize(m.row.xp.abs(m.real(4, 3)) + 0.5)
    return J, m.real(4, 3)


def phase(m):
    _, J = nl.Magnitude().linearize(m.complex(4, 3))
    return J, m.complex(4, 3)


def jacobian_of_diffraction(m, *batch):
    optics = nl.blur.Diffraction((6, 7), indices=(2, 4, 7, 11), cutoff=0.4)
    _, J = optics.linearize(0.1 * m.real(*batch, 4))
    return J, m.real(*batch, 4)


def jacobian_through_focus(m, *batch):
    focus = nl.blur.FocalShift(1.0, 0.8)
    optics = nl.blur.ThroughFocus((6, 7), (-0.5, 0.0, 0.7), (4, 7, 11), 0.4, focus, bead=1.5)
    _, J = optics.linearize(0.1 * m.real(*batch, 3))
    return J, m.real(*batch, 3)


def spread(m):
    return Spread(m.real(3), 4), m.real(2, 3)


def dense_spread(_, x):
    padded = np.concatenate([x, np.zeros((*x.shape[:-1], 1))], axis=-1)
    return np.stack(4 * [padded], axis=-2)


def jacobian_of_nufft(m):
    F = small_nufft(m)
    _, J = F.linearize(m.complex(2, 5, 6), wrt="trajectory")
    return J, m.real(3, 4, 2)


def jacobian_on_the_grid(m):
    F, x = nufft((6, 5), (3, 4), (2,), "ortho", "grid")(m)
    _, J = F.linearize(x, wrt="trajectory")
    return J, m.real(3, 4, 2)


def jacobian_of_density_weights(m, *, begun=False):
    F = nl.NUFFT(m.trajectory(3, 4, 2), (9, 10), engine="direct")
    start = m.row.xp.abs(m.real(3, 4)) + 0.5 if begun else None
    weights = nl.mri.PipeMenon(F, width=4, grid=(9, 10), iterations=3, start=start)
    return weights.linearize(F.trajectory)[1], m.real(3, 4, 2)


def jacobian_of_gradients(kind, *at):
    """Of delays, which is constant, or of eddy currents."""

    def make(m):
        model = kind(m.real(2, 5, 2))
        x = m.row.array(at, m.real_dtype)
        return model.linearize(x)[1], m.real(*x.shape)

    return make


def jacobian_of_job_1(maps, **settings):
    """The loss of a trajectory by all that depends on it, unless they are held constant."""

    def make(m):
        F = nl.NUFFT(0.2 * m.trajectory(4, 6, 2), (14, 15), engine="direct")
        image = m.row.xp.abs(m.real(14, 15)) + 0.5
        job = nl.workflows.TrajectoryObjective(image, m.complex(2, 14, 15), F, maps, **settings)
        return job.linearize(F.trajectory)[1], m.real(4, 6, 2)

    return make


def hessian_of_nufft(m):
    J, k = jacobian_of_nufft(m)
    return J.hessian(m.complex(2, 3, 4)), k


def spline(batch, points, samples, first, rest, ndim):
    def make(m):
        # The last sample lies half a distance after the last control point.
        spacing = (points - 0.5 - first) / (samples - 1)
        return nl.mri.BSpline(points, samples, spacing, first, rest, ndim), m.real(
            *batch, points, ndim
        )

    return make


def dense_spline(samples, first, rest):
    """The curve with the points before and after its own that its ends stand for."""

    def oracle(parameters, c):
        points = c.shape[-2]
        before = c[..., :1, :] if rest in ("both", "start") else 2 * c[..., :1, :] - c[..., 1:2, :]
        after = c[..., -1:, :] if rest in ("both", "end") else 2 * c[..., -1:, :] - c[..., -2:-1, :]
        c = np.concatenate([before, c, after], axis=-2)
        knots = np.arange(points + 5) - 2.5
        time = np.linspace(first, points - 0.5, samples)
        return BSpline(knots, c, 2, axis=-2)(np.minimum(time, points - 0.5 - 1e-12))

    return oracle


# The grid engine compiles a loop for each number of axes and of coils: few of either are enough.
CASES = [
    *(
        Case(
            f"spline of {points} points, rest {rest}, {samples} samples in {ndim}D",
            spline(batch, points, samples, first, rest, ndim),
            dense_spline(samples, first, rest),
        )
        for batch, points, samples, first, rest, ndim in [
            ((3,), 5, 12, -0.5, "both", 2),
            ((2, 2), 2, 7, 0.0, None, 3),
            ((), 9, 4, 0.3, "start", 1),
            ((3,), 4, 20, -0.5, "end", 2),
        ]
    ),
    Case("point sources", point_sources(3, (7, 7), (5, 5), 2), dense_point_sources((5, 5), 2)),
    Case(
        "point sources, even sizes, a batch of complex coefficients",
        point_sources(2, (6, 9), (4, 3), 3, batch=(2,), kind="complex"),
        dense_point_sources((4, 3), 3),
    ),
    Case(
        "point sources, differentiated",
        point_sources(2, (5, 4), (4, 5), 1, orders=(1, 0)),
        dense_point_sources((4, 5), 1, (1, 0)),
    ),
    Case(
        "diagonal real",
        lambda m: (nl.Diagonal(m.real(3, 4)), m.complex(2, 3, 4)),
        lambda p, x: p["weights"] * x,
    ),
    Case(
        "diagonal complex on real, broadcast",
        lambda m: (nl.Diagonal(m.complex(3, 1)), m.real(2, 3, 4)),
        lambda p, x: p["weights"] * x,
    ),
    Case(
        "diagonal, two axes and the batch share a weight",
        lambda m: (nl.Diagonal(m.complex(3, 1, 1)), m.complex(2, 3, 4, 5)),
        lambda p, x: p["weights"] * x,
    ),
    Case(
        "blocks real",
        lambda m: (nl.BlockDiagonal(m.real(3, 4, 2, 2)), m.complex(2, 3, 4, 2)),
        lambda p, x: np.einsum("...ac,...c->...a", p["blocks"], x),
    ),
    Case(
        "blocks complex on real, broadcast",
        lambda m: (nl.BlockDiagonal(m.complex(3, 1, 3, 3)), m.real(2, 3, 4, 3)),
        lambda p, x: np.einsum("...ac,...c->...a", p["blocks"], x),
    ),
    Case(
        "one block of size 1 for all",
        lambda m: (nl.BlockDiagonal(m.complex(1, 1)), m.complex(2, 4, 1)),
        lambda p, x: np.einsum("...ac,...c->...a", p["blocks"], x),
    ),
    Case(
        "sense",
        lambda m: (nl.Sense(m.complex(3, 4, 5)), m.complex(4, 5)),
        lambda p, x: p["maps"] * x,
    ),
    Case(
        "sense batch, real image",
        lambda m: (nl.Sense(m.complex(3, 4, 5)), m.real(2, 2, 4, 5)),
        lambda p, x: p["maps"] * x[:, :, None],
    ),
    Case(
        "sense real maps in 1D",
        lambda m: (nl.Sense(m.real(3, 4)), m.complex(2, 4)),
        lambda p, x: p["maps"] * x[:, None],
    ),
    *(
        Case(
            f"nufft {engine} {shape} batch {batch} {norm}",
            nufft(shape, samples, batch, norm, engine),
            dense_nufft(shape, norm),
            host=engine != "direct",
            eps=0.0 if engine == "direct" else 1e-12,
            eps_single=0.0 if engine == "direct" else 1e-6,
        )
        for engine in ("direct", "grid", "finufft")
        for shape, samples, batch, norm in [
            ((8,), (7,), (2,), None),
            ((7,), (3, 2), (2,), "ortho"),
            ((1,), (5,), (2,), None),
            ((6, 5), (4, 3), (2, 3), None),
            ((5, 8), (9,), (), "ortho"),
            ((1, 6), (6,), (), None),
            ((4, 5, 3), (4, 2), (2,), "ortho"),
            ((3, 2, 1), (5,), (2,), None),
        ]
    ),
    *(
        Case(
            f"nufft @ sense {engine} {shape} {kind} {norm} {more}",
            coil_nufft(shape, engine, kind, norm, **more),
            dense_coil_nufft(shape, norm),
            host=engine != "direct",
            eps=0.0 if engine == "direct" else 1e-12,
            eps_single=0.0 if engine == "direct" else 1e-6,
        )
        for engine in ("direct", "grid", "finufft")
        for shape, kind, norm, more in [
            ((7,), "real", None, {}),
            ((5, 4), "complex", "ortho", {}),
            ((4, 5), "complex", None, {"memory_limit": 3000}),
            ((3, 4, 2), "complex", None, {"batch": ()}),
        ]
    ),
    *(
        Case(f"{name} of nufft @ sense {engine}", of_coils(change, (5, 4), engine), host=True)
        for engine in ("grid", "finufft")
        for name, change in {
            "derivative": lambda m, A, x: (A.derivative("trajectory", m.real(4, 2, 2)), x),
            "second derivative": lambda m, A, x: (
                A.derivative("trajectory", m.real(4, 2, 2)).derivative("maps", m.complex(3, 5, 4)),
                x,
            ),
            "jacobian": lambda m, A, x: (
                A.linearize(x, wrt="trajectory")[1],
                m.real(4, 2, 2),
            ),
        }.items()
    ),
    *(
        Case(
            f"gram of nufft @ sense, {'weighted' if weighted else 'plain'}",
            coil_gram((5, 4), weighted=weighted),
            dense_coil_gram((5, 4)),
        )
        for weighted in (False, True)
    ),
    Case(
        "nufft in chunks",
        nufft((5, 4), (7,), (5,), None, "direct", memory_limit=1500),
        dense_nufft((5, 4), None),
    ),
    *(
        Case(
            f"gram {engine} {shape} batch {batch} {norm} {'weighted' if weighted else 'plain'}",
            gram(shape, samples, batch, norm, engine, weighted=weighted),
            dense_gram(shape, norm),
            host=engine != "direct",
            eps=0.0 if engine == "direct" else 1e-12,
            eps_single=0.0 if engine == "direct" else 1e-6,
        )
        for engine in ("direct", "grid", "finufft")
        for shape, samples, batch, norm, weighted in [
            ((8,), (7,), (2,), None, False),
            ((7,), (3, 2), (2,), "ortho", True),
            ((1,), (5,), (2,), None, True),
            ((6, 5), (4, 3), (2, 3), None, True),
            ((13, 11), (9,), (), "ortho", False),  # prime sizes
            ((1, 6), (6,), (), None, True),
            ((4, 5, 3), (4, 2), (2,), "ortho", True),
            ((3, 2, 1), (5,), (2,), None, False),
        ]
        # Nothing varies with one voxel: differences of finufft would be its rounding alone.
        if (engine, shape) != ("finufft", (1,))
    ),
    Case(
        "gram in chunks",
        gram((5, 4), (7,), (5,), None, "direct", memory_limit=1000, weighted=True),
        dense_gram((5, 4), None),
    ),
    *(
        Case(
            f"blur {boundary} {method} psf {psf}{'c' * ch} image {image}{'c' * cx}",
            blur(psf, image, boundary, method=method, complex_psf=ch, complex_image=cx),
            dense_blur(boundary),
            dot=1e-12,
        )
        # A boundary folds the image whatever is convolved: all of them meet some of the forms.
        for boundaries, method, psf, image, ch, cx in [
            (BOUNDARIES, "fft", (3, 4), (7, 6), False, False),
            (BOUNDARIES, "direct", (3, 4), (7, 6), False, False),
            (SOME, "direct", (1, 1), (2, 3, 4), False, True),
            (SOME, "fft", (1, 1), (3, 4), True, False),
            (SOME, "fft", (2, 2), (3, 16, 16), False, False),  # a spectrum that can vanish
            (SOME, "fft", (1, 4), (2, 5, 11), True, False),
            (SOME, "direct", (1, 4), (2, 1, 5), True, True),  # an axis of size one
            (BOUNDARIES, "fft", (3, 3, 2), (2, 3, 7, 5), True, True),
            (SOME, "direct", (2, 1, 3, 2), (2, 3, 5, 6), False, True),
            (SOME, "fft", (1, 1, 2, 3), (2, 2, 3, 5, 6), False, False),
            (BOUNDARIES, "fft", (5, 6), (5, 6), False, True),  # as large as the image
        ]
        for boundary in boundaries
    ),
    *(
        # Its spectrum has exact zeros, where a polar form has no derivative.
        Case(
            f"blur {boundary} fft, 2 x 2 box on 16 x 16",
            lambda m, settings=(boundary, 2, "fft"): (
                nl.Blur(m.row.array(np.full((2, 2), 0.25), m.real_dtype), *settings),
                m.real(16, 16),
            ),
            dense_blur(boundary),
            dot=1e-12,
        )
        for boundary in BOUNDARIES
    ),
    *(
        Case(
            f"blur {boundary} {method}, axes of size one: psf {psf} image {image}",
            blur(psf, image, boundary, method=method),
            dense_blur(boundary),
            dot=1e-12,
        )
        for boundary in ("circular", "replicate", "reflect")
        for method, psf, image in [
            ("fft", (1, 3), (2, 5, 1)),
            ("direct", (3, 1), (1, 5)),
            ("fft", (2, 2), (1, 1)),
        ]
    ),
    *(
        Case(
            f"blur {boundary} {method} in {d}D psf {psf}",
            blur(psf, image, boundary, d, method, complex_psf=ch),
            dense_blur(boundary, d),
            dot=1e-12,
        )
        for boundary in BOUNDARIES
        for d, method, psf, image, ch in [
            (1, "direct", (4,), (2, 7), False),
            (1, "fft", (3, 5), (2, 3, 5), True),
            (1, "fft", (1,), (1,), False),
            (3, "fft", (2, 3, 2), (2, 4, 3, 5), False),
            (3, "direct", (2, 1, 2), (3, 1, 4), True),
        ]
    ),
    *(
        Case(
            f"blur {boundary}, psf larger than the image {image}",
            blur((7, 5), image, boundary),
            dense_blur(boundary),
            dot=1e-12,
        )
        for boundary in BOUNDARIES[1:]
        for image in [(3, 2), (1, 6)]
    ),
    *(
        Case(
            f"downsample {boundary} by {factor}",
            downsample(psf, image, boundary, factor, complex_psf=ch),
            dense_downsample(boundary, factor),
            dot=1e-12,
        )
        for boundary, psf, image, factor, ch in [
            ("valid", (3, 2), (2, 9, 7), (2, 3), False),
            ("circular", (2, 3, 4), (2, 8, 6), (2, 2), True),
            ("reflect", (3,), (2, 8), (3,), False),
            ("zero", (2, 3, 2), (5, 4, 3), (2, 1, 5), False),
            ("replicate", (4, 4), (5, 6), (1, 4), False),
        ]
    ),
    *(
        Case(
            f"space-varying blur {boundary} {method} {kinds} psf {psf} image {image}",
            space_varying(psf, weights, image, boundary, d, method, kinds),
            dense_space_varying(boundary, d),
            dot=1e-12,
        )
        for boundary, d, method, kinds, psf, weights, image in [
            ("valid", 2, "fft", "rrr", (3, 2, 3), (3, 5, 4), (6, 6)),
            ("circular", 2, "direct", "rcr", (3, 2, 2), (3, 4, 5), (2, 4, 5)),
            ("reflect", 2, "fft", "crr", (2, 1, 3, 4), (1, 5, 6), (2, 5, 6)),
            ("zero", 1, "direct", "rrc", (2, 3), (3, 2, 6), (3, 6)),
            ("replicate", 3, "fft", "ccc", (2, 2, 1, 3), (2, 3, 4, 3), (2, 3, 4, 3)),
        ]
    ),
    *(
        Case(
            f"warp {boundary} by {shift}, {rotation}, {scale} of {image}{'c' * cx}",
            warp(shift, rotation, scale, boundary, image, complex_image=cx),
            dense_warp(boundary, len(shift)),
            dot=1e-12,
        )
        for boundary, shift, rotation, scale, image, cx in [
            ("reflect", (0.31, -0.73), 0.07, 0.93, (7, 8), False),
            ("circular", (0.31, -1.73), 0.11, (0.93, 1.17), (2, 6, 5), True),
            ("reflect", (0.37,), None, None, (3, 9), False),
            ("circular", (-2.41,), None, (1.13,), (2, 8), True),
            ("reflect", (0.31, -0.73), None, None, (2, 7, 6), False),
            ("circular", (1.21, 0.33), None, 0.93, (6, 7), False),
            ("circular", (0.31, -0.73, 1.27), None, (1.07, 0.91, 0.83), (2, 4, 5, 3), False),
            ("reflect", (0.31, -0.73, 1.27), None, None, (4, 5, 3), True),
            # Beyond the image, and back by whole periods; an angle for which pixels move far
            ("reflect", (33.31, -17.73), 2.03, 1.21, (2, 2, 6, 5), True),
            ("circular", (33.31, -17.73), -1.03, 0.71, (5, 6), False),
            ("reflect", (0.31, 0.73), 0.07, None, (1, 6), False),  # an axis of size one
            ("circular", (0.31, 0.73), 0.07, None, (6, 1), False),
            ("reflect", (0.31, 0.73), None, 1.07, (1, 2), False),
        ]
    ),
    *(
        Case(
            f"coil matrix {virtual} of {coils}, batch {batch}",
            lambda m, v=virtual, c=coils, b=batch, cm=cm, cx=cx: (
                nl.mri.CoilMatrix((m.complex if cm else m.real)(v, c), (2, 3)),
                (m.complex if cx else m.real)(*b, c, 2, 3),
            ),
            lambda p, x: np.einsum("vc,...cij->...vij", p["matrix"], x),
        )
        for virtual, coils, batch, cm, cx in [
            (2, 4, (), True, True),
            (3, 2, (2,), True, False),
            (1, 3, (2, 2), False, True),
            (3, 3, (), False, False),
        ]
    ),
    Case(
        "coil matrix @ nufft @ sense",
        lambda m: (
            nl.mri.CoilMatrix(m.complex(2, 3), (3, 4))
            @ small_nufft(m)
            @ nl.Sense(m.complex(3, 5, 6)),
            m.complex(5, 6),
        ),
    ),
    Case("jacobian of delays", jacobian_of_gradients(nl.mri.GradientDelays, 0.3, -0.2, 0.1)),
    Case(
        "jacobian of eddy currents",
        jacobian_of_gradients(nl.mri.GradientResponse, (0.3, 0.2, 0.4), (-1.2, 0.1, 0.002)),
    ),
    Case(
        "off-resonance, one time for a sample of each shot",
        off_resonance((2, 4), (4,)),
        dense_off_resonance((4,)),
    ),
    Case(
        "off-resonance with decay, batch",
        off_resonance((7,), (7,), batch=(2,), complex_map=True),
        dense_off_resonance((7,)),
    ),
    Case(
        "off-resonance by coils",
        lambda m: (lambda A, x: (A @ nl.Sense(m.complex(3, 5, 6)), x))(
            *off_resonance((7,), (7,))(m)
        ),
    ),
    Case("field-of-view shift", shifted(2, image=False), dense_phase),
    Case("field-of-view shift of each shot", shifted(3, 1, 2, batch=(2,)), dense_shifted),
    Case(
        "derivative of a field-of-view shift",
        lambda m: (lambda P, y: (P.derivative("trajectory", m.real(3, 4, 2)), y))(
            *shifted(2, image=False, batch=(2,))(m)
        ),
    ),
    *(
        Case(
            f"fft {shape} {norm} {kind} batch {batch}",
            lambda m, shape=shape, batch=batch, norm=norm, kind=kind: (
                nl.FFT(shape, norm),
                getattr(m, kind)(*batch, *shape),
            ),
            dense_fft(shape, norm),
        )
        for shape, batch, norm, kind in [
            ((5, 4), (2,), None, "complex"),
            ((7,), (2, 3), "ortho", "real"),
            ((1, 3, 2), (), None, "complex"),
        ]
    ),
    Case(
        "masked fft of coils",
        lambda m: (
            nl.Diagonal(positive(m, 5, 1)) @ nl.FFT((5, 4)) @ nl.Sense(m.complex(2, 5, 4)),
            m.complex(5, 4),
        ),
        lambda p, x: p["weights"] * dense_fft((5, 4))(None, p["maps"] * x),
    ),
    *(
        Case(
            f"partitions {chosen or 'all'} of {nz} {norm} {kind}",
            partitions(nz, chosen, batch=batch, norm=norm, kind=kind),
            dense_partitions(nz, chosen or range(-(nz // 2), nz - nz // 2), norm),
        )
        for nz, chosen, batch, norm, kind in [
            (5, None, (2,), None, "complex"),
            (6, (2, -3, 0), (2,), "ortho", "real"),
            (1, None, (), None, "complex"),
        ]
    ),
    Case("stack of nuffts", stack(5, (1, -2), turned=False, batch=(2,)), dense_stack(5, (1, -2))),
    Case(
        "stack of nuffts, each partition turned",
        stack(4, (-2, -1, 0, 1), turned=True),
        dense_stack(4, (-2, -1, 0, 1)),
    ),
    Case("subspace, a real basis", subspace("real"), dense_subspace()),
    Case(
        "subspace, frames along the last axis",
        subspace("complex", coils=2, axis=-1),
        dense_subspace(-1),
    ),
    Case(
        "subspace of paired nuffts",
        subspace("complex", coils=2, batch=(2,), paired=True),
        dense_subspace(paired=True),
    ),
    Case(
        "gram of a subspace",
        subspace_gram,
        dense_subspace_gram,
    ),
    *(
        Case(
            f"derivative of a subspace{' of paired nuffts' * paired}",
            lambda m, paired=paired: (lambda A, x: (A.derivative("basis", m.real(4, 2)), x))(
                *subspace("real", paired=paired)(m)
            ),
        )
        for paired in (False, True)
    ),
    Case("paired nuffts", paired(), frame_by_frame(dense_coils, "trajectory")),
    Case(
        "paired nuffts of coils, batch",
        paired(coils=2, batch=(2,)),
        frame_by_frame(dense_coils, "trajectory"),
    ),
    Case(
        "paired nuffts of as many coils as frames",
        paired(coils=3),
        frame_by_frame(dense_coils, "trajectory"),
    ),
    Case(
        "paired grams, each with its weights",
        paired_grams,
        frame_by_frame(dense_gram((4, 3), None), "trajectory", "weights"),
    ),
    Case(
        "derivative of paired nuffts",
        lambda m: (lambda A, x: (A.derivative("trajectory", m.real(2, 2, 4, 2)), x))(
            *paired(frames=2)(m)
        ),
    ),
    Case("jacobian of paired nuffts", paired_jacobian),
    Case("nufft @ sense", lambda m: (small_nufft(m) @ nl.Sense(m.complex(3, 5, 6)), m.real(5, 6))),
    Case("weighted gram, one trajectory twice", weighted_gram),
    Case(
        "jacobian of least squares by the trajectory",
        lambda m: (lambda f, y: (f.linearize(y, wrt="trajectory")[1], m.real(6, 2)))(
            *least_squares(batch=(2,), damping=positive)(m)
        ),
    ),
    Case(
        "jacobian of an inverse",
        lambda m: (lambda A, x: (A.linearize(x, wrt="blocks")[1], m.complex(2, 3, 3)))(*inverse(m)),
    ),
    Case(
        "hessian of a penalty",
        lambda m: (lambda f, x: (f.penalty.hessian(x), m.complex(2, 4, 3)))(*penalized(m, (2,))),
    ),
    *(
        Case(
            f"jacobian of {what}{f' by its {name}' if name else ''}",
            jacobian_of(kind, name),
            eps=1e-12,
            eps_single=1e-5,
        )
        for kind, what, name in [
            ("penalty", "a penalty", None),
            ("penalty", "a penalty", "gain"),
            ("penalized", "penalised least squares", None),
            ("penalized", "penalised least squares", "blocks"),
            ("penalized", "penalised least squares", "gain"),
            ("descent", "unrolled descent", None),
            ("descent", "unrolled descent", "weights"),
            ("conjugate", "unrolled conjugate gradients", "blocks"),
        ]
    ),
    Case(
        "gram between coil maps, its trajectory once more",
        lambda m: (
            (lambda F, S: (F @ S).H @ F @ S + S.H @ F.gram(m.real(3, 4), "toeplitz") @ S)(
                small_nufft(m), nl.Sense(m.complex(3, 5, 6))
            ),
            m.complex(2, 5, 6),
        ),
    ),
    Case(
        "derivative of a gram by the trajectory",
        lambda m: (
            small_nufft(m).gram(method="toeplitz").derivative("trajectory", m.real(3, 4, 2)),
            m.complex(2, 5, 6),
        ),
    ),
    Case(
        "derivative of a weighted gram by the trajectory",
        lambda m: (
            small_nufft(m)
            .gram(m.real(3, 4), method="toeplitz")
            .derivative("trajectory", m.real(3, 4, 2)),
            m.complex(2, 5, 6),
        ),
    ),
    Case(
        "convolution with the lags of a gram",
        lambda m: (small_nufft(m).gram(method="toeplitz").convolution, m.complex(2, 5, 6)),
    ),
    Case(
        "second derivative of a nufft",
        lambda m: (
            small_nufft(m)
            .derivative("trajectory", m.real(3, 4, 2))
            .derivative("trajectory", m.real(3, 4, 2)),
            m.complex(2, 5, 6),
        ),
    ),
    Case(
        "derivative of a nufft on the grid",
        lambda m: (
            nufft((6, 5), (3, 4), (2,), "ortho", "grid")(m)[0].derivative(
                "trajectory", m.real(3, 4, 2)
            ),
            m.complex(2, 6, 5),
        ),
        host=True,
    ),
    Case(  # constant: of its own derivatives, as cubic splines have two, there is one
        "derivative of a warp",
        lambda m: (
            Constant(
                warp((0.31, -0.73), 0.07, (0.93, 1.07), "reflect", (6, 5))(m)[0].derivative(
                    "rotation", m.real()
                )
            ),
            m.real(2, 6, 5),
        ),
    ),
    Case(
        "derivative of a space-varying blur by its psf",
        lambda m: (
            nl.SpaceVaryingBlur(m.real(3, 2, 3), m.complex(3, 4, 5)).derivative(
                "psf", m.real(3, 2, 3)
            ),
            m.real(2, 5, 7),
        ),
    ),
    Case(
        "derivative of a renamed product",
        lambda m: (
            (small_nufft(m) @ nl.Sense(m.complex(3, 5, 6)))
            .rename(trajectory="k", maps="s")
            .derivative("s", m.complex(3, 5, 6)),
            m.complex(5, 6),
        ),
    ),
    Case(
        "sense @ blur, real image and PSF behind complex maps",
        lambda m: (nl.Sense(m.complex(3, 4, 5)) @ nl.Blur(m.real(2, 3)), m.real(2, 5, 7)),
    ),
    Case(
        "derivative of a gram",
        lambda m: (nl.Diagonal(m.complex(4)).N.derivative("weights", m.complex(4)), m.complex(4)),
    ),
    Case("two blurs", two_blurs),
    Case("a shift, which is unitary", shift, dense_shift),
    Case(
        "sum with a shared parameter",
        lambda m: (
            (lambda W, F: F @ W - (2 - 1j) * F)(nl.Diagonal(m.complex(5, 6)), small_nufft(m)),
            m.complex(5, 6),
        ),
    ),
    Case(
        "sum of two",
        lambda m: (
            nl.Diagonal(m.real(4)) + (-nl.Diagonal(m.complex(4))).rename(weights="other"),
            m.complex(3, 4),
        ),
    ),
    Case(
        "derivative of a nufft",
        lambda m: (small_nufft(m).derivative("trajectory", m.real(3, 4, 2)), m.complex(2, 5, 6)),
    ),
    Case("jacobian of a nufft", jacobian_of_nufft),
    Case("jacobian of a nufft on the grid", jacobian_on_the_grid, host=True),
    Case("hessian of a nufft", hessian_of_nufft),
    Case("jacobian of density weights", jacobian_of_density_weights),
    Case(
        "jacobian of density weights that begin at others",
        lambda m: jacobian_of_density_weights(m, begun=True),
    ),
    # The iteration and the phases of small voxels magnify rounding.
    Case("jacobian of the loss of a trajectory", jacobian_of_job_1("estimated"), eps_single=1e-5),
    Case(
        "jacobian of it, constants held",
        jacobian_of_job_1("estimated", constants=True),
        eps_single=1e-5,
    ),
    Case(
        "jacobian of a diagonal",
        lambda m: (
            ParameterJacobian(nl.Diagonal(m.complex(3, 1)), "weights", m.complex(2, 3, 4)),
            m.complex(3, 1),
        ),
    ),
    Case(
        "jacobian of a blur",
        lambda m: (
            nl.Blur(m.real(2, 3)).as_map("psf", m.real(2, 5, 6)),
            m.real(2, 3),
        ),
    ),
    Case("jacobian of a space-varying blur by its psf", jacobian_of_a_space_varying_blur),
    Case(
        "jacobian of a downsampling by its psf",
        lambda m: (
            nl.Downsample(m.complex(2, 3), 2, (5, 6)).as_map("psf", m.real(2, 5, 6)),
            m.complex(2, 3),
        ),
    ),
    Case("jacobian of the magnitude", phase),
    Case(
        "jacobian of the magnitude of real numbers",
        lambda m: (PhaseProjection(m.row.xp.sign(m.real(5))), m.real(5)),
    ),
    Case("jacobian of the mean normalisation", normalized),
    Case("jacobian of diffraction", jacobian_of_diffraction),
    Case("jacobian of diffraction, a batch", lambda m: jacobian_of_diffraction(m, 2, 3)),
    Case("jacobian of diffraction through focus", jacobian_through_focus),
    Case("jacobian of diffraction through focus, a batch", lambda m: jacobian_through_focus(m, 2)),
    Case("coefficients of all planes", spread, dense_spread),
    Case("jacobian of a loss", lambda m: (Functional(m.complex(4, 2)), m.complex(4, 2))),
    *(
        Case(
            f"wavelets {wavelet} of {levels} levels in {len(shape)}D, {kind} batch {batch}",
            lambda m, settings=(shape, wavelet, levels), kind=kind, batch=batch: (
                nl.Wavelet(*settings),
                getattr(m, kind)(*batch, *settings[0]),
            ),
            dense_wavelet(shape, wavelet, levels),
            dot=1e-12,
        )
        for shape, wavelet, levels, kind, batch in [
            ((12,), "db3", 2, "real", (2,)),
            ((8, 4), "db3", 2, "complex", (2, 3)),
            ((2, 4, 6), "haar", 1, "complex", ()),
            ((4,), "db3", 1, "real", ()),  # a filter longer than the axis
        ]
    ),
    *(
        Case(
            f"finite differences in {len(shape)}D, {kind} batch {batch}",
            lambda m, shape=shape, batch=batch, kind=kind: (
                nl.FiniteDifferences(shape),
                getattr(m, kind)(*batch, *shape),
            ),
            dense_differences(len(shape)),
        )
        for shape, batch, kind in [
            ((5,), (2,), "real"),
            ((4, 1), (2, 3), "complex"),
            ((3, 4, 2), (), "complex"),
        ]
    ),
    Case("inverse of a gram and more", inverse, dense_inverse),
    Case("circulant inverse", circulant, dense_circulant),
    Case("least squares", least_squares(batch=(2,)), dense_least_squares),
    Case(
        "least squares, weighted, with a regulariser",
        least_squares(coils=(), batch=(2,), weights=(6,), damping=positive, regularizer=gain),
        dense_least_squares,
        eps_single=1e-6,  # to which it is solved
    ),
    Case(
        "least squares, a weight for each coil",
        least_squares(weights=(2, 6)),
        dense_least_squares,
    ),
]


NAMES = {
    "diagonal real",  # complex to complex, real parameter
    "diagonal complex on real, broadcast",  # real to complex
    "blocks real",
    "one block of size 1 for all",
    "sense batch, real image",
    "nufft direct (7,) batch (2,) ortho",
    "nufft grid (6, 5) batch (2, 3) None",
    "nufft finufft (4, 5, 3) batch (2,) ortho",
    "gram grid (6, 5) batch (2, 3) None weighted",
    "blur valid fft psf (3, 4) image (7, 6)",  # real to real
    "blur zero direct psf (2, 1, 3, 2) image (2, 3, 5, 6)c",
    "weighted gram, one trajectory twice",
    "a shift, which is unitary",
    "sense @ blur, real image and PSF behind complex maps",
    "jacobian of a nufft",  # its output is complex, its input real
    "jacobian of diffraction, a batch",
    "jacobian of a loss",  # to one number
}
KINDS = [case for case in CASES if case.name in NAMES]
"""Of each way from real or complex arrays to others, with batches and without.

For what does not see more of an operator: an adapter that flattens its arrays.
"""
assert len(KINDS) == len(NAMES), "a name is not that of a case"


# --- what the cases contain --------------------------------------------------------------


@cache
def built():
    """Return each case with its operator and its input, in NumPy and double precision."""
    with open_row("numpy") as row:
        return [(case, *case.build(row, "double")) for case in CASES]


def parts(operator):
    """Yield the operator and all operators inside of it."""
    yield operator
    for value in vars(operator).values():
        if isinstance(value, nl.LinearOperator):
            yield from parts(value)


def first_of_each(kinds):
    """Return what is `built` and has one of ``kinds(operator, input)`` that none before it has."""
    seen, first = set(), []
    for case, A, x in built():
        new = set(kinds(A, x)) - seen
        if new:
            seen |= new
            first.append((case, A, x))
    return first
