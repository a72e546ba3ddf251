"""Operators, losses and modules in torch; their derivatives behind ``torch.autograd``."""

from nufftlib.interop.packages import missing

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("torch") from error  # noqa: EM101  # it makes the message

from nufftlib.interop.torch.module import OperatorModule
from nufftlib.interop.torch.wrapped import wrap

__all__ = ["OperatorModule", "wrap"]
