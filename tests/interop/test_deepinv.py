"""Operators in the hands of deepinv."""

import copy
import runpy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from rows import open_row

import nufftlib as nl

if find_spec("deepinv") is None:
    pytest.skip("deepinv is not installed", allow_module_level=True)
runpy.run_path(str(Path(__file__).parents[2] / "bench" / "peers" / "torchvision_without_ops.py"))

import deepinv  # noqa: E402
import torch  # noqa: E402

from nufftlib.interop.deepinv import as_physics  # noqa: E402

rng = np.random.default_rng(0)
START = rng.bit_generator.state
# What has an axis in front of its input that is none of the operator's.
BATCHED = [c for c in CASES if not c.name.startswith(("jacobian", "hessian", "diagonal, two axes"))]


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def tensor(x):
    return torch.from_numpy(np.array(x))


def parts(x):
    """(B, ...) complex as (B, 2, ...) real."""
    return torch.stack([x.real, x.imag], dim=1)


def sense(samples=80, shape=(6, 7), eps=1e-12):
    k = rng.uniform(-0.5, 0.5, (samples, 2))
    maps = nl.mri.birdcage_maps(3, shape, dtype=np.complex128)
    return nl.NUFFT(k, shape, eps=eps) @ nl.Sense(maps)


@pytest.fixture(autouse=True)
def _seed():
    """Each test draws the same numbers, whichever ran before it."""
    rng.bit_generator.state = START
    torch.manual_seed(0)


@pytest.mark.parametrize("case", BATCHED, ids=lambda case: case.name)
def test_every_operator_passes_deepinvs_adjointness_test(case):
    with open_row("numpy") as row:
        op, x = case.build(row, "double")
    y = op(x)
    if np.iscomplexobj(x) == np.iscomplexobj(y):
        physics = as_physics(op)
        u = tensor(x)[None]
        assert physics.adjointness_test(u) < 1e-10
        assert torch.allclose(physics.A(u)[0], tensor(y), rtol=1e-12, atol=1e-12)
    if np.iscomplexobj(x):
        physics = as_physics(op, two_channels=True)
        u = parts(tensor(x)[None])
        assert physics.adjointness_test(u) < 1e-10
        z = tensor(y)[None]
        z = z if z.is_complex() else torch.complex(z, torch.zeros_like(z))
        assert torch.allclose(physics.A(u), parts(z), rtol=1e-12, atol=1e-12)


def test_a_parameter_that_is_passed_is_kept_and_gets_its_gradient():
    op = sense()
    physics = as_physics(op, two_channels=True)
    image, k = noise(2, 6, 7), rng.uniform(-0.5, 0.5, (20, 2))
    x = parts(tensor(image)).requires_grad_()
    kt = tensor(k).requires_grad_()
    y = physics(x, trajectory=kt)
    moved = op.replace(trajectory=k)
    assert y.shape == (2, 2, 3, 20)
    assert torch.allclose(y, parts(tensor(moved(image))), atol=1e-11)
    c = noise(2, 3, 20)
    (y * parts(tensor(c))).sum().backward()
    assert np.allclose(kt.grad.numpy(), moved.vjp("trajectory", image, c), rtol=1e-11)
    assert torch.allclose(x.grad, parts(tensor(moved.H(c))), atol=1e-11)
    assert physics.trajectory is kt
    assert torch.equal(physics(x), y)


