"""Compare the peers' parameter gradients with automatic differentiation of dense sums.

    bench/peers/.venv/bin/python bench/peers/peer_gradients.py

Double precision, a few pixels, the peers' public functions only. Every line is a
relative l2 deviation; a right gradient gives about the transform's tolerance.
"""

import warnings

import numpy as np
import torch
import torchvision_without_ops  # noqa: F401  (before mri-nufft and deepinv)
from deepinv.physics import Blur, BlurFFT
from mrinufft import get_operator

POINTS = 200


def relative(got, want):
    return float((got - want).norm() / want.norm())


def dense_matrix(k, shape):
    """Return exp(-i k.n), points by pixels; k in radians, n = -(N // 2) ... on each axis."""
    axes = [torch.arange(size, dtype=k.dtype) - size // 2 for size in shape]
    n = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(shape))
    return torch.exp(-1j * (k @ n.T))


def trajectory_gradient(*, direction, shape=(32, 32), cycles=False, density=False, seed=0):
    """Return the deviation of mri-nufft's gradient by the trajectory of sum |result - target|^2.

    `direction` is "op" (image to data) or "adj_op" (data to image); `cycles` gives the points
    in [-1/2, 1/2) in place of radians. Density weights are held constant on both sides, as
    mri-nufft does.
    """
    rng = np.random.default_rng(seed)
    unit = 2 * np.pi if cycles else 1.0
    k = rng.uniform(-np.pi, np.pi, (POINTS, 2)) / unit
    op = get_operator("finufft", wrt_data=True, wrt_traj=True)(
        k, shape=shape, n_coils=1, density=density, squeeze_dims=False, eps=1e-12
    )
    image_shape, data_shape = (1, 1, *shape), (1, 1, POINTS)
    sizes = (image_shape, data_shape) if direction == "op" else (data_shape, image_shape)
    given, target = (torch.from_numpy(rng.normal(size=s) + 1j * rng.normal(size=s)) for s in sizes)

    def gradient(apply):
        leaf = torch.from_numpy(k).requires_grad_(True)
        (apply(leaf) - target).abs().square().sum().backward()
        return leaf.grad

    def theirs(leaf):
        op.samples = leaf
        return getattr(op, direction)(given)

    got = gradient(theirs)
    weights = torch.as_tensor(op.density).abs() if density else 1.0

    def dense(leaf):
        A = dense_matrix(unit * leaf, shape) / op.norm_factor
        if direction == "op":
            return (A @ given.flatten()).reshape(target.shape)
        return (A.conj().T @ (weights * given.flatten())).reshape(target.shape)

    with torch.no_grad():  # the two must agree on the value before gradients mean anything
        leaf = torch.from_numpy(k)
        assert relative(theirs(leaf), dense(leaf)) < 1e-6
    return relative(got, gradient(dense))


def blur_fft_gradient(size, *, image_size=16, seed=0):
    """Return the deviation of BlurFFT's gradient by a box filter from that of Blur."""
    generator = torch.Generator().manual_seed(seed)
    image_shape = (1, 1, image_size, image_size)
    x, target = (
        torch.randn(image_shape, generator=generator, dtype=torch.float64) for _ in range(2)
    )

    def gradient(make):
        h = torch.full((1, 1, size, size), 1 / size**2, dtype=torch.float64, requires_grad=True)
        (make(h).A(x) - target).square().sum().backward()
        return h.grad

    return relative(
        gradient(lambda h: BlurFFT(image_shape[1:], filter=h)),
        gradient(lambda h: Blur(filter=h, padding="circular")),
    )


def assigned_maps_arrive():
    """Whether mri-nufft's differentiable operator uses the coil maps assigned to it."""
    shape = (32, 32)
    points = np.linspace(-3, 3, 2 * POINTS).reshape(-1, 2)
    op = get_operator("finufft", wrt_data=True)(
        points, shape=shape, n_coils=2, smaps=np.ones((2, *shape), complex), squeeze_dims=False
    )
    data = torch.ones(1, 2, POINTS, dtype=torch.complex128)
    before = op.adj_op(data)
    op.smaps = np.full((2, *shape), 2.0 + 0j)
    return not torch.equal(before, op.adj_op(data))


TRAJECTORY_CASES = (
    ("op", "even sizes, radians, no density", {}),
    ("adj_op", "even sizes, radians, no density", {}),
    ("op", "odd sizes, 33 x 33", {"shape": (33, 33)}),
    ("adj_op", "odd sizes, 33 x 33", {"shape": (33, 33)}),
    ("op", "points in cycles", {"cycles": True}),
    ("adj_op", "points in cycles", {"cycles": True}),
    ("adj_op", "density weights", {"density": True}),
)


def main():
    warnings.simplefilter("ignore")  # mri-nufft warns of every rescaling
    print("| gradient | case | relative deviation |\n|---|---|---|")
    for direction, case, options in TRAJECTORY_CASES:
        deviation = trajectory_gradient(direction=direction, **options)
        print(f"| mri-nufft, `{direction}` by the trajectory | {case} | {deviation:.1e} |")
    for size in (2, 3, 4):
        case = f"{size} x {size} box, 16 x 16 image"
        print(f"| deepinv, `BlurFFT` by the filter | {case} | {blur_fft_gradient(size):.1e} |")
    print(f"\nmri-nufft uses the coil maps assigned to it: {assigned_maps_arrive()}")


if __name__ == "__main__":
    main()
