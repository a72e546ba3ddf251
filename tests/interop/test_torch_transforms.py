"""The torch adapter under torch.func, torch.vmap and torch.compile."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest

import nufftlib as nl

torch = pytest.importorskip("torch")

from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

from nufftlib.interop.torch import OperatorModule, wrap  # noqa: E402

# torch's forward mode loads what torch has come to discourage.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

RNG = np.random.default_rng(0)


def real(*shape):
    return torch.tensor(RNG.standard_normal(shape))


def complex_(*shape):
    return torch.complex(real(*shape), real(*shape))


def points(*shape):
    return torch.tensor(RNG.uniform(-0.5, 0.5, shape))


def assert_close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.fixture(params=["numpy", "torch"])
def sense_nufft(request):
    """``F @ S`` and the same in torch's own operations, for torch to differentiate."""
    as_array = np.asarray if request.param == "numpy" else torch.as_tensor
    F = nl.NUFFT(as_array(points(7, 2)), (4, 5), eps=1e-13)
    A = F @ nl.Sense(as_array(complex_(3, 4, 5)))

    def dense(x, trajectory, maps):
        n = torch.cartesian_prod(torch.arange(4) - 2, torch.arange(5) - 2).double()
        E = torch.exp(-2j * torch.pi * (trajectory @ n.T))
        return (maps * x).flatten(-2) @ E.T

    f = wrap(A)
    return lambda x, k, maps: f(x, trajectory=k, maps=maps), dense


@dataclass(frozen=True, eq=False, repr=False)
class Counted(nl.LinearOperator):
    """An operator that counts its calls."""

    operator: nl.LinearOperator
    calls: list = field(default_factory=list)

    @property
    def shapes(self):
        return self.operator.shapes

    def _apply(self, x):
        self.calls.append(x.shape)
        return self.operator.apply(x)

    def _adjoint(self, y):
        self.calls.append(y.shape)
        return self.operator.adjoint(y)


# --- torch.func -----------------------------------------------------------------------------


def arguments():
    return complex_(4, 5), points(6, 2), complex_(3, 4, 5)


def test_vjp_and_jvp(sense_nufft):
    ours, dense = sense_nufft
    where, along, y = arguments(), arguments(), complex_(3, 6)
    assert_close(jvp(ours, where, along), jvp(dense, where, along))
    assert_close(vjp(ours, *where)[1](y), vjp(dense, *where)[1](y))


@pytest.mark.parametrize("transform", [jacrev, jacfwd])
@pytest.mark.parametrize(
    "at",
    [
        lambda f, v, x, k, maps: f(torch.complex(v, x.imag), k, maps),
        lambda f, v, x, _, maps: f(x, v[:, :2], maps),
        lambda f, v, x, k, maps: f(x, k, torch.complex(v + maps.real, v)),
    ],
    ids=["image", "trajectory", "maps"],
)
def test_jacobians(sense_nufft, transform, at):
    where, v = arguments(), real(4, 5)
    ours, dense = (
        transform(lambda v, f=f: torch.view_as_real(at(f, v, *where)))(v) for f in sense_nufft
    )
    assert_close(ours, dense)


def energy(f, x, k, maps):
    return f(x, k, maps).abs().square().sum()


@pytest.mark.parametrize(
    "transform", [hessian, lambda f: jacrev(jacrev(f)), lambda f: jacrev(jacfwd(f))]
)
def test_hessian_by_the_trajectory(sense_nufft, transform):
    x, k, maps = arguments()
    ours, dense = (transform(lambda k, f=f: energy(f, x, k, maps))(k[:3]) for f in sense_nufft)
    assert_close(ours, dense)


def test_vmap_over_each_argument_alone_and_over_all(sense_nufft):
    ours, dense = sense_nufft
    x, k, maps = complex_(2, 4, 5), points(2, 6, 2), complex_(3, 2, 4, 5)
    for where, dims in [
        ((x, k[0], maps[:, 0]), (0, None, None)),
        ((x.movedim(0, 2), k[0], maps[:, 0]), (2, None, None)),
        ((x[0], k, maps[:, 0]), (None, 0, None)),
        ((x[0], k[0], maps), (None, None, 1)),
        ((x, k, maps), (0, 0, 1)),
    ]:
        assert_close(vmap(ours, dims)(*where), vmap(dense, dims)(*where))


