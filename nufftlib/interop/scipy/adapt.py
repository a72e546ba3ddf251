"""Operators and losses for SciPy: matrices to be solved, functions of flat vectors to be minimised.

They go to ``scipy.sparse.linalg`` and ``scipy.optimize``, to ``cupyx.scipy.sparse.linalg`` and to
nlopt.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import scipy.sparse.linalg

from nufftlib.core.arrays import Array, check_alike, library
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.interop.scipy.objective import Objective, Residuals
from nufftlib.interop.scipy.vectors import Packing, as_matrix, check_finite


def as_linear_operator(op: LinearOperator, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an operator as SciPy's `LinearOperator`: a matrix, acting on flat vectors.

    Parameters
    ----------
    op : LinearOperator
        An operator of NumPy or CuPy arrays.
    shape : tuple of int
        The shape of its input.
    dtype : dtype
        The dtype of its input: single or double precision, real or complex.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        Of shape (m, n). ``x.reshape(-1)`` is the vector of an input. For an operator of CuPy
        arrays it is cupyx's, of CuPy's vectors.

    Raises
    ------
    TypeError
        If `op` is no linear operator or of another library's arrays, the dtype is another, or
        `shape` no tuple of integers.
    ValueError
        If one of them is not positive.

    Notes
    -----
    Where input and output are both real or both complex, the vectors are the arrays, flat, and
    ``rmatvec`` is ``A^H y``. Where a real input has complex data, `A` is linear over the real
    numbers alone, ``A^H y`` is not real, and its adjoint is ``Re(A^H y)``. No complex matrix is
    that pair, and solvers that are handed one find a complex image. So the matrix is then the
    real one, of shape (2 m, n), whose data are the real and imaginary parts one after another:
    ``y.reshape(-1).view(float)``.

    Vectors of another precision, as solvers in double precision make them, are cast to the
    operator's. The operator's shape rule tells the output's shape.

    ``matmat`` applies the operator to all columns as one batch if its shape rule takes one, and
    else to each.

    Examples
    --------
    SENSE, solved by LSMR:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.scipy import as_linear_operator
    >>> from scipy.sparse.linalg import lsmr
    >>> rng = np.random.default_rng(0)
    >>> F = nl.NUFFT(rng.uniform(-0.5, 0.5, (200, 2)), (12, 12))
    >>> A = F @ nl.Sense(nl.mri.birdcage_maps(4, (12, 12), dtype=np.complex128))
    >>> image = rng.standard_normal((12, 12)) + 0j
    >>> matrix = as_linear_operator(A, image.shape, complex)
    >>> matrix.shape
    (800, 144)
    >>> x = lsmr(matrix, A(image).reshape(-1), atol=1e-10, btol=1e-10)[0].reshape(image.shape)
    >>> bool(np.allclose(x, image, atol=1e-5))
    True
    """
    matrix = as_matrix("as_linear_operator", op, "shape", shape, dtype, split=True)
    on_gpu = library(matrix.domain.xp) == "cupy"
    # Imported where CuPy's arrays are, and nowhere else.
    linalg: Any = (
        importlib.import_module("cupyx.scipy.sparse.linalg") if on_gpu else scipy.sparse.linalg
    )
    return matrix.wrapped(linalg.LinearOperator, matrix.dtype)


