"""Compiled reflections of a Hermitian matrix, of which real and imaginary parts lie apart."""

from __future__ import annotations

import math

import numpy as np

from nufftlib.nufft.engines.grid.cpu.loops import compiled


@compiled
def reflect(re, im, k, below, scale):  # type: ignore[no-untyped-def]
    """Find ``v``, ``tau`` and ``alpha`` of column ``k``; ``v`` takes the row's place above."""
    n = re.shape[0]
    vr, vi = re[k], im[k]
    size = 0.0
    for j in range(k + 1, n):
        vr[j] = re[j, k]
        vi[j] = im[j, k]
        size += vr[j] ** 2 + vi[j] ** 2
    size = math.sqrt(size)
    first = math.sqrt(vr[k + 1] ** 2 + vi[k + 1] ** 2)
    # alpha has the phase of -x_0: no digits are lost in v = x - alpha e_0.
    turn_r = vr[k + 1] / first if first > 0.0 else 1.0
    turn_i = vi[k + 1] / first if first > 0.0 else 0.0
    below[0, k] = -turn_r * size
    below[1, k] = -turn_i * size
    vr[k + 1] += turn_r * size
    vi[k + 1] += turn_i * size
    # |v|^2 = 2 size (size + |x_0|)
    scale[k] = 1.0 / (size * (size + first)) if size > 0.0 else 0.0


@compiled
def reduce(re, im, diagonal, below, scale):  # type: ignore[no-untyped-def]
    """Reduce the lower triangle to tridiagonal form, one pass over what is left for each column.

    A pass takes the change of the column before, ``A -= v w^H + w v^H``, and multiplies the
    changed rows by the next ``u``: ``p = A u``.
    """
    n = re.shape[0]
    vr, vi, wr, wi = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    pr, pi = np.zeros(n), np.zeros(n)
    for k in range(n - 1):
        # Column k of what is left, with the change of the column before.
        for i in range(k, n):
            re[i, k] -= vr[i] * wr[k] + vi[i] * wi[k] + wr[i] * vr[k] + wi[i] * vi[k]
            im[i, k] -= vi[i] * wr[k] - vr[i] * wi[k] + wi[i] * vr[k] - wr[i] * vi[k]
        diagonal[k] = re[k, k]
        reflect(re, im, k, below, scale)
        ur, ui = re[k, k + 1 :], im[k, k + 1 :]
        for i in range(k + 1, n):
            pr[i] = 0.0
            pi[i] = 0.0
        for i in range(k + 1, n):
            ar, ai = re[i, k + 1 : i], im[i, k + 1 : i]
            xr, xi, yr, yi = vr[k + 1 : i], vi[k + 1 : i], wr[k + 1 : i], wi[k + 1 : i]
            qr, qi = pr[k + 1 : i], pi[k + 1 : i]
            a, b, c, d, e, f = vr[i], vi[i], wr[i], wi[i], ur[i - k - 1], ui[i - k - 1]
            sum_r = sum_i = 0.0
            for j in range(len(ar)):
                s = ar[j] - (a * yr[j] + b * yi[j] + c * xr[j] + d * xi[j])
                t = ai[j] - (b * yr[j] - a * yi[j] + d * xr[j] - c * xi[j])
                ar[j] = s
                ai[j] = t
                sum_r += s * ur[j] - t * ui[j]
                sum_i += s * ui[j] + t * ur[j]
                qr[j] += s * e + t * f
                qi[j] += s * f - t * e
            re[i, i] -= 2.0 * (a * c + b * d)
            pr[i] += sum_r + re[i, i] * e
            pi[i] += sum_i + re[i, i] * f
        # w = tau p - tau^2 / 2 (p^H u) u, and p^H u is real.
        tau, along = scale[k], 0.0
        for i in range(k + 1, n):
            along += pr[i] * ur[i - k - 1] + pi[i] * ui[i - k - 1]
        for i in range(k + 1, n):
            vr[i] = ur[i - k - 1]
            vi[i] = ui[i - k - 1]
            wr[i] = tau * (pr[i] - 0.5 * tau * along * vr[i])
            wi[i] = tau * (pi[i] - 0.5 * tau * along * vi[i])
    diagonal[n - 1] = re[n - 1, n - 1] - 2.0 * (vr[n - 1] * wr[n - 1] + vi[n - 1] * wi[n - 1])


@compiled
def turn_back(re, im, scale, zr, zi, begin, end):  # type: ignore[no-untyped-def]
    """``z -= tau v (v^H z)`` for the reflections from the last to the first, of some rows ``z``."""
    n = re.shape[0]
    for k in range(n - 2, -1, -1):
        vr, vi = re[k, k + 1 :], im[k, k + 1 :]
        for row in range(begin, end):
            x, y = zr[row, k + 1 :], zi[row, k + 1 :]
            dot_r = dot_i = 0.0
            for j in range(len(vr)):
                dot_r += vr[j] * x[j] + vi[j] * y[j]
                dot_i += vr[j] * y[j] - vi[j] * x[j]
            dot_r *= scale[k]
            dot_i *= scale[k]
            for j in range(len(vr)):
                x[j] -= dot_r * vr[j] - dot_i * vi[j]
                y[j] -= dot_r * vi[j] + dot_i * vr[j]
