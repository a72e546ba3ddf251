"""The command line, ``nufftlib``; its packages come with the extra ``app``."""

import os
import sys

from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.streams import heedless_output

__all__ = ["main"]

PACKAGES = {
    "PIL": "pillow",
    "click": "click",
    "matplotlib": "matplotlib",
    "nibabel": "nibabel",
    "tqdm": "tqdm",
}


def main() -> None:
    """Run the command that the arguments of the process ask for, and exit.

    Raises
    ------
    SystemExit
        Always, with the exit code, after a signal 128 and its number; if a package of the extra
        is missing, with a message that says how to install it.
    """
    # finufft's threads wait actively for each other, which costs dearly where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with heedless_output():
        try:
            from nufftlib.cli.app import cli

            cli()
        except ImportError as error:
            # The script is installed without the extra too.
            package = PACKAGES.get((error.name or "").partition(".")[0])
            if package is None:
                raise
            msg = (
                f"nufftlib: the command line needs {package}, which cannot be imported; "
                'install it with\n\npip install "nufftlib[app]"\n'
            )
            raise SystemExit(msg) from error
        except KeyboardInterrupt:  # while importing: a command catches its own
            sys.stderr.write("Interrupted.\n")
            raise SystemExit(Interrupts().exit_code) from None
