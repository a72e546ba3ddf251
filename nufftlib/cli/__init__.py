"""The command line, ``nufftlib``; its packages come with the extra ``app``."""

import gc
import os
import re
import sys

from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.streams import heedless_output
from nufftlib.core.extras import install

__all__ = ["main"]

PACKAGES = {
    "PIL": "pillow",
    "bokeh": "bokeh",
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
    # Pictures are drawn without a window, and a backend that is not installed must not matter.
    os.environ["MPLBACKEND"] = "agg"
    # Imports and compilation make objects that stay: looking for garbage among them so often took a
    # sixth of the time to the first step. Steps make none.
    gc.set_threshold(50_000)
    with heedless_output():
        check_threads()
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
                f"install it in a clone of nufftlib with\n\n{install('app')}\n"
            )
            raise SystemExit(msg) from error
        except KeyboardInterrupt:  # while importing: a command catches its own
            sys.stderr.write("Interrupted.\n")
            raise SystemExit(Interrupts().exit_code) from None


def check_threads() -> None:
    """Refuse a number of threads at which Numba would fail in the middle of a job."""
    threads = os.environ.get("NUMBA_NUM_THREADS", "1")
    if not re.fullmatch("0*[1-9][0-9]*", threads):
        msg = f"nufftlib: NUMBA_NUM_THREADS is {threads!r}; want a whole number of 1 or more"
        raise SystemExit(msg)
