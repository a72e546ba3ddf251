"""Any curve in the least time that the limits of a scanner allow."""

from nufftlib.mri.scanner.traversal.traverse import traverse

__all__ = ["traverse"]
