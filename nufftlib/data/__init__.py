"""Two small pictures for examples, tests and the command line.

Sources and copyright notices are in ``NOTICE.md`` beside this file.
"""

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

__all__ = ["astronaut", "brain"]


def brain() -> NDArray[np.float32]:
    """Return an axial T1-weighted slice of the human brain.

    Slice z = +18 mm of the MNI ICBM 152 nonlinear symmetric template (2009a), the average of
    152 healthy adults, without the skull, enlarged so that the template's longer side, 233 mm,
    fills the frame: pixels are 0.91 mm wide. The front of the head is up. Left and right are mirror
    images, and the average has less fine detail than the scan of one person.

    Returns
    -------
    ndarray of float32, shape (256, 256)
        Relative signal: 0 outside the brain, at most 1.

    Notes
    -----
    Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological
    Institute, McGill University; free to use, copy, modify and distribute with its notice, which
    is in ``NOTICE.md``. Please cite Fonov et al., NeuroImage 54 (2011),
    doi:10.1016/j.neuroimage.2010.07.033.

    Examples
    --------
    >>> from nufftlib.data import brain
    >>> x = brain()
    >>> x.shape, x.dtype, float(x.min()), float(x.max())
    ((256, 256), dtype('float32'), 0.0, 1.0)
    """
    pixels = _pixels("brain_t1.npz")
    return pixels.astype(np.float32) / np.float32(pixels.max())


def astronaut() -> NDArray[np.float32]:
    """Return a colour photograph of the astronaut Eileen Collins.

    The NASA photograph that scikit-image ships, halved in size by 2 x 2 means.

    Returns
    -------
    ndarray of float32, shape (3, 256, 256)
        Red, green and blue, sRGB-encoded as displays expect, between 0 and 1.

    Notes
    -----
    From NASA's Great Images collection; no known copyright restrictions, released into the public
    domain.

    Examples
    --------
    >>> from nufftlib.data import astronaut
    >>> x = astronaut()
    >>> x.shape, x.dtype, float(x.min()), float(x.max())
    ((3, 256, 256), dtype('float32'), 0.0, 1.0)
    """
    return _pixels("astronaut.npz").astype(np.float32) / np.float32(255)


def _pixels(name: str) -> NDArray[np.uint8]:
    with files(__name__).joinpath(name).open("rb") as file, np.load(file) as archive:
        pixels: NDArray[np.uint8] = archive["pixels"]
    return pixels
