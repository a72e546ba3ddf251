"""An axis of frames: the shape rule of an operator for each, and the items along the axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nufftlib.core.arrays import Array, namespace
from nufftlib.core.shapes import Ends, MisfitError, Shape, Shapes, written


@dataclass(frozen=True)
class Framed(Shapes):
    """An axis of `frames` in front of the fewest last axes that a `rule` takes, which it maps."""

    rule: Shapes
    frames: int

    def result(self, shape: Shape) -> Shape:
        """Map the axes behind that of the frames."""
        n = self.core(shape)
        return (*shape[: len(shape) - n], *self.rule.result(shape[len(shape) - n :]))

    def argument(self, shape: Shape) -> Shape:
        """Map them back."""
        n = self.core(shape, back=True)
        return (*shape[: len(shape) - n], *self.rule.argument(shape[len(shape) - n :]))

    def core(self, shape: Shape, *, back: bool = False) -> int:
        """Return how many last axes the rule takes, behind the axis of the frames."""
        n = fewest(self.rule.argument if back else self.rule.result, shape)
        if n == len(shape) or shape[-n - 1] != self.frames:
            msg = f"{written((self.frames, *shape[len(shape) - n :]))}, one item for each frame"
            raise MisfitError(msg)
        return n

    @property
    def source(self) -> Ends:
        """The frames and the rule's source, where that is all it takes."""
        return self._ends(self.rule.source, self.rule.result)

    @property
    def target(self) -> Ends:
        """The frames and the rule's target, where that is all it gives."""
        return self._ends(self.rule.target, self.rule.argument)

    def _ends(self, ends: Ends, mapped: Callable[[Shape], Shape]) -> Ends:
        try:  # a size that is left open is any size
            mapped(tuple(n or 1 for n in ends))
        except MisfitError:  # the rule of a product knows the axes of its last factor
            return ends
        return (self.frames, *ends)


def fewest(mapped: Callable[[Shape], Shape], shape: Shape) -> int:
    """Return the smallest number of last axes of `shape` that a rule maps."""
    for n in range(len(shape) + 1):
        try:
            mapped(shape[len(shape) - n :])
        except MisfitError as misfit:
            error = misfit
        else:
            return n
    raise error


def items_of(rule: Framed, x: Array, *, back: bool = False) -> Iterator[Array]:
    """Yield the item of each frame."""
    behind: tuple[Any, ...] = (slice(None),) * rule.core(tuple(x.shape), back=back)
    return (x[(..., t, *behind)] for t in range(rule.frames))


def joined(rule: Framed, x: Array, items: list[Array], *, back: bool = False) -> Array:
    """Return the results of all frames of `x`, along an axis where that of the frames was."""
    core = tuple(x.shape[x.ndim - rule.core(tuple(x.shape), back=back) :])
    after = rule.rule.argument(core) if back else rule.rule.result(core)
    return namespace(x).stack(items, axis=-len(after) - 1)
