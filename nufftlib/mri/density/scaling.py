"""The one scale of all density weights: that of the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, Namespace, complex_dtype
from nufftlib.nufft.engines.base import FixedImages, TrajectoryJacobian, fold
from nufftlib.nufft.operator import NUFFT
from nufftlib.nufft.transform import Transform


class Scaling:
    r"""Positive weights scaled so that :math:`F^H w F` keeps the size of an image.

    The image is :math:`x = F^H (w v)`, and the factor
    :math:`c = \|x\|^2 / \sum_j w_j |(F x)_j|^2`. The trajectory sees `x` wherever its samples lie:
    :math:`\sum_j w_j v_j (F x)_j = \|x\|^2`, so that neither sum can vanish. No pass over the
    image is needed beside the transforms, since all that is wanted of it are its data.

    Parameters
    ----------
    F : NUFFT
        The operator.
    w : array, shape (M,)
        The weights.
    """

    def __init__(self, F: NUFFT, w: Array) -> None:
        self.F, self.xp = F, F.transform.xp
        xp = self.xp
        self.w = xp.reshape(w, F.trajectory.shape[:-1])
        self.k = fold(xp, F.trajectory)
        radius2 = sum((n * self.k[..., a]) ** 2 for a, n in enumerate(F.shape))
        self.v = 1.0 / (1.0 + radius2)
        # The factor is that of every multiple of x. The sum is the largest value of x, but for
        # the factor of the norm: squares stay in range.
        self.largest = xp.sum(self.w * self.v)
        self.data = self._complex(self.w * self.v / self.largest)
        T = F.transform
        self.image = T.fix_adjoint(self.data)
        self.y = T.with_batch(self.image.values(T.points), ())
        self.below = xp.sum(self.w * abs2(xp, self.y))
        self.factor = xp.sum(dot(xp, self.data, self.y)) / self.below

    @property
    def weights(self) -> Array:
        """The scaled weights, in the shape of the samples."""
        return self.w * self.factor

    @cached_property
    def J(self) -> Slopes:
        """The Jacobian of ``F x`` by the trajectory, where ``x = F^H d`` is held."""
        return Slopes.of(self.F, self.image)[1]

    # dc = (sum d dy + dd y - c (sum dw |y|^2 + 2 <w y, dy>)) / sum w |y|^2, with the data d = w v,
    # y = F F^H d, dy = dF F^H d + F (dF^H d + F^H dd)
    def tangent(self, dk: Array, dw: Array) -> Array:
        """Return the change of the scaled weights."""
        xp, F = self.xp, self.F
        dk, dw = xp.reshape(dk, self.k.shape), xp.reshape(dw, self.w.shape)
        dv = xp.sum(self._spectrum_slopes() * dk, axis=-1)
        ddata = self._complex((dw * self.v + self.w * dv) / self.largest)
        dx = F.derivative("trajectory", dk).adjoint(self.data) + F.adjoint(ddata)
        dy = self.J.apply(dk) + F.apply(dx)
        above = xp.sum(dot(xp, self.data, dy) + dot(xp, ddata, self.y))
        below = xp.sum(dw * abs2(xp, self.y)) + 2.0 * xp.sum(self.w * dot(xp, self.y, dy))
        change = (above - self.factor * below) / self.below
        return self.factor * dw + change * self.w

    def cotangents(self, weights_bar: Array) -> tuple[Array, Array]:
        """Return the gradients by the points (M, d) and by the weights (M,)."""
        xp, F = self.xp, self.F
        bar = xp.reshape(weights_bar, self.w.shape)
        above = xp.sum(bar * self.w) / self.below  # the gradient by |x|^2 = <d, y>
        below = -self.factor * above  # and by sum w |y|^2
        y_bar = above * self.data + 2.0 * below * self.w * self.y
        Fx_bar, K = Slopes.of(F, F.transform.fix_adjoint(y_bar))
        data_bar = (xp.real(Fx_bar) + above * xp.real(self.y)) / self.largest
        w_bar = self.factor * bar + below * abs2(xp, self.y) + data_bar * self.v
        v_bar = data_bar * self.w
        k_bar = self.J.adjoint(y_bar) + K.adjoint(self.data)
        k_bar = k_bar + v_bar[..., None] * self._spectrum_slopes()
        return xp.reshape(k_bar, (-1, self.k.shape[-1])), xp.reshape(w_bar, (-1,))

    # d_a v = -2 N_a^2 k_a v^2
    def _spectrum_slopes(self) -> Array:
        xp, shape = self.xp, self.F.shape
        columns = [-2.0 * n**2 * self.k[..., a] * self.v**2 for a, n in enumerate(shape)]
        return xp.stack(columns, axis=-1)

    def _complex(self, data: Array) -> Array:
        return self.xp.astype(data, complex_dtype(self.xp, data))


@dataclass(frozen=True, eq=False)
class Slopes:
    """The Jacobian of the data of held images by the trajectory.

    Parameters
    ----------
    transform : Transform
        The transform at the trajectory.
    jacobian : TrajectoryJacobian
        The engine's.
    """

    transform: Transform
    jacobian: TrajectoryJacobian

    @classmethod
    def of(cls, F: NUFFT, image: FixedImages) -> tuple[Array, Slopes]:
        """Return the data of an image, and this Jacobian."""
        T = F.transform
        y, jacobian = image.linearize(T.points)
        return T.with_batch(y, ()), cls(T, jacobian)

    def apply(self, dk: Array) -> Array:
        """Return the change of the data along a direction of the trajectory."""
        T = self.transform
        return T.with_batch(self.jacobian.apply(T.flat_points(dk)), ())

    def adjoint(self, y: Array) -> Array:
        """Return the gradient by the trajectory, from that by the data."""
        T = self.transform
        return T.as_gradient(self.jacobian.adjoint(T.flat_data(y)))


def abs2(xp: Namespace, x: Array) -> Array:
    """Return ``|x|^2`` without a root."""
    return dot(xp, x, x)


def dot(xp: Namespace, x: Array, y: Array) -> Array:
    """Return ``Re(conj(x) y)``, entry by entry."""
    return xp.real(x) * xp.real(y) + xp.imag(x) * xp.imag(y)
