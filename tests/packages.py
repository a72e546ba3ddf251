"""Everything that has public names."""

import nufftlib
import nufftlib.data
import nufftlib.io
import nufftlib.plots
import nufftlib.workflows
import optim

PACKAGES = [
    nufftlib,
    nufftlib.mri,
    nufftlib.mri.trajectories,
    nufftlib.mri.trajectories.tools,
    nufftlib.mri.sampling,
    nufftlib.blur,
    nufftlib.warp,
    nufftlib.workflows,
    nufftlib.io,
    nufftlib.plots,
    nufftlib.data,
    optim,
    optim.projections,
    optim.proximal,
]
# Each can be imported where what it adapts to is installed.
ADAPTERS = [
    "nufftlib.interop.torch",
    "nufftlib.interop.jax",
    "nufftlib.interop.scipy",
    "nufftlib.interop.pylops",
    "nufftlib.interop.deepinv",
    "nufftlib.interop.mrinufft",
    "nufftlib.interop.sigpy",
    "nufftlib.interop.dask",
]
