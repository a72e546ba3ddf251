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
