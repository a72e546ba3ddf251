"""Errors of the library in the words of a command: an option where a function has a parameter."""

from __future__ import annotations

from collections.abc import Mapping

import click

from nufftlib.core.kinds import SettingError

SIZES = {"unit": "--unit", "shape": "--shape", "fov": "--fov"}
"""The options of parameters that say how to read a trajectory."""


def refused(error: Exception, argument: str, options: Mapping[str, str]) -> click.UsageError:
    """Return the command's error for one of the library.

    Parameters
    ----------
    error : Exception
        The library's.
    argument : str
        The command's argument or option that was tried.
    options : mapping of str to str
        The options that set a parameter, by its name.

    Returns
    -------
    click.UsageError
        It names the option that was wrong or is missing, or else `argument`.
    """
    if not isinstance(error, SettingError) or error.name not in options:
        return click.BadParameter(str(error), param_hint=f"'{argument}'")
    option = options[error.name]
    if error.value == "None":
        return click.UsageError(f"{option} is not given{error.rest}")
    return click.BadParameter(f"{error.value}{error.rest}", param_hint=f"'{option}'")
