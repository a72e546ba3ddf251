"""Rules and trees, on every case: outlines are right, copies equal, conversions lead back."""

import copy
import pickle
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pytest
from array_api_compat import array_namespace
from cases import CASES, Maker
from rows import open_row
from test_laws import FIRST

import nufftlib as nl
import optim
from nufftlib.core.tree import held_arrays, named_arrays, rebuild

COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda tree: pickle.loads(pickle.dumps(tree)),
    "rebuild": lambda tree: rebuild(tree, np.copy),
}


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def built(request):
    with open_row("numpy") as row:
        yield row, *request.param.build(row, "double")


def refused_alike(f, wrong):
    try:
        f(wrong)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            f.outline(wrong)


def alike(outline, array):
    array = np.asarray(array)
    assert outline.shape == array.shape
    assert outline.dtype == array.dtype
    assert outline.size < 2 or outline.strides == (0,) * outline.ndim


def test_rules_tell_shapes_and_dtypes(built):
    row, A, x = built
    maker = Maker(row, "double", seed=9)
    for B, v in ((A, x), (A.H, A(x)), (A.N, x)):
        value = B(v)
        assert B.shapes.result(v.shape) == value.shape
        assert B.shapes.argument(value.shape) == v.shape
        alike(B.outline(v), value)
        alike(B.outline_adjoint(value), B.H(value))
    y = maker.cotangent(A, x)
    for name, theta in A.parameters.items():
        D, (value, J) = A.derivative(name, theta), A.linearize(x, wrt=name)
        alike(D.outline(x), D(x))
        alike(D.outline_adjoint(y), D.H(y))
        alike(J.outline(theta), value)
        alike(J.outline_adjoint(y), theta)
        assert J.shapes.result(theta.shape) == value.shape


NUMBERS = np.arange(1.0, 7.0).reshape(2, 3)
IMAGE = np.arange(72.0).reshape(9, 8)
F = nl.NUFFT(NUMBERS.T / 13, (4, 5), norm="ortho")
MAPS = {
    "loss": (nl.HalfSquaredError(NUMBERS), NUMBERS),
    "complex loss": (nl.Huber(1j * NUMBERS, 0.5), 1j * NUMBERS),
    "mean in a mask": (nl.MeanAbsoluteError(NUMBERS, NUMBERS > 2), NUMBERS),
    "similarity": (nl.SSIM(IMAGE, size=3, mask=IMAGE > 9), IMAGE[::-1]),
    "several scales": (nl.MultiScaleSSIM(IMAGE, size=3, weights=(1, 2)), IMAGE[::-1]),
    "counts": (nl.PoissonLikelihood(NUMBERS), NUMBERS),
    "quadratic": (nl.Quadratic(np.eye(6), NUMBERS, 1.0), NUMBERS),
    "magnitude": (nl.Magnitude(), 1j * NUMBERS),
    "mean": (nl.MeanNormalize(), NUMBERS),
    "chain": (3 * nl.MeanSquaredError(NUMBERS) @ nl.Magnitude(), 1j * NUMBERS),
    "sum": (nl.Magnitude() + nl.Diagonal(1j * NUMBERS), NUMBERS),
    "parameter": (nl.Sense(NUMBERS + 0j).as_map("maps", np.ones(3)), NUMBERS - 1j),
    "trajectory": (F.as_map("trajectory", np.ones((2, 4, 5), complex)), F.trajectory + 0.1),
    "lens": (nl.blur.Diffraction(7), np.zeros((2, 8))),
}


@pytest.mark.parametrize(("f", "x"), MAPS.values(), ids=MAPS)
def test_maps_tell_shapes_and_dtypes(f, x):
    alike(f.outline(x), f(x))
    refused_alike(f, np.ones((1, 9)))


def test_maps_that_do_not_say_are_evaluated():
    class Square(nl.Map):
        def linearize(self, x):
            return x**2, nl.Diagonal(2 * x)

    assert np.array_equal(Square().outline(NUMBERS), NUMBERS**2)


def test_outlines_are_refused_as_inputs_are(built):
    _, A, x = built
    for wrong in (x[..., :0], np.zeros(x.shape, int)):
        refused_alike(A, wrong)


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_copies_are_equal_and_apart(built, duplicate):
    row, A, x = built
    y = Maker(row, "double", seed=9).cotangent(A, x)
    B = duplicate(A)
    assert type(B) is type(A)
    assert [name for name, _ in named_arrays(B)] == [name for name, _ in named_arrays(A)]
    for old, new in zip(held_arrays(A), held_arrays(B), strict=True):
        assert new is not old
        assert np.array_equal(new, old)
    assert np.array_equal(B(x), A(x))
    assert np.array_equal(B.H(y), A.H(y))
    for name in A.parameters:  # one that stood in several places does so still
        assert np.array_equal(B.vjp(name, x, y), A.vjp(name, x, y))
        J, K = A.linearize(x, wrt=name)[1], duplicate(A.linearize(x, wrt=name)[1])
        assert np.array_equal(K.adjoint(y), J.adjoint(y))


# JAX compiles each operation for each shape: it has a few.
LIBRARIES = {"array_api_strict": FIRST, "torch": FIRST, "jax.numpy": FIRST[3::20]}


