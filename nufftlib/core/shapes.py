"""Shape rules: which axes an operator wants, and which it returns.

An operator acts on the last axes of an array; all axes in front are batch and are kept. A rule
maps shapes in both directions, so that one statement serves the checks, the adjoint, and every
caller that needs the shape of a result before there is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

Shape = tuple[int, ...]
Ends = tuple[int | None, ...]
"""The last axes of a shape as far as a rule knows them; None stands for any size."""


class MisfitError(ValueError):
    """A rule refuses a shape. The text says which shape the rule wants."""


class Shapes(ABC):
    """A rule ``shape of x -> shape of A x``, and back for the adjoint."""

    @abstractmethod
    def result(self, shape: Shape) -> Shape:
        """Return the shape of ``A x`` for an ``x`` of this shape, or raise `MisfitError`."""

    @abstractmethod
    def argument(self, shape: Shape) -> Shape:
        """Return the shape of ``A^H y`` for a ``y`` of this shape, or raise `MisfitError`."""

    @property
    @abstractmethod
    def source(self) -> Ends:
        """The last axes of ``x``."""

    @property
    @abstractmethod
    def target(self) -> Ends:
        """The last axes of ``A x``."""


@dataclass(frozen=True)
class Kept(Shapes):
    """Last axes to which `like` broadcasts, and which stay as they are.

    The last `exact` of them must be equal to those of `like`.
    """

    like: Shape
    exact: int = 0

    def result(self, shape: Shape) -> Shape:
        """Return `shape`."""
        like, split = self.like, len(self.like) - self.exact
        if shape == like:
            return shape
        core = shape[max(len(shape) - len(like), 0) :]
        if not broadcasts(like, shape) or core[split:] != like[split:]:
            msg = f"last axes to which {like} broadcasts"
            raise MisfitError(msg)
        return shape

    def argument(self, shape: Shape) -> Shape:
        """Return `shape`."""
        return self.result(shape)

    @property
    def source(self) -> Ends:
        """An axis of size 1 fits every size, but for the exact ones."""
        split = len(self.like) - self.exact
        return tuple(None if n == 1 and a < split else n for a, n in enumerate(self.like))

    @property
    def target(self) -> Ends:
        """As the source."""
        return self.source


@dataclass(frozen=True)
class Exchanged(Shapes):
    """Last axes `old` become `new`; `lead` broadcasts to the axes in front, which are kept."""

    old: Shape
    new: Shape
    lead: Shape = ()

    def result(self, shape: Shape) -> Shape:
        """Exchange the last axes."""
        return exchange(shape, self.old, self.new, self.lead)

    def argument(self, shape: Shape) -> Shape:
        """Exchange them back."""
        return exchange(shape, self.new, self.old, self.lead)

    @property
    def source(self) -> Ends:
        """``old``."""
        return self.old

    @property
    def target(self) -> Ends:
        """``new``."""
        return self.new


@dataclass(frozen=True)
class Resized(Shapes):
    """Each of the last axes grows by its entry of `by`, or shrinks where that is negative."""

    by: Shape
    lead: Shape = ()

    def result(self, shape: Shape) -> Shape:
        """Resize the last axes."""
        return resize(shape, self.by, self.lead)

    def argument(self, shape: Shape) -> Shape:
        """Resize them back."""
        return resize(shape, tuple(-b for b in self.by), self.lead)

    @property
    def source(self) -> Ends:
        """Axes of any size."""
        return (None,) * len(self.by)

    @property
    def target(self) -> Ends:
        """Axes of any size."""
        return self.source


@dataclass(frozen=True)
class Fixed(Shapes):
    """One shape to one shape, without batch axes; a number fits the shape ()."""

    old: Shape
    new: Shape

    def result(self, shape: Shape) -> Shape:
        """Return `new`."""
        return equal(shape, self.old, self.new)

    def argument(self, shape: Shape) -> Shape:
        """Return `old`."""
        return equal(shape, self.new, self.old)

    @property
    def source(self) -> Ends:
        """``old``."""
        return self.old

    @property
    def target(self) -> Ends:
        """``new``."""
        return self.new


@dataclass(frozen=True)
class Chained(Shapes):
    """The rule of ``A C``."""

    outer: Shapes
    inner: Shapes

    def result(self, shape: Shape) -> Shape:
        """Apply the rule of ``C``, then that of ``A``."""
        return self.outer.result(self.inner.result(shape))

    def argument(self, shape: Shape) -> Shape:
        """Go back through ``A``, then through ``C``."""
        return self.inner.argument(self.outer.argument(shape))

    @property
    def source(self) -> Ends:
        """The source of ``C``."""
        return self.inner.source

    @property
    def target(self) -> Ends:
        """The target of ``A``."""
        return self.outer.target


@dataclass(frozen=True)
class Swapped(Shapes):
    """The rule of ``A^H``."""

    shapes: Shapes

    def result(self, shape: Shape) -> Shape:
        """Return the shape of the operator's argument."""
        return self.shapes.argument(shape)

    def argument(self, shape: Shape) -> Shape:
        """Return the shape of the operator's result."""
        return self.shapes.result(shape)

    @property
    def source(self) -> Ends:
        """The operator's target."""
        return self.shapes.target

    @property
    def target(self) -> Ends:
        """The operator's source."""
        return self.shapes.source


