"""Operators as JAX functions: values, derivatives of both orders and modes, transformations."""

import os
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from cases import CASES, KINDS
from rows import open_row
from test_laws import FIRST

import nufftlib as nl

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402  # once it is known to be there
from jax.test_util import check_grads  # noqa: E402

from nufftlib.core.operator import parameter  # noqa: E402
from nufftlib.interop.jax import wrap  # noqa: E402


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def noise(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def close(a, b, tolerance=1e-12):
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


# --- the registry ------------------------------------------------------------------------

# A Jacobian's input has no batch axes, and its point of linearisation is no parameter.
OPERATORS = [c for c in CASES if "jacobian" not in c.name and "hessian" not in c.name]


def by_position(A, function):
    """The function of the operator's input and of all its parameters, in units of the value."""
    names = list(A.parameters)
    return lambda x, *thetas: function(x, **dict(zip(names, thetas, strict=True)))


@pytest.fixture
def built(case):
    with open_row("numpy-readonly", host=True) as row:
        return case.build(row, "double")


def check(A, x, function, order):
    f = by_position(A, function)
    scale = np.linalg.norm(f(x, *A.parameters.values()))
    check_grads(
        lambda *arrays: f(*arrays) / scale,
        (x, *A.parameters.values()),
        order,
        modes=("fwd", "rev"),
        atol=1e-6,
        rtol=1e-6,
        eps=1e-5,
    )


def every(step):
    return pytest.mark.parametrize("case", OPERATORS[::step], ids=lambda case: case.name)


@every(11)
def test_first_derivatives(built):
    A, x = built
    check(A, x, wrap(A), 1)


@every(20)
def test_first_derivatives_of_the_adjoint(built):
    A, x = built
    check(A, A(x), wrap(A).adjoint, 1)


@every(16)
def test_second_derivatives(built):
    A, x = built
    check(A, x, wrap(A), 2)


# JAX compiles each: the first of each kind of operator, and of each kind of arrays.
FEW = [case for case in CASES if case in FIRST or case in KINDS]


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_values_and_gradients_are_the_librarys(built, rng):
    """Compiled, at once by all arrays; JAX's gradients are the conjugates."""
    A, x = built
    f = by_position(A, wrap(A))
    arrays = (x, *A.parameters.values())
    y, back = jax.jit(lambda *a: jax.vjp(f, *a))(*arrays)
    assert np.array_equal(y, A(x))
    assert np.array_equal(wrap(A)(x), A(x))
    assert np.array_equal(wrap(A).adjoint(A(x)), A.adjoint(A(x)))
    cotangent = np.asarray(y) + 0.5
    gx, *gradients = jax.jit(lambda back, c: back(c))(back, np.conj(cotangent))
    want = A.adjoint(cotangent)
    assert close(gx, np.conj(want if np.iscomplexobj(x) else want.real))
    for name, g in zip(A.parameters, gradients, strict=True):
        assert close(g, np.conj(A.vjp(name, x, cotangent)))
        assert g.dtype == A.parameters[name].dtype


# --- against the same functions written in JAX, differentiated by JAX ---------------------


def dft(k, shape):
    axes = [np.arange(n) - n // 2 for n in shape]
    n = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    return jnp.exp(-2j * np.pi * k.reshape(-1, len(shape)) @ n.T)


def convolve(x, psf):
    P, Q = psf.shape
    M, N = x.shape[-2] - P + 1, x.shape[-1] - Q + 1
    terms = (
        psf[p, q] * x[..., P - 1 - p : P - 1 - p + M, Q - 1 - q : Q - 1 - q + N]
        for p in range(P)
        for q in range(Q)
    )
    return sum(terms)


def pair(kind, rng):
    """A function of the library, the same in JAX, and arrays to put in."""
    k = rng.uniform(-0.7, 0.7, (4, 3, 2))
    F = wrap(nl.NUFFT(k, (5, 6), engine="direct"))
    if kind == "nufft":
        return (
            lambda x, k: F(x, trajectory=k),
            lambda x, k: (x.reshape(2, 30) @ dft(k, (5, 6)).T).reshape(2, 4, 3),
            (noise(rng, 2, 5, 6), k),
        )
    if kind == "adjoint of nufft":
        return (
            lambda y, k: F.adjoint(y, trajectory=k),
            lambda y, k: (y.reshape(2, 12) @ dft(k, (5, 6)).conj()).reshape(2, 5, 6),
            (noise(rng, 2, 4, 3), k),
        )
    if kind.startswith("sense"):
        maps = rng.standard_normal((3, 5, 6)) if "real maps" in kind else noise(rng, 3, 5, 6)
        x = rng.standard_normal((2, 5, 6)) if "real image" in kind else noise(rng, 2, 5, 6)
        S = wrap(nl.Sense(maps))
        return (lambda x, s: S(x, maps=s)), (lambda x, s: s * x[:, None]), (x, maps)
    psf = noise(rng, 2, 3) if "complex psf" in kind else rng.standard_normal((2, 3))
    x = noise(rng, 2, 5, 7) if "complex image" in kind else rng.standard_normal((2, 5, 7))
    B = wrap(nl.Blur(psf))
    return (lambda x, h: B(x, psf=h)), convolve, (x, psf)


KINDS = [
    "nufft",
    "adjoint of nufft",
    "sense, complex image",
    "sense, real image",
    "sense, complex image, real maps",
    "sense, real image, real maps",
    "blur",
    "blur, complex image",
    "blur, complex psf",
    "blur, complex image, complex psf",
]


@pytest.fixture(params=KINDS)
def functions(request, rng):
    return pair(request.param, rng)


def test_convention_of_grad(functions, rng):
    ours, theirs, arrays = functions
    y = theirs(*arrays)
    w = noise(rng, *y.shape)
    both = [
        jax.grad(lambda *a, f=f: jnp.sum(jnp.abs(f(*a) - w) ** 3), argnums=(0, 1))(*arrays)
        for f in (ours, theirs)
    ]
    assert all(map(close, *both))


def test_convention_of_vjp_and_jvp(functions, rng):
    ours, theirs, arrays = functions
    tangents = tuple(
        noise(rng, *a.shape) if np.iscomplexobj(a) else rng.standard_normal(a.shape) for a in arrays
    )
    cotangent = noise(rng, *theirs(*arrays).shape)
    if not np.iscomplexobj(theirs(*arrays)):
        cotangent = cotangent.real
    values, pushed, pulled = zip(
        *(
            (*jax.jvp(f, arrays, tangents), jax.vjp(f, *arrays)[1](cotangent))
            for f in (ours, theirs)
        ),
        strict=True,
    )
    assert close(*values)
    assert close(*pushed)
    assert all(map(close, *pulled))


def test_hessian_by_all_arrays(functions, rng):
    ours, theirs, arrays = functions

    def loss(f):
        def of_reals(parts):  # a complex array as two real ones: the Hessian is real
            return jnp.sum(
                jnp.abs(f(*(p[0] + 1j * p[1] if len(p) == 2 else p[0] for p in parts))) ** 4
            )

        return of_reals

    parts = [[a.real, a.imag] if np.iscomplexobj(a) else [a] for a in arrays]
    dx = jax.tree.map(lambda a: rng.standard_normal(a.shape), parts)
    products = [jax.jvp(jax.grad(loss(f)), (parts,), (dx,))[1] for f in (ours, theirs)]
    assert all(jax.tree.leaves(jax.tree.map(close, *products)))


def test_jacobians_hessian_and_third_derivative_in_full(rng):
    ours, theirs, (x, k) = pair("nufft", rng)

    def along(f):
        return lambda k: jax.jvp(f, (k,), (k,))[1]

    def third(f):
        return jax.grad(along(along(lambda k: jnp.sum(jnp.abs(f(k)) ** 2))))

    def results(f):
        def f_of_k(k):
            return f(x[:1], k).real

        yield jax.jit(jax.jacfwd(f_of_k))(k)
        yield jax.jit(jax.jacrev(f_of_k))(k)
        yield jax.jit(jax.hessian(lambda k: jnp.sum(f_of_k(k) ** 2)))(k)
        yield jax.jit(third(f_of_k))(k)

    ours, theirs = (lambda x, k, f=f: f(jnp.concatenate([x, x]), k)[0] for f in (ours, theirs))
    assert all(close(a, b) for a, b in zip(results(ours), results(theirs), strict=True))


# --- transformations ----------------------------------------------------------------------


def test_all_transformations_of_one_function(rng):
    ours, theirs, (x, k) = pair("nufft", rng)

    def chain(f):
        def loss(x, k):
            g = jax.checkpoint(lambda x, k: jnp.abs(f(x, k)).sum())

            def step(k, _):
                return k - 1e-3 * jax.grad(g, argnums=1)(x, k), g(x, k)

            return jax.lax.scan(step, k, None, length=3)

        return loss

    for a, b in zip(jax.jit(chain(ours))(x, k), chain(theirs)(x, k), strict=True):
        assert close(a, b)
    last = [jax.grad(lambda x, f=f: chain(f)(x, k)[1][-1])(x) for f in (ours, theirs)]
    assert close(*last)  # by way of the steps, so of second order
    _, linear = jax.linearize(lambda x: ours(x, k), x)
    assert close(linear(2 * x), theirs(2 * x, k))
    (transposed,) = jax.linear_transpose(lambda x: ours(x, k), x)(ours(x, k))
    assert close(transposed, jax.vjp(lambda x: theirs(x, k), x)[1](theirs(x, k))[0])


@dataclass(frozen=True, eq=False)
class Counted(nl.LinearOperator):
    """A blur that notes what is called, and with which arrays."""

    psf: np.ndarray = parameter()
    calls: list = field(default_factory=list)

    @property
    def shapes(self):
        return nl.Blur(self.psf).shapes

    def noted(self, call, *arrays):
        self.calls.append((call, *arrays))
        return nl.Blur(self.psf)

    def _apply(self, x):
        return self.noted("apply", x).apply(x)

    def _adjoint(self, y):
        return self.noted("adjoint", y).adjoint(y)

    def _derivative(self, name, dtheta):
        return self.noted("derivative").derivative(name, dtheta)

    def _form(self, name, x, y):
        return self.noted("vjp", x, y).vjp(name, x, y)

    def names(self):
        names = [call[0] for call in self.calls]
        self.calls.clear()
        return names


@pytest.fixture
def counted(rng):
    return Counted(rng.standard_normal((2, 3)))


@pytest.mark.parametrize("compiled", [False, True])
def test_only_what_is_asked_for_is_computed(counted, compiled, rng):
    f, x = wrap(counted), rng.standard_normal((5, 6))
    jit = jax.jit if compiled else lambda f: f
    by_psf = jit(jax.grad(lambda h, x: jnp.sum(f(x, psf=h) ** 2)))
    by_image = jit(jax.grad(lambda x: jnp.sum(f(x) ** 2)))
    forward = jit(lambda x, dx: jax.jvp(f, (x,), (dx,)))
    for _ in range(2):  # the first time, JAX asks for shapes
        counted.names()
        by_psf(counted.psf, x).block_until_ready()
        assert counted.names()[-2:] == ["apply", "vjp"]
        by_image(x).block_until_ready()
        assert counted.names()[-2:] == ["apply", "adjoint"]
        forward(x, x)[1].block_until_ready()
        assert counted.names()[-2:] == ["apply", "apply"]
    by_psf(counted.psf, x).block_until_ready()
    assert counted.names() == ["apply", "vjp"]


def test_vmap_over_images_is_one_call(counted, rng):
    f, x = wrap(counted), rng.standard_normal((5, 4, 6))
    f_of_last = jax.vmap(f, in_axes=1)
    f_of_last(x)  # probes how the operator takes a batch
    counted.names()
    y = f_of_last(x)
    assert counted.names() == ["apply"]
    assert np.array_equal(y, counted(x.swapaxes(0, 1)))
    gradient = jax.grad(lambda h: jnp.sum(jax.vmap(lambda x: f(x, psf=h), 1)(x) ** 2))(counted.psf)
    assert counted.names()[-1:] == ["vjp"]  # one, for the whole batch
    assert close(gradient, counted.vjp("psf", x.swapaxes(0, 1), 2 * np.asarray(y)))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_batch_whose_items_have_different_maps(compiled, rng):
    maps, x = noise(rng, 4, 3, 5, 6), noise(rng, 4, 5, 6)
    k = rng.uniform(-0.5, 0.5, (7, 2))
    A = nl.NUFFT(k, (5, 6), engine="direct") @ nl.Sense(maps[0])
    f = wrap(A)
    items = [A.replace(maps=m) for m in maps]

    def loss(maps, k):
        y = jax.vmap(lambda x, m: f(x, maps=m, trajectory=k))(x, maps)
        return jnp.sum(jnp.abs(y) ** 2) / 2

    def each(m, x):
        return jax.grad(lambda m: jnp.sum(jnp.abs(f(x, maps=m)) ** 2) / 2)(m)

    jit = jax.jit if compiled else lambda f: f
    y = jit(jax.vmap(lambda x, m: f(x, maps=m)))(x, maps)
    assert np.array_equal(y, np.stack([a(v) for a, v in zip(items, x, strict=True)]))
    by_maps, by_k = jit(jax.grad(loss, argnums=(0, 1)))(maps, k)
    want = np.stack([a.vjp("maps", v, a(v)) for a, v in zip(items, x, strict=True)])
    assert close(by_maps, want.conj())
    assert close(by_k, sum(a.vjp("trajectory", v, a(v)) for a, v in zip(items, x, strict=True)))
    assert close(jit(jax.vmap(each))(maps, x), want.conj())


@pytest.mark.parametrize("shape", [(3, 6), (3, 1, 6)])
def test_an_axis_of_the_image_that_the_operator_takes_for_another(shape, rng):
    """Where a parameter has more axes than the image, a new one in front is no batch."""
    gain, x = rng.standard_normal(shape), rng.standard_normal((3, 6))
    f = wrap(Gain(gain))
    want = np.stack([gain * item for item in x])
    assert np.array_equal(jax.vmap(f)(x), want)
    assert np.array_equal(jax.jit(jax.vmap(f))(x), want)
    y = rng.standard_normal(want.shape)
    (pulled,) = jax.vmap(lambda x, y: jax.vjp(f, x)[1](y))(x, y)
    assert close(pulled, np.sum(gain * y, axis=tuple(range(1, y.ndim - 1))))
    with pytest.raises(ValueError, match=r"to which \(3, .*6\) broadcasts"):
        jax.vmap(wrap(nl.Diagonal(gain)))(x)  # though it may take all three at once


def test_nested_vmap_and_an_empty_batch(rng):
    maps, x = noise(rng, 2, 3, 4), noise(rng, 5, 4)
    f = wrap(nl.Sense(maps[0]))
    want = maps[:, None] * x[None, :, None]
    images_inside = jax.vmap(lambda m: jax.vmap(lambda x: f(x, maps=m))(x))
    maps_inside = jax.vmap(lambda x: jax.vmap(lambda m: f(x, maps=m))(maps))
    assert close(images_inside(maps), want)
    assert close(jax.jit(maps_inside)(x), want.swapaxes(0, 1))
    assert jax.vmap(lambda m: f(x[0], maps=m))(maps[:0]).shape == (0, 3, 4)


# --- batches ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fourier(nl.LinearOperator):
    """A transform of all axes, so that one in front is mixed like the others."""

    def _apply(self, x):
        return np.fft.fftn(x, norm="ortho")

    def _adjoint(self, y):
        return np.fft.ifftn(y, norm="ortho")


@dataclass(frozen=True, eq=False)
class Mixed(nl.LinearOperator):
    """Weights with a share of the mean over the first axis, if there is one more."""

    weights: np.ndarray = parameter()

    def _apply(self, x):
        return self.weights * (x + (x.mean(axis=0) if x.ndim > 1 else 0))

    def _adjoint(self, y):
        y = self.weights * y
        return y + (y.mean(axis=0) if y.ndim > 1 else 0)


@dataclass(frozen=True, eq=False)
class OneImage(nl.LinearOperator):
    """An operator that says in its own way that it takes no batch."""

    def _apply(self, x):
        if x.ndim != 1:
            raise TypeError(x.shape)
        return 2 * x

    _adjoint = _apply


def mixing(kind, rng):
    """Operators that keep a leading axis but mix it, with an item each."""
    x = rng.standard_normal((5, 4))
    if kind == "Jacobian":
        f = nl.MeanNormalize() @ nl.Magnitude() @ nl.Blur(rng.standard_normal((2, 2)))
        return f.linearize(x)[1], x
    if kind == "weights of zero":  # of which all results are zero
        return Mixed(np.zeros(4)), x[0]
    return {"Fourier": (Fourier(), noise(rng, 5, 4)), "refuses": (OneImage(), x[0])}[kind]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["Jacobian", "Fourier", "refuses", "weights of zero"])
def test_an_axis_that_is_mixed_is_no_batch(kind, compiled, rng):
    A, x = mixing(kind, rng)
    theta = {name: p + 1 for name, p in A.parameters.items()}
    f = wrap(A)
    A = A.replace(**theta)
    jit = jax.jit if compiled else lambda f: f
    for function, of_library, item in (
        (lambda x: f(x, **theta), A.apply, x),
        (lambda y: f.adjoint(y, **theta), A.adjoint, A(x)),
    ):
        items = np.stack([item, 2 * item + 1, -item])
        assert close(jit(jax.vmap(function))(items), np.stack([of_library(i) for i in items]))
        basis = np.eye(item.size).reshape(-1, *item.shape).astype(item.dtype)
        want = np.moveaxis(np.stack([of_library(e) for e in basis]), 0, -1)
        holomorphic = np.iscomplexobj(item)
        for jacobian in (jax.jacfwd, jax.jacrev):
            found = jit(jacobian(function, holomorphic=holomorphic))(item)
            assert close(np.reshape(found, want.shape), want)


# --- pitfalls -----------------------------------------------------------------------------


def test_two_forwards_with_different_trajectories_in_one_loss(rng):
    ours, theirs, (x, k) = pair("nufft", rng)

    def loss(f):
        return lambda k: jnp.sum(jnp.abs(f(x, k) * f(x, 0.7 * k[::-1])))

    for transform in (jax.grad, lambda f: jax.jit(jax.grad(f))):
        assert close(transform(loss(ours))(k), jax.grad(loss(theirs))(k))


@pytest.mark.parametrize("shape", [(5,), (1, 7), (3, 5, 1)])
def test_odd_sizes(shape, rng):
    k = rng.uniform(-0.5, 0.5, (9, len(shape)))
    F, x = wrap(nl.NUFFT(k, shape, eps=1e-12)), noise(rng, *shape)

    def gradients(f):
        return jax.grad(lambda x, k: jnp.sum(jnp.abs(f(x, k)) ** 2), argnums=(0, 1))(x, k)

    ours = gradients(lambda x, k: F(x, trajectory=k))
    theirs = gradients(lambda x, k: dft(k, shape) @ x.reshape(-1))
    assert all(close(a, b, 1e-10) for a, b in zip(ours, theirs, strict=True))


def test_a_readonly_and_a_negative_stride_array_in_the_operator(rng):
    maps = noise(rng, 3, 5, 6)
    maps.flags.writeable = False
    x = noise(rng, 6, 5).T
    for stored in (maps, maps[::-1, :, ::-1]):
        f = wrap(nl.Sense(stored))
        assert close(jax.jit(f)(x), stored * x)
        gradient = jax.grad(lambda x, f=f: jnp.sum(jnp.abs(f(x)) ** 2) / 2)(x)
        assert close(gradient, np.sum(np.abs(stored) ** 2, axis=0) * x.conj())


def test_no_stale_constants_under_jit(rng):
    ours, theirs, (x, k) = pair("nufft", rng)
    compiled = jax.jit(ours)
    for factor in (1.0, 0.5, 1.0):
        assert close(compiled(x, factor * k), theirs(x, factor * k))


def test_what_was_kept_of_the_last_parameters_is_no_view(rng):
    """The memory of a JAX array can be donated, and written to by the next step."""
    f, w = wrap(nl.Diagonal(np.ones(3))), jnp.arange(3.0)
    f(jnp.ones(3), weights=w)
    kept = f._form.latest.at(("weights",), [np.asarray(w)]).weights
    assert kept.ctypes.data != w.unsafe_buffer_pointer()


def test_eager_images_and_parameters_are_not_copied(counted, rng):
    f, x = wrap(counted), jnp.asarray(rng.standard_normal((5, 6)))
    y, back = jax.vjp(f, x)
    seen = [a for _, *arrays in counted.calls for a in arrays]
    assert [a.ctypes.data for a in seen] == [x.unsafe_buffer_pointer()]
    counted.calls.clear()
    back(y)
    ((_, seen),) = [call for call in counted.calls if call[0] == "adjoint"][-1:]
    assert seen.ctypes.data == y.unsafe_buffer_pointer()


def test_an_operator_of_jax_arrays(rng):
    k, w = jnp.asarray(rng.uniform(-0.5, 0.5, (9, 2))), jnp.asarray(rng.random(9))
    F = nl.NUFFT(k, (5, 6), engine="direct")
    A = F.H @ nl.Diagonal(w) @ F  # one trajectory in two places
    H = nl.NUFFT(np.asarray(k), (5, 6), engine="direct")
    B = H.H @ nl.Diagonal(np.asarray(w)) @ H
    x = noise(rng, 5, 6)
    assert close(jax.jit(wrap(A))(x), B(x))
    gradient = jax.grad(lambda k: jnp.sum(jnp.abs(wrap(A)(x, trajectory=k)) ** 2) / 2)(k)
    assert close(gradient, B.vjp("trajectory", x, B(x)))


def test_one_core_does_not_deadlock():
    """As ``jax.pure_callback`` does, where the callback holds XLA's last thread."""
    code = """
import os
os.sched_setaffinity(0, {next(iter(os.sched_getaffinity(0)))})
import jax, jax.numpy as jnp, numpy as np, nufftlib as nl
from nufftlib.interop.jax import wrap
f = wrap(nl.Diagonal(np.ones(1, np.float32)))
x = jnp.ones(10**6)
print(jax.jit(jax.grad(lambda x: jnp.sum(f(jnp.sin(f(x))))))(x).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "(1000000,)", done.stderr


@dataclass(frozen=True, eq=False)
class Keeps(nl.LinearOperator):
    """An operator that returns an array that it keeps."""

    kept: np.ndarray

    def _apply(self, x):
        np.copyto(self.kept, x)
        return self.kept

    def _adjoint(self, y):
        return y


def test_results_are_no_views_of_what_the_operator_keeps():
    memory = np.empty(1064)
    start = -memory.ctypes.data % 64 // 8
    kept = memory[start : start + 1000]  # aligned, as JAX wants it for a view
    f, x = wrap(Keeps(kept)), jnp.ones(1000)
    for function in (f, jax.jit(f), lambda x: jax.vmap(f)(x[None])[0]):
        y = function(x)
        kept[:] = 5
        assert np.array_equal(y, np.ones(1000))
    assert f.adjoint(x).unsafe_buffer_pointer() != x.unsafe_buffer_pointer()


def test_compiled_in_double_precision_and_called_outside_of_it(rng):
    """The flag is of the thread, and XLA calls back on others."""
    w, n = rng.standard_normal(2**18), 2**18
    f = wrap(nl.Diagonal(w))
    g, x = jax.jit(lambda x: f(jnp.sin(x))), jnp.ones(n)
    compiled = g.lower(x).compile()
    with jax.enable_x64(False):
        assert close(compiled(x), w * np.sin(1))
    for i in range(10):
        for y in jax.block_until_ready([g(x * i) for _ in range(5)]):
            assert close(y, w * np.sin(i))


@dataclass(frozen=True, eq=False)
class Double(nl.LinearOperator):
    """An operator that computes in double precision whatever it is given."""

    def _apply(self, x):
        return 2 * np.asarray(x, np.float64)

    _adjoint = _apply


def test_results_of_double_precision_are_single_where_jax_has_no_other():
    x = np.ones(3, np.float32)
    with jax.enable_x64(False):
        f = wrap(Double())
        for g in (f, jax.jit(f), jax.grad(lambda x: f(x).sum()), jax.jit(jax.vmap(f))):
            assert g(x).dtype == jnp.float32
            assert close(g(x), 2 * x)


DEVICES = """
import jax, jax.numpy as jnp, numpy as np, nufftlib as nl
from nufftlib.interop.jax import wrap
from jax.sharding import Mesh, NamedSharding, PartitionSpec
first, second = jax.devices()
f, w = wrap(nl.Diagonal(np.ones(4, np.float32))), np.arange(4, dtype=np.float32)
x, theta = jax.device_put(w, second), jax.device_put(w, first)
over_both = jax.device_put(w, NamedSharding(Mesh([first, second], "i"), PartitionSpec("i")))
for y in (f(x), f(w, weights=x), jax.vmap(lambda w: f(x, weights=w))(w[None]), jax.jit(f)(x)):
    assert y.devices() == {second}, y.devices()
assert np.array_equal(jax.jit(f)(over_both), w)
for call in (
    lambda: f(x, weights=theta),
    lambda: jax.vmap(lambda w: f(x, weights=w))(theta[None]),
    lambda: f(over_both),
):
    try:
        call()
    except ValueError as error:
        assert "wrap(Diagonal): the arrays are on cpu:0 and cpu:1" in str(error), error
    else:
        raise AssertionError
print("done")
"""


def test_arrays_on_two_devices():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run(
        [sys.executable, "-c", DEVICES],
        env={**os.environ, **flags},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout.strip() == "done", done.stderr


@dataclass(frozen=True, eq=False)
class Names(nl.LinearOperator):
    """An operator whose parameters have names that arguments of functions have."""

    self: np.ndarray = parameter()
    x: np.ndarray = parameter()

    def _apply(self, x):
        return self.self * self.x * x

    _adjoint = _apply


def test_parameters_may_have_any_name():
    one, two = np.ones(3), 2 * np.ones(3)
    f = wrap(Names(one, one))
    assert close(f(one, **{"self": two, "x": two}), 4 * one)
    assert close(jax.jit(f.adjoint)(one, **{"self": two}), two)
    renamed = Names(one, two).rename(**{"self": "form"})
    assert close(wrap(renamed)(one, form=two, x=two), 4 * one)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_batch_is_no_axis_of_a_parameter_that_is_passed(compiled):
    """The operator's own weights would take the batch; those that are passed have its axis."""
    f, W, X = wrap(nl.Diagonal(np.arange(4.0))), jnp.ones((5, 3, 4)), jnp.ones((5, 3, 4))
    g = jax.vmap(lambda x: f(x, weights=W))
    with pytest.raises(ValueError, match=r"\(3, 4\); want last axes to which \(5, 3, 4\)"):
        (jax.jit(g) if compiled else g)(X)
    blur = wrap(nl.Blur(np.ones((3, 3))))
    with pytest.raises(ValueError, match="leading axes"):
        jax.vmap(lambda x: blur(x, psf=jnp.ones((5, 3, 3))))(jnp.ones((5, 6, 6)))
    assert jax.vmap(lambda x: f(x, weights=jnp.ones(4)))(X).shape == (5, 3, 4)


def test_derivatives_along_a_linear_parameter_of_any_order(rng):
    x = jnp.asarray(rng.standard_normal(3))
    w = jnp.asarray(rng.standard_normal(3))
    f = wrap(nl.Diagonal(np.ones(3)))

    def h(w):
        return jnp.sum(f(x, weights=w) ** 3)

    want = jnp.diag(6 * x**3 * w)
    for second in (jax.hessian(h), jax.jacfwd(jax.jacfwd(h)), jax.jacrev(jax.jacrev(h))):
        assert close(second(w), want)
    assert close(jax.grad(lambda w: jax.jvp(h, (w,), (w,))[1])(w), 9 * x**3 * w**2)
    third = jax.jacfwd(jax.hessian(h))(w)
    assert close(jnp.einsum("iii->i", third), 6 * x**3)


# --- errors -------------------------------------------------------------------------------


def test_unknown_names_are_refused():
    f = wrap(nl.Diagonal(np.ones(3)))
    with pytest.raises(
        ValueError, match=r"wrap\(Diagonal\)\(x\): .*'weight'; want one of 'weights'"
    ):
        f(jnp.ones(3), weight=jnp.ones(3))
    with pytest.raises(ValueError, match=r"adjoint\(y\): .*'weight'"):
        f.adjoint(jnp.ones(3), weight=jnp.ones(3))


def test_what_is_no_map_or_of_another_library_is_refused():
    with pytest.raises(TypeError, match=r"wrap\(op\): op is a function; want an operator"):
        wrap(lambda x: x)
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="want arrays of NumPy or JAX"):
        wrap(nl.Diagonal(strict.ones(3)))


