"""Operators and losses as JAX functions: primitives with derivatives derived by hand."""

from nufftlib.interop.packages import missing

try:
    import jax as _jax  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("jax") from error  # noqa: EM101  # it makes the message

from nufftlib.interop.jax.wrapped import wrap

__all__ = ["wrap"]
