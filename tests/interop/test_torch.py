"""What the torch adapter takes, copies and computes; peers' pitfalls by name."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import nufftlib as nl

torch = pytest.importorskip("torch")

from nufftlib.core.operator import parameter  # noqa: E402
from nufftlib.interop.torch import wrap  # noqa: E402

RNG = np.random.default_rng(0)


def complex_array(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def nufft(shape=(5, 6), samples=(7,), **settings):
    return nl.NUFFT(RNG.uniform(-0.5, 0.5, (*samples, len(shape))), shape, eps=1e-12, **settings)


def tensor(array):
    return torch.tensor(np.asarray(array)).requires_grad_()


def numpy(t):
    return t.detach().resolve_conj().numpy()


def close(a, b, tolerance=1e-12):
    a, b = (numpy(t) if isinstance(t, torch.Tensor) else t for t in (a, b))
    return np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@dataclass(frozen=True, eq=False, repr=False)
class Recorder(nl.LinearOperator):
    """Two weights; remembers what was asked of it, with what and what it answered."""

    first: object = parameter()
    second: object = parameter()
    calls: list = field(default_factory=list)

    def _noted(self, what, result, *arrays):
        self.calls.append((what, [a.ctypes.data for a in (result, *arrays)]))
        return result

    def _apply(self, x):
        return self._noted("apply", self.first * self.second * x, x)

    def _adjoint(self, y):
        return self._noted("adjoint", self.first * self.second * y, y)

    def _derivative(self, name, dtheta):
        other = {"first": "second", "second": "first"}[name]
        return nl.Diagonal(dtheta * self.parameters[other])

    def _form(self, name, x, y):
        other = {"first": "second", "second": "first"}[name]
        return self._noted(name, self.parameters[other] * x * y, x, y)


def recorder():
    return Recorder(RNG.standard_normal(4), RNG.standard_normal(4))


# --- what computes, and what is copied ----------------------------------------------------


def test_values_are_the_operators():
    F = nufft()
    x, y, k = complex_array(3, 5, 6), complex_array(3, 4), RNG.uniform(-0.5, 0.5, (4, 2))
    f, G = wrap(F), F.replace(trajectory=k)
    assert close(f(tensor(x)), F(x))
    assert close(f(tensor(x), trajectory=tensor(k)), G(x))
    assert close(f.adjoint(tensor(y), trajectory=tensor(k)), G.adjoint(y))


def test_images_and_data_are_not_copied():
    A = recorder()
    f, x, w, g = wrap(A), tensor(np.ones(4)), tensor(np.ones(4)), torch.ones(4).double()
    y = f(x, first=w)
    y.backward(g)
    (_, forward), (_, adjoint), (_, form) = A.calls
    assert forward == [y.data_ptr(), x.data_ptr()]
    assert adjoint == [x.grad.data_ptr(), g.data_ptr()]
    assert form == [w.grad.data_ptr(), x.data_ptr(), g.data_ptr()]


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        ("x", ["apply", "adjoint"]),
        ("first", ["apply", "first"]),
        ("second x", ["apply", "adjoint", "second"]),
        ("first second", ["apply", "first", "second"]),
    ],
)
def test_only_gradients_that_are_asked_for_are_computed(wanted, calls):
    A = recorder()
    x, a, b = (torch.ones(4).double().requires_grad_(n in wanted) for n in ("x", "first", "second"))
    wrap(A)(x, first=a, second=b).sum().backward()
    assert [what for what, _ in A.calls] == calls
    have = [t.grad is not None for t in (x, a, b)]
    assert have == [n in wanted for n in ("x", "first", "second")]


def test_gradients_that_nobody_asks_for_in_particular():
    """torch.func knows what it wants in forward; torch.autograd.grad does not tell."""
    A = recorder()
    x, a = (torch.ones(4).double().requires_grad_() for _ in range(2))
    torch.func.grad(lambda x: wrap(A)(x, first=a).sum())(x)
    assert [what for what, _ in A.calls] == ["apply", "adjoint"]
    torch.autograd.grad(wrap(A)(x, first=a).sum(), x)
    assert [what for what, _ in A.calls[2:]] == ["apply", "adjoint", "first"]


def test_an_operator_is_made_once_for_forward_and_backward(monkeypatch):
    made = []
    check = nl.NUFFT.__post_init__
    monkeypatch.setattr(nl.NUFFT, "__post_init__", lambda self: (made.append(self), check(self)))
    F = nufft()
    x, k = tensor(complex_array(5, 6)), tensor(RNG.uniform(-0.5, 0.5, (4, 2)))
    wrap(F)(x, trajectory=k).abs().sum().backward()
    assert len(made) == 2  # the operator itself, and the one at k


class Crop(nl.LinearOperator):
    """Its results are views: of its input, or such as no tensor can be."""

    def __init__(self, result):
        self.result = result
        self.array = np.zeros(1)

    def _apply(self, x):
        return self.result(x)

    def _adjoint(self, y):
        return self.result(y)


@pytest.mark.parametrize(
    "result",
    [
        lambda x: x,
        lambda x: x[::-1],
        lambda x: np.broadcast_to(2 * x[:1], x.shape),
        lambda x: (2 * x)[::-1],
        lambda x: np.lib.stride_tricks.as_strided(2 * x[:1], x.shape, (0,)),
    ],
    ids=["the input", "the input backwards", "read-only", "negative strides", "one entry"],
)
def test_a_result_that_torch_cannot_hold_is_copied(result):
    x = torch.arange(3.0)
    y = wrap(Crop(result))(x)
    assert np.array_equal(y.numpy(), result(x.numpy()))
    y += 1.0
    assert np.array_equal(y.numpy(), result(x.numpy()) + 1.0)
    assert x.tolist() == [0.0, 1.0, 2.0]


def test_a_view_of_the_input_is_copied_in_torch_as_well():
    x = torch.arange(3.0)
    operator = Crop(lambda x: x[1:])
    operator.array = torch.zeros(1)
    y = wrap(operator)(x)
    y += 1.0
    assert x.tolist() == [0.0, 1.0, 2.0]


def test_a_result_of_one_entry_is_copied_in_torch_as_well():
    operator = Crop(lambda x: (x[1:2] + 1.0).expand(3))
    operator.array = torch.zeros(1)
    y = wrap(operator)(torch.arange(3.0))
    y += 1.0
    assert y.tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("array", [np.ones, lambda n: torch.ones(n).double()])
def test_what_an_operator_keeps_is_not_given_away(array):
    operator = Crop(lambda _: operator.array[1:])
    operator.array = array(3)
    y = wrap(operator)(torch.ones(2).double())
    y += 1.0
    assert y.tolist() == [2.0, 2.0]
    assert operator.array.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["x", "y", "self", "caller", "operator"])
def test_a_parameter_may_have_any_name(name):
    f = wrap(nl.Diagonal(np.ones(3)).rename(weights=name))
    x, w = tensor(np.arange(3.0)), tensor(np.arange(3.0))
    y = f(x, **{name: w}) + f.adjoint(x, **{name: w})
    y.sum().backward()
    assert close(y, 2 * np.arange(3.0) ** 2)
    assert close(w.grad, 2 * np.arange(3.0))


# --- kinds of tensors -----------------------------------------------------------------------

KINDS = {
    "conjugate": lambda t: t.conj(),
    "negative": lambda t: t.conj().imag,
    "expanded": lambda t: t[..., :1].expand(*t.shape),
    "expanded batch": lambda t: t[:1].expand(*t.shape),
    "transposed": lambda t: t.mT.contiguous().mT,
    "every second": lambda t: t.repeat_interleave(2, dim=-1)[..., ::2],
}


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_tensor_is_taken(kind, library):
    view = KINDS[kind]
    x, w, g = (tensor(complex_array(2, 3, 4)) for _ in range(3))
    assert view(x).is_neg() == (kind == "negative")
    assert view(x).is_conj() == (kind == "conjugate")
    f = wrap(nl.Diagonal(np.ones(1) if library == "numpy" else torch.ones(1).double()))
    got, want = f(view(x), weights=view(w)), view(x) * view(w)
    assert close(got, want)
    ours, theirs = (torch.autograd.grad(y, (x, w), view(g.detach())) for y in (got, want))
    assert all(close(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("kind", ["transposed", "expanded", "every second", "conjugate"])
def test_any_kind_of_image_reaches_the_nufft(kind):
    F, x = nufft(), KINDS[kind](tensor(complex_array(2, 5, 6)))
    assert close(wrap(F)(x), F(numpy(x).copy()))


@pytest.mark.parametrize("flip", [slice(None, None, -1), slice(None)])
def test_parameters_with_negative_strides_and_read_only_ones(flip):
    maps = complex_array(3, 5, 6)[flip]
    maps.flags.writeable = False
    S, x = nl.Sense(maps), tensor(complex_array(5, 6))
    y = wrap(S)(x)
    y.abs().square().sum().backward()
    assert close(y, S(x.detach().numpy()))
    assert close(x.grad, 2 * S.N(x.detach().numpy()))


# --- in which state ---------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("name", ["weights", "trajectory"])
def test_backward_uses_the_parameters_of_forward(name, library):
    array = np.asarray if library == "numpy" else torch.tensor
    A = {
        "weights": nl.Diagonal(array(RNG.standard_normal((5, 6)) + 0j)),
        "trajectory": nl.NUFFT(array(RNG.uniform(-0.5, 0.5, (7, 2))), (5, 6), eps=1e-12),
    }[name]
    f, x, theta = wrap(A), tensor(complex_array(5, 6)), tensor(A.parameters[name])
    loss = f(x, **{name: theta}).abs().square().sum()
    want = torch.autograd.grad(loss, (x, theta), retain_graph=True)
    with torch.no_grad():
        theta.mul_(0.5)
    got = torch.autograd.grad(loss, (x, theta))
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


def test_two_forwards_at_different_trajectories_before_one_backward():
    F, x = nufft(), tensor(complex_array(5, 6))
    f, k = wrap(F), [tensor(RNG.uniform(-0.5, 0.5, (4, 2))) for _ in range(2)]
    sum(f(x, trajectory=each).abs().square().sum() for each in k).backward()
    for each in k:
        G, image = F.replace(trajectory=each.detach().numpy()), x.detach().numpy()
        assert close(each.grad, 2 * G.vjp("trajectory", image, G(image)))


def test_an_image_that_backward_needs_and_that_has_changed_is_noticed():
    f = wrap(nufft())
    x, k = tensor(complex_array(5, 6)), tensor(RNG.uniform(-0.5, 0.5, (4, 2)))
    loss = f(x, trajectory=k).abs().sum()
    with torch.no_grad():
        x.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_an_image_that_backward_does_not_need_may_change():
    A = nl.Diagonal(np.asarray([2.0, 3.0]))
    x = tensor(np.ones(2))
    loss = wrap(A)(x).sum()
    with torch.no_grad():
        x.mul_(2.0)
    loss.backward()
    assert x.grad.tolist() == [2.0, 3.0]


def test_a_double_operator_stays_double_after_an_update():
    f, x = wrap(nufft()), tensor(complex_array(5, 6)).detach()
    k = tensor(RNG.uniform(-0.5, 0.5, (4, 2)))
    optimizer = torch.optim.Adam([k], lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        y = f(x, trajectory=k)
        y.abs().square().sum().backward()
        optimizer.step()
        assert (y.dtype, k.dtype, k.grad.dtype) == (torch.complex128, torch.float64, torch.float64)


def test_single_precision_stays_single():
    F = nl.NUFFT(RNG.uniform(-0.5, 0.5, (7, 2)).astype(np.float32), (5, 6))
    x, k = tensor(complex_array(5, 6).astype(np.complex64)), tensor(F.trajectory)
    y = wrap(F)(x, trajectory=k)
    y.abs().square().sum().backward()
    dtypes = [t.dtype for t in (y, x.grad, k.grad)]
    assert dtypes == [torch.complex64, torch.complex64, torch.float32]
