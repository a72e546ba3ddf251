"""The settings of mri-nufft's own tests of gradients, against torch's own of a dense DFT.

Its trajectories, sizes, coils and batches, with a tolerance of 1e-6 in double precision where
theirs is 0.5 (for the trajectory, in single precision, at even sizes).
"""

import math

import numpy as np
import pytest

import nufftlib as nl

torch = pytest.importorskip("torch")

from nufftlib.interop.torch import wrap  # noqa: E402

RNG = np.random.default_rng(0)


def radial(shots, samples):
    """Spokes through the centre, from one end to the other but for its last point."""
    angle = np.pi * np.arange(shots) / shots
    radius = np.arange(samples) / samples - 0.5
    spoke = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return radius[:, None] * spoke[:, None, :]


def turned(k, times):
    """A plane of k-space, turned about its first axis."""
    angle = np.pi * np.arange(times) / times
    x, y = np.broadcast_arrays(k[..., 0], k[..., 1])
    return np.stack([np.stack([x, np.cos(a) * y, np.sin(a) * y], axis=-1) for a in angle])


def cartesian(n):
    axis = np.fft.fftfreq(n)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


TRAJECTORIES = {
    "grid 2D": (cartesian(16), (16, 16)),
    "Nyquist radial 2D": (radial(128, 16), (32, 32)),
    "radial 3D": (turned(radial(2, 16), 2), (10, 10, 10)),
    "radial 3D, odd sizes": (turned(radial(2, 16), 2), (9, 7, 5)),
}


def complex_(*shape):
    return torch.tensor(RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape))


def dft(k, shape):
    """The matrix, in torch's own operations."""
    n = torch.cartesian_prod(*(torch.arange(size) - size // 2 for size in shape)).double()
    return torch.exp(-2j * torch.pi * (k.flatten(0, -2) @ n.T)) / math.sqrt(math.prod(shape))


def close(ours, dense):
    gap = torch.linalg.vector_norm(ours - dense)
    return bool(gap <= 1e-6 * torch.linalg.vector_norm(dense))


@pytest.fixture(params=TRAJECTORIES)
def trajectory(request):
    k, shape = TRAJECTORIES[request.param]
    return torch.tensor(k).requires_grad_(), shape


@pytest.fixture(params=[(1, None), (4, None), (4, 3)], ids=["1 coil", "4 coils", "4 coils, batch"])
def problem(request, trajectory):
    """The operator with its parameters, the dense one, and the shapes of images and data."""
    (coils, batch), (k, shape) = request.param, trajectory
    lead = () if batch is None else (batch,)
    F = nl.NUFFT(np.zeros((1, len(shape))), shape, norm="ortho", eps=1e-10)
    if coils == 1:
        return wrap(F), {"trajectory": k}, lambda x: x, lambda x: x, (*lead, *shape), lead
    maps = complex_(coils, *shape)
    maps = (maps / torch.linalg.vector_norm(maps, dim=0)).requires_grad_()
    axis = -1 - len(shape)
    return (
        wrap(F @ nl.Sense(np.zeros((coils, *shape), complex))),
        {"trajectory": k, "maps": maps},
        lambda x: maps * x.unsqueeze(axis),
        lambda x: (maps.conj() * x).sum(axis),
        (*lead, *shape),
        (*lead, coils),
    )


def gradients_agree(ours, dense, target, inputs):
    assert close(ours, dense)
    losses = ((y - target).abs().square().mean() for y in (ours, dense))
    pairs = (torch.autograd.grad(loss, inputs) for loss in losses)
    return all(close(a, b) for a, b in zip(*pairs, strict=True))


def test_gradients_of_the_forward_operator(problem):
    f, parameters, to_coils, _, image, lead = problem
    k = parameters["trajectory"]
    x, target = complex_(*image).requires_grad_(), complex_(*lead, *k.shape[:-1])
    E = dft(k, image[len(image) - k.shape[-1] :])
    dense = (to_coils(x).flatten(-k.shape[-1]) @ E.T).reshape(target.shape)
    assert gradients_agree(f(x, **parameters), dense, target, (x, *parameters.values()))


def test_gradients_of_the_adjoint_operator(problem):
    f, parameters, _, from_coils, image, lead = problem
    k = parameters["trajectory"]
    shape = image[len(image) - k.shape[-1] :]
    y, target = complex_(*lead, *k.shape[:-1]).requires_grad_(), complex_(*image)
    coil_images = y.flatten(1 - k.ndim) @ dft(k, shape).conj()
    dense = from_coils(coil_images.reshape(*lead, *shape))
    assert gradients_agree(f.adjoint(y, **parameters), dense, target, (y, *parameters.values()))


def test_gradients_of_a_batch_whose_items_have_maps_and_trajectories_of_their_own(trajectory):
    k, shape = trajectory
    k = torch.stack([k.detach(), 0.9 * k.detach()]).requires_grad_()
    maps, x = complex_(2, 4, *shape).requires_grad_(), complex_(2, *shape).requires_grad_()
    sense = nl.Sense(np.zeros((4, *shape), complex))
    f = wrap(nl.NUFFT(np.zeros((1, len(shape))), shape, norm="ortho", eps=1e-10) @ sense)
    ours = torch.func.vmap(lambda x, k, maps: f(x, trajectory=k, maps=maps))(x, k, maps)
    dense = torch.stack(
        [
            ((m * u).flatten(1) @ dft(points, shape).T)
            for u, points, m in zip(x, k, maps, strict=True)
        ]
    ).reshape(ours.shape)
    target = complex_(*ours.shape)
    assert gradients_agree(ours, dense, target, (x, k, maps))
