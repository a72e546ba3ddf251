"""Operators and losses as JAX functions, with the derivatives derived by hand.

>>> import jax
>>> import jax.numpy as jnp
>>> import numpy as np
>>> import nufftlib as nl
>>> from nufftlib.interop.jax import wrap
>>> blur = wrap(nl.Blur(np.full((3, 3), 1 / 9, np.float32)))
>>> loss = lambda image, psf: jnp.sum(blur(image, psf=psf) ** 2)
>>> gradient = jax.jit(jax.grad(loss, argnums=1))(jnp.ones((5, 5)), jnp.ones((3, 3)))
>>> gradient.shape
(3, 3)

The operator computes in NumPy on the host: at once on arrays, and as a callback under
``jit``. Each function is a JAX primitive (`primitive` says why), so that ``jit``, ``grad``,
``vjp``, ``jvp``, ``jacfwd``, ``jacrev``, ``hessian``, ``vmap``, ``linear_transpose``,
``checkpoint`` and ``lax.scan`` work on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
from array_api_compat import is_array_api_obj, is_numpy_array

from nufftlib.core.operator import LinearOperator, Map
from nufftlib.interop.jax.maps import MapForm, value_p
from nufftlib.interop.jax.operators import OperatorForm, Values, Y, form_p


class Function:
    """A map as a JAX function of its argument; made by `wrap`."""

    def __init__(self, map: Map) -> None:
        self._call = f"wrap({type(map).__name__})"
        self._arrays = dict(arrays(map))
        self._form = MapForm(map)

    def __call__(self, x: Any) -> Any:
        """Return ``f(x)``."""
        check_precision(f"{self._call}(x)", self._arrays)
        return value_p.bind(as_jax(x), form=self._form, like=None)[0]


class OperatorFunction:
    """An operator as a JAX function of image and parameters; made by `wrap`."""

    def __init__(self, operator: LinearOperator) -> None:
        self._call = f"wrap({type(operator).__name__})"
        self._operator = operator
        values = Values(operator)
        self._forward = OperatorForm(values)
        self._backward = OperatorForm(values, adjoint=True)

    def __repr__(self) -> str:
        return f"wrap({self._operator!r})"

    def __call__(self, x: Any, /, **parameters: Any) -> Any:
        """Return ``A(theta) x``, with the operator's own parameters unless they are passed."""
        return self._bind(f"{self._call}(x)", self._forward, x, parameters)

    def adjoint(self, y: Any, /, **parameters: Any) -> Any:
        """Return ``A(theta)^H y``, likewise."""
        return self._bind(f"{self._call}.adjoint(y)", self._backward, y, parameters)

    def _bind(self, call: str, form: OperatorForm, x: Any, parameters: dict[str, Any]) -> Any:
        own = self._operator.parameters
        for name in parameters:
            if name not in own:
                known = ", ".join(map(repr, own)) or "none"
                msg = f"{call}: there is no parameter {name!r}; want one of {known}"
                raise ValueError(msg)
        check_precision(call, {n: p for n, p in own.items() if n not in parameters})
        return form_p.bind(
            as_jax(x),
            *map(as_jax, parameters.values()),
            form=form,
            names=tuple(parameters),
            directions=(),
            out=Y,
            like=None,
        )[0]


def as_jax(x: Any) -> Any:
    """Return `x` itself, if JAX has it already: ``jnp.asarray`` copies what is being traced."""
    return x if isinstance(x, jax.Array) else jnp.asarray(x)


def check_precision(call: str, arrays: dict[str, Any]) -> None:
    """Refuse arrays of double precision while JAX makes none."""
    if jax.config.jax_enable_x64:
        return
    for name, array in arrays.items():
        if array.dtype in (np.float64, np.complex128):
            msg = (
                f"{call}: {name} is {array.dtype}, and JAX makes arrays of single precision; want "
                f'jax.config.update("jax_enable_x64", True) at the start of the program, or an '
                f"operator of single precision"
            )
            raise TypeError(msg)