@dataclass(frozen=True)
class Common(Shapes):
    """The rule of a sum: its terms agree on every shape."""

    terms: tuple[Shapes, ...]

    def result(self, shape: Shape) -> Shape:
        """Return the shape that all terms return."""
        return agreed([term.result(shape) for term in self.terms])

    def argument(self, shape: Shape) -> Shape:
        """Return the shape that all adjoints return."""
        return agreed([term.argument(shape) for term in self.terms])

    @property
    def source(self) -> Ends:
        """The longest source of a term."""
        return max((term.source for term in self.terms), key=len)

    @property
    def target(self) -> Ends:
        """The longest target of a term."""
        return max((term.target for term in self.terms), key=len)


def broadcasts(like: Shape, shape: Shape) -> bool:
    """Tell whether `like` broadcasts to `shape` without enlarging it."""
    lead = len(shape) - len(like)
    return lead >= 0 and all(n in (1, m) for n, m in zip(like, shape[lead:], strict=True))


def meet(given: Ends, wanted: Ends) -> bool:
    """Tell whether last axes `given` by one operator can be those `wanted` by the next."""
    pairs = zip(reversed(given), reversed(wanted), strict=False)
    return all(n is None or m is None or n == m for n, m in pairs)


def takes_batch(rule: Shapes | None, shape: Shape) -> bool:
    """Tell whether a new axis in front of `shape` is a batch axis.

    It is not for a rule of one shape (`Fixed`), where a parameter has more axes than the input,
    and where no rule is known.
    """
    if rule is None:
        return False
    try:
        return rule.result((2, *shape)) == (2, *rule.result(shape))
    except MisfitError:
        return False


def exchange(shape: Shape, old: Shape, new: Shape, lead: Shape) -> Shape:
    """Return `shape` with its last axes `old` replaced by `new`."""
    split = len(shape) - len(old)
    if split < 0 or shape[split:] != old or not broadcasts(lead, shape[:split]):
        raise MisfitError(written(old) + led(lead))
    return (*shape[:split], *new)


def resize(shape: Shape, by: Shape, lead: Shape) -> Shape:
    """Return `shape` with its last axes changed by `by`."""
    split = len(shape) - len(by)
    core = tuple(n + b for n, b in zip(shape[max(split, 0) :], by, strict=False))
    if split < 0 or 0 in shape[split:] or min(core) < 1 or not broadcasts(lead, shape[:split]):
        least = tuple(max(1, 1 - b) for b in by)
        msg = f"{len(by)} last axes of at least {' x '.join(map(str, least))}{led(lead)}"
        raise MisfitError(msg)
    return (*shape[:split], *core)


def equal(shape: Shape, want: Shape, result: Shape) -> Shape:
    """Return `result` if `shape` is the one wanted."""
    if shape != want:
        raise MisfitError(str(want))
    return result


def agreed(shapes: list[Shape]) -> Shape:
    """Return the one shape of all terms."""
    if any(shape != shapes[0] for shape in shapes):
        msg = f"terms of one shape, where these are {' and '.join(map(str, shapes))}"
        raise MisfitError(msg)
    return shapes[0]


def written(last: Ends) -> str:
    """Return last axes as they are written in an error."""
    return f"({', '.join('...' if n is None else str(n) for n in (None, *last))})"


def led(lead: Shape) -> str:
    """Return the words for axes that must broadcast to those in front."""
    return f" with leading axes to which {lead} broadcasts" if lead else ""
