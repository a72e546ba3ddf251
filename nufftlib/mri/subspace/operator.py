"""A scan whose frames are combinations of a few images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, check_precision, common_namespace, is_complex, namespace
from nufftlib.core.kinds import instance, integer, out_of_range
from nufftlib.core.operator import LinearOperator, Map, parameter
from nufftlib.core.paired import Paired
from nufftlib.core.shapes import Exchanged, Shape
from nufftlib.mri.subspace.combinations import Contraction, Mixture
from nufftlib.mri.subspace.gram import SubspaceGram, convolution_pays


@dataclass(frozen=True, eq=False, repr=False)
class Subspace(LinearOperator):
    r"""A scan whose frames are combinations of a few images, by a temporal basis.

    .. math:: y_t = A_t \sum_k \Phi_{tk}\, x_k ,

    with the operator ``A_t`` of each frame, such as a NUFFT at its part of the trajectory.

    Parameters
    ----------
    operator : LinearOperator
        All frames in one: of a trajectory (frames, ..., samples, d) the NUFFT, with coils
        ``NUFFT(k, shape) @ Sense(maps)``. An image is transformed once for all frames, and the
        basis combines data. Or a `Paired`, whose frames differ by more than that: the basis
        combines images, and each frame transforms its own.
    basis : array, shape (frames, coefficients), real or complex
        ``Phi``, such as the first singular vectors of simulated signals.
    axis : int
        The axis of the frames in the data of `operator`, counted from the last: -2 of
        (..., frames, samples), -3 of (..., frames, shots, samples). Of a `Paired` it is known.

    Raises
    ------
    TypeError
        If the basis is no floating-point array of the operator's precision and library, or
        another argument is of the wrong kind.
    ValueError
        If the operator is not one of images of one shape, or the basis has not the frames of
        its data along the axis.

    Notes
    -----
    Coefficients have the shape (\*batch, coefficients, \*image shape), data that of the operator's.

    Parameter ``basis``: ``B(x, y)[t, k] = sum conj(A_t x_k) y_t``, over its samples and the batch;
    the real part when the basis is real. Those of the operator, such as ``trajectory`` and
    ``maps``, are its own.

    Its Gram is a convolution with ``K (K + 1) / 2`` kernels for ``K`` coefficients, where that of
    the NUFFT is one: its cost does not depend on the number of frames and samples.

    References
    ----------
    J. I. Tamir et al., "T2 shuffling: sharp, multicontrast, volumetric fast spin-echo imaging",
    Magn. Reson. Med. 77 (2017) 180-195.

    Examples
    --------
    Two images, of which one decays over 16 frames of 4 spokes:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(64, 32, tilt="golden").reshape(16, 4, 32, 2)
    >>> t = np.arange(16, dtype=np.float32)
    >>> A = nl.Subspace(
    ...     nl.NUFFT(k, (16, 16)), np.stack([np.ones_like(t), np.exp(-t / 8)], axis=1), axis=-3
    ... )
    >>> y = A(np.ones((2, 16, 16), np.complex64))
    >>> y.shape, sorted(A.parameters)
    ((16, 4, 32), ['basis', 'trajectory'])
    """

    operator: LinearOperator
    basis: Array = parameter(linear=True)
    axis: int = -2

    def __post_init__(self) -> None:
        super().__post_init__()
        call, A = "Subspace", self.operator
        instance(call, "operator", A, LinearOperator, "a LinearOperator")
        for name, theta in A.parameters.items():
            both = {"basis": self.basis, name: theta}
            check_precision(common_namespace(f"{call}(basis)", **both), f"{call}(basis)", **both)
        axis = integer(call, "axis", self.axis, least=-99)
        object.__setattr__(self, "axis", axis)
        _, target = self._ends
        if isinstance(A, Paired):
            frames = A.shapes.frames
        elif -len(target) <= axis < 0:
            frames = target[axis]
        else:
            raise out_of_range(call, "axis", axis, f"{-len(target)} to -1, an axis of {target}")
        shape = tuple(self.basis.shape)
        if len(shape) != 2 or shape[0] != frames or shape[1] == 0:
            msg = (
                f"{call}(basis): basis has the shape {shape}; want ({frames}, coefficients) for "
                f"data {target} with {frames} frames"
            )
            raise ValueError(msg)

    @cached_property
    def _ends(self) -> tuple[Shape, Shape]:
        """The shapes of an image, or of the frames of one, and of its data."""
        rule = self.operator.shapes
        source = tuple(n for n in rule.source if n is not None) if rule else ()
        if rule is None or len(source) < len(rule.source) or not source:
            msg = (
                f"Subspace(operator): the {type(self.operator).__name__} takes images of any "
                f"shape; want one of images of one shape, such as a NUFFT"
            )
            raise ValueError(msg)
        return source, rule.result(source)

    @cached_property
    def shapes(self) -> Exchanged:
        """From coefficients to the data of all frames."""
        source, target = self._ends
        image = source[1:] if isinstance(self.operator, Paired) else source
        return Exchanged((self.basis.shape[1], *image), target)

    @property
    def composed(self) -> LinearOperator:
        """The product of the operator with the combination, of images or of data."""
        source, target = self._ends
        if isinstance(self.operator, Paired):
            return self.operator @ Mixture(self.basis, source[1:])
        return Contraction(self.basis, target, self.axis) @ self.operator

    def _gives_complex(self, label: str, x: Array) -> bool:
        A = self.composed
        return is_complex(namespace(x), A.outline(x) if label == "x" else A.outline_adjoint(x))

    @property
    def N(self) -> LinearOperator:
        """The Gram, as a convolution where that of the NUFFT is one."""
        pays = convolution_pays(self.operator, self.basis.shape[1], self.axis)
        return SubspaceGram(self.operator, self.basis, self.axis) if pays else self.H @ self

    # y_t = sum_k Phi[t, k] (A x_k)_t
    def _apply(self, x: Array) -> Array:
        return self.composed.apply(x)

    # x_k = A^H z_k, with z_(k, t) = conj(Phi[t, k]) y_t
    def _adjoint(self, y: Array) -> Array:
        return self.composed.adjoint(y)

    # that of the product
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return self.composed.derivative(name, dtheta)

    # B(x, y)[t, k] = <(A x_k)_t, y_t>, and by the operator's own parameters its form
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return self.composed.vjp(name, x, y)

    def _as_map(self, name: str, x: Array) -> Map:
        """That of the product, where the operator prepares the fixed coefficients."""
        return self.composed.as_map(name, x)
