"""The backend of mri-nufft, by its own rules: units, factor, shapes, weights."""

import math

import numpy as np
import pytest

mrinufft = pytest.importorskip("mrinufft")
from nufftlib.interop.mrinufft import MRINufftlib  # noqa: E402  # it raises without mri-nufft

# mri-nufft says which unit it has taken samples for.
pytestmark = pytest.mark.filterwarnings("ignore:Samples will be rescaled")
SHAPE, POINTS, COILS = (6, 9), 40, 3
rng = np.random.default_rng(0)
K = rng.uniform(-0.5, 0.5, (POINTS, 2))
MAPS = rng.standard_normal((COILS, *SHAPE)) + 1j * rng.standard_normal((COILS, *SHAPE))
WEIGHTS = rng.uniform(0.5, 2.0, POINTS)
# exp(-2 pi i k n) / sqrt(2^d N), with n from -floor(N / 2)
N = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in SHAPE), indexing="ij"), -1).reshape(-1, 2)
MATRIX = np.exp(-2j * np.pi * K @ N.T) / math.sqrt(4 * math.prod(SHAPE))


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def operator(samples=K, **settings):
    settings = {"n_coils": COILS, "squeeze_dims": False, "eps": 1e-12} | settings
    return mrinufft.get_operator("nufftlib")(samples, SHAPE, **settings)


