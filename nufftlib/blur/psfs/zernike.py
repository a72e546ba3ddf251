"""Zernike polynomials in Noll's order, orthonormal on the unit disk."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def noll(j: int) -> tuple[int, int]:
    """Return Noll's ``(n, m)`` of the index `j` = 1, 2, ...; ``m < 0`` is a sine.

    References
    ----------
    R. J. Noll, "Zernike polynomials and atmospheric turbulence", J. Opt. Soc. Am. 66
    (1976) 207-211.
    """
    n = (math.isqrt(8 * j - 7) - 1) // 2
    k = j - 1 - n * (n + 1) // 2  # 0, ..., n within the order n
    m = 2 * (k // 2) + 1 if n % 2 else 2 * ((k + 1) // 2)
    return n, (m if j % 2 == 0 else -m)


def zernike(j: int, r: Any, theta: Any) -> Any:
    r"""Return the polynomial of Noll's index `j`, whose mean square on the disk is 1.

    .. math:: Z_j = \sqrt{n + 1}\, R_n^{|m|}(r) \cdot \begin{cases}
              \sqrt{2} \cos m \theta & m > 0 \\ 1 & m = 0 \\
              \sqrt{2} \sin |m| \theta & m < 0 \end{cases}, \qquad
              R_n^m(r) = (-1)^k r^m P_k^{(m, 0)}(1 - 2 r^2), \quad k = \tfrac{n - m}{2}

    with Jacobi's polynomials, whose recurrence keeps the digits at high orders.
    """
    from scipy.special import eval_jacobi

    n, signed = noll(j)
    m = abs(signed)
    k = (n - m) // 2
    R = math.sqrt(n + 1) * (-1) ** k * r**m * eval_jacobi(k, m, 0, 1 - 2 * r * r)
    if m == 0:
        return R
    return math.sqrt(2) * R * (np.cos(m * theta) if signed > 0 else np.sin(m * theta))
