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

from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
from array_api_compat import is_numpy_array

from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.tree import named_arrays, rebuild
from nufftlib.interop.form import Term
from nufftlib.interop.jax.maps import HostedMap, value_p
from nufftlib.interop.jax.operators import HostedOperator, Y, form_p


class Function:
    """A map as a JAX function of its argument; made by `wrap`."""

    def __init__(self, map: Map) -> None:
        self._call = f"wrap({type(map).__name__})"
        self._arrays = dict(named_arrays(map))
        self._form = HostedMap(map)

    def __call__(self, x: Any) -> Any:
        """Return ``f(x)``."""
        check_precision(f"{self._call}(x)", self._arrays)
        return value_p.bind(as_jax(x), form=self._form, like=None)[0]


class OperatorFunction:
    """An operator as a JAX function of image and parameters; made by `wrap`."""

    def __init__(self, operator: LinearOperator) -> None:
        self._call = f"wrap({type(operator).__name__})"
        self._form = HostedOperator(operator)

    def __repr__(self) -> str:
        return f"wrap({self._form.operator!r})"

    def __call__(self, x: Any, /, **parameters: Any) -> Any:
        """Return ``A(theta) x``, with the operator's own parameters unless they are passed."""
        return self._bind(f"{self._call}(x)", Term(), x, parameters)

    def adjoint(self, y: Any, /, **parameters: Any) -> Any:
        """Return ``A(theta)^H y``, likewise."""
        return self._bind(f"{self._call}.adjoint(y)", Term(adjoint=True), y, parameters)

    def _bind(self, call: str, term: Term, x: Any, parameters: dict[str, Any]) -> Any:
        own = self._form.operator.parameters
        for name in parameters:
            if name not in own:
                known = ", ".join(map(repr, own)) or "none"
                msg = f"{call}: there is no parameter {name!r}; want one of {known}"
                raise ValueError(msg)
        check_precision(call, {n: p for n, p in own.items() if n not in parameters})
        return form_p.bind(
            as_jax(x),
            *map(as_jax, parameters.values()),
            form=self._form,
            names=tuple(parameters),
            term=term,
            out=Y,
            like=None,
        )[0]


def as_jax(x: Any) -> Any:
    """Return `x` itself, if JAX has it already: ``jnp.asarray`` copies tracers."""
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

    Shapes and dtypes of results, which JAX wants before it has values, are those of
    ``op.outline``; a map without one is evaluated on ones, once for each shape and dtype. A
    derivative that is missing is an error of the first call.

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
    hosted = rebuild(op, lambda x: np.asarray(x) if isinstance(x, jax.Array) else x)
    for name, array in named_arrays(hosted):
        if not is_numpy_array(array):
            msg = (
                f"wrap({type(op).__name__}): {name} is a {type(array).__module__} array; want "
                f"arrays of NumPy or JAX"
            )
            raise TypeError(msg)
    return OperatorFunction(hosted) if isinstance(hosted, LinearOperator) else Function(hosted)
