r"""Sums over many items whose order is fixed, whoever computes them.

Sums of floating-point numbers depend on their order. Here it is a binary tree over the numbers of
the items: `n` of them are split behind the largest power of two below `n`, and so on,

.. math:: S(a, b) = S(a, a + m) + S(a + m, b), \qquad m = 2^{\lceil \log_2 (b - a) \rceil - 1}.

A block that begins at a multiple of its length, a power of two, is a subtree, and so is what is
left at the end. So blocks of any such length may be summed by themselves, and their sums in the
same way: the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from nufftlib.core.kinds import instance

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class Pool(Protocol):
    """What evaluates a function of many items: this process, or workers elsewhere."""

    def map(
        self, function: Callable[..., Result], items: Sequence[Any], *arguments: Any
    ) -> list[Result]:
        """Return ``function(item, *arguments)`` of each item, in their order."""
        ...

    def sum(self, function: Callable[..., Any], items: Sequence[Any], *arguments: Any) -> Any:
        """Return the `tree_sum` of the tuples ``function(item, *arguments)``."""
        ...


class OneProcess:
    """The pool of this process: one item after the other."""

    def map(
        self, function: Callable[..., Result], items: Sequence[Any], *arguments: Any
    ) -> list[Result]:
        """Return ``function(item, *arguments)`` of each item, in their order."""
        return [function(item, *arguments) for item in items]

    def sum(self, function: Callable[..., Any], items: Sequence[Any], *arguments: Any) -> Any:
        """Return the `tree_sum` of the tuples ``function(item, *arguments)``."""
        return tree_sum(function(item, *arguments) for item in items)


def pool_or_here(call: str, pool: Pool | None) -> Pool:
    """Return who evaluates; without a pool this process."""
    if pool is None:
        return OneProcess()
    found: Pool = instance(call, "pool", pool, Pool, "workers, as of interop.dask.connect, or None")
    return found


def tree_sum(terms: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the sum of tuples of numbers and arrays, entry by entry, by the tree of this module.

    At most one partial sum of each level is held.

    Raises
    ------
    ValueError
        If there are no terms, whose sum has no shape.

    Examples
    --------
    >>> from nufftlib.core.pool import tree_sum
    >>> tree_sum([("a", 1), ("b", 2), ("c", 4)])
    ('abc', 7)
    """
    held: list[tuple[int, tuple[Any, ...]]] = []  # sizes fall
    for term in terms:
        held.append((1, tuple(term)))
        while len(held) > 1 and held[-1][0] == held[-2][0]:
            fold(held)
    if not held:
        msg = "sum(function, items): there are no items; want one or more"
        raise ValueError(msg)
    while len(held) > 1:
        fold(held)
    return held[0][1]


def fold(held: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Add the last two partial sums."""
    n, last = held.pop()
    m, before = held.pop()
    held.append((m + n, tuple(a + b for a, b in zip(before, last, strict=True))))


def blocks(count: int, number: int) -> list[range]:
    """Return the fewest subtrees of one length that are at least `number`, if there are so many.

    Examples
    --------
    >>> from nufftlib.core.pool import blocks
    >>> blocks(11, 3)
    [range(0, 4), range(4, 8), range(8, 11)]
    """
    size = 1
    while size < count and -(-count // (2 * size)) >= number:
        size *= 2
    return [range(i, min(i + size, count)) for i in range(0, count, size)]
