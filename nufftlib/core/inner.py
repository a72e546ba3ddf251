"""The one inner product."""

from __future__ import annotations

from array_api_compat import array_namespace

from nufftlib.core.arrays import Array, is_complex


def inner(a: Array, b: Array) -> Array:
    """Inner product ``<a, b> = Re sum(conj(a) * b)``, real and complex alike.

    With it C^n is R^2n: an adjoint, a gradient and a Jacobian-transpose mean the
    same thing for real and for complex arrays.

    Parameters
    ----------
    a, b : array
        Two arrays of one shape, namespace and device.

    Returns
    -------
    array
        The inner product, real, as an array of zero dimensions.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> float(inner(np.asarray([1 + 1j]), np.asarray([2 - 3j])))
    -1.0
    """
    if a.shape != b.shape:
        msg = f"inner(a, b): a has the shape {a.shape} and b {b.shape}; want one shape"
        raise ValueError(msg)
    xp = array_namespace(a, b)
    product = xp.vecdot(xp.reshape(a, (-1,)), xp.reshape(b, (-1,)))
    return xp.real(product) if is_complex(xp, product) else product