def as_objective(loss: Map | Callable[[Any], tuple[Any, Any]], params: Any) -> Objective:
    """Return a loss as a function of one real vector, for ``scipy.optimize.minimize``.

    Parameters
    ----------
    loss : Map or callable
        A map to one real number, or ``loss(params) -> (value, gradient)`` as ``optim.minimize``
        takes it; of complex parameters the gradient is ``dL/dRe + i dL/dIm``.
    params : array or mapping of str to array
        Where to start. Real or complex, of single or double precision, of any library that
        NumPy can read, and of CuPy.

    Returns
    -------
    Objective
        With ``fun``, ``x0``, ``unpack``, ``bounds`` and ``nlopt``.

    Raises
    ------
    TypeError
        If a parameter is no floating-point array, or a `Map` is to take a mapping.
    ValueError
        If there are no parameters, or some are not finite.

    See Also
    --------
    as_residuals : For ``scipy.optimize.least_squares``.

    Examples
    --------
    A PSF whose entries stay between 0 and 1, by L-BFGS-B:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.scipy import as_objective
    >>> from scipy.optimize import minimize
    >>> rng = np.random.default_rng(0)
    >>> sharp, psf = rng.random((20, 20)), nl.blur.gaussian_psf(5, 1.0, dtype=np.float64)
    >>> start = np.full((5, 5), 1 / 25)
    >>> model = nl.Blur(start).as_map("psf", sharp)
    >>> objective = as_objective(nl.HalfSquaredError(nl.Blur(psf)(sharp)) @ model, start)
    >>> found = minimize(objective.fun, objective.x0, jac=True, method="L-BFGS-B",
    ...                  bounds=objective.bounds(0.0, 1.0), options={"ftol": 1e-15})
    >>> bool(np.allclose(objective.unpack(found.x), psf, atol=1e-4))
    True
    """
    call = "as_objective(loss, params)"
    if isinstance(loss, Map):
        if isinstance(params, Mapping):
            msg = (
                f"{call}: loss is a {type(loss).__name__}, which takes one array, and params a "
                f"mapping; want a function of the mapping that returns (value, gradient)"
            )
            raise TypeError(msg)
        loss = loss.value_and_grad
    elif not callable(loss):
        msg = f"{call}: loss is a {type(loss).__name__}; want a Map, or a callable"
        raise TypeError(msg)
    objective = Objective(loss, Packing.of(call, params))
    check_finite(ValueError, call, "params", objective.x0)
    return objective


def as_residuals(model: Map, params: Array, data: Array) -> Residuals:
    """Return ``model(params) - data`` as a real vector, for ``scipy.optimize.least_squares``.

    Parameters
    ----------
    model : Map
        From the parameters to the data, such as ``F.as_map("trajectory", x)``. For weights ``w``
        in the squared error, ``nl.Diagonal(w**0.5) @ model``, with the data weighted alike.
    params : array
        Where to start; real or complex.
    data : array
        The values to be matched, of the shape and dtype of the model's.

    Returns
    -------
    Residuals
        With ``fun``, ``jac``, ``dense_jac``, ``x0``, ``unpack`` and ``bounds``.

    Raises
    ------
    TypeError
        If `model` is no map, or the parameters are no floating-point array.
    ValueError
        If the model's value at `params` is not like the data, or the parameters are not finite.

    See Also
    --------
    as_objective : For ``scipy.optimize.minimize``.

    Examples
    --------
    The points of a trajectory, from data of a known image:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.scipy import as_residuals
    >>> from scipy.optimize import least_squares
    >>> rng = np.random.default_rng(0)
    >>> maps = nl.mri.birdcage_maps(4, (8, 8), dtype=np.complex128)
    >>> true = rng.uniform(-0.4, 0.4, (20, 2))
    >>> model = nl.NUFFT(true, (8, 8), eps=1e-12) @ nl.Sense(maps)
    >>> image = rng.standard_normal((8, 8))
    >>> planned = true + 0.005 * rng.standard_normal(true.shape)
    >>> r = as_residuals(model.as_map("trajectory", image), planned, model(image))
    >>> found = least_squares(r.fun, r.x0, jac=r.jac, tr_solver="lsmr")
    >>> bool(np.allclose(r.unpack(found.x), true, atol=1e-6))
    True
    """
    call = "as_residuals(model, params, data)"
    if not isinstance(model, Map):
        msg = f"{call}: model is a {type(model).__name__}; want a Map, such as A.as_map(name, x)"
        raise TypeError(msg)
    if isinstance(params, Mapping):
        msg = f"{call}: params is a mapping; want the one array that a Map takes"
        raise TypeError(msg)
    residuals = Residuals(model, data, Packing.of(call, params))
    check_finite(ValueError, call, "params", residuals.x0)
    check_alike(call, "data", data, "the model's value", model(params))
    return residuals
