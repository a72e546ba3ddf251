"""What a worker that is started here does first."""

import signal


def dask_setup(worker: object) -> None:  # noqa: ARG001  # Dask calls it so
    """Leave Ctrl-C, which a terminal sends to all its processes, to the one that started them.

    That one cancels their work, and may want more of it; with its end they end as well.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
