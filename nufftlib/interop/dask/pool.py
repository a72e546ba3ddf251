"""The workers of a Dask cluster as a pool: who they are, and how work goes to them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from importlib.metadata import version
from typing import Any

import numpy as np

from nufftlib.core.kinds import instance, integer, out_of_range
from nufftlib.core.pool import blocks, tree_sum
from nufftlib.core.threads import available, use_threads
from nufftlib.core.tree import is_array
from nufftlib.interop.dask.packages import dask, distributed
from nufftlib.interop.dask.work import as_it_is, mapped, summed, unpacked

PER_WORKER = 2
"""Blocks of items for each worker: what is lost with a worker is half of its work at most."""
LARGE = 2**20
"""Bytes of an argument from which on the workers get it from each other."""
KNOWN = 8
"""Functions that stay on the workers between calls."""
PATIENCE = 10.0
"""Seconds to wait for a scheduler, and for its first worker."""
GLANCE = 5.0
"""Seconds after which a step looks whether there are workers at all."""
GONE = 60.0
"""Seconds to wait for one when all are gone."""


class Workers:
    """The workers of a cluster, made by `connect`.

    Its `map` and `sum` are those of a pool: the results do not depend on how many workers there
    are, on who was first, or on workers that die or come in the meantime.

    Parameters
    ----------
    client : distributed.Client
        The connection. It stays open.

    Raises
    ------
    TypeError
        If it is no synchronous client.
    RuntimeError
        If no worker comes, or one has no nufftlib or another version of it, or the scheduler.
    """

    def __init__(self, client: Any) -> None:
        instance("Workers", "client", client, distributed.Client, "a distributed.Client")
        if client.asynchronous:
            msg = "Workers(client): the client is asynchronous; want a synchronous one"
            raise TypeError(msg)
        self.client = client
        self.known: dict[int, tuple[Any, Any]] = {}
        self.addresses: list[str] = []
        self.greet_scheduler()
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            msg = (
                f"Workers: no worker came within {PATIENCE:g} s to {client.scheduler.address}; "
                f"want one, as by: dask worker {client.scheduler.address}"
            )
            raise RuntimeError(msg) from error
        self.look()

    def look(self) -> None:
        """Look who is there; new workers are checked, and all get a place in a fixed order."""
        if self.client.nthreads().keys() == set(self.addresses):
            return
        found = self.client.scheduler_info(n_workers=-1)["workers"]
        if new := found.keys() - set(self.addresses):
            self.greet(found, new)
        if found:
            by_name = {address: str(of["name"]) for address, of in found.items()}
            self.addresses = sorted(found, key=lambda address: (by_name[address], address))

    # `metadata.version` is Python's own: who lacks the library has it.
    def greet_scheduler(self) -> None:
        """Refuse a scheduler with another library: all tasks are read there as well."""
        client = self.client
        try:
            there: object = client.run_on_scheduler(metadata.version, "nufftlib")
        except metadata.PackageNotFoundError as error:
            there = error
        check_version(f"the scheduler {client.scheduler.address}", there)

    def greet(self, found: dict[str, Any], new: set[str]) -> None:
        """Refuse workers with another library, and let those of a host share its processors."""
        said = self.client.run(metadata.version, "nufftlib", workers=[*new], on_error="return")
        for address, there in said.items():
            if not isinstance(there, OSError):  # else it is gone again
                check_version(f"the worker {address}", there)
        cores = self.client.run(available, workers=[*new], on_error="return")
        busy = Counter[str]()
        for worker in found.values():
            busy[worker["host"]] += worker["nthreads"]
        shares: dict[int, list[str]] = {}
        for address, count in cores.items():
            if isinstance(count, int):  # else it is gone again
                share = max(1, count // busy[found[address]["host"]])
                shares.setdefault(share, []).append(address)
        for share, of in shares.items():
            self.client.run(use_threads, share, workers=of, on_error="ignore")

    def map(self, function: Callable[..., Any], items: Sequence[Any], *arguments: Any) -> list[Any]:
        """Return ``function(item, *arguments)`` of each item, in their order.

        Parameters
        ----------
        function : callable
            What is evaluated; it is pickled, goes to the workers once, and stays for more calls.
        items : sequence
            What differs: best numbers and paths, for they travel with each call.
        *arguments : object
            What is the same.

        Returns
        -------
        list
            The results.

        Raises
        ------
        Exception
            What the function raises.
        RuntimeError
            If workers die of one block again and again.
        """
        found = self.blockwise(mapped, function, items, arguments)
        return [result for part in found for result in part]

    def sum(self, function: Callable[..., Any], items: Sequence[Any], *arguments: Any) -> Any:
        """Return the sum of the tuples ``function(item, *arguments)``, in a fixed order.

        Parameters
        ----------
        function, items, *arguments : object
            As of `map`.

        Returns
        -------
        tuple
            The sums, entry by entry.

        Raises
        ------
        Exception
            As `map`; also ValueError if there are no items.
        """
        return tree_sum(self.blockwise(summed, function, items, arguments))

    def blockwise(
        self,
        work: Callable[..., Any],
        function: Callable[..., Any],
        items: Sequence[Any],
        arguments: Sequence[Any],
    ) -> list[Any]:
        """Return what `work` makes of each block of items."""
        parts = [
            [items[i] for i in block]
            for block in blocks(len(items), PER_WORKER * len(self.addresses))
        ]
        there, passed = self.there(function), [self.sent(x) for x in arguments]
        return self.gathered(work, [there] * len(parts), parts, [passed] * len(parts))

    def there(self, function: Callable[..., Any]) -> Any:
        """Return the future of a function on the workers."""
        if id(function) not in self.known:
            while len(self.known) >= KNOWN:
                self.known.pop(next(iter(self.known)))
            packed = distributed.protocol.pickle.dumps(function)
            # With the function, whose number no other object may get.
            self.known[id(function)] = (function, self.submitted(unpacked, packed))
        return self.known[id(function)][1]

    def sent(self, x: Any) -> Any:
        """Return an argument, or its future if it is large."""
        if not is_array(x) or math.prod(x.shape) * np.dtype(x.dtype).itemsize < LARGE:
            return x
        return self.submitted(as_it_is, x)

    def submitted(self, function: Callable[..., Any], *arguments: Any, **where: Any) -> Any:
        """Return the future of a call, which is made again if its worker dies."""
        with large_messages():
            return self.client.submit(function, *arguments, pure=False, **where)

    def gathered(self, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        """Call a function of each row, on the workers; return the results in their order.

        After an interrupt or an error nothing of it goes on.
        """
        with large_messages():
            # Keyword arguments of `Client.map` would be one task of the argument's name.
            futures = self.client.map(function, *columns, pure=False, batch_size=None)
        try:
            self.look()  # for the next step, while this one goes on
            while not self.done(futures):
                self.some_left()
            return list(self.client.gather(futures))
        except distributed.scheduler.KilledWorker as error:
            msg = (
                f"Workers: a block of work was on {error.allowed_failures + 1} workers when they "
                f"died, the last one {error.last_worker.address}; want smaller items, or more "
                f"memory"
            )
            raise RuntimeError(msg) from error
        except BaseException:
            self.client.cancel(futures)
            raise

    def done(self, futures: Sequence[Any]) -> bool:
        """Wait for results for a while, and tell whether they are there, or an error is."""
        try:
            with self.client.as_current():
                distributed.wait(futures, timeout=GLANCE)
        except TimeoutError:
            return False
        return True

    def some_left(self) -> None:
        """Wait for a worker if all are gone; give up if none comes."""
        if self.client.scheduler_info(n_workers=-1)["workers"]:
            return
        try:
            self.client.wait_for_workers(1, timeout=GONE)
        except TimeoutError as error:
            msg = (
                f"Workers: all workers of {self.client.scheduler.address} are gone, and none came "
                f"within {GONE:g} s; want one"
            )
            raise RuntimeError(msg) from error


def check_version(who: str, there: object) -> None:
    """Refuse another version of the library than here; an exception says that there is none."""
    here = version("nufftlib")
    if there != here:
        has = "no nufftlib" if isinstance(there, Exception) else f"nufftlib {there}"
        msg = f"Workers: {who} has {has}; want nufftlib {here}, as here"
        raise RuntimeError(msg)


def large_messages() -> Any:
    """Return a context in which Dask does not warn of large arguments."""
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"})


def connect(
    address: str | None = None, workers: int | None = None
) -> AbstractContextManager[Workers]:
    """Connect to a cluster, or start one on this machine, for the length of a block.

    Parameters
    ----------
    address : str, optional
        Address of a scheduler, as ``tcp://10.0.0.1:8786``. By default workers are started here,
        each a process with one task at a time.
    workers : int, optional
        How many to start, by default one for each processor; or for how many of a cluster to wait.

    Returns
    -------
    context manager
        Of the pool, `Workers`.

    Raises
    ------
    ConnectionError
        If nobody answers at the address.
    RuntimeError
        If no worker comes, or one has no nufftlib or another version of it, or the scheduler.
    TypeError, ValueError
        If an argument is of the wrong kind, there are to be fewer workers than one, or the address
        is none.

    Notes
    -----
    The processors of a host are shared by its workers: Numba's loops and FFTs of each use as many
    threads as it has processors for. BLAS and OpenMP of a worker that is started here have one.

    Workers here are processes that import the main module: a script has its code below
    ``if __name__ == "__main__":``.

    Examples
    --------
    >>> from nufftlib.interop.dask import connect
    >>> with connect(workers=1) as pool:  # doctest: +SKIP
    ...     pool.map(divmod, [7, 8], 3)
    [(2, 1), (2, 2)]
    """
    count = None if workers is None else integer("connect", "workers", workers, least=1)
    if address is not None:
        instance("connect", "address", address, str, "the address of a scheduler or None")
        check_address(address)
    return here(count or available()) if address is None else there(address, count)


def check_address(address: str) -> None:
    """Refuse what is no address: Dask's client would try it for long, and leave threads behind."""
    kind, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if kind not in {"", "tcp", "tls", "ws", "wss"} or not host or not port.isdecimal():
        wish, call = "a host and a port, as tcp://10.0.0.1:8786", "connect"
        raise out_of_range(call, "address", address, wish)


