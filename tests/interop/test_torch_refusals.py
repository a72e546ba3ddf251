"""What the torch adapter refuses."""

from dataclasses import dataclass

import numpy as np
import pytest

import nufftlib as nl
import optim

torch = pytest.importorskip("torch")

from nufftlib.core.operator import parameter  # noqa: E402
from nufftlib.interop.torch import wrap  # noqa: E402


def test_an_unknown_parameter_is_refused_with_the_names():
    with pytest.raises(ValueError, match="no parameter 'traj'; it has 'trajectory'"):
        wrap(nl.NUFFT(np.zeros((1, 2)), (5, 6)))(torch.zeros(5, 6) + 0j, traj=torch.zeros(4, 2))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_devices_that_do_not_fit_are_refused_with_both(library):
    A = nl.Diagonal(np.ones(2) if library == "numpy" else torch.ones(2))
    with pytest.raises(ValueError, match=r"(?s)x is on meta.*on cpu"):
        wrap(A)(torch.ones(2, device="meta"))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_what_is_no_tensor_is_refused(library):
    A = nl.Diagonal(np.ones(2) if library == "numpy" else torch.ones(2))
    with pytest.raises(TypeError, match=r"f\(x\): x is a ndarray; want a torch tensor"):
        wrap(A)(np.ones(2))
    with pytest.raises(TypeError, match=r"f.adjoint\(y\): weights is a ndarray"):
        wrap(A).adjoint(torch.ones(2), weights=np.ones(2))


def test_what_is_no_operator_of_these_libraries_is_refused():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="op is a function; want a LinearOperator or another Map"):
        wrap(lambda x: x)
    with pytest.raises(TypeError, match="made of array_api_strict arrays; want torch tensors"):
        wrap(nl.Diagonal(strict.ones(2)))


def test_a_parameter_whose_gradient_would_be_lost_is_refused():
    with pytest.raises(ValueError, match=r"own 'weights' requires grad.*f\(x, weights=tensor\)"):
        wrap(nl.Diagonal(torch.ones(2, requires_grad=True)))


def held(t):
    """Return maps that hold the tensor, and not as a parameter that a call could replace."""
    W = nl.Diagonal(torch.ones_like(t))
    return {
        "loss": nl.HalfSquaredError(t),
        "image": nl.HalfSquaredError(torch.zeros_like(t)) @ W.as_map("weights", t),
        "direction": W.derivative("weights", t),
    }


@pytest.mark.parametrize("kind", held(torch.ones(2)))
def test_a_tensor_whose_gradient_would_be_lost_is_refused_wherever_it_is(kind):
    wrap(held(torch.ones(2))[kind])
    message = r"op holds a tensor of the shape \(2,\) that requires grad"
    with pytest.raises(ValueError, match=message):
        wrap(held(torch.ones(2, requires_grad=True))[kind])
    with pytest.raises(ValueError, match=message):
        torch.func.grad(lambda t: wrap(held(t)[kind])(torch.ones(2)).sum())(torch.ones(2))
    with pytest.raises(ValueError, match=message):
        torch.func.jvp(
            lambda t: wrap(held(t)[kind])(torch.ones(2)), (torch.ones(2),), (torch.ones(2),)
        )


@pytest.mark.filterwarnings("ignore:ComplexHalf:UserWarning")
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex32, torch.int64])
def test_dtypes_that_the_library_does_not_compute_with_are_refused(library, dtype):
    ones = np.ones(2) if library == "numpy" else torch.ones(2)
    f, loss = wrap(nl.Diagonal(ones)), wrap(nl.HalfSquaredError(ones))
    x = torch.ones(2).to(dtype)
    for call, match in [
        (lambda: f(x), rf"f\(x\): x is {dtype}; want floating point of single or double"),
        (lambda: f.adjoint(x), rf"f.adjoint\(y\): y is {dtype}; want"),
        (lambda: f(torch.ones(2), weights=x), rf"f\(x\): weights is {dtype}; want"),
        (lambda: loss(x), rf"f\(x\): x is {dtype}; want"),
    ]:
        with pytest.raises(TypeError, match=match):
            call()


@dataclass(frozen=True, eq=False, repr=False)
class Gain(nl.LinearOperator):
    """An operator whose derivative nobody has derived."""

    gain: object = parameter()

    def _apply(self, x):
        return self.gain * x

    def _adjoint(self, y):
        return self.gain * y


