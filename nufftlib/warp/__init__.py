"""Warp: registration of pictures that are not aligned."""

from nufftlib.warp.registration import Registration, register

__all__ = ["Registration", "register"]
