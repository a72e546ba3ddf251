"""What composing, adding, scaling, renaming and replacing mean."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.core.operator import Constant

rng = np.random.default_rng(1)
u, v = rng.standard_normal((2, 4)) + 1j * rng.standard_normal((2, 4))
x = rng.standard_normal(4) + 1j * rng.standard_normal(4)
k = rng.uniform(-0.5, 0.5, (5, 1))


def test_the_algebra():
    A, B = nl.Diagonal(u), nl.Diagonal(v).rename(weights="other")
    np.testing.assert_allclose((A @ B)(x), u * v * x)
    np.testing.assert_allclose((A + B)(x), (u + v) * x)
    np.testing.assert_allclose((A - B)(x), (u - v) * x)
    np.testing.assert_allclose((-A)(x), -u * x)
    np.testing.assert_allclose(((2 - 1j) * A)(x), (2 - 1j) * u * x)
    np.testing.assert_allclose(((2 - 1j) * A).H(x), (2 + 1j) * np.conj(u) * x)
    np.testing.assert_allclose(A.N(x), np.abs(u) ** 2 * x)
    assert A.H.H is A


def test_parameters_keep_their_names_through_composition():
    A = nl.NUFFT(k, (4,)) @ nl.Sense(np.stack([u, v]))
    assert set(A.parameters) == {"trajectory", "maps"}
    assert set((3.0 * A.H).parameters) == {"trajectory", "maps"}
    replaced = A.replace(maps=np.stack([v, u]))
    np.testing.assert_allclose(replaced(x)[::-1], A(x))
    assert A.parameters["maps"][0, 0] == u[0]


@pytest.mark.parametrize("combine", [lambda a, b: a @ b, lambda a, b: a + b, lambda a, b: a - b])
def test_two_parameters_of_one_name_are_refused(combine):
    with pytest.raises(ValueError, match=r"'weights'.*rename.*weights='other_weights'"):
        combine(nl.Diagonal(u), nl.Diagonal(v))


def test_one_parameter_in_two_places_obeys_the_product_rule():
    W = nl.Diagonal(u)
    A = W @ W
    assert list(A.parameters) == ["weights"]
    np.testing.assert_allclose(A.jvp("weights", x, v), 2 * u * v * x)
    np.testing.assert_allclose(A.replace(weights=v)(x), v * v * x)


def test_a_weighted_gram_has_one_trajectory_and_can_be_moved():
    F = nl.NUFFT(k, (4,), engine="direct")
    A = F.H @ nl.Diagonal(np.arange(5.0)) @ F
    assert set(A.parameters) == {"trajectory", "weights"}
    moved = A.replace(trajectory=k + 0.1)
    G = nl.NUFFT(k + 0.1, (4,), engine="direct")
    np.testing.assert_allclose(moved(x), G.H(np.arange(5.0) * G(x)))
    assert set(moved.parameters) == {"trajectory", "weights"}


def test_one_operator_under_two_names_takes_two_values():
    F = nl.NUFFT(k, (4,), engine="direct")
    A = F.H.rename(trajectory="a") @ F.rename(trajectory="b")
    moved = A.replace(a=k + 0.1, b=k - 0.2)
    np.testing.assert_array_equal(moved.parameters["a"], k + 0.1)
    np.testing.assert_array_equal(moved.parameters["b"], k - 0.2)
    want = F.replace(trajectory=k + 0.1).H(F.replace(trajectory=k - 0.2)(x))
    np.testing.assert_allclose(moved(x), want)


def test_terms_that_only_broadcast_are_no_sum():
    """The adjoint of a sum that broadcasts would be another one."""
    A = nl.Sense(np.stack([u, v])) + nl.Diagonal(u)
    with pytest.raises(ValueError, match=r"\(2, 4\) and \(4,\); want one shape"):
        A(x)


def test_unknown_names_say_what_there_is():
    A = nl.Diagonal(u)
    for call in (
        lambda: A.vjp("density", x, x),
        lambda: A.derivative("density", u),
        lambda: A.replace(density=u),
        lambda: A.rename(density="d"),
        lambda: A.as_map("density", x),
        lambda: A.linearize(x, wrt="density"),
        lambda: (A @ A).replace(density=u),
    ):
        with pytest.raises(ValueError, match="has no parameter 'density'; it has 'weights'"):
            call()


def test_a_scalar_must_be_a_number():
    with pytest.raises(TypeError, match=r"want a number .* Diagonal"):
        nl.core.operator.Scale(np.asarray(2.0))


def test_numpy_scalars_are_numbers_and_arrays_are_not():
    A = nl.Diagonal(np.ones(4, np.float32))
    assert (np.float64(2) * A)(np.ones(4, np.float32)).dtype == np.float32
    assert (np.float32(2) * A)(np.ones(4, np.float32))[0] == 2
    np.testing.assert_array_equal((A * 3 / 2)(np.ones(4, np.float32)), 1.5)
    for combine in (lambda: np.ones(4) * A, lambda: A * np.ones(4)):
        with pytest.raises(TypeError, match="ndarray; want a number"):
            combine()
    for combine in (lambda: A @ np.ones(4), lambda: A + np.ones(4)):
        with pytest.raises(TypeError, match=r"applied by calling it: F\(x\)"):
            combine()
    with pytest.raises(TypeError):
        np.ones((4, 4)) @ A


def test_repr_shows_arrays_by_shape():
    A = nl.Sense(np.ones((3, 4))) @ nl.Diagonal(np.ones(4))
    assert repr(A) == (
        "Compose(left=Sense(maps=<(3, 4) float64>), right=Diagonal(weights=<(4,) float64>))"
    )
    assert repr(nl.Magnitude()) == "Magnitude()"


def test_only_one_number_has_a_gradient():
    with pytest.raises(ValueError, match=r"\(4,\); want one number"):
        nl.Diagonal(u).as_map("weights", x).value_and_grad(v)


def test_check_operator_wants_an_operator():
    with pytest.raises(TypeError, match="operator is 3; want a LinearOperator"):
        nl.check_operator(3, x)


def test_derivatives_have_the_parameters_on_which_they_depend():
    W, S = nl.Diagonal(u), nl.Diagonal(v).rename(weights="other")
    assert W.derivative("weights", v).parameters == {}  # it is linear in them
    D = W.N.derivative("weights", v)
    assert list(D.parameters) == ["weights"]
    assert nl.check_operator(D.N, x).ok
    assert list((S @ W).derivative("weights", v).parameters) == ["other"]
    np.testing.assert_allclose((W.derivative("weights", v) @ W)(x), v * u * x)


def test_what_is_held_constant_is_no_parameter_any_more():
    A = nl.Diagonal(u) @ nl.Diagonal(v).rename(weights="other")
    held = Constant(A, ("other",))
    assert list(held.parameters) == ["weights"]
    np.testing.assert_allclose(held.replace(weights=v)(x), v * v * x)
    np.testing.assert_allclose(held.vjp("weights", x, x), A.vjp("weights", x, x))
    assert held.derivative("weights", u).parameters == {}
    for call in (lambda: held.replace(other=u), lambda: held.vjp("other", x, x)):
        with pytest.raises(ValueError, match="Constant has no parameter 'other'"):
            call()


def test_renaming_onto_a_taken_name_is_refused():
    A = nl.Diagonal(u) @ nl.Diagonal(v).rename(weights="other")
    with pytest.raises(ValueError, match="want a name for each"):
        A.rename(weights="other")
    swapped = A.rename(weights="other", other="weights")
    np.testing.assert_allclose(swapped.parameters["weights"], v)
    np.testing.assert_allclose(swapped.replace(weights=u)(x), u * u * x)


def test_a_unitary_operator_passes_though_the_derivative_of_its_gram_cancels():
    F = nl.NUFFT(np.arange(4.0)[:, None] / 4, (4,), norm="ortho", engine="direct")
    report = nl.check_operator(F.N, x)
    assert report.ok, str(report)


def test_the_gradient_by_a_real_argument_is_real():
    loss = nl.HalfSquaredError(x) @ nl.Diagonal(u)
    gradient = loss.value_and_grad(np.ones(4))[1]
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, np.real(np.conj(u) * (u - x)))


def test_operators_cannot_be_changed():
    with pytest.raises(AttributeError):
        nl.Diagonal(u).weights = v


def test_maps_compose_add_and_scale():
    z = np.abs(x) + 0.5
    f = nl.MeanSquaredError(np.ones(4)) @ nl.MeanNormalize()
    g = 3.0 * nl.HalfSquaredError(np.zeros(4))
    value, gradient = (f - g).value_and_grad(z)
    fv, fg = f.value_and_grad(z)
    gv, gg = g.value_and_grad(z)
    assert float(value) == pytest.approx(float(fv) - float(gv))
    np.testing.assert_allclose(gradient, fg - gg)
    np.testing.assert_allclose((-f)(z), -f(z))
    objective = nl.HalfSquaredError(x) @ nl.Diagonal(u).as_map("weights", v)
    np.testing.assert_allclose(objective.value_and_grad(u)[1], np.conj(v) * (u * v - x))


def test_maps_through_linear_operators_of_equal_parameter_names():
    """Jacobians carry no parameters, so that names need not differ along a chain of maps."""
    f = nl.Diagonal(u) @ (nl.MeanNormalize() @ nl.Magnitude() @ nl.Diagonal(v))
    value, J = f.linearize(x)
    assert J.parameters == {}
    assert nl.check_operator(J.N, x).ok
    np.testing.assert_allclose(value, u * np.abs(v * x) / np.abs(v * x).mean())


def test_the_fixed_input_goes_through_a_composition_once():
    calls = []

    class Counting(nl.Diagonal):
        def _apply(self, x):
            calls.append(1)
            return super()._apply(x)

    F = nl.NUFFT(k, (4,), engine="direct")
    fixed = (F @ Counting(u)).as_map("trajectory", x)
    for shift in (0.0, 0.1, 0.2):
        np.testing.assert_allclose(fixed(k + shift), F.replace(trajectory=k + shift)(u * x))
    assert len(calls) == 1


def test_mixed_libraries_are_named():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="x is a torch array and weights a numpy array"):
        nl.Diagonal(u)(torch.ones(4))
    with pytest.raises(TypeError, match="x is a list; want an array"):
        nl.Diagonal(u)([1, 2])


def test_mixed_devices_are_named():
    strict = pytest.importorskip("array_api_strict")
    here = strict.ones(4, device=strict.Device("CPU_DEVICE"))
    there = strict.ones(4, device=strict.Device("device1"))
    with pytest.raises(ValueError, match=r"x is on .*device1.* weights on .*CPU_DEVICE"):
        nl.Diagonal(here)(there)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nl.Diagonal(np.arange(3)), TypeError, "int64; want real or complex"),
        (lambda: nl.Diagonal(np.ones(3))(np.ones(4)), ValueError, r"\(4,\); want last axes"),
        (lambda: nl.Diagonal(np.ones((2, 1)))(np.ones(2)), ValueError, "want last axes"),
        (
            lambda: nl.Diagonal(np.ones(3)).vjp("weights", np.ones(3), np.ones((2, 3))),
            ValueError,
            r"y has the shape \(2, 3\); want \(3,\), as of A x",
        ),
        (lambda: nl.Diagonal(np.ones(3))(np.ones(3, "f4")), TypeError, "x is float32 and weights"),
        (
            lambda: nl.Diagonal(np.ones(3)).jvp("weights", np.ones(3), np.ones(2)),
            ValueError,
            r"dtheta has the shape \(2,\)",
        ),
        (lambda: nl.Sense(np.ones((3, 4)))(np.ones(4, "f4")), TypeError, "float32 and maps"),
        (
            lambda: nl.Sense(np.ones((3, 4))).jvp("maps", np.ones(4), np.ones((5, 4))),
            ValueError,
            "want those of maps",
        ),
        (
            lambda: nl.Sense(np.ones((3, 4))).vjp("maps", np.ones((2, 4)), np.ones((3, 4))),
            ValueError,
            r"y has the shape \(3, 4\); want \(2, 3, 4\), as of A x",
        ),
        (lambda: nl.Sense(np.ones((3, 4), int)), TypeError, "int64; want real or complex"),
        (lambda: nl.HalfSquaredError(np.ones(3))(np.ones(3, "f4")), TypeError, "z is float32"),
        (lambda: nl.Sense(np.ones(3)), ValueError, r"want \(coils, \*image shape\)"),
        (lambda: nl.Sense(np.ones((3, 4)))(np.ones(3)), ValueError, r"\(3,\); want \(..., 4\)"),
        (lambda: nl.Sense(np.ones((3, 4))).H(np.ones((2, 4))), ValueError, "want .* 3, 4"),
        (lambda: nl.inner(np.ones(3), np.ones(4)), ValueError, "want one shape"),
    ],
)
def test_wrong_arguments_say_what_came_and_what_is_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("method", ["apply", "adjoint", "outline", "outline_adjoint"])
def test_a_multiple_casts_no_integers(row, method):
    A = nl.core.operator.Scale(2.0)
    getattr(A, method)(row.array([1.0]))
    for wrong in (row.array([1], "int64"), row.array([True], "bool")):
        with pytest.raises(
            TypeError, match=r"[xy] has the dtype .*; want real or complex floating"
        ):
            getattr(A, method)(wrong)


def test_a_parameter_that_is_left_out_is_refused():
    with pytest.raises(TypeError, match=r"Diagonal\(weights\): weights is a NoneType; want an arr"):
        nl.Diagonal(None)
    with pytest.raises(TypeError, match="weights is a NoneType"):
        nl.Diagonal(np.ones(3)).replace(weights=None)