def test_double_precision_wants_x64():
    f, x = wrap(nl.Diagonal(np.ones(3))), np.ones(3)
    loss = wrap(nl.HalfSquaredError(np.ones(3)))
    with jax.enable_x64(False):
        for g in (f, f.adjoint, jax.jit(f), loss):
            with pytest.raises(TypeError, match=r'jax\.config\.update\("jax_enable_x64", True\)'):
                g(x)
        # With all parameters passed, single precision is what JAX makes of them.
        assert f(x, weights=2 * x).dtype == jnp.float32
    assert f(x).dtype == jnp.float64


def test_single_precision(rng):
    x = noise(rng, 2, 5, 6).astype(np.complex64)
    k = rng.uniform(-0.5, 0.5, (7, 2)).astype(np.float32)
    F = nl.NUFFT(k, (5, 6), engine="direct")
    f = wrap(F)

    def loss(x, k):
        return jnp.sum(jnp.abs(f(x, trajectory=k)) ** 2) / 2

    for on in (False, True):
        with jax.enable_x64(on):
            gx, gk = jax.jit(jax.grad(loss, argnums=(0, 1)))(x, k)
        assert (gx.dtype, gk.dtype) == (jnp.complex64, jnp.float32)
        assert close(gx, F.adjoint(F(x)).conj(), 1e-5)
        assert close(gk, F.vjp("trajectory", x, F(x)), 1e-5)


