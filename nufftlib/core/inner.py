"""The one inner product."""

from __future__ import annotations

from nufftlib.core.arrays import Array, are_complex, check_floating, common_namespace


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
    TypeError
        If one is no floating-point array, or they are of different libraries.
    ValueError
        If the shapes or devices differ.

    Examples
    --------
    >>> import numpy as np
    >>> float(inner(np.asarray([1 + 1j]), np.asarray([2 - 3j])))
    -1.0
    """
    xp = common_namespace("inner(a, b)", a=a, b=b)
    if a.shape != b.shape:
        msg = f"inner(a, b): a has the shape {a.shape} and b {b.shape}; want one shape"
        raise ValueError(msg)
    p, q = are_complex(xp, a.dtype, b.dtype)
    if p is None or q is None:  # one of these raises
        check_floating(xp, "inner(a, b)", "a", a)
        check_floating(xp, "inner(a, b)", "b", b)
    # A sum of products is added up pairwise; a dot product loses digits in single precision.
    if p and q:
        return xp.sum(xp.real(a) * xp.real(b) + xp.imag(a) * xp.imag(b))
    return xp.sum((xp.real(a) if p else a) * (xp.real(b) if q else b))
