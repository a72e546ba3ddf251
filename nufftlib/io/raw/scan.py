"""The data of a scan, as every reader gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nufftlib.core.arrays import summary
from nufftlib.core.kinds import out_of_range
from nufftlib.io.stored import Stored

CALL = "divided"
STEP = 1e-2
"""By what part of itself a step of a grid may differ: rounding of single precision."""


@dataclass(frozen=True, repr=False)
class Scan:
    """Data of a scan that were read from a file, with their trajectory.

    Parameters
    ----------
    data : ndarray, shape (frames, coils, shots, samples), complex
        The samples.
    k : ndarray, shape (frames, shots, samples, d), real
        Where they are in k-space, in cycles per voxel.
    shape : tuple of int
        Voxels of the image along each of the ``d`` axes.
    fov : tuple of float or None
        Its field of view in metres, if that is known.
    encoded : tuple of int
        Voxels of the same size along each axis that phase encoding covers: more than those of the
        image where its steps are closer, and what lies beyond the image folds into it unless all
        of them are reconstructed.
    thickness : float or None
        Of a slice in metres: of an image of two axes, if the file says it.
    noise : ndarray, shape (coils, samples), complex, or None
        Samples of the noise alone, if the scan has such.
    sample_time : float or None
        Time from one sample to the next in seconds, if the file says it.
    frames : tuple of str
        What each frame is, such as ``"repetition 2"``.
    source : str
        The kind of file.
    """

    data: Any
    k: Any
    shape: tuple[int, ...]
    fov: tuple[float, ...] | None
    encoded: tuple[int, ...]
    thickness: float | None
    noise: Any
    sample_time: float | None
    frames: tuple[str, ...]
    source: str

    def __repr__(self) -> str:
        """Return the fields, arrays by their shape and dtype."""
        shown = ", ".join(f"{name}={summary(value)}" for name, value in vars(self).items())
        return f"Scan({shown})"

    def divided(self, frames: int) -> Scan:
        """Return the same shots in another number of frames.

        Parameters
        ----------
        frames : int
            1 takes all shots together. A scan of one frame is divided into so many runs of
            consecutive shots.

        Returns
        -------
        Scan
            With so many frames.

        Raises
        ------
        ValueError
            If the scan has several frames and this is another number of them, or the shots cannot
            be divided into so many equal parts.
        """
        now, coils, shots, samples = self.data.shape
        if frames == now:
            return self
        if frames == 1:
            data = np.moveaxis(self.data, 0, 1).reshape(1, coils, now * shots, samples)
            k = self.k.reshape(1, now * shots, samples, -1)
            return replace(self, data=data, k=k, frames=("all",))
        if now != 1 or shots % frames:
            wish = "a divisor of the shots" if now == 1 else f"1 or {now}"
            beside = f"the scan has {now} of {shots} shots"
            raise out_of_range(CALL, "frames", frames, wish, beside)
        size = shots // frames
        data = np.moveaxis(self.data[0].reshape(coils, frames, size, samples), 1, 0)
        k = self.k.reshape(frames, size, samples, -1)
        names = tuple(f"shots {i * size} to {(i + 1) * size - 1}" for i in range(frames))
        return replace(self, data=data, k=k, frames=names)

    def without_oversampling(self) -> Scan:
        r"""Return the scan with readouts of as many samples as the image has voxels.

        A Cartesian readout of :math:`n` samples in steps of :math:`1 / n` cycles per voxel sees
        :math:`n` voxels along axis 0, more than the :math:`N` of the image. What lies beyond these
        is no part of the model: least squares leave it out, but take it for noise. Here

        .. math:: y'_i = \frac{1}{n} \sum_{v=-N/2}^{N/2-1} \sum_j
                  e^{2 \pi i (k_j - i / N) v} y_j, \qquad -N/2 \le i < N/2,

        the transform of these voxels alone, with white noise of :math:`\sqrt{N / n}` the size.

        Returns
        -------
        Scan
            With the samples ``i / N``; the same if a readout is another one. Noise and the time
            between two samples are those of the new samples.
        """
        size, n = self.shape[0], self.data.shape[-1]
        along = self.k[..., 0].reshape(-1, n).astype(np.float64)
        steps = np.diff(along, axis=-1) * n
        whole = n > size and (np.abs(steps - 1) < STEP).all(-1) | (np.abs(steps + 1) < STEP).all(-1)
        across = np.ptp(self.k[..., 1:], axis=-2) * n
        if not np.all(whole) or np.any(across > STEP):
            return self
        i = np.arange(size) - size // 2
        data = np.empty((*self.data.shape[:-1], size), self.data.dtype)
        lines = self.data.swapaxes(1, 2).reshape(len(along), -1, n)  # coils of each shot
        cut = data.swapaxes(1, 2)
        turn = np.exp(-2j * np.pi * np.outer(i / size, i))
        kinds, kind = np.unique(along, axis=0, return_inverse=True)
        for at, k in enumerate(kinds):
            matrix = turn @ np.exp(2j * np.pi * np.outer(i, k)) / n
            same = np.nonzero(kind.ravel() == at)[0]
            cut[np.unravel_index(same, cut.shape[:2])] = lines[same] @ matrix.T
        k = np.repeat(self.k[..., :1, :], size, axis=-2)
        k[..., 0] = i / size
        quiet = None if self.noise is None else self.noise * np.float32(math.sqrt(size / n))
        slower = None if self.sample_time is None else self.sample_time * n / size
        return replace(self, data=data, k=k, noise=quiet, sample_time=slower)


@dataclass(frozen=True)
class Raw:
    """What a file holds, before data and trajectory are brought together.

    Parameters
    ----------
    data : ndarray, shape (frames, coils, shots, samples) or less, complex
        The samples.
    stored : Stored or None
        Their trajectory as the file has it.
    noise : ndarray or None
        Samples of the noise alone.
    frames : tuple of str
        What each frame is, or nothing.
    source : str
        The kind of file.
    wider : tuple of float or None
        How many times the image's length along each axis is encoded.
    """

    data: Any
    stored: Stored | None
    noise: Any = None
    frames: tuple[str, ...] = ()
    source: str = ""
    wider: tuple[float, ...] | None = None

    def thickness(self, axes: int) -> float | None:
        """Return the length of a voxel along the third axis, which an image of two has not."""
        s = self.stored
        if s is None or s.shape is None or s.fov is None or not axes < len(s.shape) == len(s.fov):
            return None
        return s.fov[axes] / s.shape[axes] or None

    def encoded(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the voxels of the length that is encoded, to the nearest one.

        Headers round lengths, and a part of a voxel more would be there twice, at both ends.
        """
        if self.wider is None:
            return shape
        return tuple(round(n * max(1.0, w)) for n, w in zip(shape, self.wider, strict=False))


