"""Pictures of point sources, made of an oversampled PSF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from array_api_compat import device

from nufftlib.blur.psfs.made import pixels_2d
from nufftlib.core.arrays import Array, Namespace, check_real, conj, namespace
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.kinds import integer, out_of_range, sizes
from nufftlib.core.operator import Constant, LinearOperator, parameter
from nufftlib.core.shapes import Exchanged

SMOOTH = 2
"""How often the cubic B-spline is continuously differentiable."""


@dataclass(frozen=True, eq=False, repr=False)
class PointSources(LinearOperator):
    r"""The stamps of point sources, from the coefficients of an oversampled PSF.

    .. math:: (A(p, f)\,c)_i[n] = f_i\, s^2 \sum_q c[q]\, \beta(s (n_0 - p_{i0}) - q_0)\,
              \beta(s (n_1 - p_{i1}) - q_1)

    with the cubic B-spline ``beta``. Pixels ``n`` of a stamp and coefficients ``q`` are counted
    from their centres at ``size // 2``. The PSF is zero beyond its coefficients.

    Parameters
    ----------
    positions : array, shape (sources, 2), real
        Positions ``p``, row and column, in pixels from the centre of each source's stamp.
    fluxes : array, shape (sources,), real
        Fluxes ``f``. A PSF whose coefficients sum to one has the sum ``f`` over all pixels, on
        average over the positions within a pixel.
    size : int or tuple of int
        Rows and columns of the coefficients.
    stamp : int or tuple of int
        Height and width of a stamp in pixels.
    oversampling : int
        Coefficients per pixel on each axis, ``s``.
    orders : tuple of int
        Orders, 0 to 2, of the derivative of ``A`` by the positions' rows and columns, for
        the derivatives of this operator.

    Raises
    ------
    TypeError
        If positions and fluxes are not real, or not of one precision.
    ValueError
        If their shapes do not fit, or a number is out of its range.

    Notes
    -----
    Parameter ``positions``: ``B(x, y)_i = Re <y_i, dA_i/dp x>``, with the derivative of the
    B-spline, which is exact. Parameter ``fluxes``: ``B(x, y)_i = Re <y_i, A_i x / f_i>``.

    References
    ----------
    M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Process.
    Mag. 16 (1999) 22-38.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> A = nl.PointSources(np.asarray([[0.0, 0.5]]), np.asarray([36.0]), size=1, stamp=3)
    >>> A(np.ones((1, 1))).round(2)
    array([[[ 0.12,  2.88,  2.88],
            [ 0.5 , 11.5 , 11.5 ],
            [ 0.12,  2.88,  2.88]]])
    """

    positions: Array = parameter()
    fluxes: Array = parameter(linear=True)
    size: int | tuple[int, int] = 25
    stamp: int | tuple[int, int] = 25
    oversampling: int = 1
    orders: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        call = "PointSources"
        for name, value in self.parameters.items():
            check_real(namespace(value), f"{call}({name})", name, value)
        for name in ("size", "stamp"):
            object.__setattr__(self, name, pixels_2d(call, getattr(self, name), name))
        orders = sizes(call, "orders", self.orders, "two orders", counts=(2,), least=0)
        if max(orders) > SMOOTH:
            raise out_of_range(call, "orders", orders, f"two orders of at most {SMOOTH}")
        object.__setattr__(self, "orders", orders)
        s = integer(call, "oversampling", self.oversampling, least=1)
        object.__setattr__(self, "oversampling", s)
        if self.fluxes.ndim != 1 or tuple(self.positions.shape) != (self.fluxes.shape[0], 2):
            msg = (
                f"{call}(positions, fluxes): the shapes are {tuple(self.positions.shape)} and "
                f"{tuple(self.fluxes.shape)}; want (sources, 2) and (sources,)"
            )
            raise ValueError(msg)

    @cached_property
    def shapes(self) -> Exchanged:
        """From the coefficients to the stamps."""
        assert isinstance(self.size, tuple)  # since __post_init__
        assert isinstance(self.stamp, tuple)
        return Exchanged(self.size, (self.fluxes.shape[0], *self.stamp))

    # (A c)_i = f_i V_i c W_i^T
    def _apply(self, x: Array) -> Array:
        return self._scaled(x, self.fluxes)

    # A^T y = sum_i f_i V_i^T y_i W_i
    def _adjoint(self, y: Array) -> Array:
        xp = namespace(y)
        V, W = (xp.astype(w, y.dtype, copy=False) for w in self._weights)
        y = self.fluxes[:, None, None] * y
        return xp.sum(xp.matmul(xp.matmul(xp.matrix_transpose(V), y), W), axis=-3)

    # dA[dp]_i = dp_i0 (dA/dp_0)_i + dp_i1 (dA/dp_1)_i
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        if name == "fluxes":  # linear
            return super()._derivative(name, dtheta)
        down, along = (
            Constant(Diagonal(dtheta[:, axis, None, None])) @ self._differentiated(axis)
            for axis in (0, 1)
        )
        return down + along

    # f: Re <y_i, V_i c W_i^T>;  p: Re <y_i, f_i V'_i c W_i^T>, Re <y_i, f_i V_i c W'_i^T>
    def _form(self, name: str, x: Array, y: Array) -> Array:
        xp = namespace(x)
        if name == "fluxes":
            return xp.sum(y * conj(self._scaled(x, xp.ones_like(self.fluxes))), axis=(-2, -1))
        parts = (xp.sum(y * conj(self._differentiated(axis)(x)), axis=(-2, -1)) for axis in (0, 1))
        return xp.stack(list(parts), axis=-1)

    def _differentiated(self, axis: int) -> PointSources:
        """Return the derivative by the positions along an axis."""
        up = tuple(n + (a == axis) for a, n in enumerate(self.orders))
        if max(up) > SMOOTH:
            msg = f"PointSources: the derivative of order {up} by positions; want at most {SMOOTH}"
            raise NotImplementedError(msg)
        return PointSources(
            self.positions, self.fluxes, self.size, self.stamp, self.oversampling, (up[0], up[1])
        )

    def _scaled(self, x: Array, fluxes: Array) -> Array:
        """Return the stamps for these fluxes."""
        xp = namespace(x)
        V, W = (xp.astype(w, x.dtype, copy=False) for w in self._weights)
        inner = xp.matmul(V, xp.expand_dims(x, axis=-3))
        return fluxes[:, None, None] * xp.matmul(inner, xp.matrix_transpose(W))

    # V_i[n, q] = s d^k/dp^k beta(s (n - p_i) - q) = s (-s)^k beta^(k)(s (n - p_i) - q)
    @cached_property
    def _weights(self) -> tuple[Array, Array]:
        """Return the weights along both axes, shapes (sources, pixels, coefficients)."""
        xp, s = namespace(self.positions), self.oversampling
        size, stamp = self.shapes.old, self.shapes.new[1:]
        found = []
        for axis, (m, n, k) in enumerate(zip(size, stamp, self.orders, strict=True)):
            pixels, q = (centred(xp, count, self.positions) for count in (n, m))
            u = s * (pixels[:, None] - self.positions[:, axis, None, None]) - q
            found.append(s * (-s) ** k * bspline(xp, u, k))
        return found[0], found[1]


def centred(xp: Namespace, count: int, like: Array) -> Array:
    """Return the indices of an axis, counted from its centre."""
    return xp.arange(count, dtype=like.dtype, device=device(like)) - count // 2


# beta(u) = ((2 - |u|)_+^3 - 4 (1 - |u|)_+^3) / 6
def bspline(xp: Namespace, u: Array, order: int) -> Array:
    """Return the cubic B-spline, or its first or second derivative."""
    t = xp.abs(u)
    far, near = (xp.maximum(k - t, xp.zeros_like(t)) for k in (2, 1))
    power = 3 - order
    value = (far**power - 4 * near**power) / (6, 2, 1)[order]
    return -xp.sign(u) * value if order == 1 else value
