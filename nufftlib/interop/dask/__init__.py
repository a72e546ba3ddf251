"""Sums over many items on the workers of a Dask cluster, and dask arrays by their chunks.

``distributed_objective(make_loss, items)`` is a map that optimisers take, ``connect(address)`` a
pool of workers, and ``map_chunks(function, *arrays)`` calls a function chunk by chunk, of which
``sum_chunks`` adds what it returns.
"""

from nufftlib.interop.dask.chunks import map_chunks, sum_chunks
from nufftlib.interop.dask.objective import DistributedObjective, distributed_objective
from nufftlib.interop.dask.pool import Workers, connect

__all__ = [
    "DistributedObjective",
    "Workers",
    "connect",
    "distributed_objective",
    "map_chunks",
    "sum_chunks",
]
