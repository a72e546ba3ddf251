r"""The NUFFT of coils, :math:`F S`, without a stack of coil images.

With the maps :math:`s_c` it is :math:`(F S x)_c = F (s_c x)` and
:math:`S^H F^H y = \sum_c \bar s_c F^H y_c`. An engine multiplies by the maps where it reads the
image, and by their conjugates where it adds up the images of coils. ``F @ Sense(maps)`` is this
operator.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from nufftlib.core.arrays import Array, check_alike, check_precision, common_namespace, conj
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.operator import LinearOperator, Map, parameter
from nufftlib.core.shapes import Exchanged
from nufftlib.nufft.derivatives import FixedImage, NUFFTDerivative
from nufftlib.nufft.engines.base import CoilImages
from nufftlib.nufft.gram import FILTERED, ImageConvolution, ToeplitzGram, grid_bytes, padded_bytes
from nufftlib.nufft.operator import NUFFT
from nufftlib.nufft.transform import TrajectoryOperator, Transform, Transforming


@dataclass(frozen=True, eq=False, repr=False)
class CoilNUFFT(Transforming):
    r"""``F S``: the data of all coils; made by ``F @ Sense(maps)``.

    Parameters
    ----------
    nufft : NUFFT
        ``F``, of the image of a coil.
    maps : array, shape (coils, *nufft.shape), real or complex
        ``s_c``, at least one; of the trajectory's precision, library and device.

    Notes
    -----
    Images (\*batch, \*shape) become data (\*batch, coils, \*samples).

    Parameter ``trajectory``: ``B(x, y)[..., a] = 2 pi Im sum_c conj(y_c) F(n_a s_c x)``, summed
    over the batch, with ``n_a`` the voxel index along axis ``a``.

    Parameter ``maps``: ``B(x, y)_c = conj(x) F^H y_c``, summed over the batch.
    """

    nufft: NUFFT
    maps: Array = parameter(linear=True)
    transform: Transform = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_maps("CoilNUFFT(maps)", self.nufft, self.maps)
        object.__setattr__(self, "transform", replace(self.nufft.transform, maps=self.maps))

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        """In the order of the factors."""
        return {**self.nufft.parameters, "maps": self.maps}

    @cached_property
    def shapes(self) -> Exchanged:
        """From the image's axes to the coils and the samples."""
        return self.transform.shapes

    # y_c = F (s_c x)
    def _apply(self, x: Array) -> Array:
        return self.transform.forward(x)

    # x = sum_c conj(s_c) F^H y_c
    def _adjoint(self, y: Array) -> Array:
        return self.transform.adjoint(y)

    # dF[dk] S x, and F S[ds] x
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        if name == "maps":
            return super()._derivative(name, dtheta)
        return NUFFTDerivative(self, dtheta)

    # 2 pi Im sum_c conj(y_c) F(n_a s_c x), and conj(x) F^H y_c, summed over the batch
    def _form(self, name: str, x: Array, y: Array) -> Array:
        T = self.transform
        if name == "maps":
            return T.by_maps(x, y)
        return T.as_gradient(T.fix(x).vjp(T.points, T.flat_data(y)))

    def _as_map(self, name: str, x: Array) -> Map:
        return super()._as_map(name, x) if name == "maps" else FixedImage(self, x)

    def _linearize(self, name: str, x: Array) -> tuple[Array, LinearOperator]:
        if name == "maps":
            return super()._linearize(name, x)
        own = self.transform.xp.asarray(x, copy=True)  # the Jacobian transforms it again
        return FixedImage(self, own, lasting=False).linearize(self.nufft.trajectory)

    # S^H F^H (w y), and of <x, S^H F^H (w y)>: w B(x, y), w F S x, sum_c Re(conj(y_c) (F S x)_c)
    def weighted_adjoint(self, y: Array, weights: Array) -> Array:
        r"""Return ``S^H F^H (w y)``, for which ``w y`` is not made.

        Parameters
        ----------
        y : array, shape (coils, \*samples), complex
            Data.
        weights : array, shape (\*samples), real
            ``w``.

        Returns
        -------
        array, shape (\*shape), complex
            The image.
        """
        self._check("weighted_adjoint(y)", "y", y)
        self._check_weights(weights)
        return self.transform.weighted_adjoint(y, weights)

    def weighted_adjoint_vjp(
        self, x: Array, y: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        r"""Return the gradients of ``<x, weighted_adjoint(y, w)>``, all of one transform.

        Parameters
        ----------
        x : array, shape (\*shape), complex
            An image.
        y, weights
            As of `weighted_adjoint`; the batch of `y` is that of `x`.

        Returns
        -------
        by_trajectory, by_data, by_weights : array
            Like the trajectory, the data and the weights.
        """
        self._check_pair("weighted_adjoint_vjp(x, y, weights)", x, y)
        self._check_weights(weights)
        return self.transform.weighted_adjoint_vjp(x, y, weights)

    def _check_weights(self, weights: Array) -> None:
        one_each = self.nufft.trajectory[..., 0]
        check_alike(
            "CoilNUFFT.weighted_adjoint(weights)", "weights", weights, "the points", one_each
        )

    # S^H F^H W F S
    def gram(self, weights: Array | None = None) -> LinearOperator:
        """Return ``S^H F^H W F S`` with weights ``W`` on the samples, by the method of ``F.gram``.

        Parameters
        ----------
        weights : array, shape trajectory.shape[:-1], real, optional
            As of `NUFFT.gram`.

        Returns
        -------
        LinearOperator
            Maps images to images; its parameters are ``trajectory``, ``maps`` and, if given,
            ``weights``.
        """
        T = self.nufft.gram(weights)
        return CoilGram(T, self.maps) if isinstance(T, ToeplitzGram) else between(self, weights)

    @property
    def N(self) -> LinearOperator:
        """``S^H F^H F S``: `gram` without weights."""
        return self.gram()


@dataclass(frozen=True, eq=False, repr=False)
class CoilGram(ImageConvolution):
    """``S^H T S`` with a convolution ``T = F^H W F``, by a few coils at a time.

    Parameters
    ----------
    gram : ToeplitzGram
        ``T``.
    maps : array, shape (coils, *shape), real or complex
        ``s_c``.

    Notes
    -----
    Derivatives are those of ``S^H (F^H W F) S``, in which no stack of coil images stands either:
    those of the convolution to ``eps``.
    """

    gram: ToeplitzGram
    maps: Array = parameter()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_maps("CoilGram(maps)", self.nufft, self.maps)

    @property
    def nufft(self) -> TrajectoryOperator:  # type: ignore[override]  # the Gram has it
        """``F``."""
        return self.gram.nufft

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        replace(self.nufft.transform, maps=self.maps).check_image(call, label, x)

    # z = sum_c conj(s_c) T (s_c x)
    def _apply(self, x: Array) -> Array:
        F, C, T = self.nufft, self.maps.shape[0], self.gram.convolution
        xp, flat = F.transform.xp, F.transform.flat_images(x)
        sums: list[Array] = []
        most = grid_bytes(F, FILTERED) // padded_bytes(F, flat)
        for part, stack in CoilImages(flat, self.maps).blocks(most):
            if part.start == part.stop:
                return xp.reshape(flat, x.shape)  # no image
            some = slice(part.start % C, part.start % C + stack.shape[0])
            z = xp.sum(conj(self.maps[some, ...]) * T.apply(stack), axis=0)
            if some.start == 0:
                sums.append(z)
            else:
                sums[-1] = sums[-1] + z
        return xp.reshape(xp.stack(sums, axis=0), x.shape)

    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return self.composed.derivative(name, dtheta)

    def _form(self, name: str, x: Array, y: Array) -> Array:
        return self.composed.vjp(name, x, y)

    @cached_property
    def composed(self) -> LinearOperator:
        """``S^H F^H W F S``, factor by factor."""
        F = self.nufft
        assert isinstance(F, NUFFT)
        return between(CoilNUFFT(F, self.maps), self.gram.weights)


def check_maps(call: str, F: TrajectoryOperator, maps: Array) -> None:
    """Refuse maps that do not go with the NUFFT: engines read them where its images have voxels."""
    both = {"maps": maps, "trajectory": F.trajectory}
    check_precision(common_namespace(call, **both), call, **both)
    if tuple(maps.shape[1:]) != F.shape or maps.shape[0] == 0:
        msg = (
            f"{call}: maps have the shape {tuple(maps.shape)}; want "
            f"(coils, {', '.join(map(str, F.shape))}), at least one coil"
        )
        raise ValueError(msg)


def between(A: CoilNUFFT, weights: Array | None) -> LinearOperator:
    """Return ``A^H W A``."""
    return A.H @ A if weights is None else A.H @ Diagonal(weights) @ A
