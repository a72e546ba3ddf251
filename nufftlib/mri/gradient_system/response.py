r"""Delay and eddy current of each gradient, with the derivative of the trajectory by them.

An eddy current of the amplitude ``a`` and rate ``r`` opposes changes of the gradient ``g``,

.. math:: g \mapsto g - a\, \dot g * e^{-r t},

and its integral in k-space is :math:`k \mapsto k - a\, (\dot k * e^{-r t})`. Between samples ``k``
is taken to be straight, with the steps :math:`d_i = k_{i+1} - k_i`. Then the convolution at the
samples is exactly

.. math:: e_j = \sum_{i < j} d_i\, h_{j-1-i}, \qquad h_m = c(r)\, e^{-r m}, \qquad
          c(r) = \frac{1 - e^{-r}}{r} .
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, blank, check_alike, namespace
from nufftlib.core.fourier import fast_size, fft, ifft
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.mri.gradient_system.columns import Columns
from nufftlib.mri.gradient_system.delays import check_shots

SMALL = 1e-2
"""Rate below which `c` is summed as a series."""


@dataclass(frozen=True, eq=False, repr=False)
class GradientResponse(Map):
    r"""The map from delays and eddy currents of the gradients to the trajectory that they play.

    .. math:: k_a(t) = \kappa_a(t - \tau_a), \qquad
              \kappa_a = p_a - \alpha_a\, (\dot p_a * e^{-\rho_a t})

    for the planned trajectory ``p`` and each axis ``a`` with its delay :math:`\tau` in samples,
    amplitude :math:`\alpha` without unit, and rate :math:`\rho` per sample, one over the time
    constant. In the frequencies of the gradient it is the response

    .. math:: H(f) = e^{-2 \pi i f \tau} \left(1 - \alpha\, \frac{2 \pi i f}{\rho + 2 \pi i f}
              \right) .

    Parameters
    ----------
    trajectory : array, shape (..., samples, d), real
        The planned trajectory in cycles per voxel, of 1 to 3 axes, one shot in each row. A shot
        rests before its first sample and after its last one: give it from where its gradients
        begin, and take the samples of the receiver from the result.

    Raises
    ------
    TypeError
        If the trajectory is not real floating point.
    ValueError
        If it has other axes, less than two samples, or points that are not finite.

    Notes
    -----
    The argument has the shape ``(d, 3)``: delay, amplitude and rate of each axis. It is smooth
    through zero in all three. Delays interpolate by cubic polynomials of four samples (Catmull and
    Rom), which join with continuous first derivatives: straight lines stay exact.

    References
    ----------
    S. J. Vannesjo et al., "Gradient system characterization by impulse response measurements with
    a dynamic field camera", Magn. Reson. Med. 69 (2013) 583-593, doi:10.1002/mrm.24263.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = np.linspace(0.0, 0.4, 5)[None, :, None]
    >>> played = nl.mri.GradientResponse(k)(np.asarray([[0.5, 0.0, 0.1]]))
    >>> np.round(played[0, :, 0], 3)
    array([-0.006,  0.044,  0.15 ,  0.25 ,  0.356])
    """

    trajectory: Array

    def __post_init__(self) -> None:
        """Refuse what is no trajectory."""
        check_shots("GradientResponse", self.trajectory)

    @property
    def start(self) -> Array:
        """No delay, no eddy current, and a rate of 0.1 per sample, shape (d, 3)."""
        k = self.trajectory
        xp = namespace(k)
        row = xp.asarray([0.0, 0.0, 0.1], dtype=k.dtype, device=device(k))
        return xp.zeros((k.shape[-1], 1), dtype=k.dtype, device=device(k)) + row

    @cached_property
    def _steps(self) -> Array:
        """Steps from sample to sample, along the last axis: (d, ..., samples - 1)."""
        xp = namespace(self.trajectory)
        p = xp.moveaxis(self.trajectory, -1, 0)
        return p[..., 1:] - p[..., :-1]

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the trajectory and its Jacobian.

        Parameters
        ----------
        x : array, shape (d, 3), real
            Delay in samples, amplitude, and rate per sample of each axis.

        Returns
        -------
        trajectory : array
            The trajectory that is played.
        jacobian : LinearOperator
            From changes of the parameters to those of the trajectory.
        """
        check_alike("GradientResponse(x)", "x", x, "the parameters", self.start)
        xp, k = namespace(x), self.trajectory
        d, n = k.shape[-1], k.shape[-2]
        column = (d, *[1] * (k.ndim - 1))
        tau, alpha, rho = (xp.reshape(x[:, i], column) for i in range(3))
        p = xp.moveaxis(k, -1, 0)
        h, dh = kernel(xp, rho, n - 1)
        eddy, slope = (self._convolved(f) for f in (h, dh))
        value, fall = delayed(xp, p - alpha * eddy, tau)
        changes = -fall, -delayed(xp, eddy, tau)[0], -alpha * delayed(xp, slope, tau)[0]
        of_axis = xp.stack(changes, axis=1)  # (d, 3, ..., samples): each changes its own axis
        own = xp.eye(d, dtype=k.dtype, device=device(k))
        own = xp.reshape(own, (d, *[1] * k.ndim, d))
        return xp.moveaxis(value, 0, -1), Columns(of_axis[..., None] * own, 2)

    def outline(self, x: Array) -> Array:
        """Like the trajectory."""
        check_alike("GradientResponse(x)", "x", x, "the parameters", self.start)
        return blank(self.trajectory, tuple(self.trajectory.shape), complex=False)

    # e_j = sum_(i < j) d_i h_(j - 1 - i)
    def _convolved(self, h: Array) -> Array:
        xp, steps = namespace(h), self._steps
        n = steps.shape[-1]
        size = (fast_size(2 * n, real=True),)
        product = fft(xp, steps, size, real=True) * fft(xp, h, size, real=True)
        e = ifft(xp, product, size, real=True)[..., :n]
        return xp.concat([xp.zeros_like(e[..., :1]), e], axis=-1)


