r"""Peripheral nerve stimulation by the linear model of IEC 60601-2-33."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.arrays import check_real, common_namespace
from nufftlib.core.kinds import positive


@dataclass(frozen=True)
class LinearNerveModel:
    r"""The stimulation of nerves by switched gradients, linear in the slew rates.

    With the chronaxie ``c`` and the smallest slew rate that stimulates,
    :math:`S_{\min} = r / \alpha`, of rheobase ``r`` and effective length :math:`\alpha`,

    .. math:: R_a(t) = \frac{1}{S_{\min}} \int_{-\infty}^t \frac{c\,S_a(\theta)}{(c+t-\theta)^2}
              \,\mathrm{d}\theta, \qquad P = 100 \Bigl(\sum_a R_a^2\Bigr)^{1/2}\;\%.

    The integral is exact for slew rates that are constant in each raster time.

    Parameters
    ----------
    chronaxie : float
        In seconds.
    rheobase : float
        In T/s.
    effective_length : float
        In metres.

    Raises
    ------
    TypeError
        If a parameter is no number.
    ValueError
        If a parameter is not positive and finite.

    Notes
    -----
    The parameters belong to a gradient coil: ask its vendor. 80 % is the limit of the normal
    operating mode, 100 % that of the first controlled one.

    References
    ----------
    R. Schulte and R. Noeske, "Peripheral nerve stimulation-optimal gradient waveform design",
    Magn. Reson. Med. 74 (2015) 518-522; IEC 60601-2-33.

    Examples
    --------
    A slew rate that lasts stimulates by ``S / S_min``; after one chronaxie by half of that:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> model = nl.mri.LinearNerveModel(chronaxie=360e-6, rheobase=20.0, effective_length=0.333)
    >>> slew = np.full((1, 36, 1), 20.0 / 0.333)
    >>> model.percent(slew, 10e-6)[0, -1].round(9)
    np.float64(50.0)
    """

    chronaxie: float
    rheobase: float
    effective_length: float

    def __post_init__(self) -> None:
        for name in ("chronaxie", "rheobase", "effective_length"):
            value = positive("LinearNerveModel", name, getattr(self, name))
            object.__setattr__(self, name, value)

    def percent(self, slew: Any, raster: float) -> Any:
        """Return the stimulation in percent.

        Parameters
        ----------
        slew : ndarray, shape (shots, rows, d)
            Slew rates in T/m/s.
        raster : float
            Time between two rows in seconds.

        Returns
        -------
        ndarray, shape (shots, rows)
            Stimulation after each row.
        """
        from scipy.signal import oaconvolve  # slow to import

        call = "LinearNerveModel.percent"
        check_real(common_namespace(f"{call}(slew)", slew=slew), f"{call}(slew)", "slew", slew)
        raster = positive(call, "raster", raster)
        rows = slew.shape[-2]
        # int_u^(u + raster) c / (c + v)^2 dv = c / (c + u) - c / (c + u + raster)
        edges = self.chronaxie / (self.chronaxie + raster * np.arange(rows + 1))
        kernel = (edges[:-1] - edges[1:])[:, None] * self.effective_length / self.rheobase
        response = oaconvolve(slew, kernel[None], axes=-2)[..., :rows, :]
        return 100 * np.sqrt(np.sum(response**2, axis=-1))
