r"""Samples that a density attracts, and that repel each other: the energy of a trajectory.

With ``p`` points and a density of integral 1,

.. math::
    E(K) = \frac1p \sum_i \int \rho(x)\,|x - k_i|\,dx - \frac{1}{2p^2} \sum_{ij} |k_i - k_j| .

The distance has the coefficients :math:`c` as a periodic function, of which :math:`s` are those of
its smooth part (`distance`), and :math:`\hat\rho_n = \int \rho(x) e^{2\pi i n x / P} dx`. With
:math:`a = F^H 1`, the adjoint NUFFT at the points :math:`k / P` of data that are 1,

.. math::
    E = \Bigl\langle \frac{c \hat\rho}{p} - \frac{s a}{2 p^2},\, a \Bigr\rangle
        - \frac{1}{2p^2} \sum_{ij} N(|k_i - k_j|), \qquad
    \nabla E = \frac1P B\Bigl(\frac{c \hat\rho}{p} - \frac{s a}{p^2},\, 1\Bigr)
        - \frac{1}{2p^2} \nabla \sum_{ij} N(|k_i - k_j|) .
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import (
    Array,
    check_precision,
    check_real,
    common_namespace,
    complex_dtype,
)
from nufftlib.core.convert import fetched
from nufftlib.core.inner import inner
from nufftlib.core.kinds import integer
from nufftlib.mri.sampling.distance import LEAST, PeriodicDistance, near_sums
from nufftlib.mri.sampling.grid import Cells, cells
from nufftlib.nufft.operator import NUFFT

COEFFICIENTS = {2: 512, 3: 128}
EPS = 1e-6


@dataclass(frozen=True, eq=False)
class AttractionRepulsion:
    r"""Energy of points that a density attracts and that repel each other, and its gradient.

    .. math::
        E(K) = \frac1p \sum_i \int \rho(x)\,|x - k_i|\,dx - \frac{1}{2p^2} \sum_{ij} |k_i - k_j|

    Up to a constant it is half the squared distance of the points' distribution from the density,
    in the sense of the energy distance: it is least where they are most alike.

    Parameters
    ----------
    density : array, shape (n, n) or (n, n, n), real
        Density on a grid, 0 or more; its scale does not matter. It is constant in each cell.
    grid : int, optional
        Number of Fourier coefficients of the distance along each axis, at least 32, by default 512
        in two dimensions and 128 in three. More coefficients cost time and memory, fewer have
        more pairs of near points computed one by one; the accuracy is about the same.
    engine : str
        Engine of the transforms, see `NUFFT`.

    Raises
    ------
    TypeError
        If the density is no array of float32 or float64, or a setting is of the wrong kind.
    ValueError
        If the density has not two or three axes, is negative or zero everywhere, or a setting is
        out of range.

    Notes
    -----
    A fast sum: an adjoint and a forward transform with derivative, and all pairs that are nearer
    than about ``7 / grid``, which are found on the CPU. The relative errors of energy and
    gradient are about 1e-5 in double precision, and 1e-4 in single.

    The energy is that of a published method, see below. That method and what builds on it may be
    protected by patents; whether a use needs a licence is the user's to find out.

    References
    ----------
    C. Boyer, N. Chauffert, P. Ciuciu, J. Kahn and P. Weiss, "On the generation of sampling schemes
    for magnetic resonance imaging", SIAM J. Imaging Sci. 9 (2016) 2039-2072.

    C. Lazarus et al., "SPARKLING: variable-density k-space filling curves for accelerated
    T2*-weighted MRI", Magn. Reson. Med. 81 (2019) 3643-3661, doi:10.1002/mrm.27678.

    G. R. Chaithya, P. Weiss, G. Daval-Frerot, A. Massire, A. Vignaud and P. Ciuciu, "Optimizing
    full 3D SPARKLING trajectories for high-resolution magnetic resonance imaging", IEEE Trans.
    Med. Imaging 41 (2022) 2105-2117, doi:10.1109/TMI.2022.3157269.

    D. Potts and G. Steidl, "Fast summation at nonequispaced knots by NFFTs", SIAM J. Sci. Comput.
    24 (2003) 2013-2037.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> density = nl.mri.sampling.decay_density((64, 64), 0.1, 2.0, dtype=np.float64)
    >>> energy = nl.mri.sampling.AttractionRepulsion(density)
    >>> k = nl.mri.trajectories.radial(8, 64, dtype=np.float64)
    >>> value, gradient = energy.value_and_grad(k)
    >>> lower, _ = energy.value_and_grad(k - 100 * gradient)
    >>> gradient.shape == k.shape, bool(lower < value)
    (True, True)
    """

    density: Array
    grid: int | None = None
    engine: str = "auto"

    def __post_init__(self) -> None:
        call = "AttractionRepulsion"
        ndim = cells(call, self.density).ndim
        given = COEFFICIENTS[ndim] if self.grid is None else self.grid
        object.__setattr__(self, "grid", integer(call, "grid", given, least=LEAST))
        self._nufft(self._row(np.zeros((1, ndim))))  # refuses an unknown engine

    def value_and_grad(self, k: Array) -> tuple[Array, Array]:
        """Return ``E(k)`` and its gradient.

        Parameters
        ----------
        k : array, shape (..., d), real
            Points in cycles per voxel, within [-1/2, 1/2], of the density's library, device and
            precision.

        Returns
        -------
        value : array
            ``E(k)``, of zero dimensions.
        gradient : array
            Of the shape and dtype of ``k``.

        Raises
        ------
        TypeError
            If `k` is no array like the density.
        ValueError
            If it has not the density's number of coordinates, or a point lies outside.
        """
        xp = self._checked(k)
        count = math.prod(k.shape[:-1])
        F = self._nufft(k)
        one = xp.ones(tuple(k.shape[:-1]), dtype=complex_dtype(xp, k), device=device(k))
        a = F.adjoint(one)
        pull, push = self._attraction / count, self._smooth * a / count**2
        near, slope = near_sums(
            np.asarray(fetched(k), np.float64).reshape(-1, k.shape[-1]),
            self._distance.sigma,
            self._distance.reach,
        )
        value = inner(pull - 0.5 * push, a) - 0.5 * near / count**2
        far = F.vjp("trajectory", pull - push, one) / self._distance.period
        return value, far - xp.reshape(self._row(0.5 * slope / count**2), k.shape)

    @cached_property
    def _cells(self) -> Cells:
        return cells("AttractionRepulsion", self.density)

    @cached_property
    def _distance(self) -> PeriodicDistance:
        # A point at one edge of the band, and the far side of the cell at the other one.
        edge = 1 + 0.5 / min(self._cells.shape)
        assert self.grid is not None
        return PeriodicDistance(self.grid, self._cells.ndim, edge)

    @cached_property
    def _smooth(self) -> Array:
        """The coefficients ``s``."""
        return self._row(self._distance.smooth())

    @cached_property
    def _attraction(self) -> Array:
        """The coefficients ``c rho^``, of the integral over cells of constant density."""
        spectrum: Any = self._cells.mass
        n = np.arange(self._distance.size) - self._distance.size // 2
        for size in self._cells.shape:  # the first axis goes, and comes back as the last
            x = (np.arange(size) - size // 2) / size
            turns = np.exp(2j * np.pi * n[:, None] * x / self._distance.period)
            turns = turns * np.sinc(n / (size * self._distance.period))[:, None]
            spectrum = np.tensordot(spectrum, turns, axes=(0, 1))
        values = (self._distance.smooth() + self._distance.near()) * spectrum
        xp = common_namespace("AttractionRepulsion(density)", density=self.density)
        dtype = complex_dtype(xp, self.density)
        return xp.asarray(values, dtype=dtype, device=device(self.density))

    def _row(self, values: Any) -> Array:
        """Return real values in the density's library, dtype and device."""
        xp = common_namespace("AttractionRepulsion(density)", density=self.density)
        return xp.asarray(values, dtype=self.density.dtype, device=device(self.density))

    def _nufft(self, k: Array) -> NUFFT:
        size = (self._distance.size,) * self._distance.ndim
        return NUFFT(k / self._distance.period, size, eps=EPS, engine=self.engine)

    def _checked(self, k: Array) -> Any:
        call = "AttractionRepulsion.value_and_grad(k)"
        xp = common_namespace(call, k=k, density=self.density)
        check_real(xp, call, "k", k)
        check_precision(xp, call, k=k, density=self.density)
        if k.ndim < 1 or k.shape[-1] != self._cells.ndim or 0 in k.shape:
            msg = (
                f"{call}: k has the shape {tuple(k.shape)}; want (..., {self._cells.ndim}) for a "
                f"density of the shape {self._cells.shape}"
            )
            raise ValueError(msg)
        farthest = float(xp.max(xp.abs(k)))
        if not farthest <= 0.5:  # NaN neither
            msg = f"{call}: the largest coordinate is {farthest:g}; want at most 0.5 cycles/voxel"
            raise ValueError(msg)
        return xp
