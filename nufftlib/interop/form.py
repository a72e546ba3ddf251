r"""The form whose gradients are an operator's derivatives of every order.

With :math:`D = \mathrm{d}^n A(\theta)[c_1, \ldots, c_n]`, the derivative of the operator by
the parameters :math:`p_1, \ldots, p_n` in the directions :math:`c_i` (for :math:`n = 0` the
operator itself), everything that torch and JAX ask for is a derivative of

.. math:: S(x, y, c, \theta) = \langle y, D\,x \rangle ,

which is linear in :math:`y, x` and each :math:`c_i`:

====================  ==========================================================
gradient of S by      is
====================  ==========================================================
:math:`y`             :math:`D x`
:math:`x`             :math:`D^H y`
:math:`\theta_q`      :math:`B_q(x, y)` of :math:`D`
:math:`c_i`           :math:`B_{p_i}(x, y)` of :math:`D` without :math:`c_i`
====================  ==========================================================

A derivative of one of these by :math:`\theta_q` along :math:`t` is the same gradient of the S
that has :math:`t` as one direction more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from nufftlib.core.arrays import Array
from nufftlib.core.operator import LinearOperator


@dataclass(frozen=True)
class Term:
    """Which ``D`` is meant.

    Parameters
    ----------
    path : tuple of str
        The parameters by which the operator has been differentiated, ``p_1, ..., p_n``.
    adjoint : bool
        Whether the adjoint of that is meant.
    """

    path: tuple[str, ...] = ()
    adjoint: bool = False

    def operator(self, A: LinearOperator, directions: Iterable[Array]) -> LinearOperator:
        """Return ``D`` for the operator ``A(theta)`` and the directions ``c_1, ..., c_n``."""
        D = A
        for name, c in zip(self.path, directions, strict=True):
            # A derivative has the parameters on which it still depends; by others it is zero.
            D = D.derivative(name, c) if name in D.parameters else 0.0 * D
        return D.H if self.adjoint else D

    def along(self, name: str) -> Self:
        """Return the term with one direction more, the last."""
        return replace(self, path=(*self.path, name))

    def without(self, i: int) -> Self:
        """Return the term that lacks the direction of number `i`."""
        return replace(self, path=self.path[:i] + self.path[i + 1 :])

    @property
    def H(self) -> Self:
        """The term of ``D^H``."""
        return replace(self, adjoint=not self.adjoint)


class Latest:
    """An operator at values of its parameters; the last values are kept, with their operator.

    A gradient evaluates the operator at one value several times, and a NUFFT sorts its points
    but once.

    Parameters
    ----------
    operator : LinearOperator
        The operator at its own values.
    keep : callable
        Returns the part of a value to keep, with which the next is compared.
    same : callable
        ``same(kept, value)`` tells whether the two are equal.
    array : callable
        The operator's array of a kept value.
    """

    def __init__(
        self,
        operator: LinearOperator,
        keep: Callable[[Any], Any],
        same: Callable[[Any, Any], bool],
        array: Callable[[Any], Array],
    ) -> None:
        self.operator = operator
        self._how = keep, same, array
        self._last: tuple[tuple[str, ...], list[Any], LinearOperator] = ((), [], operator)

    def at(self, names: tuple[str, ...], values: Sequence[Any]) -> LinearOperator:
        """Return the operator at these values of the named parameters."""
        if not names:
            return self.operator
        keep, same, array = self._how
        before, kept, made = self._last
        if before != names or not all(map(same, kept, values)):
            kept = [keep(value) for value in values]
            made = self.operator.replace(**dict(zip(names, map(array, kept), strict=True)))
            self._last = names, kept, made
        return made


def as_it_is(value: Any) -> Any:
    """Return the value."""
    return value