def test_the_operators_own_errors_come_when_tracing(rng):
    f = wrap(nl.NUFFT(rng.uniform(-0.5, 0.5, (7, 2)), (5, 6)))
    with pytest.raises(ValueError, match=r"want \(\.\.\., 5, 6\)"):
        jax.jit(f)(noise(rng, 5, 5))
    with pytest.raises(TypeError, match="want complex128"):
        jax.jit(f)(np.ones((5, 6)))
    with pytest.raises(jax.errors.JaxRuntimeError, match="points are not finite"):
        jax.jit(lambda x, k: f(x, trajectory=k))(noise(rng, 5, 6), np.full((7, 2), np.nan))


@dataclass(frozen=True, eq=False)
class Gain(nl.LinearOperator):
    """An operator whose author has derived nothing."""

    gain: np.ndarray = parameter()

    def _apply(self, x):
        return self.gain * x

    def _adjoint(self, y):
        return self.gain * y


@dataclass(frozen=True, eq=False)
class ReverseGain(Gain):
    """An operator with a vjp alone."""

    def _form(self, name, x, y):
        return x * y


def test_a_derivative_that_is_missing_is_an_error_at_once():
    f, x = wrap(nl.Diagonal(np.ones(3)) @ Gain(np.ones(3))), jnp.ones(3)
    message = "Gain has no derivative by 'gain'"

    def loss(g):
        return jnp.sum(f(x, gain=g))

    assert close(jax.jit(jax.grad(lambda x: jnp.sum(f(x))))(x), x)
    for gradient in (jax.grad(loss), jax.jit(jax.grad(loss))):
        with pytest.raises(NotImplementedError, match=message):
            gradient(x)
    for forward in (jax.jvp, jax.jit(jax.jvp, static_argnums=0)):
        with pytest.raises(NotImplementedError, match=message):
            forward(loss, (x,), (x,))