def test_gradients_by_psf_and_image_against_differences():
    physics = as_physics(nl.Blur(rng.random((3, 2))))
    x = torch.rand(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    h = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    y = torch.rand(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, h: physics.A(x, psf=h), (x, h))
    assert torch.autograd.gradcheck(lambda y, h: physics.A_adjoint(y, psf=h), (y, h))


def test_updates_are_seen_whichever_way_they_come():
    first, second, third = (rng.random((3, 3)) for _ in range(3))
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64)

    def blurred(h):
        return tensor(nl.Blur(h)(x.numpy()))

    physics = as_physics(nl.Blur(first))
    assert torch.equal(physics(x), blurred(first))
    physics.update(psf=tensor(second))
    assert torch.equal(physics(x), blurred(second))
    physics.update(psf=None)
    assert torch.equal(physics(x), blurred(second))
    physics.psf.copy_(tensor(third))  # in place
    assert torch.equal(physics(x), blurred(third))
    physics.psf = tensor(first)
    assert torch.equal(physics(x), blurred(first))
    physics.load_state_dict(as_physics(nl.Blur(second)).state_dict())
    assert torch.equal(physics(x), blurred(second))

    # Learned in place, looked at without gradients.
    physics.update(psf=torch.nn.Parameter(tensor(first)))
    optimizer = torch.optim.SGD([physics.psf], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        physics(x).square().sum().backward()
        optimizer.step()
        with torch.no_grad():
            assert torch.equal(physics(x), blurred(physics.psf.detach().numpy()))
    physics.update(psf=tensor(third))
    assert torch.equal(physics(x), blurred(third))


def test_two_forwards_with_different_parameters_before_one_backward():
    physics = as_physics(nl.Blur(np.ones((2, 2))))
    x = torch.rand(1, 1, 5, 5, dtype=torch.float64)
    a = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    b = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    total = physics(x, psf=a).square().sum() + physics(x, psf=b).square().sum()
    total.backward()
    for h in (a, b):
        alone = h.detach().clone().requires_grad_()
        physics(x, psf=alone).square().sum().backward()
        assert torch.allclose(h.grad, alone.grad, rtol=1e-13)


def test_the_operator_is_not_remade_for_each_call():
    physics = as_physics(sense(), two_channels=True)
    before = physics._wrapped.operator
    y = physics(torch.rand(1, 2, 6, 7, dtype=torch.float64))
    physics.A_dagger(y)
    assert physics._wrapped.operator is before


def test_what_the_operator_refuses_is_refused_at_once():
    physics = as_physics(sense(eps=1e-6))
    before = physics.trajectory
    k = torch.zeros(5, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="not finite"):
        physics.update(trajectory=k * np.nan)
    with pytest.raises(ValueError, match="last axis matching the image shape"):
        physics.update(trajectory=k[:, :1])
    with pytest.raises(TypeError, match="int64"):
        physics.update(trajectory=k.long())
    with pytest.raises(TypeError, match="want a torch tensor"):
        physics.update(trajectory=k.numpy())
    with pytest.raises(
        ValueError, match=r"no parameter 'trajectry'; the operator has \['maps', 't"
    ):
        physics.update(trajectry=k)
    with pytest.raises(TypeError, match="maps is complex128 and trajectory is float32"):
        physics.update(trajectory=k.float())  # nothing is cast
    assert physics.trajectory is before
    with pytest.raises(TypeError, match="want a LinearOperator"):
        as_physics(nl.Magnitude())
    channels = as_physics(sense(), two_channels=True)
    for bad in (torch.zeros(1, 6, 7), torch.zeros(1, 2, 6, 7) + 0j):
        with pytest.raises(ValueError, match=r"want \(B, 2, ...\), real"):
            channels(bad)


def test_parameters_of_the_noise_model_pass():
    physics = as_physics(nl.Blur(np.ones((2, 2))))
    physics.noise_model = deepinv.physics.GaussianNoise(sigma=0.0, rng=torch.Generator())
    x = torch.rand(1, 1, 5, 5, dtype=torch.float64)
    clean = physics(x)
    noisy = physics(x, sigma=0.5, seed=1)
    assert torch.equal(clean, physics.A(x))
    assert not torch.equal(noisy, clean)
    with pytest.raises(ValueError, match="no parameter 'sigm'"):
        physics(x, sigm=0.5)


def test_solvers_of_deepinv_find_the_image():
    physics = as_physics(sense(), two_channels=True)
    x = torch.randn(2, 2, 6, 7, dtype=torch.float64)
    y = physics(x)
    for solver in ("CG", "lsqr"):
        found = physics.A_dagger(y, solver=solver, max_iter=300, tol=1e-12)
        assert (found - x).norm() < 1e-6 * x.norm()
    z = torch.randn_like(x)
    found = physics.prox_l2(z, y, gamma=2.0, max_iter=300, tol=1e-12)
    gradient = 2.0 * physics.A_adjoint(physics.A(found) - y) + found - z
    assert gradient.norm() < 1e-8 * physics.A_adjoint(y).norm()


def test_the_gradient_passes_through_deepinvs_solver():
    op = sense(shape=(4, 5))
    physics = as_physics(op, two_channels=True)
    data = torch.randn(1, 2, 3, 80, dtype=torch.float64)
    weights = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    z = torch.zeros_like(weights)

    def value(k):
        found = physics.update(trajectory=k) or physics.prox_l2(
            z, data, gamma=0.1, solver="CG", max_iter=300, tol=1e-13
        )
        return (found * weights).sum()

    k = tensor(op.parameters["trajectory"]).requires_grad_()
    value(k).backward()
    direction = torch.randn_like(k)
    with torch.no_grad():
        h = 1e-5
        slope = (value(k + h * direction) - value(k - h * direction)) / (2 * h)
    assert abs((k.grad * direction).sum() - slope) < 1e-6 * abs(slope)


def test_an_optimiser_of_deepinv_takes_it():
    physics = as_physics(nl.Blur(nl.blur.gaussian_psf(5, 1.0, dtype=np.float64), "circular"))
    y = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    model = deepinv.optim.PGD(
        data_fidelity=deepinv.optim.L2(),
        prior=deepinv.optim.Tikhonov(),
        stepsize=1.0,
        lambda_reg=0.1,
        max_iter=300,
    )
    found = model(y, physics)
    gradient = physics.A_adjoint(physics.A(found) - y) + 0.1 * found
    assert gradient.norm() < 1e-10 * y.norm()


def test_copies_are_independent():
    physics = as_physics(sense(), two_channels=True)
    x = torch.rand(1, 2, 6, 7, dtype=torch.float64)
    y = physics(x)
    for other in (physics.clone(), copy.deepcopy(physics)):
        assert torch.equal(other(x), y)
        other.update(trajectory=torch.zeros(3, 2, dtype=torch.float64))
        assert other(x).shape == (1, 2, 3, 3)
        assert torch.equal(physics(x), y)


def test_a_copy_does_not_see_what_is_written_to_the_original():
    h = torch.rand(2, 2, dtype=torch.float64)
    physics = as_physics(nl.Blur(np.ones((2, 2))))
    x = torch.rand(1, 1, 5, 5, dtype=torch.float64)
    y = physics(x, psf=h)
    other = physics.clone()
    h.mul_(2.0)
    assert torch.equal(physics(x), 2 * y)
    assert torch.equal(other(x), y)


def test_backward_has_the_values_of_forward():
    h = torch.rand(2, 2, dtype=torch.float64)
    before = h.numpy().copy()
    physics = as_physics(nl.Blur(np.ones((2, 2))))
    x = torch.rand(1, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    y = physics(x, psf=h)
    h.mul_(2.0)
    y.sum().backward()
    ones = np.ones(tuple(y.shape))
    assert torch.equal(x.grad, tensor(nl.Blur(before).H(ones)))


def test_an_operator_of_torch_tensors():
    h = torch.rand(3, 2, dtype=torch.float64)
    physics = as_physics(nl.Blur(h))
    u = torch.rand(2, 1, 6, 6, dtype=torch.float64)
    assert physics.adjointness_test(u) < 1e-12
    assert torch.equal(physics(u, psf=2 * h), as_physics(nl.Blur(2 * h.numpy()))(u))


WRITES = {
    "in place": lambda physics: physics.psf.add_(1.0),
    "past torch's record": lambda physics: physics.psf.data.add_(1.0),
    "by the state": lambda physics: physics.load_state_dict({"psf": physics.psf + 1.0}),
}
COPIES = {"clone": lambda p: p.clone(), "deepcopy": copy.deepcopy, "copy": copy.copy}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_copy_has_the_values_of_its_own_buffers(write, copied, writes):
    physics = as_physics(nl.Blur(np.full((3, 3), 1 / 9)))
    x = torch.rand(1, 2, 8, 8, dtype=torch.float64)
    for _ in range(writes):
        WRITES[write](physics)
        physics.A(x)
    WRITES[write](physics)
    again = COPIES[copied](physics)
    WRITES[write](again)
    physics.update(psf=torch.rand(3, 3, dtype=torch.float64))
    for p in (again, physics):
        want = nl.Blur(p.psf.numpy())(x.numpy())
        np.testing.assert_allclose(p.A(x).numpy(), want, rtol=1e-12)


PHYSICS = {
    "blur": (
        lambda: as_physics(nl.Blur(rng.random((3, 2)))),
        lambda: torch.rand(1, 2, 8, 9).double(),
    ),
    "sense": (
        lambda: as_physics(sense(40, (6, 7)), two_channels=True),
        lambda: torch.rand(1, 2, 6, 7).double(),
    ),
}


@pytest.mark.parametrize(("make", "image"), PHYSICS.values(), ids=PHYSICS)
def test_torch_func_transforms_a_physics(make, image):
    """deepinv's own gradients and adjoints stand on these."""
    physics, x = make(), image()
    y = physics.A(x)
    gradient = physics.A_adjoint(y)
    assert torch.allclose(torch.func.vjp(physics.A, x)[1](y)[0], gradient)
    assert torch.allclose(torch.func.grad(lambda x: physics.A(x).square().sum() / 2)(x), gradient)
    assert torch.allclose(torch.func.jvp(physics.A, (x,), (x,))[1], y)
    J = torch.func.jacrev(physics.A)(x)
    assert torch.allclose(torch.func.jacfwd(physics.A)(x), J)
    assert torch.allclose((J * x).sum(tuple(range(-x.ndim, 0))), y)


@pytest.mark.parametrize(("make", "image"), PHYSICS.values(), ids=PHYSICS)
def test_deepinvs_gradients_adjoints_and_solvers_take_a_physics(make, image):
    physics, x = make(), image()
    y = physics.A(x)
    fidelity = deepinv.optim.L2()
    assert torch.allclose(fidelity.grad(x, 0 * y, physics), physics.A_adjoint(y))
    assert torch.allclose(physics.A_vjp(x, y), physics.A_adjoint(y))
    adjoint = deepinv.physics.adjoint_function(physics.A, tuple(x.shape), dtype=x.dtype)
    assert torch.allclose(adjoint(y), physics.A_adjoint(y))
    gram = lambda v: physics.A_adjoint(physics.A(v))  # noqa: E731
    twice = deepinv.physics.adjoint_function(gram, tuple(x.shape), dtype=x.dtype)
    assert torch.allclose(twice(x), gram(x))
    model = deepinv.optim.optim_builder(
        "PGD",
        prior=deepinv.optim.Tikhonov(),
        data_fidelity=fidelity,
        max_iter=30,
        params_algo={"stepsize": 0.5 / float(physics.compute_sqnorm(x)), "lambda": 1e-6},
    )
    found, start = model(y, physics), physics.A_adjoint(y)
    assert (physics.A(found) - y).norm() < 0.5 * (physics.A(start) - y).norm()
