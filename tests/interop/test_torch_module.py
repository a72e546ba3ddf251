"""An operator as a torch module."""

import copy
import io

import numpy as np
import pytest

import nufftlib as nl

torch = pytest.importorskip("torch")

from nufftlib.interop.torch import OperatorModule, wrap  # noqa: E402

RNG = np.random.default_rng(0)


def complex_(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


@pytest.fixture(params=["numpy", "torch"])
def operator(request):
    array = np.asarray if request.param == "numpy" else torch.as_tensor
    F = nl.NUFFT(array(RNG.uniform(-0.5, 0.5, (7, 2))), (4, 5))
    return F @ nl.Sense(array(complex_(3, 4, 5)))


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_what_is_learned_are_parameters_and_the_rest_are_buffers(operator):
    module = OperatorModule(operator, learn=["trajectory"])
    assert [name for name, _ in module.named_parameters()] == ["trajectory"]
    assert [name for name, _ in module.named_buffers()] == ["maps"]
    for name, value in operator.parameters.items():
        assert same(getattr(module, name).detach(), value)
        with torch.no_grad():
            before, _ = np.asarray(value).copy(), getattr(module, name).add_(1.0)
        assert same(before, value)  # the module's are copies


def test_it_computes_and_learns(operator):
    module, f = OperatorModule(operator, learn=["maps", "trajectory"]), wrap(operator)
    x, y = torch.tensor(complex_(4, 5)), torch.tensor(complex_(3, 7))
    assert torch.equal(module(x), f(x))
    assert torch.equal(module.adjoint(y), f.adjoint(y))
    optimizer, losses = torch.optim.Adam(module.parameters(), lr=1e-2), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (module(x) - y).abs().square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sorted(losses, reverse=True) == losses

    now = module.operator
    assert type(now.parameters["maps"]) is type(operator.parameters["maps"])
    assert same(now.parameters["trajectory"], module.trajectory.detach())
    want = module(x).detach()
    assert np.allclose(now(x if torch.is_tensor(now.parameters["maps"]) else x.numpy()), want)
    before = np.asarray(now.parameters["maps"]).copy()
    with torch.no_grad():
        module.maps.add_(1.0)
    assert same(now.parameters["maps"], before)


def test_state_dict_copy_and_file_give_it_back(operator):
    module, other = (OperatorModule(operator, learn=["trajectory"]) for _ in range(2))
    with torch.no_grad():
        for tensor in (module.trajectory, module.maps):
            tensor.mul_(0.5)
    other.load_state_dict(module.state_dict())
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    x = torch.tensor(complex_(4, 5))
    for each in (other, copy.deepcopy(module), torch.load(file, weights_only=False)):
        assert torch.equal(each(x), module(x))


def test_conversions_keep_complex_parameters_complex(operator):
    module = OperatorModule(operator, learn=["maps"])
    single = copy.deepcopy(module)
    dtypes = {
        (m.trajectory.dtype, m.maps.dtype, m(torch.ones(4, 5, dtype=m.maps.dtype)).dtype)
        for m in (module.double(), copy.deepcopy(module).float(), single.to(torch.float32))
    }
    assert dtypes == {
        (torch.float64, torch.complex128, torch.complex128),
        (torch.float32, torch.complex64, torch.complex64),
    }
    assert same(module.maps.detach(), operator.parameters["maps"])
    assert isinstance(module.maps, torch.nn.Parameter)


def test_parameters_of_any_strides_and_read_only_ones_are_copied():
    maps = complex_(3, 4, 5)[::-1]
    maps.flags.writeable = False
    module = OperatorModule(nl.Sense(maps), learn=["maps"])
    with torch.no_grad():
        assert same(module.maps, maps)
        module.maps.zero_()
    assert maps.any()


@pytest.mark.filterwarnings("ignore:Complex modules:UserWarning", "ignore:ComplexHalf:UserWarning")
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.half, torch.bfloat16])
@pytest.mark.parametrize("name", ["trajectory", "maps"])
def test_a_conversion_to_another_kind_of_numbers_is_refused(operator, dtype, name):
    part = {"trajectory": operator.nufft, "maps": nl.Sense(operator.maps)}[name]
    module = OperatorModule(part, learn=[name])
    before = getattr(module, name).dtype
    with pytest.raises(TypeError, match=f"the dtype is {dtype}; want torch.float32 or torch.float"):
        module.to(dtype)
    assert getattr(module, name).dtype == before


# --- what is not learned ----------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch):
    """A list of the NUFFTs that are made."""
    made, check = [], nl.NUFFT.__post_init__
    monkeypatch.setattr(nl.NUFFT, "__post_init__", lambda self: (made.append(self), check(self)))
    return made


def test_a_trajectory_that_is_not_learned_is_not_sorted_again(operator, made):
    module, x = OperatorModule(operator, learn=["maps"]), torch.tensor(complex_(4, 5))
    made.clear()
    for _ in range(2):
        module.adjoint(module(x)).abs().sum().backward()
        torch.func.grad(lambda x: module(x).abs().sum())(x)
        torch.vmap(torch.func.grad(lambda x: module(x).abs().sum()))(x[None])
        with torch.no_grad():
            module.maps.mul_(2.0)
    assert not made
    module.double()(x)
    assert not made
    with torch.no_grad():
        module.trajectory.mul_(0.5)
    for _ in range(2):
        module(x)
    assert len(made) == 1


