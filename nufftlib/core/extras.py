"""How an extra is installed, for messages of what is missing."""


def install(extra: str) -> str:
    """Return the command that installs an extra: no index has the package yet.

    Examples
    --------
    >>> print("install it in a clone of nufftlib with", install("app"))
    install it in a clone of nufftlib with pip install ".[app]"
    """
    return f'pip install ".[{extra}]"'
