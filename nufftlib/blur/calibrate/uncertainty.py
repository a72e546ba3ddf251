"""How well images determine the PSF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.calibrate.objective import first_psf, several
from nufftlib.blur.normal_equations import normal_equations
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array
from nufftlib.core.kinds import choice, integer, not_negative


class Identifiability(NamedTuple):
    """How well the data determine each component of a PSF.

    Attributes
    ----------
    deviations : array, shape (size,)
        Standard deviation that the noise gives the least-squares PSF along each component,
        from the best known component to the worst; infinite where nothing is known.
    components : array, shape (size, height, width) or (size, depth, height, width)
        The components, PSFs of norm one.
    """

    deviations: Array
    components: Array


def identifiability(
    sharp: Array | Sequence[Array],
    noise: float,
    *,
    size: int | tuple[int, ...] = 25,
    ndim: int = 2,
    boundary: str = "valid",
) -> Identifiability:
    r"""Return how well blurred images determine each component of a PSF.

    The squared error has the Hessian ``G``, summed over the sharp images ``x``. White noise of
    standard deviation ``s`` moves its minimiser by ``s / sqrt(v)`` along an eigenvector with
    the eigenvalue ``v``. Images without fine detail leave small eigenvalues: the loss hardly
    depends on such components, and no method finds them in the data. The simplex can only
    help; it is left out here.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real, or sequence of such
        The sharp images, as for `calibrate_psf`.
    noise : float
        Standard deviation of the noise in the blurred images.
    size : int or tuple of int
        Height and width of the PSF, with ``ndim=3`` (depth, height, width).
    ndim : {2, 3}
        Number of axes that are blurred, the last ones.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur.

    Returns
    -------
    Identifiability
        Its fields are `deviations` and `components`.

    Raises
    ------
    TypeError
        If an image is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If a setting is out of range, or an image is not finite or smaller than the PSF.

    Notes
    -----
    The time of the eigenvalues grows with the third power of the PSF's pixels: 625 take 0.2 s
    on two cores, 2000 some seconds.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> found = workflows.identifiability(data.astronaut(), 0.02, size=9)
    >>> found.deviations.shape, bool(found.deviations[0] < 1e-4 < found.deviations[-1])
    ((81,), True)
    """
    call, images = "identifiability", several(sharp)
    noise = not_negative(call, "noise", noise)
    ndim = integer(call, "ndim", ndim, least=2, most=3)
    start = first_psf(call, images, size, ndim)
    blur = Blur(start, boundary=choice(call, "boundary", boundary, BOUNDARIES), ndim=ndim)
    xp = array_namespace(blur.psf)
    # The matrix does not depend on the data.
    terms = [normal_equations(blur, x, blur(x)) for x in images]
    total: Any = sum(terms[1:], start=terms[0])
    values, components = total.spectrum()
    seen = values > values.shape[0] * 2e-16 * xp.max(values)  # below that it is rounding
    deviations = xp.where(seen, noise / xp.sqrt(xp.where(seen, values, 1.0)), xp.inf)
    return Identifiability(deviations, components)
