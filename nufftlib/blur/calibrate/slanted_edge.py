"""The modulation transfer function (MTF) of a slanted edge, after ISO 12233."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import device

from nufftlib.blur.calibrate.objective import check_image
from nufftlib.core.arrays import Array, namespace
from nufftlib.core.kinds import integer, positive
from nufftlib.core.noise import median_deviation, on_cpu

BINS = 4
"""Samples of the edge spread function per pixel."""
LEAST_STEP = 5.0
"""Least step of an edge, in standard deviations of the noise of a row."""
FLAT, TAPER = 2.0, 1.0
"""Half the window's flat part, and its taper, in units of the edge's rise from 10 to 90 %."""
HIGHEST = 1.0
"""The last frequency, in cycles per pixel: twice Nyquist's."""


class SlantedEdge(NamedTuple):
    """The result of `slanted_edge_mtf`.

    Attributes
    ----------
    frequencies : array, shape (frequencies,)
        Cycles per pixel across the edge, from 0 to 1.
    mtf, deviations : array, shape (frequencies,)
        The MTF, and the standard deviation that the noise gives it.
    mtf50, mtf50_deviation : float
        The lowest frequency at which the MTF is 1/2, in cycles per pixel, and its standard
        deviation; NaN if the MTF does not fall so low.
    angle : float
        Angle between the edge, at its middle, and the pixels' nearest axis, in radians.
    distances, esf : array, shape (samples,)
        The edge spread function at distances from the edge in pixels, 4 to a pixel.
    noise : float
        Standard deviation of the noise of a pixel.
    """

    frequencies: Array
    mtf: Array
    deviations: Array
    mtf50: float
    mtf50_deviation: float
    angle: float
    distances: Array
    esf: Array
    noise: float