def test_a_batch_whose_items_have_maps_of_their_own(sense_nufft):
    """Gradients by what items share are summed, by what is their own they are their own."""
    ours, dense = sense_nufft
    x, k, maps = complex_(2, 4, 5), points(6, 2), complex_(2, 3, 4, 5)

    def total(f):
        return lambda x, k, maps: vmap(f, (0, None, 0))(x, k, maps).abs().square().sum()

    for argument in range(3):
        a, b = (grad(total(f), argument)(x, k, maps) for f in (ours, dense))
        assert_close(a, b)
    one = grad(lambda x, k, maps: energy(ours, x, k, maps), 2)
    each = torch.stack([one(x[i], k, maps[i]) for i in (0, 1)])
    assert_close(grad(total(ours), 2)(x, k, maps), each)


@pytest.mark.parametrize("argument", [0, 1, 2])
def test_gradients_of_each_item(sense_nufft, argument):
    x, k, maps = complex_(2, 4, 5), points(6, 2), complex_(3, 4, 5)
    ours, dense = (
        vmap(grad(lambda *a, f=f: energy(f, *a), argument), (0, None, None))(x, k, maps)
        for f in sense_nufft
    )
    assert_close(ours, dense)


@pytest.mark.parametrize("argument", [0, 1, 2])
def test_gradients_of_a_batch_that_vmap_has_made(sense_nufft, argument):
    x, k, maps = complex_(2, 3, 4, 5), points(6, 2), complex_(3, 4, 5)

    def total(f):
        over_images = vmap(vmap(partial(energy, f), (0, None, None)), (0, None, None))
        return lambda x, k, maps: over_images(x, k, maps).sum()

    ours, dense = (grad(total(f), argument)(x, k, maps) for f in sense_nufft)
    assert_close(ours, dense)
    ours, dense = (jvp(total(f), (x, k, maps), (x, k, maps)) for f in sense_nufft)
    assert_close(ours, dense)


def test_vmap_of_vjp_over_cotangents(sense_nufft):
    ours, dense = sense_nufft
    where, y = arguments(), complex_(2, 3, 6)
    assert_close(vmap(vjp(ours, *where)[1])(y), vmap(vjp(dense, *where)[1])(y))


# --- what vmap makes one call of --------------------------------------------------------------


def test_a_batch_of_images_is_one_call():
    A = Counted(nl.Diagonal(np.ones(4)))
    vmap(wrap(A))(real(5, 4))
    assert A.calls == [(5, 4)]


def test_weights_with_more_axes_than_the_item_are_no_weights_of_the_batch():
    W = nl.Diagonal(np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"x has the shape \(4,\)"):
        vmap(wrap(W))(real(3, 4))


@dataclass(frozen=True, eq=False, repr=False)
class Product(nl.LinearOperator):
    """``x -> m x`` for any shapes that broadcast, so that its items grow."""

    matrix: np.ndarray

    def _apply(self, x):
        return self.matrix * x

    def _adjoint(self, y):
        return np.sum(self.matrix * y, axis=0)


@dataclass(frozen=True, eq=False, repr=False)
class Matrix(nl.LinearOperator):
    """``x -> m x``, which takes a batch of four for a matrix and refuses others."""

    matrix: object

    def _apply(self, x):
        return self.matrix @ x

    def _adjoint(self, y):
        return self.matrix.T @ y


@dataclass(frozen=True, eq=False, repr=False)
class Cumulate(nl.LinearOperator):
    """``x -> cumsum(x)`` along the first axis, which a batch puts another axis before."""

    like: np.ndarray

    def _apply(self, x):
        return np.cumsum(x, axis=0)

    def _adjoint(self, y):
        return np.cumsum(y[::-1], axis=0)[::-1]


