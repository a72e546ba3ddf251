"""Coil sensitivities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, conj, namespace
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Exchanged
from nufftlib.nufft.coils import CoilNUFFT
from nufftlib.nufft.operator import NUFFT


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

    Behind a NUFFT, ``F @ Sense(maps)``, the engine of the NUFFT multiplies by the maps, and no
    stack of coil images is made.

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

    maps: Array = parameter(linear=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.maps.ndim < 2:
            msg = f"Sense(maps): the shape is {self.maps.shape}; want (coils, *image shape)"
            raise ValueError(msg)

    @cached_property
    def shapes(self) -> Exchanged:
        """From the image's shape to (coils, *image shape)."""
        return Exchanged(tuple(self.maps.shape[1:]), tuple(self.maps.shape))

    # (S x)_c = s_c x
    def _apply(self, x: Array) -> Array:
        return self.maps * self._with_coil_axis(x)

    # S^H y = sum_c conj(s_c) y_c
    def _adjoint(self, y: Array) -> Array:
        return namespace(y).sum(conj(self.maps) * y, axis=-self.maps.ndim)

    # B(x, y)_c = conj(x) y_c
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return conj(self._with_coil_axis(x)) * y

    def joined_to(self, left: LinearOperator) -> LinearOperator | None:
        """Return ``F S`` as one operator with a NUFFT of the coils' images.

        Parameters
        ----------
        left : LinearOperator
            What comes behind the coils.

        Returns
        -------
        LinearOperator or None
            None where it is no NUFFT, or one that does not go with the maps.
        """
        if not isinstance(left, NUFFT):
            return None
        try:
            return CoilNUFFT(left, self.maps)
        except (TypeError, ValueError):
            return None

    def _with_coil_axis(self, x: Array) -> Array:
        return namespace(x).expand_dims(x, axis=-self.maps.ndim)