def slanted_edge_mtf(picture: Array, *, degree: int = 1, window: float = FLAT) -> SlantedEdge:
    r"""Return the MTF across a straight edge that is slanted against the pixels.

    .. math:: \mathrm{MTF}(f) = \frac{|E(f)|}{E(0)\,\mathrm{sinc}^2(f/4)}, \qquad
              E(f) = \sum_k w_k\, (e_{k+1} - e_k)\, e^{-2 \pi i f k / 4}

    with the edge spread function ``e``, the mean of the pixels in bins of a quarter of a pixel
    across the edge, and a window ``w``. One sinc is of the bins, the other of the difference.

    Parameters
    ----------
    picture : array, shape (height, width), real
        A region with one edge, nearly vertical or nearly horizontal, in linear intensities.
    degree : int
        Degree of the polynomial that the edge follows, 1 to 5; 2 or 3 with distortion.
    window : float
        Half the flat part of the window, in units of the edge's rise from 10 to 90 %. A wide
        one sees the tails of the PSF, and more noise.

    Returns
    -------
    SlantedEdge
        The MTF with its standard deviation, MTF50 and angle.

    Raises
    ------
    TypeError
        If the picture is not real of single or double precision, or a setting of the wrong kind.
    ValueError
        If it is not finite, has no single edge across it, or an edge whose rows do not fall on
        enough phases of a pixel, as one along the pixels.

    Notes
    -----
    The place of the edge in each row is the centroid of the derivative in a Hamming window,
    first at the middle of the row's steepest part and again around the line. The last window is
    Tukey's, as in the edition of 2023: the Hamming window of 2017 takes a part of the flanks.
    The MTF is that of PSF and pixel together.

    References
    ----------
    ISO 12233:2017, "Photography - Electronic still picture imaging - Resolution and spatial
    frequency responses", annex D.

    P. D. Burns, "Slanted-edge MTF for digital camera and scanner analysis", Proc. IS&T PICS
    (2000) 135-138.

    Examples
    --------
    >>> import numpy as np
    >>> from nufftlib import workflows
    >>> rows, columns = np.mgrid[:100, :60]
    >>> across = (columns - 30 - 0.1 * (rows - 50)) / np.hypot(1, 0.1)
    >>> found = workflows.slanted_edge_mtf(0.5 + np.arctan(2 * across) / 4)
    >>> round(found.angle, 3), bool(abs(found.mtf[0] - 1) < 1e-12)
    (0.1, True)
    """
    call = "slanted_edge_mtf"
    degree = integer(call, "degree", degree, least=1, most=5)
    window = positive(call, "window", window)
    check_image(call, "picture", picture)
    if picture.ndim != 2 or min(picture.shape) < 16:
        msg = (
            f"{call}(picture): picture has the shape {tuple(picture.shape)}; want (height, width), "
            f"of at least 16 pixels each"
        )
        raise ValueError(msg)
    y = upright(on_cpu(picture).astype(np.float64))
    place, slope = edge_line(y, degree)
    distances, e, counts, noise = spread(y, place, slope)
    w = window_at(distances, e, counts, window)
    frequencies = np.arange(int(HIGHEST * y.shape[1]) + 1) / y.shape[1]
    mtf, deviations = transfer(frequencies, e, counts, w, noise)
    mtf50, mtf50_deviation = crossing(frequencies, mtf, deviations)
    xp = namespace(picture)

    def cast(a: Any) -> Array:
        return xp.asarray(a, dtype=picture.dtype, device=device(picture))

    middle = slope[len(slope) // 2]
    return SlantedEdge(
        cast(frequencies),
        cast(mtf),
        cast(deviations),
        mtf50,
        mtf50_deviation,
        float(np.arctan(middle)),
        cast(distances),
        cast(e),
        noise,
    )


def upright(y: Any) -> Any:
    """Return the picture with a nearly vertical edge that is bright on the right."""
    down, along = (np.abs(np.sum(np.diff(y, axis=axis))) for axis in (0, 1))
    # A vertical edge has the sum height * step along the rows, and little down the columns.
    if down > along:
        y = y.T
    quarter = max(y.shape[1] // 8, 1)
    return y if y[:, -quarter:].mean() >= y[:, :quarter].mean() else -y


def edge_line(y: Any, degree: int) -> tuple[Any, Any]:
    """Return the edge's column in each row, by a polynomial, and its slope there."""
    rows, columns = np.arange(y.shape[0]), np.arange(y.shape[1] - 1) + 0.5
    d = np.diff(y, axis=1)
    steps, noise = d.sum(axis=1), row_noise(y)
    smooth = np.apply_along_axis(np.convolve, 1, d, np.hamming(9), mode="same")
    at = columns[np.argmax(smooth, axis=1)]
    width = y.shape[1] / 2
    unit = (rows - rows.mean()) / max(rows[-1] / 2, 1)
    if np.median(steps) > LEAST_STEP * noise:
        for _ in range(3):
            # Outliers of single rows, and of the first pass, do not count.
            line = np.polynomial.Polynomial.fit(unit, at, degree, domain=[-1, 1])
            near = np.abs(at - line(unit))
            line = np.polynomial.Polynomial.fit(
                unit[near <= 3 * np.median(near) + 1],
                at[near <= 3 * np.median(near) + 1],
                degree,
                domain=[-1, 1],
            )
            u = (columns - line(unit)[:, None]) / width
            weight = np.where(np.abs(u) < 1, 0.54 + 0.46 * np.cos(np.pi * u), 0.0) * d
            total = weight.sum(axis=1)
            at = np.where(
                total > 0, (weight * columns).sum(axis=1) / np.where(total > 0, total, 1), at
            )
            width = max(width / 2, 8.0)
        line = np.polynomial.Polynomial.fit(unit, at, degree, domain=[-1, 1])
        place = line(unit)
        spread_of_rows = np.std(at - place)
        if spread_of_rows < 2 and np.all((place > 2) & (place < y.shape[1] - 3)):
            return place, line.deriv()(unit) / max(rows[-1] / 2, 1)
    msg = (
        "slanted_edge_mtf(picture): no single edge runs from one side of the picture to the other; "
        "want one that is nearly vertical or nearly horizontal, and a step above the noise"
    )
    raise ValueError(msg)


def row_noise(y: Any) -> float:
    """Return the standard deviation of a pixel's noise, by second differences along the edge."""
    d = np.diff(y, n=2, axis=0)
    return median_deviation(d - np.median(d)) / float(np.sqrt(6))


def spread(y: Any, place: Any, slope: Any) -> tuple[Any, Any, Any, float]:
    """Return distances, the edge spread function there, the pixels in each bin, and the noise."""
    u = (np.arange(y.shape[1]) - place[:, None]) / np.sqrt(1 + slope[:, None] ** 2)
    bins = np.floor(BINS * u + 0.5).astype(int)
    low, high = bins.min(), bins.max()
    index, size = (bins - low).reshape(-1), high - low + 1
    counts = np.bincount(index, minlength=size)
    distances = np.arange(low, high + 1) / BINS
    many = np.maximum(counts, 1)
    e = np.bincount(index, y.reshape(-1), size) / many
    filled = counts > 0
    e = np.interp(distances, distances[filled], e[filled])
    # The pixels of a bin have a mean distance that is not its middle: to first order, the slope.
    shift = np.bincount(index, u.reshape(-1), size) / many - np.where(filled, distances, 0.0)
    e = e - np.gradient(e, 1 / BINS) * shift
    left = y.reshape(-1) - np.interp(u.reshape(-1), distances, e)
    degrees = max(left.size - size, 1)
    return distances, e, counts, float(np.sqrt(np.sum(left**2) / degrees))


def window_at(distances: Any, e: Any, counts: Any, flat: float) -> Any:
    """Return Tukey's window on the differences, around the edge; refuse empty bins in it."""
    middles = (distances[1:] + distances[:-1]) / 2
    ends = max(e.size // 8, 1)
    dark, bright = np.median(e[:ends]), np.median(e[-ends:])
    part = (e - dark) / (bright - dark)
    low = distances[np.flatnonzero(part < 0.1)[-1]]
    high = distances[np.flatnonzero(part > 0.9)[0]]
    rise = max(high - low, 1.0)
    far = np.abs(middles - (low + high) / 2) - flat * rise
    w = np.where(far <= 0, 1.0, 0.5 + 0.5 * np.cos(np.pi * np.clip(far / (TAPER * rise), 0, 1)))
    if min((low + high) / 2 - distances[0], distances[-1] - (low + high) / 2) < flat * rise:
        msg = (
            f"slanted_edge_mtf(picture): the picture ends {-distances[0]:.3g} and "
            f"{distances[-1]:.3g} pixels from the edge, which rises over {rise:.3g}; want at least "
            f"{flat * rise:.3g} on either side"
        )
        raise ValueError(msg)
    used = np.flatnonzero(w > 0)
    empty = int(np.sum(counts[used[0] : used[-1] + 2] == 0))
    if empty:
        msg = (
            f"slanted_edge_mtf(picture): {empty} of {used.size + 1} bins of a quarter of a pixel "
            f"across the edge are empty; want an edge of some 2 to 40 degrees against the pixels, "
            f"over more rows"
        )
        raise ValueError(msg)
    return w


# E(f) = sum_k w_k (e_{k+1} - e_k) z^k = sum_j a_j(f) e_j,  a_j = w_{j-1} z^(j-1) - w_j z^j
def transfer(f: Any, e: Any, counts: Any, w: Any, noise: float) -> tuple[Any, Any]:
    """Return the MTF and its standard deviation."""
    z = w * np.exp(-2j * np.pi * f[:, None] * np.arange(w.size) / BINS)
    a = np.pad(z, ((0, 0), (1, 0))) - np.pad(z, ((0, 0), (0, 1)))
    E = a @ e
    m = np.abs(E) / np.abs(E[0])
    phase = np.conj(E) / np.maximum(np.abs(E), np.finfo(float).tiny)
    # d|E| = Re(conj(E) / |E| dE), and the same at the frequency 0
    change = (np.real(phase[:, None] * a) - m[:, None] * np.real(a[0])) / np.abs(E[0])
    sinc = np.sinc(f / BINS) ** 2
    std = noise * np.sqrt(np.sum(change**2 / np.maximum(counts, 1), axis=1))
    return m / sinc, std / sinc


def crossing(f: Any, mtf: Any, deviations: Any) -> tuple[float, float]:
    """Return the frequency at which the MTF falls to 1/2, and its standard deviation."""
    below = np.flatnonzero(mtf < 0.5)
    if not below.size:
        return float("nan"), float("nan")
    k = below[0]
    slope = (mtf[k] - mtf[k - 1]) / (f[k] - f[k - 1])
    return float(f[k] + (0.5 - mtf[k]) / slope), float(abs(deviations[k] / slope))
