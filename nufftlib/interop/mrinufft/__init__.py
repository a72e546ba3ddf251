"""The backend ``"nufftlib"`` of mri-nufft, registered by importing this module."""

from nufftlib.interop.packages import missing

try:
    import mrinufft as _mrinufft  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("mrinufft", "mri-nufft") from error  # noqa: EM101  # it makes the message

from nufftlib.interop.mrinufft.operator import MRINufftlib

__all__ = ["MRINufftlib"]
