"""The laws of a linear operator and its derivatives, checked on anyone's operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
from array_api_compat import size

from nufftlib.core.arrays import (
    Array,
    check_floating,
    common_namespace,
    is_complex,
    real_dtype,
)
from nufftlib.core.inner import inner
from nufftlib.core.kinds import generator, instance, names, not_negative
from nufftlib.core.notebook import printed
from nufftlib.core.operator import LinearOperator

DOT_TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
# A derivative below this fraction of the value is zero to a difference's rounding error.
NEGLIGIBLE = {"float64": 1e-5, "float32": 1e-2}
DIFFERENCE_TOLERANCE = {"float64": 1e-6, "float32": 2e-2}


@dataclass(frozen=True)
class OperatorReport:
    """The findings of `check_operator`.

    Parameters
    ----------
    operator : str
        The operator's type.
    errors : dict of str to float
        Relative error of each law, by its name.
    tolerances : dict of str to float
        The largest error allowed of each.

    Examples
    --------
    >>> report = OperatorReport("A", {"dot test": 3e-3}, {"dot test": 1e-10})
    >>> report.ok, report.failures
    (False, ['dot test'])
    >>> print(report)
    A: relative errors
      dot test   3.0e-03  (<= 1e-10)  FAILS
    """

    operator: str
    errors: dict[str, float]
    tolerances: dict[str, float]

    @property
    def failures(self) -> list[str]:
        """The laws whose error exceeds its tolerance (or is not a number)."""
        return [law for law, error in self.errors.items() if not error <= self.tolerances[law]]

    @property
    def ok(self) -> bool:
        """Whether every law holds."""
        return not self.failures

    def __str__(self) -> str:
        width = max(map(len, self.errors))
        lines = [
            f"  {law:<{width}}  {error:8.1e}  (<= {self.tolerances[law]:.0e})  "
            f"{'FAILS' if law in self.failures else 'ok'}"
            for law, error in self.errors.items()
        ]
        return "\n".join([f"{self.operator}: relative errors", *lines])

    def _repr_html_(self) -> str:
        return printed(self)


def check_operator(
    operator: LinearOperator,
    x: Array,
    *,
    parameters: Iterable[str] | None = None,
    seed: int = 0,
    dot_tolerance: float | None = None,
    difference_tolerance: float | None = None,
) -> OperatorReport:
    """Check the adjoint and the derivatives of an operator at an input.

    The laws, with random ``y``, ``z`` and random parameter directions ``t``:

    - ``linearity``: ``A(x + 2 z) = A x + 2 A z``;
    - ``dot test``: ``<y, A x> = <A^H y, x>``;
    - ``outline``: the shape and dtype of ``A x`` and ``A^H y``, where there is a shape rule;
    - ``jvp`` of each parameter against finite differences of fourth order;
    - ``vjp`` of each parameter: ``<B(x, y), t> = <y, dA[t] x>``;
    - ``derivative.H`` of each parameter: the dot test of ``dA[t]``;
    - ``linearize`` by each parameter: value, jvp and vjp once more;
    - ``second order`` of each pair of parameters: how ``dA[t]`` depends on the second, against
      finite differences, and its ``vjp``. Left out is a pair of which ``dA[t]`` has the
      parameter, but not both derivatives by it.

    Parameters
    ----------
    operator : LinearOperator
        The operator, at the parameters where it is to be checked.
    x : array
        An input, floating point; double precision tells most.
    parameters : iterable of str, optional
        The parameters to check, by default all.
    seed : int
        Seed of the random directions.
    dot_tolerance : float, optional
        Relative error allowed to the exact laws; by default 1e-10 in double
        precision and 1e-4 in single.
    difference_tolerance : float, optional
        Relative error allowed against finite differences; by default 1e-6 in double
        precision and 2e-2 in single. An operator that is itself approximate (a
        NUFFT of tolerance ``eps``) deserves a few ``eps``.

    Returns
    -------
    OperatorReport
        The errors; ``print`` shows them as a table and ``.ok`` sums them up.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> report = nl.check_operator(nl.Diagonal(np.asarray([1.0, 2.0])), np.asarray([3.0, 4.0]))
    >>> report.ok
    True
    """
    call = "check_operator"
    instance(call, "operator", operator, LinearOperator, "a LinearOperator")
    xp = common_namespace(f"{call}(x)", x=x)
    check_floating(xp, f"{call}(x)", "x", x)
    precision = str(np.dtype("f4" if real_dtype(xp, x) == xp.float32 else "f8"))

    def tolerance(name: str, given: float | None, default: dict[str, float]) -> float:
        return default[precision] if given is None else not_negative(call, name, given)

    dot = tolerance("dot_tolerance", dot_tolerance, DOT_TOLERANCE)
    difference = tolerance("difference_tolerance", difference_tolerance, DIFFERENCE_TOLERANCE)
    rng = generator(call, seed)
    known = operator.parameters
    checked = tuple(known) if parameters is None else names(call, "parameters", parameters, known)
    Ax = operator.apply(x)
    if not (0 < norm(x) < math.inf and norm(Ax) < math.inf):
        msg = (
            f"{call}(operator, x): |x| is {norm(x):g} and |A x| {norm(Ax):g}; "
            f"want an input that is not zero, and finite numbers"
        )
        raise ValueError(msg)
    y = random_like(rng, Ax)
    z = random_like(rng, x)
    errors: dict[str, float] = {}
    tolerances: dict[str, float] = {}

    def record(law: str, error: float, tolerance: float) -> None:
        errors[law], tolerances[law] = error, tolerance

    record("linearity", distance(operator.apply(x + 2.0 * z), Ax + 2.0 * operator.apply(z)), dot)
    negligible = NEGLIGIBLE[precision] * norm(Ax)
    record("dot test", dot_error(operator, x, y, negligible), dot)
    if operator.shapes is not None:
        pairs = ((operator.outline(x), Ax), (operator.outline_adjoint(y), operator.adjoint(y)))
        told = all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
        record("outline", 0.0 if told else math.inf, dot)
    directions = {name: direction(rng, theta) for name, theta in operator.parameters.items()}
    for name in checked:
        theta = operator.parameters[name]
        t = direction(rng, theta)
        dA = operator.derivative(name, t)
        dAx = operator.jvp(name, x, t)

        def value(s: float, name: str = name, theta: Array = theta, t: Array = t) -> Array:
            return operator.replace(**{name: theta + s * t}).apply(x)

        error = difference_error(value, dAx, negligible)
        record(f"jvp {name}: finite differences", error, difference)
        B = operator.vjp(name, x, y)
        gap = abs(float(inner(B, t)) - float(inner(y, dAx)))
        record(f"vjp {name}: dot test", relative(gap, norm(y) * max(norm(dAx), negligible)), dot)
        record(f"derivative.H {name}: dot test", dot_error(dA, x, y, negligible), dot)
        linear, J = operator.linearize(x, wrt=name)
        gaps = (distance(linear, Ax), distance(J.adjoint(y), B), distance(J.apply(t), dAx))
        record(f"linearize {name}", max(gaps), dot)
        for law, error in second_order(operator, name, t, directions, x, y, negligible):
            record(law, error, difference)
    return OperatorReport(type(operator).__name__, errors, tolerances)


def second_order(
    operator: LinearOperator,
    name: str,
    t: Array,
    directions: Mapping[str, Array],
    x: Array,
    y: Array,
    negligible: float,
) -> Iterator[tuple[str, float]]:
    """Yield laws of how ``dA[t]`` depends on each parameter, with their errors.

    Derivatives that are not implemented are left out. An approximate operator may compute its
    second derivatives in two ways, which then agree as well as they approximate.
    """
    theta, dA = operator.parameters, operator.derivative(name, t)
    if strange := set(dA.parameters) - set(theta):
        msg = (
            f"{type(operator).__name__}.derivative({name!r}, dtheta) has the parameters "
            f"{sorted(strange)}, which the operator has not; want only those on which it still "
            f"depends (Constant hides the others)"
        )
        raise ValueError(msg)
    for p, u in directions.items():

        def value(s: float, p: str = p, u: Array = u) -> Array:
            return operator.replace(**{p: theta[p] + s * u}).derivative(name, t).apply(x)

        law = f"second order {name}, {p}"
        change, gradient = 0.0 * dA.apply(x), None
        try:
            if p in dA.parameters:
                change = dA.jvp(p, x, u)
                gradient = dA.vjp(p, x, y)
        except NotImplementedError:
            continue
        yield f"{law}: finite differences", difference_error(value, change, negligible)
        if gradient is not None:
            gap = abs(float(inner(gradient, u)) - float(inner(y, change)))
            yield f"{law}: vjp", relative(gap, norm(y) * max(norm(change), negligible))


def direction(rng: np.random.Generator, theta: Array) -> Array:
    """Return a random direction of the parameter's own size: neither drowns in the other."""
    return (norm(theta) / math.sqrt(max(1, size(theta))) or 1.0) * random_like(rng, theta)