# h_m = c(r) exp(-r m),  dh_m/dr = (c'(r) - m c(r)) exp(-r m)
def kernel(xp: Namespace, r: Array, n: int) -> tuple[Array, Array]:
    """Return the response to a step, and its derivative by the rate, along a new last axis."""
    small = xp.abs(r) < SMALL
    s = xp.where(small, xp.ones_like(r), r)
    c = xp.where(
        small, 1 - r / 2 + r**2 / 6 - r**3 / 24 + r**4 / 120 - r**5 / 720, -xp.expm1(-s) / s
    )
    series = -1 / 2 + r / 3 - r**2 / 8 + r**3 / 30 - r**4 / 144 + r**5 / 840
    dc = xp.where(small, series, (xp.exp(-s) * (1 + s) - 1) / s**2)
    m = xp.arange(n, dtype=r.dtype, device=device(r))
    decay = xp.exp(-r * m)
    return c * decay, (dc - m * c) * decay


def delayed(xp: Namespace, x: Array, tau: Array) -> tuple[Array, Array]:
    """Return ``x(j - tau)`` and ``x'(j - tau)`` along the last axis, for each of the first axis."""
    n = x.shape[-1]
    index = xp.arange(n, dtype=x.dtype, device=device(x))
    values, slopes = [], []
    for a in range(x.shape[0]):
        at = index - xp.reshape(tau[a, ...], (1,))
        whole = xp.floor(at)
        u = at - whole
        first = xp.astype(xp.clip(whole, -2.0, float(n)), xp.int32)
        row = x[a, ...]
        before, left, right, after = (
            xp.take(row, xp.clip(first + o, 0, n - 1), axis=-1) for o in (-1, 0, 1, 2)
        )
        # Catmull and Rom: slopes at the samples are half the differences of their neighbours.
        m0, m1 = 0.5 * (right - before), 0.5 * (after - left)
        rise = right - left
        c2, c3 = 3 * rise - 2 * m0 - m1, m0 + m1 - 2 * rise
        values.append(left + u * (m0 + u * (c2 + u * c3)))
        slopes.append(m0 + u * (2 * c2 + 3 * u * c3))
    return xp.stack(values), xp.stack(slopes)
