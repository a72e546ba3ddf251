from legible import _legible  # noqa: F401  # of all figures