def random_like(rng: np.random.Generator, array: Array) -> Array:
    """Return standard normal numbers in the shape, dtype, namespace and device of `array`."""
    xp = array_api_compat.array_namespace(array)
    values: Any = rng.standard_normal(array.shape)
    if is_complex(xp, array):
        values = values + 1j * rng.standard_normal(array.shape)
    return xp.asarray(values, dtype=array.dtype, device=array_api_compat.device(array))


def norm(x: Array) -> float:
    """Return the l2 norm."""
    return math.sqrt(float(inner(x, x)))


def relative(gap: float, scale: float) -> float:
    """Return `gap` in units of `scale`; as it is where the scale is zero."""
    return gap / scale if scale else gap


def distance(a: Array, b: Array) -> float:
    """Return the relative l2 distance of `a` from `b`."""
    return relative(norm(a - b), norm(b))


def dot_error(operator: LinearOperator, x: Array, y: Array, negligible: float) -> float:
    """Return the error of ``<y, A x> = <A^H y, x>``.

    It is relative to the larger of ``|y| |A x|`` and ``|A^H y| |x|``: the input may
    be one that the operator annihilates. An ``A x`` below `negligible` counts as
    that: terms that cancel leave rounding errors.
    """
    Ax, AHy = operator.apply(x), operator.adjoint(y)
    gap = abs(float(inner(y, Ax)) - float(inner(AHy, x)))
    return relative(gap, max(norm(y) * max(norm(Ax), negligible), norm(AHy) * norm(x)))


def difference_error(
    value: Callable[[float], Array], derivative: Array, negligible: float
) -> float:
    """Return the distance of `derivative` from central differences of fourth order.

    A step is right for one curvature and one precision, so the best of several is
    taken: a wrong derivative is wrong at all of them. Norms below `negligible` count as
    that, since there differences are rounding errors.
    """
    scale = max(norm(derivative), negligible)

    def error(h: float) -> float:
        difference = (8.0 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12.0 * h)
        return relative(norm(derivative - difference), max(scale, norm(difference)))

    errors = [error(10.0**-power) for power in (1, 2, 3, 4, 5)]
    # A long step may leave the domain of the parameter.
    return min((e for e in errors if not math.isnan(e)), default=math.nan)
