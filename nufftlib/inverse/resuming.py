"""Jobs that may have a checkpoint: how all of them begin, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import optim
from nufftlib.core.arrays import Array
from nufftlib.core.kinds import instance


def begun(
    call: str, checkpoint: optim.Checkpoint | None, settings: Mapping[str, Any], like: Array
) -> Any:
    """Begin a job: return the state that its checkpoint has saved, or None.

    Parameters
    ----------
    call : str
        The name of the job, with which messages begin.
    checkpoint : Checkpoint or None
        What was given; with None there is nothing to begin.
    settings : mapping
        What has to be equal to go on.
    like : array
        Of the library and on the device of the arrays of the job.
    """
    if checkpoint is None:
        return None
    instance(call, "checkpoint", checkpoint, optim.Checkpoint, "an optim.Checkpoint or None")
    return checkpoint.begin(call, settings, like)


def elapsed(checkpoint: optim.Checkpoint | None, since: float) -> float:
    """Return the seconds of a job, or of a part that has begun, in all processes.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Its checkpoint, which knows of the processes before this one.
    since : float
        When it began in this process, of `time.perf_counter`.
    """
    return time.perf_counter() - since if checkpoint is None else checkpoint.seconds
