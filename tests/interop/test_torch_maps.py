"""Maps that are not linear, such as losses, in torch."""

import weakref

import numpy as np
import pytest

import nufftlib as nl

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck  # noqa: E402
from torch.func import grad, hessian, vmap  # noqa: E402

from nufftlib.interop.torch import wrap  # noqa: E402

# torch's forward mode loads what torch has come to discourage.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

RNG = np.random.default_rng(0)


def real(*shape):
    return RNG.standard_normal(shape)


def complex_(*shape):
    return real(*shape) + 1j * real(*shape)


def assert_close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_loss_of_a_trajectory(precision):
    real_dtype, complex_dtype = {"double": "dD", "single": "fF"}[precision]
    k, x = RNG.uniform(-0.5, 0.5, (7, 2)).astype(real_dtype), complex_(4, 5).astype(complex_dtype)
    target = complex_(7).astype(complex_dtype)
    loss = nl.HalfSquaredError(target) @ nl.NUFFT(k, (4, 5)).as_map("trajectory", x)
    theta = torch.tensor(k).requires_grad_()
    ours = wrap(loss)(theta)
    (2.0 * ours).backward()
    value, gradient = loss.value_and_grad(k)
    assert_close(ours.detach(), torch.tensor(value, dtype=theta.dtype))
    assert_close(theta.grad, torch.tensor(2 * gradient))


MAPS = {
    "magnitude": nl.Magnitude() @ nl.Diagonal(complex_(3, 4)),
    "magnitude in torch": nl.Magnitude() @ nl.Diagonal(torch.tensor(complex_(3, 4))),
    "made of no arrays": nl.MeanNormalize() @ nl.Magnitude(),
    "loss": nl.MeanSquaredError(complex_(3, 4)) @ nl.Diagonal(real(3, 4)),
    "mean in a mask": nl.MeanSquaredError(complex_(3, 4), np.arange(4) != 1),
    "similarity": nl.SSIM(real(3, 4), size=3) @ nl.Magnitude(),
    "similarity in torch": nl.SSIM(torch.tensor(real(3, 4)), size=3, mask=torch.arange(4) != 1)
    @ nl.Magnitude(),
    "several scales": nl.MultiScaleSSIM(real(3, 4), size=3, weights=(1,)) @ nl.Magnitude(),
    "loss in torch": nl.Huber(torch.tensor(complex_(3, 4)), 0.5),
}


@pytest.fixture(params=MAPS)
def f(request):
    return wrap(MAPS[request.param])


def test_gradients(f):
    x = torch.tensor(complex_(3, 4)).requires_grad_()
    assert gradcheck(f, (x,), eps=1e-5, atol=1e-6, rtol=1e-6, check_forward_ad=True)


def test_vmap_goes_item_by_item(f):
    batch = torch.tensor(complex_(2, 3, 4))
    gradient = grad(lambda x: f(x).sum())
    assert_close(vmap(f)(batch), torch.stack([f(item) for item in batch]))
    assert_close(vmap(gradient)(batch), torch.stack([gradient(item) for item in batch]))
    ours = grad(lambda batch: vmap(f)(batch).sum())(batch)
    assert_close(ours, torch.stack([gradient(item) for item in batch]))


@pytest.mark.parametrize("batch", [None, 3])
def test_it_is_linearized_once_for_forward_and_backward(batch, monkeypatch):
    calls = []
    linearize = nl.Magnitude.linearize
    monkeypatch.setattr(
        nl.Magnitude, "linearize", lambda self, x: (calls.append(x.shape), linearize(self, x))[1]
    )
    f = wrap(nl.Magnitude() @ nl.Diagonal(real(4)))
    x = torch.tensor(real(batch, 4) if batch else real(4)).requires_grad_()
    (vmap(f) if batch else f)(x).sum().backward()
    assert calls == [(4,)] * (batch or 1)


@pytest.mark.parametrize("transform", [torch.func.jacrev, grad, None])
def test_derivatives_by_cotangents_share_the_jacobian(transform, monkeypatch):
    calls = []
    linearize = nl.Magnitude.linearize
    monkeypatch.setattr(
        nl.Magnitude, "linearize", lambda self, x: (calls.append(x.shape), linearize(self, x))[1]
    )
    f, x = wrap(nl.Magnitude() @ nl.Diagonal(real(4))), torch.tensor(real(4))
    if transform is None:
        y = f(x.requires_grad_())
        for _ in range(2):
            torch.autograd.grad(y.sum(), x, retain_graph=True)
    else:
        transform(f if transform is torch.func.jacrev else lambda x: f(x).sum())(x)
    assert calls == [(4,)]


def test_the_jacobian_is_freed_with_the_graph(monkeypatch):
    jacobians = []
    linearize = nl.Magnitude.linearize

    def noted(self, x):
        value, J = linearize(self, x)
        jacobians.append(weakref.ref(J))
        return value, J

    monkeypatch.setattr(nl.Magnitude, "linearize", noted)
    f, x = wrap(nl.Magnitude()), torch.tensor(real(4)).requires_grad_()
    value = f(x).sum()
    value.backward(retain_graph=True)
    (jacobian,) = jacobians
    assert jacobian() is not None
    value.backward()
    assert jacobian() is None
    with torch.no_grad():
        f(x)
    assert jacobians[-1]() is None


class Exponential(nl.Map):
    """``x -> e^x``, whose Jacobian keeps the value; at zero it is an array of the map's own."""

    def __init__(self, ones):
        self.ones = ones

    def linearize(self, x):
        value = self.ones if x[0] == 0 else 1.0 * self.ones * np.e
        return value, nl.Diagonal(1.0 * value) if x[0] == 0 else nl.Diagonal(value)


@pytest.mark.parametrize("array", [np.ones, lambda n: torch.ones(n).double()])
@pytest.mark.parametrize("start", [0.0, 1.0])
def test_what_a_map_or_its_jacobian_keeps_is_not_given_away(array, start):
    f, x = wrap(Exponential(array(3))), torch.full((3,), start).double().requires_grad_()
    y = f(x)
    y.data.add_(100.0)
    y.sum().backward()
    assert_close(x.grad, x.detach().exp())
    assert_close(f(x).detach(), x.detach().exp())


def test_the_gradient_is_linear_in_its_cotangent(f):
    x = torch.tensor(complex_(3, 4))
    _, pull = torch.func.vjp(f, x)
    cotangent = torch.randn_like(f(x))
    assert gradcheck(pull, (cotangent.requires_grad_(),), eps=1e-3, atol=1e-6, rtol=1e-6)


def test_second_derivatives_are_refused(f):
    message = "has a Jacobian, and no second derivative"
    x = torch.tensor(complex_(3, 4)).requires_grad_()
    (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match=message):
        g.abs().sum().backward()
    with pytest.raises(NotImplementedError, match=message):
        hessian(lambda t: f(t + 0j).sum())(torch.tensor(real(3, 4)))
