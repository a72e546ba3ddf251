"""Resampling of images under a small affine change of coordinates, which can be estimated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import array_api_compat
import numpy as np

from nufftlib.core.arrays import (
    Array,
    check_alike,
    check_finite,
    check_real,
    check_traced,
    common_namespace,
    conj,
    namespace,
    real_dtype,
    real_part,
)
from nufftlib.core.inner import inner
from nufftlib.core.kinds import choice
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Resized
from nufftlib.warp.samplers import Orders, Planar, Sampler, Separable

BOUNDARIES = ("reflect", "circular")

SCALES = (0.5, 2.0)
"""Least and greatest scale: beyond, an interpolant skips pixels."""


@dataclass(frozen=True, eq=False, repr=False)
class Warp(LinearOperator):
    r"""Images at moved coordinates, by cubic B-spline interpolation.

    .. math:: (A\,x)[n] = s\bigl(c + M (n - c) + t\bigr), \qquad M = R(\theta)\,
        \mathrm{diag}(\sigma),

    on the last axes, where :math:`s` is the spline that goes through the pixels of :math:`x`,
    and the centre :math:`c` the pixel ``size // 2`` of each axis. The map takes pixels of the
    result to points of the image, as in ITK and SciPy. What the image shows moves the other way:
    with the shift (1, 0) it moves by one pixel towards the first row.

    Parameters
    ----------
    shift : array, shape (d,), real
        :math:`t` in pixels along each of the last ``d`` axes; ``d`` is 1, 2 or 3.
    rotation : array, shape (), real, optional
        :math:`\theta` in radians, with ``d = 2``: :math:`R` turns coordinates from axis 0
        towards axis 1. On a display with the first row on top and a positive angle, what the
        image shows turns clockwise. Without it, axes are resampled one by one, which is faster.
    scale : array, shape () or (d,), real, optional
        :math:`\sigma`, from 1/2 to 2, for all axes or each of them. Above 1 the result shows
        more of the image, smaller.
    boundary : {"reflect", "circular"}
        The continuation of the image beyond its edges: mirrored at the outermost pixels, or
        periodic.

    Raises
    ------
    TypeError
        If a parameter is no array of float32 or float64, or they are of two kinds.
    ValueError
        If a shape does not fit, a number is not finite or a scale out of its range, a rotation
        is given for other than two axes, or the boundary is unknown.

    Notes
    -----
    The prefilter makes the interpolant go through the pixels, to rounding: without a shift,
    rotation and scale the operator is the identity. Any shape, real or complex, with batch
    axes in front; all images of a batch are moved alike. The numbers of the parameters are read
    by the CPU, where positions are computed in double precision.

    With the displacement ``du`` of the points by a change of a parameter, and the gradient of
    the interpolant, the derivative is ``dA[t] x = sum_a du_a d_a s`` and the form
    ``B(x, y) = sum_n Re(conj(d_a s) y) du_a / dparameter``, summed over the batch. Second
    derivatives are there, too; third ones are not, as those of a cubic spline jump.

    References
    ----------
    M. Unser, A. Aldroubi and M. Eden, "B-spline signal processing: part I - theory", IEEE Trans.
    Signal Process. 41 (1993) 821-833, eq. 2.8 and table I.

    P. Thevenaz, T. Blu and M. Unser, "Interpolation revisited", IEEE Trans. Med. Imaging 19
    (2000) 739-758.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> A = nl.Warp(np.asarray([0.0, 1.0]), boundary="circular")
    >>> np.round(A(np.asarray([[1.0, 2.0, 3.0, 4.0]])), 12)
    array([[2., 3., 4., 1.]])
    >>> A = nl.Warp(np.zeros(2), rotation=np.asarray(np.pi / 2))
    >>> np.round(A(np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])), 12) + 0.0
    array([[7., 4., 1.],
           [8., 5., 2.],
           [9., 6., 3.]])
    """

    shift: Array = parameter()
    rotation: Array | None = parameter(default=None)
    scale: Array | None = parameter(default=None)
    boundary: str = "reflect"

    def __post_init__(self) -> None:
        """Check the parameters."""
        super().__post_init__()
        for name, value in self.parameters.items():
            call = f"Warp({name})"
            xp = common_namespace(call, **{name: value})
            check_traced(call, value)
            check_real(xp, call, name, value)
            check_shape(call, name, tuple(value.shape), tuple(self.shift.shape))
            check_finite(xp, call, name, value)
        for scale in self.scales:
            if not SCALES[0] <= scale <= SCALES[1]:
                msg = f"Warp(scale): scale is {scale:g}; want {SCALES[0]:g} to {SCALES[1]:g}"
                raise ValueError(msg)
        choice("Warp", "boundary", self.boundary, BOUNDARIES)

    @property
    def axes(self) -> int:
        """How many of the last axes are resampled."""
        return int(self.shift.shape[0])

    @property
    def matrix(self) -> Array:
        """``M``, shape (d, d), which with ``t`` is what other libraries take."""
        xp, device = namespace(self.shift), array_api_compat.device(self.shift)
        return xp.asarray(matrix(self), dtype=self.shift.dtype, device=device)

    @cached_property
    def shapes(self) -> Resized:
        """Axes of any size stay as they are."""
        return Resized((0,) * self.axes)

    # (A x)[n] = s(p(n)), p(n) = c + M (n - c) + t
    def _apply(self, x: Array) -> Array:
        return sampler(self, x).values(x, [(0,) * self.axes])[0]

    # A^T y: real weights, so that real and imaginary parts go by themselves
    def _adjoint(self, y: Array) -> Array:
        return sampler(self, y).transposed(y, (0,) * self.axes)

    # dA[t] x = sum_a du_a d_a s, du = dM (n - c) + dt
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return WarpDerivative(self, (name,), (dtheta,))

    # B(x, y)_j = sum_n sum_a du_a / dtheta_j Re(conj(d_a s) y)
    def _form(self, name: str, x: Array, y: Array) -> Array:
        xp, d = namespace(y), self.axes
        slopes = sampler(self, x).values(x, [unit(d, a) for a in range(d)])
        products = [real_part(xp, conj(s) * y) for s in slopes]
        found = [xp.sum(combined(displacement(self, y, e), products)) for e in units(self, name)]
        return xp.reshape(xp.stack(found), tuple(self.parameters[name].shape))

    # (A x, dA x / dtheta_j) of all numbers of all parameters
    def columns(self, x: Array) -> tuple[Array, Array]:
        r"""Return ``A x`` and its derivatives by all numbers of the parameters.

        They are what Gauss-Newton and Levenberg-Marquardt take: a Jacobian ``J`` of a few
        columns, each an image. A linear operator behind this one, such as a blur, takes them as
        a batch.

        Parameters
        ----------
        x : array, shape (..., \*shape)
            The image.

        Returns
        -------
        value : array, shape (..., \*shape)
            ``A x``.
        columns : array, shape (numbers, ..., \*shape)
            The derivatives by the shift along each axis, the rotation, and the scales, of those
            that there are.

        Examples
        --------
        >>> import numpy as np
        >>> import nufftlib as nl
        >>> A = nl.Warp(np.zeros(2), np.asarray(0.1), np.asarray(1.0))
        >>> value, J = A.columns(np.ones((8, 9)))
        >>> value.shape, J.shape
        ((8, 9), (4, 8, 9))
        """
        self._check("columns(x)", "x", x)
        xp, d = namespace(x), self.axes
        value, *slopes = sampler(self, x).values(x, [(0,) * d, *(unit(d, a) for a in range(d))])
        columns = [
            combined(displacement(self, x, e), slopes)
            for name in self.parameters
            for e in units(self, name)
        ]
        return value, xp.stack(columns)

    # <y, d2A[e_j, e_k] x> = sum_n sum_ab u_ja u_kb Re(conj(d_a d_b s) y) + sum_a u_jka Re(...)
    def hessian(self, x: Array, y: Array) -> Array:
        """Return the second derivatives of ``Re<y, A x>`` by all numbers of the parameters.

        With `columns` and the residual ``r = A x - f``, the Hessian of ``1/2 |r|^2`` is
        ``J^T J + hessian(x, r)``. Where the image is noisy, or the residual large, Newton's
        method wants this part as well.

        Parameters
        ----------
        x : array, shape (..., height, width)
            The image.
        y : array
            A cotangent, of the shape of ``A x``.

        Returns
        -------
        array, shape (numbers, numbers), real
            A symmetric matrix, in the order of `columns`.

        Examples
        --------
        >>> import numpy as np
        >>> import nufftlib as nl
        >>> A = nl.Warp(np.zeros(2), np.asarray(0.1))
        >>> A.hessian(np.ones((8, 9)), np.ones((8, 9))).shape
        (3, 3)
        """
        self._check("hessian(x, y)", "x", x)
        check_alike("Warp.hessian(x, y)", "y", y, "A x", self.outline(x))
        xp, d = namespace(x), self.axes
        first = [unit(d, a) for a in range(d)]
        second = [unit(d, a, b) for a in range(d) for b in range(d)]
        orders = sorted({*first, *second})
        found = dict(zip(orders, sampler(self, x).values(x, orders), strict=True))
        found = {o: real_part(xp, conj(s) * y) for o, s in found.items()}
        steps = [e for name in self.parameters for e in units(self, name)]
        moves = [displacement(self, x, e) for e in steps]
        rows = []
        for e, u in zip(steps, moves, strict=True):
            along = [combined(u, [found[unit(d, a, b)] for a in range(d)]) for b in range(d)]
            slopes = [found[o] for o in first]
            rows.append(
                [
                    xp.sum(combined(v, along) + combined(displacement(self, x, e, f), slopes))
                    for f, v in zip(steps, moves, strict=True)
                ]
            )
        return xp.stack([xp.stack(row) for row in rows])

    @cached_property
    def samplers(self) -> dict[Any, Sampler]:
        """What samples images, by their shape, library, precision and device."""
        return {}

    @cached_property
    def angle(self) -> float:
        """The rotation, 0 without one."""
        return 0.0 if self.rotation is None else float(self.rotation)

    @cached_property
    def scales(self) -> list[float]:
        """The scale of each axis."""
        found = [1.0] if self.scale is None else numbers(self.scale)
        return found * self.axes if len(found) == 1 else found


@dataclass(frozen=True, eq=False, repr=False)
class WarpDerivative(LinearOperator):
    """The operator ``x -> dA[t] x``, or of two directions ``x -> d2A[t, t'] x``.

    Parameters
    ----------
    warp : Warp
        The operator that is differentiated.
    names : tuple of str
        One or two names of parameters.
    directions : tuple of array
        The direction of each.
    """

    warp: Warp
    names: tuple[str, ...]
    directions: tuple[Array, ...]

    @property
    def shapes(self) -> Resized:
        """As the operator's."""
        return self.warp.shapes

    # dA[t] x = sum_a du_a d_a s
    # d2A[t, t'] x = sum_ab du_a du'_b d_a d_b s + sum_a d2u_a d_a s
    def _apply(self, x: Array) -> Array:
        terms = self._terms(x)
        found = sampler(self.warp, x).values(x, [orders for orders, _ in terms])
        return combined([field for _, field in terms], found)

    # sum over the terms: S_o^T of the field times y
    def _adjoint(self, y: Array) -> Array:
        S = sampler(self.warp, y)
        parts = [S.transposed(field * y, orders) for orders, field in self._terms(y)]
        return sum(parts[1:], start=parts[0])

    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        if len(self.names) > 1:
            return super()._derivative(name, dtheta)
        return WarpDerivative(self.warp, (*self.names, name), (*self.directions, dtheta))

    # B(x, y)_j = <y, d2A[t, e_j] x>
    def _form(self, name: str, x: Array, y: Array) -> Array:
        if len(self.names) > 1:
            return super()._form(name, x, y)
        theta = self.warp.parameters[name]
        xp, shape = namespace(theta), tuple(theta.shape)
        place = {"dtype": theta.dtype, "device": array_api_compat.device(theta)}
        found = []
        for _, e in units(self.warp, name):
            along = xp.asarray(e.reshape(shape), **place)
            found.append(inner(y, self._derivative(name, along).apply(x)))
        return xp.reshape(xp.stack(found), shape)

    def _terms(self, x: Array) -> list[tuple[Orders, Array]]:
        """Return pairs of orders and of the field that multiplies the interpolant's derivative."""
        warp, d = self.warp, self.warp.axes
        directions = (np.asarray(numbers(t)) for t in self.directions)
        steps = list(zip(self.names, directions, strict=True))
        terms = [(unit(d, a), u) for a, u in enumerate(displacement(warp, x, *steps))]
        if len(steps) == 1:
            return terms
        first, second = (displacement(warp, x, step) for step in steps)
        pairs = itertools.product(enumerate(first), enumerate(second))
        return terms + [(unit(d, a, b), u * v) for (a, u), (b, v) in pairs]


Step = tuple[str, Any]
"""A parameter's name, with the numbers of a direction."""


def sampler(warp: Warp, x: Array) -> Sampler:
    """Return what samples images of the shape and precision of `x`; it is kept for later."""
    xp, shape = namespace(x), tuple(x.shape[-warp.axes :])
    key = shape, xp.__name__, str(real_dtype(xp, x)), str(array_api_compat.device(x))
    if key not in warp.samplers:
        kind = Separable if warp.rotation is None else Planar
        t = np.asarray(numbers(warp.shift))
        warp.samplers[key] = kind(shape, matrix(warp), t, warp.boundary, x)
    return warp.samplers[key]


# M = R(theta) diag(sigma), differentiated along each of the steps
def matrix(warp: Warp, *steps: Step) -> Any:
    """Return the matrix of the map, or its derivative along one direction or two."""
    names = [name for name, _ in steps]
    if "shift" in names or names.count("scale") > 1:
        return np.zeros((warp.axes, warp.axes))
    scales, factor = np.asarray(warp.scales), 1.0
    for name, direction in steps:
        if name == "scale":
            scales = np.broadcast_to(direction, scales.shape)
        else:
            factor *= float(direction[0])
    if warp.rotation is None:
        return np.diag(scales)
    # Each derivative of a rotation turns on by a right angle.
    angle = warp.angle + names.count("rotation") * math.pi / 2
    cos, sin = math.cos(angle), math.sin(angle)
    return factor * np.asarray([[cos, -sin], [sin, cos]]) * scales


# du = dM (n - c) + dt, and d2u = d2M (n - c)
def displacement(warp: Warp, x: Array, *steps: Step) -> list[Array]:
    """Return how the points of an image move along one direction, or two, on each axis."""
    dM, dt = matrix(warp, *steps), np.zeros(warp.axes)
    if [name for name, _ in steps] == ["shift"]:
        dt = steps[0][1]
    xp, shape = namespace(x), tuple(x.shape[-warp.axes :])
    place = {"dtype": real_dtype(xp, x), "device": array_api_compat.device(x)}
    found = []
    for a in range(warp.axes):
        u = xp.asarray(np.full((1,) * warp.axes, dt[a]), **place)
        for b, size in enumerate(shape):
            if dM[a, b]:
                line = dM[a, b] * (np.arange(size) - size // 2)
                u = u + xp.asarray(line.reshape(-1, *[1] * (warp.axes - 1 - b)), **place)
        found.append(u)
    return found


def units(warp: Warp, name: str) -> list[Step]:
    """Return the direction of each number of a parameter."""
    return [(name, e) for e in np.eye(array_api_compat.size(warp.parameters[name]) or 0)]


def unit(ndim: int, *axes: int) -> Orders:
    """Return the orders of a derivative along one axis or two."""
    return tuple(axes.count(a) for a in range(ndim))


def combined(fields: list[Array], images: list[Array]) -> Array:
    """Return the sum of the products."""
    terms = [field * image for field, image in zip(fields, images, strict=True)]
    return sum(terms[1:], start=terms[0])


def numbers(x: Array) -> list[float]:
    """Return the numbers of a small array."""
    flat = namespace(x).reshape(x, (-1,))
    return [float(flat[i]) for i in range(flat.shape[0])]


def check_shape(call: str, name: str, shape: tuple[int, ...], shift: tuple[int, ...]) -> None:
    """Refuse a parameter of a shape that does not go with the number of axes."""
    d = shift[0] if len(shift) == 1 else 0
    wanted: Mapping[str, tuple[bool, str]] = {
        "shift": (1 <= d <= 3, "(1,), (2,) or (3,), a number for each axis"),
        "rotation": (d == 2 and shape == (), "() with a shift of two axes"),
        "scale": (shape in ((), shift), f"() or {shift}, as the shift"),
    }
    fits, wish = wanted[name]
    if not fits:
        given = f"{name} has the shape {shape}" + ("" if name == "shift" else f" and shift {shift}")
        msg = f"{call}: {given}; want {wish}"
        raise ValueError(msg)