def arrays(thing: Any, label: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a map and of the maps that it is made of, by field."""
    if isinstance(thing, Map) and dataclasses.is_dataclass(thing):
        for f in dataclasses.fields(thing):
            yield from arrays(getattr(thing, f.name), f.name)
    elif is_array_api_obj(thing) and not isinstance(thing, np.generic):
        yield label, thing


def on_host(thing: Any, made: dict[int, Any]) -> Any:
    """Return a map whose JAX arrays are NumPy's, without a copy of those on a CPU.

    What stands in several places, as the trajectory in ``F.H @ W @ F``, stays one.
    """
    if id(thing) in made:
        return made[id(thing)]
    new = thing
    if isinstance(thing, jax.Array):
        new = np.asarray(thing)
    elif isinstance(thing, Map) and dataclasses.is_dataclass(thing):
        old = {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing) if f.init}
        fields = {name: on_host(value, made) for name, value in old.items()}
        if any(fields[name] is not old[name] for name in old):
            new = dataclasses.replace(thing, **fields)
    made[id(thing)] = new
    return new


@overload
def wrap(op: LinearOperator) -> OperatorFunction: ...  # type: ignore[overload-overlap]  # it is a map
@overload
def wrap(op: Map) -> Function: ...
def wrap(op: Map) -> Function | OperatorFunction:
    r"""Return an operator, or another map, as a JAX function.

    Parameters
    ----------
    op : LinearOperator or Map
        Made of NumPy or JAX arrays; it computes in NumPy. Wrap once and pass
        parameters: JAX compiles anew for each wrapped operator.

    Returns
    -------
    callable
        Of an operator, ``f(x, **parameters)`` is :math:`A(\theta) x` and
        ``f.adjoint(y, **parameters)`` is :math:`A(\theta)^H y`; a parameter that is
        not passed is the operator's own, and a constant. Of another map, such as
        ``loss @ F.as_map("trajectory", x)``, it is ``f(x)``.

    Raises
    ------
    TypeError
        If `op` is no map, or has arrays of another library. When called: if the
        operator is of double precision and ``jax_enable_x64`` is off.
    ValueError
        When called: if there is no parameter of that name, or if arrays are on several
        devices, without ``jit``.
    NotImplementedError
        When differentiated: if the operator lacks the derivative. A map that is no
        operator has first derivatives alone.

    Notes
    -----
    Gradients and cotangents are JAX's: by complex arrays the conjugates of this
    library's.

    Shapes and dtypes of results, which JAX wants before it has values, are found by
    one evaluation on zeros (of a map, on ones) for each shape and dtype of the inputs.
    Compiling evaluates each derivative once more in this way, so that one that is
    missing is an error of the first call.

    ``vmap`` over the image alone is one call with a batch axis in front, where the
    operator's shape rule takes one; otherwise, and over a parameter, it is one call for
    each item.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.jax import wrap
    >>> f = wrap(nl.Diagonal(np.asarray([1.0, 2.0], dtype=np.float32)))
    >>> f(jnp.ones(2)), f(jnp.ones(2), weights=jnp.asarray([3.0, 4.0]))
    (Array([1., 2.], dtype=float32), Array([3., 4.], dtype=float32))
    >>> jax.jit(jax.grad(lambda w: jnp.sum(f(jnp.ones(2), weights=w) ** 2)))(jnp.ones(2))
    Array([2., 2.], dtype=float32)

    A loss, for an optimiser of optax:

    >>> loss = wrap(nl.HalfSquaredError(np.zeros(2, np.float32)))
    >>> value, gradient = jax.value_and_grad(loss)(jnp.asarray([3.0, 4.0]))
    >>> float(value), gradient
    (12.5, Array([3., 4.], dtype=float32))
    """
    if not isinstance(op, Map):
        msg = f"wrap(op): op is a {type(op).__name__}; want an operator or another map"
        raise TypeError(msg)
    hosted = on_host(op, {})
    for name, array in arrays(hosted):
        if not is_numpy_array(array):
            msg = (
                f"wrap({type(op).__name__}): {name} is a {type(array).__module__} array; want "
                f"arrays of NumPy or JAX"
            )
            raise TypeError(msg)
    return OperatorFunction(hosted) if isinstance(hosted, LinearOperator) else Function(hosted)
