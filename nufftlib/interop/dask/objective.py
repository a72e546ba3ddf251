"""A sum of losses of many items, evaluated by workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from array_api_compat import is_numpy_array

from nufftlib.core.arrays import Array, blank
from nufftlib.core.kinds import class_of, flag
from nufftlib.core.losses import Functional
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pool import blocks, tree_sum
from nufftlib.interop.dask.packages import distributed
from nufftlib.interop.dask.pool import PER_WORKER, Workers, connect
from nufftlib.interop.dask.work import Part, sum_of_part

__all__ = ["DistributedObjective", "distributed_objective"]


def distributed_objective(
    make_loss: Callable[[Any], Any],
    items: Sequence[Any],
    client: Any = None,
    *,
    keep: bool = True,
) -> DistributedObjective:
    """Return the sum of the losses of many items, which workers evaluate.

    The sum is taken in a fixed order, a binary tree over the numbers of the items. So the result is
    the same to the last bit for any number of workers, whoever is first, and when workers die in
    the midst of it or join: what a dead worker had to do is done again by another one.

    Parameters
    ----------
    make_loss : callable
        From an item to its loss: a map to one number, or a function ``x -> (value, gradient)``.
        It is called on the worker, which reads files, builds operators and plans them there.
    items : sequence
        What differs between the losses: paths, numbers, small arrays.
    client : distributed.Client, Workers or str, optional
        The cluster: a client, what `connect` yields, or the address of a scheduler. By default
        workers are started on this machine, one for each processor.
    keep : bool
        Whether workers keep what `make_loss` returned; if not, it is called at each evaluation, and
        a worker holds one loss at a time.

    Returns
    -------
    DistributedObjective
        A map; its ``value_and_grad`` serves every solver of `optim`. It is to be closed, or used in
        a ``with`` statement.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If there are no items.
    ConnectionError
        If nobody answers at the address.
    RuntimeError
        If no worker comes, or one has no nufftlib or another version of it.

    Notes
    -----
    Each worker has two blocks of items, and keeps them as long as the same workers are there. A
    step takes a message to each block and one back with its sums. See docs/scale.md.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> import optim
    >>> from nufftlib.interop.dask import connect, distributed_objective
    >>> def loss_of(number):
    ...     return nl.MeanSquaredError(np.full(3, float(number)))
    >>> with connect(workers=1) as pool:  # doctest: +SKIP
    ...     objective = distributed_objective(loss_of, range(5), pool)
    ...     optim.lbfgs(objective.value_and_grad, np.zeros(3), steps=9).params
    array([2., 2., 2.])
    """
    call = "distributed_objective"
    keep = flag(call, "keep", keep)
    if not callable(make_loss):
        msg = f"{call}(make_loss): make_loss is {class_of(make_loss)}; want a callable"
        raise TypeError(msg)
    listed = [*items]
    if not listed:
        msg = f"{call}(items): there are no items; want one or more"
        raise ValueError(msg)
    with ExitStack() as stack:
        if client is None or isinstance(client, str):
            workers = stack.enter_context(connect(client))
        elif isinstance(client, Workers):
            workers = client
        elif isinstance(client, distributed.Client):
            workers = Workers(client)
        else:
            msg = (
                f"{call}(client): client is {class_of(client)}; want a distributed.Client, "
                f"Workers, the address of a scheduler, or None"
            )
            raise TypeError(msg)
        return DistributedObjective(Placed(workers, make_loss, listed, keep, stack.pop_all()))


class Placed:
    """Blocks of items, each with a worker that keeps their losses.

    Parameters
    ----------
    workers : Workers
        The cluster.
    make_loss, items, keep : object
        As of `distributed_objective`.
    stack : ExitStack
        What is to be closed.
    """

    def __init__(
        self,
        workers: Workers,
        make_loss: Callable[[Any], Any],
        items: list[Any],
        keep: bool,
        stack: ExitStack,
    ) -> None:
        self.workers, self.make_loss, self.items, self.keep = workers, make_loss, items, keep
        self.stack = stack
        self.at: list[str] = []
        """The workers for which the blocks were cut."""
        self.parts: list[Any] = []

    def place(self) -> None:
        """Cut the blocks for the workers that are there, and give each to one."""
        at = self.workers.addresses
        if at == self.at:
            return
        there = self.workers.there(self.make_loss)
        cut = blocks(len(self.items), PER_WORKER * len(at))
        self.parts = [
            self.workers.submitted(
                Part,
                there,
                [self.items[j] for j in block],
                block.start,
                self.keep,
                workers=[at[i * len(at) // len(cut)]],
                allow_other_workers=True,  # when it is dead
            )
            for i, block in enumerate(cut)
        ]
        self.at = at

    def sum(self, x: Array) -> tuple[Any, ...]:
        """Return the sums of values and gradients."""
        self.place()
        n = len(self.parts)
        return tree_sum(self.workers.gathered(sum_of_part, self.parts, n * [self.workers.sent(x)]))


@dataclass(frozen=True, eq=False, repr=False)
class DistributedObjective(Map):
    """A sum of losses that workers evaluate; made by `distributed_objective`.

    Parameters
    ----------
    placed : Placed
        The blocks of items and their workers.
    """

    placed: Placed

    def __repr__(self) -> str:
        """Return the type and the number of items."""
        return f"DistributedObjective({len(self.placed.items)} items)"

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the sum and its Jacobian, the functional of its gradient.

        Parameters
        ----------
        x : ndarray
            The point.

        Returns
        -------
        value : ndarray
            The sum of the losses, of zero dimensions.
        jacobian : LinearOperator
            ``dx -> <g, dx>`` with the sum ``g`` of the gradients.

        Raises
        ------
        TypeError
            If `x` is no array of NumPy.
        ValueError
            If a gradient has another shape.
        RuntimeError
            If workers die of one block again and again.
        """
        call = "DistributedObjective(x)"
        if not is_numpy_array(x):
            msg = f"{call}: x is {class_of(x)}; want an array of NumPy, which travels to workers"
            raise TypeError(msg)
        value, gradient = self.placed.sum(x)
        if np.shape(gradient) != x.shape:
            msg = (
                f"{call}: the gradients have the shape {np.shape(gradient)}; want {x.shape}, as "
                f"of x"
            )
            raise ValueError(msg)
        return np.asarray(value)[()], Functional(np.asarray(gradient))

    def outline(self, x: Array) -> Array:
        """Like one real number."""
        return blank(x, (), complex=False)

    def close(self) -> None:
        """Let the workers forget the losses, and end what was started for this objective."""
        self.placed.parts, self.placed.at = [], []
        self.placed.stack.close()

    def __enter__(self) -> Self:
        """Return the objective itself."""
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