def data_write(module):
    module.trajectory.data.mul_(0.5)


def load(module):
    state = {"trajectory": 0.5 * module.trajectory, "maps": module.maps}
    module.load_state_dict(state)


def assign(module):
    module.trajectory = 0.5 * module.trajectory


def write_in_inference(module):
    with torch.inference_mode():
        module.trajectory.mul_(0.5)
        module(torch.zeros(4, 5, dtype=torch.complex128))


CHANGES = [data_write, load, assign, write_in_inference, torch.nn.Module.float]


@pytest.mark.parametrize("copies", [lambda m: m, copy.deepcopy])
@pytest.mark.parametrize("change", CHANGES)
def test_the_operator_is_that_of_the_buffers_as_they_are(operator, change, copies):
    module, f = OperatorModule(operator, learn=["maps"]), wrap(operator)
    x = torch.tensor(complex_(4, 5))
    module(x)
    change(module)
    module = copies(module)
    x = x.to(module.maps.dtype)
    for _ in range(2):
        got, want = module(x), f(x, maps=module.maps, trajectory=module.trajectory)
        assert torch.equal(got, want)
        ours, theirs = (torch.autograd.grad(y.abs().sum(), module.maps)[0] for y in (got, want))
        assert torch.equal(ours, theirs)
    assert same(module.operator.parameters["trajectory"], module.trajectory)


def test_arrays_that_the_operator_was_made_of_may_change(operator):
    module, x = OperatorModule(operator, learn=["maps"]), torch.tensor(complex_(4, 5))
    k = operator.parameters["trajectory"]
    k *= 0.5
    module.trajectory.mul_(0.5)  # which is k once more, though not what its points were sorted of
    assert torch.equal(module(x), wrap(operator)(x, maps=module.maps, trajectory=module.trajectory))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("changed", [False, True])
def test_buffers_that_functional_call_replaces_are_part_of_the_function(operator, changed):
    module, f, x = OperatorModule(operator, ["maps"]), wrap(operator), torch.tensor(complex_(4, 5))
    k, maps = module.trajectory.clone(), module.maps.detach().clone()
    if changed:
        module.trajectory.mul_(0.5)

    def ours(k, maps):
        state = {"trajectory": k, "maps": maps}
        return torch.func.functional_call(module, state, (x,)).abs().square().sum()

    def theirs(k, maps):
        return f(x, trajectory=k, maps=maps).abs().square().sum()

    for transform in [
        lambda f: f(k, maps),
        lambda f: torch.func.grad(f, 0)(k, maps),
        lambda f: torch.func.grad(f, 1)(k, maps),
        lambda f: torch.func.jvp(f, (k, maps), (k, maps))[1],
        lambda f: torch.func.jvp(lambda k: f(k, maps), (k,), (k,))[1],
        lambda f: torch.vmap(f, (0, None))(torch.stack([k, 0.9 * k]), maps),
        lambda f: torch.vmap(f, (None, 0))(k, torch.stack([maps, 2 * maps])),
        lambda f: torch.vmap(torch.func.grad(f, 1), (None, 0))(k, torch.stack([maps, 2 * maps])),
    ]:
        module(x)  # the operator is remade here, and with k not before the function is evaluated
        torch.testing.assert_close(transform(ours), transform(theirs), rtol=1e-12, atol=1e-12)
    want = f(x, maps=module.maps, trajectory=module.trajectory)
    assert torch.equal(module(x), want)
    leaf = k.clone().requires_grad_()
    ours(leaf, maps).backward()
    assert leaf.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["operator", "forward", "training", "adjoint", "_wrapped"])
def test_a_name_that_a_module_needs_is_refused(name):
    A = nl.Diagonal(np.ones(3)).rename(weights=name)
    for learn in ([name], []):
        with pytest.raises(ValueError, match=f"parameter '{name}', the name of something"):
            OperatorModule(A, learn)


def test_it_is_a_part_of_larger_modules(operator):
    module = torch.nn.Sequential(OperatorModule(operator, learn=["trajectory"]))
    assert [name for name, _ in module.named_parameters()] == ["0.trajectory"]
    assert module.double()[0].maps.dtype == torch.complex128


def test_a_name_that_the_operator_lacks_is_refused(operator):
    with pytest.raises(ValueError, match="no parameter 'psf'; it has 'trajectory', 'maps'"):
        OperatorModule(operator, learn=["psf"])


def test_it_compiles(operator):
    module = OperatorModule(operator, learn=["trajectory"])
    x = torch.tensor(complex_(4, 5))
    torch._dynamo.reset()
    assert torch.equal(torch.compile(module, backend="eager")(x), module(x))


def test_what_is_no_operator_or_no_list_of_names_is_refused():
    F = nl.Blur(np.ones((2, 2)))
    for arguments in ((F, "psf"), (nl.HalfSquaredError(np.ones(2)), [])):
        with pytest.raises(TypeError, match="want a LinearOperator and names"):
            OperatorModule(*arguments)


def test_a_module_shows_its_operator_and_what_it_learns():
    shown = repr(OperatorModule(nl.Blur(np.ones((2, 2))), learn=["psf"]))
    assert shown.startswith("OperatorModule(Blur(psf=<(2, 2) float64>")
    assert shown.endswith("learn=['psf'])")
