"""torch's own gradcheck and gradgradcheck of the adapter, on the registry of operators."""

from dataclasses import dataclass

import numpy as np
import pytest
from cases import CASES, KINDS, Case
from rows import open_row
from test_laws import FIRST

import nufftlib as nl

torch = pytest.importorskip("torch")

from torch.autograd import grad, gradcheck, gradgradcheck  # noqa: E402

from nufftlib.core.operator import parameter  # noqa: E402
from nufftlib.interop.torch import wrap  # noqa: E402

# torch's forward mode loads what torch has come to discourage.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

TOLERANCES = {"eps": 1e-5, "atol": 1e-6, "rtol": 1e-6}
BY_NAME = {case.name: case for case in CASES}
# The blurs differ in what the laws check; the adapter has the same few lines for all of them.
SOME = [case for i, case in enumerate(CASES) if not case.name.startswith("blur") or i % 8 == 0]


def built(case, row_name, *, adjoint=False):
    """The adapter's function of input and parameters, and tensors for them."""
    with open_row(row_name, host=True) as row:
        A, x = case.build(row, "double")
        names = list(A.parameters)
        arrays = [A(x) if adjoint else x, *A.parameters.values()]
        tensors = [torch.tensor(row.numpy(a)).requires_grad_() for a in arrays]
        f = wrap(A).adjoint if adjoint else wrap(A)
        return lambda x, *thetas: f(x, **dict(zip(names, thetas, strict=True))), tensors


ROWS = [("numpy", case) for case in SOME] + [("torch", case) for case in KINDS]


@pytest.mark.parametrize(
    ("row_name", "case"), ROWS, ids=lambda value: getattr(value, "name", value)
)
def test_gradients_by_image_and_all_parameters(row_name, case):
    f, tensors = built(case, row_name)
    forward = row_name == "torch"
    assert gradcheck(f, tensors, **TOLERANCES, fast_mode=True, check_forward_ad=forward)


@pytest.mark.parametrize("case", FIRST, ids=lambda case: case.name)
def test_gradients_of_gradients_mixed_ones_included(case):
    f, tensors = built(case, "numpy")
    assert gradgradcheck(f, tensors, **TOLERANCES, fast_mode=True)


SLOWLY = [
    "nufft grid (7,) batch (2,) ortho",
    "nufft @ sense",
    "diagonal complex on real, broadcast",
    "blur zero fft psf (5, 6) image (5, 6)c",
]


@pytest.mark.parametrize("adjoint", [False, True], ids=["forward", "adjoint"])
@pytest.mark.parametrize("name", SLOWLY)
def test_every_entry_of_jacobians_backward_and_forward(name, adjoint):
    f, tensors = built(BY_NAME[name], "numpy", adjoint=adjoint)
    assert gradcheck(f, tensors, **TOLERANCES, check_forward_ad=True)


def test_every_entry_of_second_jacobians_backward_and_forward():
    """Of a small composition, since every entry of an array meets every entry of the others."""
    small = Case(
        "small nufft @ sense",
        lambda m: (
            nl.NUFFT(m.trajectory(3, 2), (2, 3), engine="direct") @ nl.Sense(m.complex(2, 2, 3)),
            m.real(2, 3),
        ),
    )
    f, tensors = built(small, "numpy")
    assert gradgradcheck(f, tensors, **TOLERANCES, check_fwd_over_rev=True)


# --- as far as the operator has derivatives ------------------------------------------------


def third(f, v):
    """Three gradients in turn: of ``f``, and of what comes out, squared with weights."""
    v = v.clone().requires_grad_()
    (g,) = grad(f(v), v, create_graph=True)
    for _ in range(2):
        weights = torch.arange(1.0, 1.0 + g.numel()).reshape(g.shape)
        (g,) = grad((weights * g * g).sum(), v, create_graph=True)
    return g.detach()


def test_third_derivatives_are_right_where_the_operator_has_them():
    rng = np.random.default_rng(0)
    k, x = torch.tensor(rng.uniform(-0.5, 0.5, (3, 2))), torch.tensor(rng.standard_normal((4, 5)))
    n = torch.cartesian_prod(torch.arange(4) - 2, torch.arange(5) - 2).double()
    f = wrap(nl.NUFFT(k.numpy(), (4, 5), eps=1e-13) @ nl.Diagonal(x.numpy() + 0j))

    def ours(k):
        return f(x + 0j, trajectory=k, weights=x + k.prod() + 0j).abs().pow(3).sum()

    def dense(k):
        E = torch.exp(-2j * torch.pi * (k @ n.T))
        return (E @ ((x + k.prod()) * x + 0j).flatten()).abs().pow(3).sum()

    torch.testing.assert_close(third(ours, k), third(dense, k), rtol=1e-9, atol=0)


@dataclass(frozen=True, eq=False, repr=False)
class Cube(nl.LinearOperator):
    """``x -> t^3 x``, of which only the first derivative has been derived."""

    t: object = parameter()

    def _apply(self, x):
        return self.t**3 * x

    def _adjoint(self, y):
        return self.t**3 * y

    def _derivative(self, name, dtheta):
        return CubeDerivative(self.t, dtheta)

    def _form(self, name, x, y):
        return 3 * self.t**2 * x * y


@dataclass(frozen=True, eq=False, repr=False)
class CubeDerivative(nl.LinearOperator):
    """``x -> 3 t^2 dt x``."""

    t: object = parameter()
    dt: object

    def _apply(self, x):
        return 3 * self.t**2 * self.dt * x

    def _adjoint(self, y):
        return self.apply(y)


def test_a_derivative_of_higher_order_that_is_missing_is_loud():
    f, x = wrap(Cube(np.ones(3))), torch.ones(3).double().requires_grad_()
    t = torch.tensor([1.0, 2.0, 3.0]).double().requires_grad_()
    (g,) = grad(f(x, t=t).sum(), t, create_graph=True)
    assert g.tolist() == [3.0, 12.0, 27.0]
    with pytest.raises(NotImplementedError, match="CubeDerivative has no derivative by 't'"):
        g.sum().backward()
    (g,) = grad(f(x, t=t.detach()).sum(), x, create_graph=True)
    assert g.tolist() == [1.0, 8.0, 27.0]