@contextmanager
def here(count: int) -> Iterator[Workers]:
    """Start so many workers on this machine for the length of a block."""
    with started(count) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(count)
        yield Workers(client)


@contextmanager
def there(address: str, count: int | None) -> Iterator[Workers]:
    """Connect to the workers of a scheduler for the length of a block."""
    with answering(address) as client:
        if count is not None:
            waited(client, count)
        yield Workers(client)


@contextmanager
def started(count: int) -> Iterator[Any]:
    """Start workers on this machine, which share its processors."""
    share = str(max(1, available() // count))
    environment = {"NUMBA_NUM_THREADS": share, "OMP_WAIT_POLICY": "PASSIVE"}
    with (
        # On a busy machine a worker that has died takes longer to come back than Dask waits.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}),
        distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            env=environment,
            preload="nufftlib.interop.dask.preload",
            silence_logs="ERROR",
        ) as cluster,
    ):
        yield cluster


@contextmanager
def answering(address: str) -> Iterator[Any]:
    """Connect to a scheduler that answers."""
    try:
        client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        msg = (
            f"connect: nobody answers at {address} ({str(error) or type(error).__name__}); want "
            f"the address of a running scheduler, as tcp://10.0.0.1:8786"
        )
        raise ConnectionError(msg) from error
    with client:
        yield client


def waited(client: Any, count: int) -> None:
    """Wait for so many workers."""
    try:
        client.wait_for_workers(count, timeout=PATIENCE)
    except TimeoutError as error:
        there = len(client.scheduler_info(n_workers=-1)["workers"])
        msg = (
            f"connect: {there} of {count} workers are at {client.scheduler.address} after "
            f"{PATIENCE:g} s; want them started, or fewer"
        )
        raise RuntimeError(msg) from error
