"""Coil sensitivities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_alike,
    check_precision,
    common_namespace,
    conjugate,
    is_floating,
    project_like,
)
from nufftlib.core.operator import Constant, LinearOperator


@dataclass(frozen=True, eq=False, repr=False)
class Sense(LinearOperator):
    """Multiplication of one image by every coil's sensitivity, ``(S x)_c = s_c x``.

    Parameters
    ----------
    maps : array, shape (coils, *image shape), real or complex
        Coil sensitivities. An input has the image's shape in its last axes; the
        output gets a coil axis in front of those.

    Notes
    -----
    Parameter ``maps``: ``B(x, y)_c = conj(x) y_c``, summed over leading axes.

    References
    ----------
    K. P. Pruessmann et al., "SENSE: sensitivity encoding for fast MRI", Magn.
    Reson. Med. 42 (1999) 952-962, eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> S = nl.Sense(np.ones((6, 4, 4), dtype=np.complex64))
    >>> S(np.ones((2, 4, 4), dtype=np.complex64)).shape
    (2, 6, 4, 4)
    """

    maps: Array

    def __post_init__(self) -> None:
        xp = common_namespace("Sense(maps)", maps=self.maps)
        if not is_floating(xp, self.maps):
            msg = (
                f"Sense(maps): maps have the dtype {self.maps.dtype}; "
                f"want real or complex floating point"
            )
            raise TypeError(msg)
        if self.maps.ndim < 2:
            msg = f"Sense(maps): the shape is {self.maps.shape}; want (coils, *image shape)"
            raise ValueError(msg)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """``maps``."""
        return {"maps": self.maps}

    # (S x)_c = s_c x
    def apply(self, x: Array) -> Array:
        """Return the coil images ``s_c x``, shape (..., coils, *image shape)."""
        xp = self._check("Sense.apply(x)", "x", x, self.maps.shape[1:])
        return self.maps * xp.expand_dims(x, axis=-self.maps.ndim)

    # S^H y = sum_c conj(s_c) y_c
    def adjoint(self, y: Array) -> Array:
        """Return the combined image ``sum_c conj(s_c) y_c``."""
        xp = self._check("Sense.adjoint(y)", "y", y, self.maps.shape)
        return xp.sum(conjugate(xp, self.maps) * y, axis=-self.maps.ndim)

    # dS[ds] x = (ds_c x)_c
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the multiplication by ``ds``."""
        self._require(name)
        check_alike("Sense.derivative", "dtheta", dtheta, "maps", self.maps)
        return Constant(replace(self, maps=dtheta))

    # B(x, y)_c = conj(x) y_c, summed over leading axes
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return ``conj(x) y_c``, summed over leading axes."""
        self._require(name)
        caller = "Sense.vjp(name, x, y)"
        xp = self._check(caller, "x", x, self.maps.shape[1:])
        self._check(caller, "y", y, self.maps.shape)
        lead = x.shape[: x.ndim - self.maps.ndim + 1]
        if y.shape != (*lead, *self.maps.shape):
            msg = (
                f"{caller}: x has the shape {tuple(x.shape)} and y {tuple(y.shape)}; "
                f"want {(*lead, *self.maps.shape)} for y"
            )
            raise ValueError(msg)
        x = xp.expand_dims(x, axis=-self.maps.ndim)
        return project_like(xp, conjugate(xp, x) * y, self.maps)

    def _check(self, caller: str, label: str, x: Array, want: tuple[int, ...]) -> Namespace:
        xp = common_namespace(caller, **{label: x}, maps=self.maps)
        check_precision(xp, caller, **{label: x}, maps=self.maps)
        if x.shape[max(0, x.ndim - len(want)) :] != want:
            msg = (
                f"{caller}: {label} has the shape {x.shape}; want (..., "
                f"{', '.join(map(str, want))}) for maps of shape {self.maps.shape}"
            )
            raise ValueError(msg)
        return xp