def close(a, b, tolerance=1e-10):
    assert a.shape == b.shape
    return np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("maps", [None, MAPS], ids=["coil images", "maps"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weights"])
def test_it_is_the_definition(batches, maps, weights):
    A = operator(n_batchs=batches, smaps=maps, density=weights)
    coils = COILS if maps is None else 1
    x, y = noise(batches, coils, *SHAPE), noise(batches, COILS, POINTS)
    S = np.ones((1, *SHAPE)) if maps is None else maps
    D = np.ones(POINTS) if weights is None else weights

    def forward(x):
        return (S * x).reshape(batches, COILS, -1) @ MATRIX.T

    def backward(y):
        images = S.conj() * ((D * y) @ MATRIX.conj()).reshape(batches, COILS, *SHAPE)
        return images if maps is None else images.sum(1, keepdims=True)

    assert close(A.op(x), forward(x))
    assert close(A.adj_op(y), backward(y))
    assert close(A.data_consistency(x, y), backward(forward(x) - y))


def test_squeezed_results_lack_the_axes_of_one():
    for batches, coils, lead in ((1, 1, ()), (1, 3, (3,)), (2, 1, (2,)), (2, 3, (2, 3))):
        A = operator(n_batchs=batches, n_coils=coils, squeeze_dims=True)
        x = noise(*A.img_full_shape)
        y = A.op(x)
        assert y.shape == (*lead, POINTS)
        assert A.adj_op(y).shape == A.data_consistency(x, y).shape == (*lead, *SHAPE)
        assert np.linalg.norm(A.data_consistency(x, y)) < 1e-10


def test_samples_are_in_cycles_or_radians():
    x = noise(1, COILS, *SHAPE)
    y = operator().op(x)
    shots = K.reshape(4, 10, 2)
    for k in (2 * np.pi * K, shots, np.asfortranarray(K), 2 * np.pi * shots):
        assert close(operator(k).op(x), y)
    A = operator()
    assert close(A.samples, 2 * np.pi * K)
    A.samples = 2 * np.pi * K[::-1]
    assert close(A.op(x), y[..., ::-1])
    A.samples = K
    assert close(A.op(x), y)
    # In radians in any case, where they say so.
    A.update_samples(K, unsafe=True)
    assert close(A.samples, K)
    A.samples = K[:7]
    assert A.op(x).shape == (1, COILS, 7)
    with pytest.raises(ValueError, match="not finite"):
        A.samples = np.full((3, 2), np.nan)
    assert A.op(x).shape == (1, COILS, 7)


def test_the_precision_is_that_of_the_samples():
    A = operator(K.astype(np.float32), eps=1e-6, smaps=MAPS, density=WEIGHTS)
    x = noise(1, 1, *SHAPE)
    assert A.op(x).dtype == A.adj_op(A.op(x)).dtype == np.complex64
    assert close(A.op(x.real), operator(smaps=MAPS).op(x.real), 1e-5)


def test_it_agrees_with_the_backend_finufft():
    k = mrinufft.initialize_2D_radial(8, 16).astype(np.float32)
    settings = {"n_coils": 2, "smaps": MAPS[:2, :, :8].astype(np.complex64).copy()}
    A, B = (
        mrinufft.get_operator(name)(k, (6, 8), density=WEIGHTS[:1].repeat(128), **settings)
        for name in ("nufftlib", "finufft")
    )
    x = noise(6, 8)
    assert close(A.op(x), B.op(x), 1e-4)
    assert close(A.adj_op(A.op(x)), B.adj_op(A.op(x)), 1e-4)
    assert abs(A.get_lipschitz_cst(30) / B.get_lipschitz_cst(30) - 1) < 1e-2


def test_weights_by_a_method_follow_the_samples_and_given_ones_stay():
    A = operator(density=True, n_coils=1)
    ones = np.ones(SHAPE)
    assert abs(abs(A.adj_op(A.op(ones))).mean() - 1) < 1e-6  # the scale of mri-nufft
    before = A.density
    A.samples = 0.9 * A.samples
    assert A.density.shape == (POINTS,)
    assert not np.allclose(A.density, before, rtol=1e-3)
    assert abs(abs(A.adj_op(A.op(ones))).mean() - 1) < 1e-6  # the scale of mri-nufft
    B = operator(density=WEIGHTS, n_coils=1)
    B.samples = 0.9 * B.samples
    assert np.array_equal(B.density, WEIGHTS)
    B.compute_density("cell_count")
    B.compute_density(WEIGHTS)
    B.samples = 0.9 * B.samples
    assert np.array_equal(B.density, WEIGHTS)
    B.density = None
    y = noise(1, 1, POINTS)
    assert close(B.adj_op(y), operator(B.samples, n_coils=1).adj_op(y))


def test_the_solvers_and_the_stack_of_mri_nufft_take_it():
    k = rng.uniform(-0.5, 0.5, (300, 2))
    A = operator(k, smaps=MAPS)
    x = noise(1, 1, *SHAPE)
    found = A.pinv_solver(A.op(x), optim="lsqr", max_iter=60)
    assert close(found, x, 1e-5)
    planes = np.ones(4, bool)
    A = mrinufft.get_operator("stacked-nufftlib")(
        K, (*SHAPE, 4), z_index=planes, n_coils=2, smaps=None, eps=1e-12
    )
    volume, y = noise(1, 2, *SHAPE, 4), noise(1, 2, 4 * POINTS)
    assert close(np.vdot(y, A.op(volume)), np.vdot(A.adj_op(y), volume))


def test_its_model_has_the_librarys_derivatives():
    A = operator(smaps=MAPS)
    assert set(A.model.parameters) == {"trajectory", "maps"}
    x, y = noise(1, *SHAPE), noise(1, COILS, POINTS)
    assert close(A.model(x), A.op(x))
    assert A.model.vjp("trajectory", x, y).shape == K.shape


def test_bad_settings_are_refused():
    for settings, match in (
        ({"shape": (6, 9, 2)}, "trajectory"),
        ({"n_coils": 0}, "n_coils"),
        ({"smaps": MAPS[:, 1:], "n_coils": 3}, "match image shape"),
        ({"density": WEIGHTS[1:]}, "same length"),
        ({"upsampfac": 2}, "upsampfac"),
    ):
        with pytest.raises((ValueError, TypeError), match=match):
            MRINufftlib(K, **({"shape": SHAPE} | settings))
    with pytest.raises(ValueError, match="not compatible"):
        operator().op(noise(3, 5, 9))
    with pytest.raises(ValueError, match="not compatible"):
        operator().adj_op(noise(3, POINTS - 1))


# --- gradients ----------------------------------------------------------------------------------


def loss_of(torch, A, x, y, samples, maps=None):
    """Return a loss by `op` and `adj_op`, which takes batches or none."""
    settings = {"samples": samples} | ({} if maps is None else {"smaps": maps})
    r = A.op(x, **settings) - y
    return r.abs().square().sum() + (A.adj_op(r, **settings) ** 2).real.sum()


@pytest.mark.parametrize("unit", [1.0, 2 * np.pi], ids=["cycles", "radians"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weights"])
def test_gradients_by_images_data_samples_and_maps_are_exact(unit, weights):
    torch = pytest.importorskip("torch")
    A = operator(smaps=MAPS, n_batchs=2, density=weights).make_autograd(wrt_traj=True)
    given = {
        "x": torch.from_numpy(noise(2, 1, *SHAPE)),
        "y": torch.from_numpy(noise(2, COILS, POINTS)),
        "samples": torch.from_numpy(unit * K),
        "maps": torch.from_numpy(MAPS),
    }
    leaves = {name: value.clone().requires_grad_() for name, value in given.items()}
    loss_of(torch, A, **leaves).backward()
    for name, value in given.items():
        step = 1e-4 * torch.from_numpy(rng.standard_normal(value.shape)).to(value.dtype)
        up, down = (loss_of(torch, A, **(given | {name: value + s * step})).item() for s in (1, -1))
        grad = leaves[name].grad
        slope = (grad.conj() * step).sum().real.item()
        scale = (grad.norm() * step.norm()).item()
        assert abs(slope - 0.5 * (up - down)) < 1e-5 * scale, name


def test_samples_that_are_set_get_their_gradient():
    torch = pytest.importorskip("torch")
    A = mrinufft.get_operator("nufftlib", wrt_data=True, wrt_traj=True)(
        samples=K, shape=SHAPE, n_coils=COILS, squeeze_dims=False, density=True
    )
    assert A.samples.requires_grad
    x = torch.from_numpy(noise(1, COILS, *SHAPE))
    k = torch.from_numpy(K).requires_grad_()
    before = A.density
    A.samples = 0.9 * k
    assert not np.array_equal(A.density, before)
    A.adj_op(A.op(x)).abs().square().sum().backward()
    B = operator(0.9 * K, density=A.density).make_autograd(wrt_traj=True)
    other = torch.from_numpy(0.9 * K).requires_grad_()
    B.adj_op(B.op(x, samples=other), samples=other).abs().square().sum().backward()
    assert close(k.grad.numpy(), 0.9 * other.grad.numpy(), 1e-4)  # eps is 1e-6 in one


def test_batches_have_samples_and_maps_of_their_own():
    torch = pytest.importorskip("torch")
    make = operator(smaps=MAPS).make_autograd
    paired, single = make(wrt_traj=True, paired_batch=True), make(wrt_traj=True)
    x = torch.from_numpy(noise(2, 1, 1, *SHAPE))
    y = torch.from_numpy(noise(2, 1, COILS, POINTS))
    k = torch.from_numpy(np.stack([K, 0.8 * K])).requires_grad_()
    maps = torch.from_numpy(noise(2, COILS, *SHAPE)).requires_grad_()
    together = loss_of(torch, paired, x, y, k, maps)
    each = sum(loss_of(torch, single, *item) for item in zip(x, y, k, maps, strict=True))
    assert abs(together.item() / each.item() - 1) < 1e-10
    pairs = (torch.autograd.grad(loss, (k, maps)) for loss in (together, each))
    for ours, theirs in zip(*pairs, strict=True):
        assert close(ours.numpy(), theirs.numpy())
    with pytest.raises(ValueError, match="3 smaps for 2 batches"):
        paired.op(x, smaps=MAPS)


def test_what_is_set_is_used_and_nothing_else_can_be():
    torch = pytest.importorskip("torch")
    A = operator(smaps=MAPS).make_autograd(wrt_data=True)
    x = torch.from_numpy(noise(1, 1, *SHAPE)).requires_grad_()
    A.smaps, A.density = 2 * MAPS, WEIGHTS
    B = operator(smaps=2 * MAPS, density=WEIGHTS)
    assert close(A.adj_op(A.op(x)).detach().numpy(), B.adj_op(B.op(x.detach().numpy())))
    with pytest.raises(AttributeError):
        A.n_coils = 5
    assert not operator(smaps=MAPS).make_autograd(wrt_data=False).op(x).requires_grad
    with pytest.raises(ValueError, match="squeeze_dims is True; want False"):
        operator(squeeze_dims=True).make_autograd()


def test_tensors_go_in_and_come_out():
    torch = pytest.importorskip("torch")
    A = operator(torch.from_numpy(K))
    x = torch.from_numpy(noise(1, COILS, *SHAPE)).conj().requires_grad_()
    y = A.op(x)
    assert isinstance(y, torch.Tensor)
    assert close(y.numpy(), operator().op(x.detach().resolve_conj().numpy()))


def test_second_derivatives():
    torch = pytest.importorskip("torch")
    k = torch.from_numpy(K[:3]).requires_grad_()
    A = mrinufft.get_operator("nufftlib")(
        K[:3], (2, 3), n_coils=2, smaps=MAPS[:2, :2, :3], density=WEIGHTS[:3], squeeze_dims=False
    ).make_autograd(wrt_traj=True)
    maps = torch.from_numpy(MAPS[:2, :2, :3].copy()).requires_grad_()
    y = torch.from_numpy(noise(1, 2, 3)).requires_grad_()

    def f(y, maps, k):
        return A.adj_op(y, smaps=maps, samples=k)

    assert torch.autograd.gradgradcheck(f, (y, maps, k), eps=1e-4, atol=1e-3)
