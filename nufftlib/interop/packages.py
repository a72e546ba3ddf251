"""The error of an adapter whose library is not installed."""


def missing(package: str, distribution: str | None = None) -> ModuleNotFoundError:
    """Return the error that says how to install `package`, of a distribution by another name."""
    distribution = distribution or package
    msg = (
        f"nufftlib.interop.{package} is for the users of {distribution}, which is not installed; "
        f"install it with: pip install {distribution}"
    )
    return ModuleNotFoundError(msg, name=package)
