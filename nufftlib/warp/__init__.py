"""Warp: registration of pictures that are not aligned."""

from nufftlib.warp.register import Registration, register

__all__ = ["Registration", "register"]
