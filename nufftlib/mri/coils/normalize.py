"""Division by the root sum of squares over the coils."""

from __future__ import annotations

from nufftlib.core.arrays import Array, Namespace, is_complex


class Normalized:
    """Arrays divided by their root sum of squares over the first axis; where it is zero, zero.

    Each voxel is first brought near one, so that no square leaves the range of its precision.

    Parameters
    ----------
    xp : module
        Namespace of the array.
    s : array, shape (coils, ...), complex
        What is divided.
    """

    def __init__(self, xp: Namespace, s: Array) -> None:
        self.xp = xp
        self.root = root_of_largest(xp, s, 0)
        s = s / self.root / self.root
        self.rss = xp.sqrt(xp.sum(xp.real(s) ** 2 + xp.imag(s) ** 2, axis=0))
        self.value = s / xp.where(self.rss > 0, self.rss, xp.ones_like(self.rss))

    # du = (ds - u sum_c Re(conj(u_c) ds_c)) / |s|: it is its own adjoint
    def derivative(self, ds: Array) -> Array:
        """Return the change of the value, or the gradient by what was divided."""
        xp, u = self.xp, self.value
        part = xp.sum(xp.real(u) * xp.real(ds) + xp.imag(u) * xp.imag(ds), axis=0)
        heard = self.rss > 0
        rate = xp.astype(heard, part.dtype) / xp.where(heard, self.rss, xp.ones_like(part))
        return (ds - u * part) * (rate / self.root / self.root)


def normalize_coils(xp: Namespace, s: Array) -> Array:
    """Divide by the root sum of squares over the first axis; where it is zero, return zero."""
    return Normalized(xp, s).value


def root_of_largest(xp: Namespace, x: Array, axis: int | None) -> Array:
    """Return the root of the largest real or imaginary part along an axis, of zeros one.

    Divide by it twice: the reciprocal of the largest numbers has not all its digits.
    """
    parts = (xp.real(x), xp.imag(x)) if is_complex(xp, x) else (x,)
    found, *rest = (xp.max(xp.abs(part), axis=axis) for part in parts)
    found = xp.maximum(found, rest[0]) if rest else found
    return xp.sqrt(xp.where(found > 0, found, xp.ones_like(found)))
