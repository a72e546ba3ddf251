"""Operators and losses in the hands of SciPy and nlopt."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse.linalg as sla
from cases import KINDS
from rows import open_row

import nufftlib as nl
from nufftlib.interop.scipy import as_linear_operator, as_objective, as_residuals

rng = np.random.default_rng(0)
START = rng.bit_generator.state


@pytest.fixture(autouse=True)
def _seed():
    """Each test draws the same numbers, whichever ran before it."""
    rng.bit_generator.state = START


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def flat(x, split):
    x = np.ascontiguousarray(x).reshape(-1)
    return x.view(x.real.dtype) if split else x


def random_like(dtype, size):
    v = rng.standard_normal(size)
    return v + 1j * rng.standard_normal(size) if dtype.kind == "c" else v


def close(a, b, tolerance=1e-12):
    return np.linalg.norm(a - b) <= tolerance * max(np.linalg.norm(b), 1e-3)


# --- matrices ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case.name)
@pytest.mark.parametrize("precision", ["double", "single"])
def test_every_kind_of_operator_is_a_matrix_with_its_adjoint(case, precision):
    with open_row("numpy-readonly") as row:
        op, x = case.build(row, precision)
    y = op(x)
    A = as_linear_operator(op, x.shape, x.dtype)
    split = np.iscomplexobj(x) != np.iscomplexobj(y)
    single = precision == "single"
    tolerance = 2e-5 if single else 1e-12

    def entry(array):
        return array.real.dtype if split else array.dtype

    assert A.dtype == np.result_type(entry(x), entry(y))
    assert A.shape == (flat(y, split).size, flat(x, split).size)
    assert close(A @ flat(x, split), flat(y, split), 1e-5 if single else 1e-14)
    assert (A @ flat(x, split)).dtype == entry(y)

    u, v = random_like(entry(x), A.shape[1]), random_like(entry(y), A.shape[0])
    forward, back = np.vdot(v, A @ u), np.vdot(A.H @ v, u)
    scale = np.linalg.norm(v) * np.linalg.norm(A @ u)
    assert abs(forward - back) <= (1e-4 if single else 1e-10) * scale

    U = np.asfortranarray(rng.standard_normal((A.shape[1], 3)))
    V = np.asfortranarray(rng.standard_normal((A.shape[0], 3)))
    assert close(A @ U, np.stack([A @ c for c in U.T], axis=1), tolerance + 10 * case.eps)
    assert close(A.H @ V, np.stack([A.H @ c for c in V.T], axis=1), tolerance + 10 * case.eps)


def sense(samples=150, shape=(6, 7), coils=4):
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (samples, 2)), shape, eps=1e-12)
    return F @ nl.Sense(nl.mri.birdcage_maps(coils, shape, dtype=np.complex128))


def test_solvers_find_a_complex_image():
    A = sense()
    image = noise(6, 7)
    y = A(image).reshape(-1)
    M = as_linear_operator(A, (6, 7), complex)
    dense = M @ np.eye(42)
    assert M.shape == (600, 42)
    tight = {"atol": 1e-13, "btol": 1e-13}
    gram, rhs = M.H @ M, M.H @ y
    found = [
        sla.lsqr(M, y, iter_lim=400, **tight)[0],
        sla.lsmr(M, y, maxiter=400, **tight)[0],
        sla.cg(gram, rhs, rtol=1e-13)[0],
        sla.cg(as_linear_operator(A.N, (6, 7), complex), rhs, rtol=1e-13)[0],
        sla.gmres(gram, rhs, rtol=1e-13, restart=42)[0],
    ]
    for x in found:
        assert close(x.reshape(6, 7), image, 1e-9)
    values = np.linalg.svd(dense, compute_uv=False)
    assert close(sla.svds(M, k=3, return_singular_vectors=False)[::-1], values[:3], 1e-10)
    assert close(np.sort(sla.eigsh(gram, k=3)[0])[::-1], values[:3] ** 2, 1e-10)


@dataclass(frozen=True)
class Dense(nl.LinearOperator):
    matrix: np.ndarray

    def _apply(self, x):
        return self.matrix @ x.reshape(-1)

    def _adjoint(self, y):
        return (self.matrix.conj().T @ y).reshape(5, 6)


def test_solvers_find_a_real_image_behind_complex_data():
    """From fewer data than a complex image has unknowns, which no complex matrix would give."""
    A, image = Dense(noise(22, 30)), rng.standard_normal((5, 6))
    y = A(image)
    M = as_linear_operator(A, image.shape, float)
    assert M.dtype == np.float64
    assert M.shape == (2 * y.size, image.size)
    b = y.reshape(-1).view(float)
    dense = M @ np.eye(30)
    assert close(M.H @ b, np.real(A.H(y)).reshape(-1))
    tight = {"atol": 1e-14, "btol": 1e-14}
    found = [
        sla.lsqr(M, b, iter_lim=300, **tight)[0],
        sla.lsmr(M, b, maxiter=300, **tight)[0],
        sla.cg(M.H @ M, M.H @ b, rtol=1e-14)[0],
        sla.gmres(M.H @ M, M.H @ b, rtol=1e-14, restart=30)[0],
    ]
    for x in found:
        assert x.dtype == np.float64
        assert close(x.reshape(5, 6), image, 1e-8)
    values = np.linalg.svd(dense, compute_uv=False)
    assert close(sla.svds(M, k=3, return_singular_vectors=False)[::-1], values[:3], 1e-10)
    assert close(np.sort(sla.eigsh(M.H @ M, k=2)[0])[::-1], values[:2] ** 2, 1e-10)


def test_a_complex_vector_times_a_real_matrix():
    A = as_linear_operator(nl.Sense(noise(2, 3)), (3,), float)
    v = noise(3)
    assert close(A @ v, A @ v.real + 1j * (A @ v.imag))
    assert close(A @ v, (A @ np.eye(3)) @ v)
    assert close(A.T @ (A @ v), (A @ np.eye(3)).T @ (A @ v))


def test_vectors_of_any_layout_and_precision():
    A = as_linear_operator(sense(), (6, 7), complex)
    v = noise(42)
    w = A @ v
    wide = np.empty((42, 3), complex)
    wide[:, 1] = v
    frozen = v.copy()
    frozen.flags.writeable = False
    for same in (wide[:, 1], v[::-1].copy()[::-1], frozen, v.reshape(-1, 1), v.astype(">c16")):
        assert np.array_equal((A @ same).reshape(-1), w)
    backwards = np.asfortranarray(np.stack([v, 2 * v], axis=1))[::-1]
    assert close(A @ backwards, np.stack([A @ c for c in backwards.T], axis=1), 1e-11)
    assert np.array_equal(A @ v.real, A @ (v.real + 0j))
    B = as_linear_operator(nl.Diagonal(np.ones(3, np.float32)), (3,), np.complex64)
    assert (B @ np.ones(3)).dtype == np.complex64  # a solver's double is cast to the operator's


@dataclass(frozen=True)
class Repeat(nl.LinearOperator):
    """It broadcasts, and takes an axis in front for one of its own."""

    weights: np.ndarray

    def _apply(self, x):
        return self.weights * x

    def _adjoint(self, y):
        return np.sum(self.weights * y, axis=0)


@pytest.mark.parametrize(
    ("op", "shape", "dtype", "batch"),
    [
        (nl.Blur(np.ones((2, 2))), (5, 6), float, True),
        (nl.Blur(np.ones((3, 2, 2))), (3, 5, 6), float, True),
        (Repeat(np.ones((5, 1, 3))), (1, 3), float, False),
        (nl.MeanNormalize().linearize(np.arange(1.0, 13).reshape(3, 4))[1], (3, 4), float, False),
        (nl.NUFFT(np.zeros((5, 2)), (3, 4)).as_map("trajectory", noise(3, 4)), (5, 2), None, None),
    ],
)
def test_columns_go_as_one_batch_only_where_that_is_the_same(op, shape, dtype, batch, monkeypatch):
    if dtype is None:
        op, dtype, batch = op.linearize(rng.uniform(-0.5, 0.5, shape))[1], float, False
    A = as_linear_operator(op, shape, dtype)
    V = rng.standard_normal((A.shape[1], 5))
    expected = np.stack([A @ c for c in V.T], axis=1)
    calls, apply = [], type(op).apply
    assert close(A @ V, expected)  # the look at two columns is taken here
    monkeypatch.setattr(type(op), "apply", lambda self, x: calls.append(x.shape) or apply(self, x))
    assert close(A @ V, expected)
    if batch:
        assert calls == [(5, *shape)]
    else:
        assert calls.count(shape) == 5


def raises(error, f):
    with pytest.raises(error) as caught:
        f()
    return str(caught.value)


@pytest.mark.gpu
def test_an_operator_of_cupy_arrays_is_a_matrix_of_cupyx():
    cupy = pytest.importorskip("cupy")
    linalg = pytest.importorskip("cupyx.scipy.sparse.linalg")
    op = nl.Sense(cupy.asarray(noise(3, 4, 5)))
    image = cupy.asarray(noise(4, 5))
    A = as_linear_operator(op, (4, 5), complex)
    assert isinstance(A, linalg.LinearOperator)
    x, *_ = linalg.lsmr(A, op(image).reshape(-1), atol=1e-12, btol=1e-12)
    assert isinstance(x, cupy.ndarray)
    assert close(cupy.asnumpy(x), cupy.asnumpy(image).reshape(-1), 1e-9)
    real = as_linear_operator(op, (4, 5), float)
    V = cupy.asarray(rng.standard_normal((20, 3)))
    assert close((real.H @ (real @ V)).get(), (real.H @ (real @ cupy.eye(20)) @ V).get())


@pytest.mark.gpu
def test_objectives_of_cupy_arrays_take_numpys_vectors():
    cupy = pytest.importorskip("cupy")
    op = nl.Sense(cupy.asarray(noise(3, 4, 5)))
    image = cupy.asarray(noise(4, 5))
    objective = as_objective(nl.HalfSquaredError(op(image)) @ op, cupy.zeros_like(image))
    residuals = as_residuals(op, cupy.zeros_like(image), op(image))
    v = rng.standard_normal(40)
    value, gradient = objective.fun(v)
    assert isinstance(gradient, np.ndarray)
    assert isinstance(objective.unpack(v), cupy.ndarray)
    assert np.isclose(value, 0.5 * np.sum(residuals.fun(v) ** 2))
    assert close(gradient, residuals.dense_jac(v).T @ residuals.fun(v))


def test_what_is_no_matrix_is_refused():
    op = nl.Diagonal(np.ones(3))
    assert "want a LinearOperator: the Jacobian" in raises(
        TypeError, lambda: as_linear_operator(nl.Magnitude(), (3,), complex)
    )
    assert "want a LinearOperator" in raises(TypeError, lambda: as_linear_operator(3, (3,), float))
    assert "int64" in raises(TypeError, lambda: as_linear_operator(op, (3,), np.int64))
    for shape, error in ((3, TypeError), ((3.0,), TypeError), ((0, 3), ValueError)):
        assert "want the sizes of the input's axes" in raises(
            error, lambda s=shape: as_linear_operator(op, s, float)
        )
    with open_row("strict", host=True) as row:
        strict = nl.Diagonal(row.array([1.0, 2.0]))
        message = raises(TypeError, lambda: as_linear_operator(strict, (2,), float))
    assert "array_api_strict; want NumPy's or CuPy's" in message
    A = as_linear_operator(op, (3,), float)
    with pytest.raises(ValueError, match="dimension mismatch"):
        A @ np.ones(4)


# --- objectives -------------------------------------------------------------------------


def mapping_loss(target):
    """A smooth function of a complex and a real array that mixes them."""

    def loss(params):
        z, t = params["z"], params["t"]
        r = z * t[:, None] - target
        g = {"t": np.sum(np.real(np.conj(z) * r), axis=1), "z": t[:, None] * r}
        return 0.5 * np.sum(np.abs(r) ** 2), g

    return loss


def numerical_gradient(fun, v, h=1e-6):
    steps = h * np.eye(v.size)
    return np.asarray([(fun(v + s)[0] - fun(v - s)[0]) / (2 * h) for s in steps])


def losses():
    k = rng.uniform(-0.5, 0.5, (9, 2))
    x, y = noise(5, 4), noise(9)
    F = nl.NUFFT(k, (5, 4), eps=1e-12)
    S = F @ nl.Sense(noise(2, 5, 4))
    return {
        "real trajectory": (nl.HalfSquaredError(y) @ F.as_map("trajectory", x), k),
        "complex image": (nl.HalfSquaredError(y) @ F, x),
        "complex maps": (nl.HalfSquaredError(noise(2, 9)) @ S.as_map("maps", x), noise(2, 5, 4)),
        "real maps": (
            nl.HalfSquaredError(noise(2, 5, 4)) @ nl.Sense(rng.random((2, 5, 4))).as_map("maps", x),
            rng.random((2, 5, 4)),
        ),
        "mapping": (mapping_loss(noise(3, 4)), {"t": rng.random(3), "z": noise(3, 4)}),
    }


@pytest.mark.parametrize("name", losses())
def test_the_gradient_is_that_of_the_loss(name):
    loss, params = losses()[name]
    objective = as_objective(loss, params)
    v = objective.x0 + 0.01 * rng.standard_normal(objective.x0.shape)
    value, gradient = objective.fun(v)
    assert isinstance(value, float)
    assert gradient.dtype == objective.x0.dtype == np.float64
    numerical = numerical_gradient(objective.fun, v)
    assert close(gradient, numerical, 1e-6)
    function = loss.value_and_grad if isinstance(loss, nl.Map) else loss
    expected, g = function(objective.unpack(v))
    parts = g if isinstance(g, dict) else {"": g}
    assert value == expected
    assert np.array_equal(
        gradient, np.concatenate([flat(p, np.iscomplexobj(p)) for p in parts.values()])
    )


def test_the_start_is_unpacked_as_it_was(host_row):
    row = host_row
    params = {"a": row.array([[1.0, 2.0]]), "b": row.array([1 + 2j, 3 - 1j], "complex64")}
    params["c"] = row.array(0.1, "float32")
    seen = []

    def loss(p):
        seen.append(p)
        return row.xp.sum(p["a"]), {n: row.xp.ones_like(v) for n, v in reversed(p.items())}

    objective = as_objective(loss, params)
    assert np.array_equal(objective.x0, [1, 2, 1, 2, 3, -1, np.float64(np.float32(0.1))])
    value, gradient = objective.fun(objective.x0)
    assert value == 3.0
    assert np.array_equal(gradient, [1, 1, 1, 0, 1, 0, 1])  # by name, whatever the order
    for name, p in params.items():
        got = seen[0][name]
        assert row.owns(got, str(p.dtype).rpartition(".")[2])
        assert got.shape == p.shape
        assert np.array_equal(row.numpy(got), row.numpy(p))


def test_the_imaginary_part_has_its_sign():
    loss = nl.HalfSquaredError(np.zeros(1, complex))
    objective = as_objective(loss, np.asarray([3 + 4j]))
    _, gradient = objective.fun(objective.x0)
    assert np.array_equal(gradient, [3.0, 4.0])
    found = scipy.optimize.minimize(objective.fun, objective.x0, jac=True, method="BFGS")
    assert abs(objective.unpack(found.x)[0]) < 1e-6
    assert scipy.optimize.check_grad(*split(objective.fun), objective.x0) < 1e-6


def split(fun):
    return lambda v: fun(v)[0], lambda v: fun(v)[1]


def test_parameters_and_vectors_of_any_layout():
    loss = nl.HalfSquaredError(np.zeros((3, 2), complex))
    z = noise(2, 3)
    for start in (z.T, np.asfortranarray(z.T), z[:, ::-1][:, ::-1].T):
        objective = as_objective(loss, start)
        assert np.array_equal(objective.unpack(objective.x0), z.T)
    v = objective.x0
    expected = objective.fun(v)
    wide = np.zeros((v.size, 2))
    wide[:, 1] = v
    frozen = v.copy()
    frozen.flags.writeable = False
    for same in (wide[:, 1], v[::-1].copy()[::-1], frozen):
        value, gradient = objective.fun(same)
        assert value == expected[0]
        assert np.array_equal(gradient, expected[1])


def test_what_is_unpacked_is_a_copy():
    objective = as_objective(nl.HalfSquaredError(np.zeros(3)), np.ones(3))
    v = objective.x0.copy()
    params = objective.unpack(v)
    v[:] = 7.0  # as a solver may
    assert np.array_equal(params, np.ones(3))
    params[:] = 5.0
    assert np.array_equal(objective.x0, np.ones(3))


def test_single_precision_inside_of_double_vectors():
    target = rng.random(5).astype(np.float32)
    objective = as_objective(nl.HalfSquaredError(target), np.zeros(5, np.float32))
    assert objective.x0.dtype == np.float64
    lower = objective.bounds(0.1).lb
    assert np.array_equal(lower, np.full(5, np.float32(0.1), np.float64))
    found = scipy.optimize.minimize(
        objective.fun, objective.x0, jac=True, method="L-BFGS-B", bounds=objective.bounds(0.1, 0.7)
    )
    params = objective.unpack(found.x)
    assert params.dtype == np.float32
    assert params.min() >= np.float32(0.1)
    assert params.max() <= np.float32(0.7)
    assert np.allclose(params, np.clip(target, 0.1, 0.7), atol=1e-6)


def test_bounds_by_name_and_by_entry():
    params = {"z": noise(2), "t": rng.random((2, 2)), "s": np.ones(1)}
    objective = as_objective(mapping_loss(noise(2)), params)
    b = objective.bounds(lower={"t": np.asarray([0.0, 1.0])}, upper={"s": 3, "t": None})
    infinite = [-np.inf] * 4
    assert np.array_equal(b.lb, [*infinite, 0, 1, 0, 1, -np.inf])
    assert np.array_equal(b.ub, [np.inf] * 8 + [3])
    assert np.all(np.isinf(objective.bounds().lb))
    assert "want bounds of real ones" in raises(TypeError, lambda: objective.bounds(0.0))
    assert "want bounds of real ones" in raises(TypeError, lambda: objective.bounds(upper={"z": 1}))
    assert "want some of ['s', 't', 'z']" in raises(ValueError, lambda: objective.bounds({"q": 1}))
    assert "NaN" in raises(ValueError, lambda: objective.bounds({"t": np.nan}))
    assert "broadcast" in raises(ValueError, lambda: objective.bounds({"t": np.ones(3)}))


def test_faults_of_an_objective_are_named():
    def returns(value, gradient):
        return as_objective(lambda _: (value, gradient), np.ones(2))

    g, v = np.ones(2), np.ones(2)
    assert "the loss is nan" in raises(FloatingPointError, lambda: returns(np.nan, g).fun(v))
    assert "the loss is inf" in raises(FloatingPointError, lambda: returns(np.inf, g).fun(v))
    bad = np.asarray([1.0, np.inf])
    assert "1 of 2 entries" in raises(FloatingPointError, lambda: returns(1.0, bad).fun(v))
    assert "shape (2,); want one" in raises(ValueError, lambda: returns(g, g).fun(v))
    assert "want those of the parameter" in raises(ValueError, lambda: returns(1, g[:1]).fun(v))
    assert "want those of the parameter" in raises(ValueError, lambda: returns(1, g + 0j).fun(v))
    assert "array" in raises(TypeError, lambda: returns(1.0, [1.0, 1.0]).fun(v))
    right = returns(1.0, g)
    assert "want (2,)" in raises(ValueError, lambda: right.fun(np.ones(3)))
    assert "want (2,)" in raises(ValueError, lambda: right.fun(np.ones(2, int)))
    assert "not finite in 1 of 2" in raises(ValueError, lambda: right.unpack(bad))

    loss = nl.HalfSquaredError(np.zeros(2))
    assert "int64" in raises(TypeError, lambda: as_objective(loss, np.ones(2, int)))
    assert "list" in raises(TypeError, lambda: as_objective(loss, [1.0, 1.0]))
    assert "mapping" in raises(TypeError, lambda: as_objective(loss, {"x": np.ones(2)}))
    assert "callable" in raises(TypeError, lambda: as_objective(3, np.ones(2)))
    assert "empty" in raises(ValueError, lambda: as_objective(abs, {}))
    assert "want entries" in raises(ValueError, lambda: as_objective(loss, np.ones((0, 2))))
    assert "not finite in 1 of 2" in raises(ValueError, lambda: as_objective(loss, bad))
    named = as_objective(lambda _: (1.0, {"y": g}), {"x": np.ones(2)})
    assert "['y']; want a mapping of the names ['x']" in raises(ValueError, lambda: named.fun(v))


def test_nlopt_gets_its_gradient_in_place():
    loss, params = losses()["complex maps"]
    objective = as_objective(loss, params)
    grad = np.full(objective.x0.size, np.nan)
    expected, gradient = objective.fun(objective.x0)
    assert objective.nlopt(objective.x0, grad) == expected
    assert np.array_equal(grad, gradient)
    assert objective.nlopt(objective.x0, np.empty(0)) == expected


def test_nlopt_minimises():
    nlopt = pytest.importorskip("nlopt")
    target = rng.random((3, 4))
    objective = as_objective(nl.HalfSquaredError(target), np.full((3, 4), 0.5))
    opt = nlopt.opt(nlopt.LD_MMA, objective.x0.size)
    opt.set_min_objective(objective.nlopt)
    box = objective.bounds(0.2, 0.8)
    opt.set_lower_bounds(box.lb)
    opt.set_upper_bounds(box.ub)
    opt.set_xtol_rel(1e-10)
    found = objective.unpack(opt.optimize(objective.x0))
    assert np.allclose(found, np.clip(target, 0.2, 0.8), atol=1e-7)


# --- residuals --------------------------------------------------------------------------


def models():
    x = noise(5, 4)
    k = rng.uniform(-0.5, 0.5, (3, 4, 2))
    F = nl.NUFFT(k, (5, 4), eps=1e-12) @ nl.Sense(noise(2, 5, 4))
    real = nl.Blur(rng.random((3, 3)), "circular")
    return {
        "trajectory": (F.as_map("trajectory", x), k),
        "image": (F, x),
        "psf": (real.as_map("psf", rng.random((6, 5))), rng.random((3, 3))),
        "real maps": (nl.Sense(rng.random((2, 5, 4))).as_map("maps", x), rng.random((2, 5, 4))),
        "magnitude": (nl.Magnitude() @ F, x),
        "mean": (nl.MeanNormalize() @ nl.Magnitude(), x),
    }


@pytest.mark.parametrize("name", models())
def test_residuals_and_their_jacobian(name):
    model, params = models()[name]
    data = 0.9 * model(params)
    r = as_residuals(model, params, data)
    v = r.x0 + 0.01 * rng.standard_normal(r.x0.size)
    value, J = r.fun(v), r.jac(v)
    off = model(r.unpack(v)) - data
    assert np.array_equal(value, flat(off, np.iscomplexobj(off)))
    assert value.dtype == J.dtype == np.float64
    assert J.shape == (value.size, v.size)

    dense = r.dense_jac(v)
    h = 1e-6
    numerical = [(r.fun(v + h * e) - r.fun(v - h * e)) / (2 * h) for e in np.eye(v.size)]
    assert close(dense, np.stack(numerical, axis=1), 1e-6)
    assert close(J.H @ np.eye(value.size), dense.T)
    half = as_objective(nl.HalfSquaredError(data) @ model, params)
    assert np.isclose(half.fun(v)[0], 0.5 * value @ value, rtol=1e-13)
    assert close(half.fun(v)[1], J.H @ value)


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares_finds_the_trajectory(method):
    model, true = models()["trajectory"]
    planned = true + 0.01 * rng.standard_normal(true.shape)
    r = as_residuals(model, planned, model(true))
    settings = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-14, "method": method}
    if method == "lm":
        found = scipy.optimize.least_squares(r.fun, r.x0, jac=r.dense_jac, **settings)
    else:
        settings |= {"tr_solver": "lsmr", "bounds": r.bounds(-0.6, 0.6)}
        found = scipy.optimize.least_squares(r.fun, r.x0, jac=r.jac, **settings)
    assert np.allclose(r.unpack(found.x), true, rtol=0, atol=1e-9)


def test_single_precision_residuals_are_double():
    model = nl.Blur(np.ones((2, 2), np.float32)).as_map("psf", rng.random((5, 5)).astype("f4"))
    start = np.ones((2, 2), np.float32)
    r = as_residuals(model, start, model(start))
    assert r.fun(r.x0).dtype == r.dense_jac(r.x0).dtype == np.float64
    assert r.unpack(r.x0).dtype == np.float32


def test_faults_of_residuals_are_named():
    model, params = models()["psf"]
    data = model(params)
    assert "want a Map" in raises(TypeError, lambda: as_residuals(abs, params, data))
    assert "mapping" in raises(TypeError, lambda: as_residuals(model, {"psf": params}, data))
    assert "data has the shape" in raises(ValueError, lambda: as_residuals(model, params, data[1:]))
    assert "dtype" in raises(ValueError, lambda: as_residuals(model, params, data + 0j))
    data[0, 0] = np.nan
    r = as_residuals(model, params, data)
    assert "1 of 30 entries" in raises(FloatingPointError, lambda: r.fun(r.x0))
    assert "bounds of real ones" in raises(
        TypeError, lambda: as_residuals(nl.Magnitude(), noise(3), np.ones(3)).bounds(0.0)
    )


def test_no_columns_make_no_columns():
    matrix = as_linear_operator(nl.Diagonal(np.ones(3)), (3,), float)
    assert (matrix @ np.zeros((3, 0))).shape == (3, 0)
    assert (matrix.H @ np.zeros((3, 0))).shape == (3, 0)


def test_a_start_that_was_handed_out_is_the_callers():
    objective = as_objective(nl.HalfSquaredError(np.zeros(2)), np.ones(2))
    objective.x0[0] = 99.0
    np.testing.assert_array_equal(objective.x0, [1.0, 1.0])


def test_a_gradient_that_torch_has_not_conjugated_yet():
    torch = pytest.importorskip("torch")
    start = torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128)

    def delayed(z):
        gradient = z.conj().resolve_conj().conj()
        assert gradient.is_conj()
        return 0.5 * float(z.abs().square().sum()), gradient

    _, gradient = as_objective(delayed, start).fun(np.asarray([1.0, 2.0, 3.0, -1.0]))
    np.testing.assert_array_equal(gradient, [1.0, 2.0, 3.0, -1.0])


def test_a_vector_beyond_single_precision_is_an_error_without_a_warning():
    loss = nl.HalfSquaredError(np.zeros(2, np.float32))
    objective = as_objective(loss, np.ones(2, np.float32))
    with pytest.raises(FloatingPointError, match="want finite"), np.errstate(all="ignore"):
        objective.fun(np.full(2, 1e300))