def test_a_missing_derivative_is_loud():
    f = wrap(Gain(np.ones(2)) @ nl.Diagonal(np.ones(2)))
    x, gain = (torch.tensor([1.0, 2.0]).double().requires_grad_() for _ in range(2))
    f(x, gain=gain.detach()).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]
    with pytest.raises(NotImplementedError, match="Gain has no derivative by 'gain'"):
        f(x, gain=gain).sum().backward()


def transformed():
    """Ways to hand a function tensors that are more than their memory."""
    from torch.fx.experimental import proxy_tensor

    forward = torch.autograd.forward_ad

    def tangent(f, x):
        with forward.dual_level():
            return f(forward.make_dual(x, x))

    def fake(f, x):
        with torch._subclasses.fake_tensor.FakeTensorMode(allow_non_fake_inputs=True) as mode:
            return f(mode.from_tensor(x))

    return {
        "tangent": tangent,
        "functionalize": lambda f, x: torch.func.functionalize(f)(x),
        "fake": fake,
        "vmap": lambda f, x: torch.vmap(f)(torch.stack([x, x])),
        "jvp": lambda f, x: torch.func.jvp(f, (x,), (x,)),
        "grad": lambda f, x: torch.func.grad(lambda x: f(x).abs().sum())(x),
        "requires_grad": lambda f, x: f(x.clone().requires_grad_()),
        "make_fx": lambda f, x: proxy_tensor.make_fx(lambda x: f(x))(x),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("how", transformed())
@pytest.mark.parametrize("engine", ["grid", "finufft"])
def test_native_code_refuses_tensors_that_are_more_than_their_memory(how, engine):
    """Their tangents would vanish, and other memory than theirs would be read."""
    k, x = torch.rand(9, 2, dtype=torch.float64) - 0.5, torch.ones(4, 5, dtype=torch.complex128)
    F, transform = nl.NUFFT(k, (4, 5), engine=engine), transformed()[how]
    for f, argument in ((F.apply, x), (F.adjoint, F(x))):
        with pytest.raises(TypeError, match=r"by torch\.func|does not record|torch keeps|constant"):
            transform(f, argument)
    # torch itself refuses some of these, whose points cannot be compared.
    with pytest.raises((TypeError, RuntimeError)):
        transform(lambda k: nl.NUFFT(k, (4, 5), engine=engine)(x), k)
    assert F(torch.nn.Parameter(x, requires_grad=False)).shape == (9,)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_noise_refuses_tensors_that_are_more_than_their_memory():
    with pytest.raises(TypeError, match="has a tangent"):
        transformed()["tangent"](lambda x: nl.blur.poisson_noise(x, 0.1, seed=0), torch.ones(3))


LAYOUTS = {
    "sparse_coo": lambda x: x.to_sparse(),
    "sparse_csr": lambda x: x.to_sparse_csr(),
    "nested": lambda x: torch.nested.nested_tensor([x, x]),
    "nested NestedTensor": lambda x: torch.nested.nested_tensor([x, x], layout=torch.jagged),
}
POINTS, BOX = torch.zeros(9, 2, dtype=torch.float64), torch.ones(3, 3, dtype=torch.float64)
CALLS = {
    "a trajectory": lambda x: nl.NUFFT(x, (4, 3)),
    "an image": lambda x: nl.NUFFT(POINTS, (3, 3))(x),
    "an image of the exact sums": lambda x: nl.NUFFT(POINTS, (3, 3), engine="direct")(x),
    "a PSF": nl.Blur,
    "a blurred image": lambda x: nl.Blur(BOX).adjoint(x),
    "weights": nl.Diagonal,
    "a direction": lambda x: nl.Diagonal(BOX).derivative("weights", x),
    "both sides of a product": lambda x: nl.inner(x, x),
    "a loss's argument": nl.HalfSquaredError(BOX),
    "noise": lambda x: nl.blur.poisson_noise(x, seed=0),
    "a starting point": lambda x: optim.minimize(lambda p: (0.0, p), x, optim.sgd(0.1), steps=1),
    "what is projected": optim.projections.simplex(),
    "what shrinks": lambda x: optim.proximal.soft_threshold(0.1).prox(x, 1.0),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("call", CALLS)
def test_sparse_and_nested_tensors_are_no_arrays(call, layout):
    x = LAYOUTS[layout](torch.eye(3, dtype=torch.float64))
    with pytest.raises(TypeError, match=rf"is a {layout}.*; want"):
        CALLS[call](x)