START = RNG.standard_normal(4)
BATCHES = {
    "random": real(6, 4),
    "far": torch.tensor(np.stack([START, START + 1, START - 1, START, START, 2 * START])),
    "near": torch.tensor(START + 1e-4 * np.arange(6.0)[:, None]),
    "first is zero": torch.arange(6.0)[:, None].double() * real(4),
    "nested": real(2, 3, 4),
}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(
    "operator",
    [
        Product(RNG.standard_normal((3, 4))),  # the item's result has another shape
        nl.MeanNormalize().linearize(RNG.uniform(1.0, 2.0, 4))[1],  # mixes all entries
        nl.HalfSquaredError(np.zeros(4)).linearize(RNG.standard_normal(4))[1],  # refuses
        Matrix(RNG.standard_normal((3, 4))),
        Matrix(real(3, 4)),
        Cumulate(np.zeros(1)),
    ],
    ids=["grows", "mixes", "refuses", "matrix", "matrix of torch", "cumulates"],
)
def test_an_operator_that_knows_no_batch_gets_items(operator, batch):
    f, x = wrap(operator), BATCHES[batch]
    gradient = grad(lambda x: f(x).square().sum())
    for each in (f, gradient):
        over_items = vmap(vmap(each)) if batch == "nested" else vmap(each)
        want = torch.stack([each(item) for item in x.reshape(6, 4)])
        assert_close(over_items(x), want.reshape(*x.shape[:-1], *want.shape[1:]))


def test_no_images_give_no_results():
    f, x = wrap(nl.Sense(RNG.standard_normal((3, 4)))), real(0, 4)
    assert vmap(f)(x).shape == (0, 3, 4)
    assert vmap(vmap(f))(real(2, 0, 4)).shape == (2, 0, 3, 4)
    x, maps = x.requires_grad_(), real(3, 4).requires_grad_()
    vmap(lambda x: f(x, maps=maps))(x).sum().backward()
    assert x.grad.shape == (0, 4)
    assert torch.equal(maps.grad, torch.zeros(3, 4).double())


def test_no_items_of_a_map_are_refused():
    with pytest.raises(ValueError, match="vmap: there are 0 items; want one at least"):
        vmap(wrap(nl.HalfSquaredError(np.zeros(4))))(real(0, 4))


# --- torch.compile --------------------------------------------------------------------------


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_what_traces_is_refused(array):
    x = complex_(4, 5)
    F = nl.NUFFT(array(points(7, 2)), (4, 5))
    f, module = wrap(F), OperatorModule(F, [])
    y = f(x)
    calls = (f, x), (f.adjoint, y), (module, x), (module.adjoint, y), (wrap(nl.Magnitude()), x)
    for call, at in calls:
        for trace in (make_fx, partial(make_fx, tracing_mode="fake")):
            with pytest.raises(NotImplementedError, match=r"f\(x\) is being traced, by make_fx"):
                trace(partial(call))(at)
        with pytest.raises(NotImplementedError, match=r"f\(x\) is being traced, by make_fx"):
            torch.func.linearize(call, at)
        assert call(at).shape  # and not for ever


def test_export_is_refused():
    module = OperatorModule(nl.NUFFT(points(7, 2).numpy(), (4, 5)), [])
    with pytest.raises(NotImplementedError, match=r"f\(x\) is being traced, by make_fx"):
        torch.export.export(module, (complex_(4, 5),), strict=False)


# torch asks tensors for what it warns of, and hides that, except where warnings are errors.
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_functions_call_it_as_it_is(backend):
    F = nl.NUFFT(points(7, 2).numpy(), (4, 5))
    f, loss = wrap(F), wrap(nl.HalfSquaredError(np.zeros(7, complex)))

    def model(x, k):
        y = f(2.0 * x, trajectory=k)
        return loss(y) + f.adjoint(y, trajectory=k).abs().sum()

    where = complex_(4, 5), points(7, 2)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend=backend)
    results = []
    for each in (model, compiled):
        x, k = (torch.clone(a).requires_grad_() for a in where)
        value = each(x, k)
        value.backward()
        results.append((value, x.grad, k.grad))
    assert_close(*results)