def checked(path: Any, scan: Scan) -> Scan:
    """Refuse data that no image can be made of, in the words of their file."""
    data, k = scan.data, scan.k
    if data.dtype not in (np.complex64, np.complex128):
        msg = f"{path}: the data are {data.dtype}; want complex64 or complex128"
        raise ValueError(msg)
    if not data.size:
        msg = f"{path}: the data have the shape {data.shape}; want samples"
        raise ValueError(msg)
    for name, values in (("data", data), ("points", k)):
        if bad := int(np.count_nonzero(~np.isfinite(values))):
            msg = f"{path}: {bad} values of the {name} are not finite; want finite ones"
            raise ValueError(msg)
    if not data.any():
        msg = f"{path}: all data are zero; want a signal"
        raise ValueError(msg)
    noise, coils = scan.noise, data.shape[1]
    if noise is not None:
        if noise.ndim != 2 or len(noise) != coils or not np.iscomplexobj(noise):
            msg = (
                f"{path}: the noise is {noise.dtype} of the shape {noise.shape}; want complex "
                f"numbers of the shape ({coils}, samples)"
            )
            raise ValueError(msg)
        if not np.isfinite(noise).all():
            msg = f"{path}: values of the noise are not finite; want finite ones"
            raise ValueError(msg)
    if scan.sample_time is not None and not 0 < scan.sample_time < math.inf:
        msg = f"{path}: sample_time is {scan.sample_time}; want seconds"
        raise ValueError(msg)
    return scan


def matched(path: Any, data: Any, k: Any) -> tuple[Any, Any]:
    """Bring data and trajectory to (frames, coils, shots, samples) and (frames, ..., d), alike.

    The data are (..., coils, shots, samples), and the trajectory (..., samples, d) has their last
    axes, or those of one frame.
    """
    samples = tuple(k.shape[:-1])
    if data.ndim < 2 or not samples:
        msg = f"{path}: the data have the shape {data.shape}; want (frames, coils, shots, samples)"
        raise ValueError(msg)
    # One shot may come without its axis.
    per_frame = (1, *samples)[-2:]
    frames = math.prod(samples[:-2]) if len(samples) > 2 else None
    tail = 2 if tuple(data.shape[-2:]) == per_frame else 1
    if math.prod(data.shape[-tail:]) != math.prod(per_frame) or data.ndim < tail + 1:
        msg = (
            f"{path}: the data have the shape {data.shape} and the trajectory {k.shape}; want "
            f"(frames, coils, {', '.join(map(str, per_frame))}) and the same points"
        )
        raise ValueError(msg)
    data = data.reshape(-1, data.shape[-tail - 1], *per_frame)
    if frames not in (None, len(data)):
        msg = (
            f"{path}: the data have {len(data)} frames and the trajectory {frames}; want the same "
            f"number, or one trajectory for all"
        )
        raise ValueError(msg)
    whole = (len(data), *per_frame, k.shape[-1])
    k = k.astype(data.real.dtype, copy=False)
    return data, np.broadcast_to(k.reshape(-1, *whole[1:]), whole)