@pytest.mark.parametrize("compiled", [False, True])
def test_reverse_mode_needs_a_vjp_alone(compiled):
    f, x = wrap(ReverseGain(np.ones(3))), jnp.arange(3.0)
    gradient = jax.grad(lambda g: jnp.sum(f(x, gain=g)))
    if compiled:
        gradient = jax.jit(gradient)
    assert close(gradient(x), x)
    with pytest.raises(NotImplementedError, match="no derivative by 'gain'"):
        jax.jvp(gradient, (x,), (x,))


def test_what_jax_traces_passes_plain_operators_and_is_sent_to_the_adapter_by_native_code():
    with jax.enable_x64(True):
        h, x = jnp.ones((3, 3)), jnp.ones((6, 6))
        A = nl.Blur(h)  # of JAX's own operations: JAX compiles and differentiates it
        np.testing.assert_allclose(jax.jit(A)(x), A(x))
        gradient = jax.grad(lambda h: jnp.sum(nl.Blur(h)(x) ** 2))(h)
        np.testing.assert_allclose(gradient, A.vjp("psf", x, 2 * A(x)))
        k, z = jnp.zeros((3, 2)), jnp.ones((4, 4), complex)
        F = nl.NUFFT(k, (4, 4))
        for f, argument in [(F, z), (lambda k: nl.NUFFT(k, (4, 4))(z), k)]:
            for transform in (jax.jit, lambda f: lambda v: jax.jvp(f, (v,), (v,))):
                with pytest.raises(TypeError, match=r"Tracer.*nufftlib\.interop\.jax\.wrap"):
                    transform(f)(argument)
