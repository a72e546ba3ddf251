"""What runs on the workers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from nufftlib.core.pool import tree_sum


def unpacked(packed: bytes) -> Any:
    """Return what was pickled: it goes to a worker once, and from there to others."""
    return pickle.loads(packed)


def as_it_is(x: Any) -> Any:
    """Return the argument, which is on a worker then."""
    return x


def mapped(function: Callable[..., Any], items: Sequence[Any], arguments: Sequence[Any]) -> Any:
    """Return ``function(item, *arguments)`` of each item of a block."""
    return [function(item, *arguments) for item in items]


def summed(function: Callable[..., Any], items: Sequence[Any], arguments: Sequence[Any]) -> Any:
    """Return the sum of a block."""
    return tree_sum(function(item, *arguments) for item in items)


class Part:
    """The losses of a block of items: made at the first evaluation, and kept.

    Parameters
    ----------
    make_loss : callable
        From an item to its loss.
    items : sequence
        The block.
    first : int
        The number of its first item.
    keep : bool
        Whether the losses stay, or are made anew at each evaluation.
    """

    def __init__(
        self, make_loss: Callable[[Any], Any], items: Sequence[Any], first: int, keep: bool
    ) -> None:
        self.make_loss, self.items, self.first, self.keep = make_loss, items, first, keep
        self.made: dict[int, Any] = {}
        self.lock = Lock()

    def __reduce__(self) -> Any:
        """Pickle what it was made of: another worker makes the losses again."""
        return Part, (self.make_loss, self.items, self.first, self.keep)

    def loss(self, i: int) -> Any:
        """Return the loss of an item."""
        if not self.keep:
            return self.make_loss(self.items[i])
        with self.lock:
            if i not in self.made:
                self.made[i] = self.make_loss(self.items[i])
            return self.made[i]

    def evaluated(self, i: int, x: Any) -> tuple[Any, Any]:
        """Return value and gradient of an item; errors say which one it was."""
        try:
            loss = self.loss(i)
            value, gradient = getattr(loss, "value_and_grad", loss)(x)
        except Exception as error:
            error.add_note(f"(at item {self.first + i} of a distributed objective)")
            raise
        return value, gradient


def sum_of_part(part: Part, x: Any) -> tuple[Any, ...]:
    """Return the sums of values and gradients of a block."""
    return tree_sum(part.evaluated(i, x) for i in range(len(part.items)))