@pytest.mark.parametrize(
    ("library", "case"),
    [(library, case) for library, cases in LIBRARIES.items() for case in cases],
    ids=lambda value: getattr(value, "name", value),
)
def test_conversions_lead_there_and_back(case, library):
    xp = pytest.importorskip(library)
    with open_row("numpy") as row, open_row(library.partition(".")[0].split("_")[-1], host=True):
        A, x = case.build(row, "double")
        B, v = nl.convert((A, x), xp)
        assert {array_namespace(a) for a in held_arrays(B)} <= {array_namespace(v)}
        assert B.parameters.keys() == A.parameters.keys()
        back, value = nl.convert((B, B(v)), np)
        scale = np.linalg.norm(A(x))
        assert np.linalg.norm(value - A(x)) <= (1e-12 + case.eps) * scale
        assert np.array_equal(back(x), A(x))


def test_a_conversion_to_where_it_is_changes_nothing():
    F = nl.NUFFT(np.asarray([[0.1, 0.2]]), (4, 4))
    assert nl.convert(F, np) is F
    A = F.H @ nl.Diagonal(np.ones(1)) @ F
    assert nl.convert(A, np) is A


def test_shared_parameters_stay_shared():
    strict = pytest.importorskip("array_api_strict")
    F = nl.NUFFT(np.asarray([[0.1, 0.2]]), (4, 4))
    B = nl.convert(F.H @ nl.Diagonal(np.ones(1)) @ F, strict)
    assert sorted(B.parameters) == ["trajectory", "weights"]  # two of one name would be refused


def test_objectives_and_results_are_trees():
    strict = pytest.importorskip("array_api_strict")
    rng = np.random.default_rng(0)
    F = nl.NUFFT(rng.uniform(-0.5, 0.5, (9, 2)), (4, 4))
    x = rng.standard_normal((4, 4)) + 0j
    loss = nl.HalfSquaredError(np.zeros(9, complex)) @ F.as_map("trajectory", x)
    result = optim.minimize(loss.value_and_grad, F.trajectory, optim.sgd(1e-3), steps=2)
    tree = {"loss": loss, "results": [result], "steps": 2}
    for duplicate in COPIES.values():
        copied = duplicate(tree)
        again, _ = copied["loss"].value_and_grad(copied["results"][0].params)
        assert again == loss.value_and_grad(result.params)[0]
    moved = nl.convert(tree, strict)
    assert type(moved["results"][0]) is type(result)
    assert moved["steps"] == 2
    value, _ = moved["loss"].value_and_grad(moved["results"][0].params)
    assert abs(float(value) - loss.value_and_grad(result.params)[0]) < 1e-10


class OwnArguments(nl.Blur):
    def __init__(self, size):
        super().__init__(np.full((size, size), 1 / size**2))
        object.__setattr__(self, "name", "flat")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Keyword(nl.Diagonal):
    factor: float = 1.0


class Plain(nl.LinearOperator):
    def __init__(self, w):
        self.w = w

    def _apply(self, x):
        return self.w * x

    _adjoint = _apply


AUTHORS = {
    "own arguments": (OwnArguments(3), np.ones((5, 6))),
    "keywords": (Keyword(np.arange(3.0), factor=2.0), np.ones(3)),
    "no dataclass": (Plain(np.arange(3.0)), np.ones(3)),
    "inside": (nl.Diagonal(np.ones(3)) @ Plain(np.arange(3.0)), np.ones(3)),
}


@pytest.mark.parametrize(("A", "x"), AUTHORS.values(), ids=AUTHORS)
def test_operators_of_other_authors_are_trees(A, x):
    strict = pytest.importorskip("array_api_strict")
    for duplicate in COPIES.values():
        B = duplicate(A)
        assert np.array_equal(B(x), A(x))
        assert vars(B).keys() <= vars(A).keys()
        assert {n: v for n, v in vars(B).items() if isinstance(v, str | float)} == {
            n: v for n, v in vars(A).items() if isinstance(v, str | float)
        }
    assert {array_namespace(a) for a in held_arrays(nl.convert(A, strict))} == {strict}


def test_parameters_are_replaced_and_differentiated_whatever_the_arguments_are():
    A, x = OwnArguments(3), np.ones((5, 6))
    assert A.replace(psf=np.ones((2, 2))).psf.shape == (2, 2)
    assert nl.check_operator(A, np.random.default_rng(0).standard_normal((5, 6))).ok
    assert A.derivative("psf", A.psf)(x).shape == (3, 4)


def test_dicts_keep_their_kind():
    strict = pytest.importorskip("array_api_strict")
    moved = nl.convert(OrderedDict(b=np.ones(1), a=2), strict)
    assert type(moved) is OrderedDict
    assert list(moved) == ["b", "a"]
    assert array_namespace(moved["b"]) is strict


def test_a_number_behind_a_loss_has_an_outline():
    loss = 2.0 * nl.HalfSquaredError(np.zeros(3))
    J = loss.linearize(np.ones(3))[1]
    alike(J.outline_adjoint(1.0), J.adjoint(1.0))


def test_precision_is_kept_or_refused():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(False), pytest.raises(TypeError, match="jax makes float32 of an array"):
        nl.convert(nl.Diagonal(np.ones(3)), jax.numpy)


def test_tensors_that_require_grad_are_refused():
    torch = pytest.importorskip("torch")
    A = nl.Diagonal(torch.ones(3, requires_grad=True))
    with pytest.raises(TypeError, match="requires grad"):
        nl.convert(A, np)
