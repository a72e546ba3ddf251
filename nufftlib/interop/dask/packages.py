"""Dask, or the error that says how to install it."""

from nufftlib.interop.packages import missing

try:
    import dask
    import distributed
except ModuleNotFoundError as error:
    raise missing("dask", "dask distributed") from error  # noqa: EM101  # it makes the message

__all__ = ["dask", "distributed"]
