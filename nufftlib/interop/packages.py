"""The error of an adapter whose library is not installed."""


def missing(package: str) -> ModuleNotFoundError:
    """Return the error that says how to install `package`."""
    msg = (
        f"nufftlib.interop.{package} is for the users of {package}, which is not installed; "
        f"install it with: pip install {package}"
    )
    return ModuleNotFoundError(msg, name=package)
