"""What the gradient through CG-SENSE costs, beside the solve: time, and memory by iterations.

``python bench/cg_sense.py [repeats]`` (Linux) prints two tables for 256 x 256 voxels, 8 coils, 16,384 samples and a
damping of 1e-3 of the norm, in single precision.

1. CPU time of a solve to a tolerance of 1e-6, and of value and gradient by the trajectory of a loss of
   the solution, in turn, the least of the repeats; without and with the circulant preconditioner.
2. The peak of resident memory above the start, of value and gradient after so many iterations, each in
   a process of its own: by the implicit function theorem, of as many recorded steps of our own, and of
   as many steps that torch records. torch is optional.
"""

import importlib.util
import subprocess
import sys
import time
import warnings

import numpy as np
from memory import resident, settled

import nufftlib as nl
import optim
from nufftlib.data import brain

SHAPE, COILS, SHOTS, SAMPLES = (256, 256), 8, 32, 512
TOLERANCE, DAMPING = 1e-6, 1e-3
ITERATIONS = (10, 20, 40, 80)


def trajectories():
    """Return trajectories of 16,384 samples by name."""
    rng = np.random.default_rng(0)
    return {
        "spokes": nl.mri.trajectories.radial(SHOTS, SAMPLES),
        "spiral": nl.mri.trajectories.spiral(SHOTS, SAMPLES, revolutions=4),
        "random": rng.uniform(-0.5, 0.5, (SHOTS, SAMPLES, 2)).astype(np.float32),
    }


def problem(k):
    """Return operator, data, damping and the loss of an image."""
    image = brain()
    maps = nl.mri.birdcage_maps(COILS, SHAPE)
    F = nl.NUFFT(k, SHAPE, eps=1e-6, norm="ortho")
    A = F @ nl.Sense(maps)
    N = A.N
    largest = optim.lipschitz(lambda x: (nl.inner(x, N(x)) / 2, N(x)), image + 0j)
    loss = nl.MeanSquaredError(image) @ nl.Magnitude()
    return F, maps, A, A(image + 0j), DAMPING * largest, loss


def seconds(run, repeats):
    """Return the least CPU time of each of several functions, called in turn."""
    least = [np.inf] * len(run)
    for _ in range(repeats):
        for i, function in enumerate(run):
            begun = time.process_time()
            function()
            least[i] = min(least[i], time.process_time() - begun)
    return least


def times(repeats):
    """Print the first table."""
    print("| trajectory | preconditioner | solve [CPU s] | value and gradient | ratio |")
    print("|---|---|---|---|---|")
    for name, k in trajectories().items():
        F, maps, A, y, damping, loss = problem(k)
        for kind in ("none", "circulant"):

            def solver(k, kind=kind):
                at = F.replace(trajectory=k)
                M = None
                if kind == "circulant":
                    M = nl.mri.circulant_preconditioner(at, maps, damping=damping)
                return nl.LeastSquares(
                    at @ nl.Sense(maps), damping, tolerance=TOLERANCE, steps=1000, preconditioner=M
                )

            def solve(solver=solver, k=k):
                return solver(k)(y)

            def both(solver=solver, k=k):
                f = solver(k)
                return (loss @ f.as_map("trajectory", y)).value_and_grad(k)

            solve(), both()
            alone, together = seconds((solve, both), repeats)
            print(f"| {name} | {kind} | {alone:.2f} | {together:.2f} | {together / alone:.2f} |")


def peak(method: str, steps: int) -> float:
    """Return the peak in MB above the start, of value and gradient after so many steps."""
    _, _, A, y, damping, loss = problem(trajectories()["spokes"])
    k = A.parameters["trajectory"]
    if method == "implicit":
        f = nl.LeastSquares(A, damping, tolerance=1e-30, steps=steps)
        whole = loss @ f.as_map("trajectory", y)
    elif method == "unrolled":
        least_squares = nl.PenalizedLeastSquares(A, damping=damping)
        whole = loss @ nl.UnrolledConjugateGradient(least_squares, steps).as_map("trajectory", y)

    def ours():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nl.NotConvergedWarning)
            whole.value_and_grad(k)

    run = of_torch(A, y, damping, loss, k, steps) if method == "torch" else ours
    few = of_torch(A, y, damping, loss, k, 1) if method == "torch" else None
    (few or (lambda: A.vjp("trajectory", A.H(y), y)))()  # compiles, and makes the plans
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as refs:
        refs.write("5")  # the peak begins anew
    start = settled()
    run()
    return resident("VmHWM") - start


def of_torch(A, y, damping, loss, k, steps):
    """Return value and gradient of conjugate gradients that torch records."""
    import torch

    from nufftlib.interop.torch import wrap

    f, error = wrap(A), wrap(loss)
    data = torch.as_tensor(y)

    def run():
        points = torch.tensor(np.asarray(k), requires_grad=True)
        r = f.adjoint(data, trajectory=points)
        x, p, square = torch.zeros_like(r), r, torch.sum(torch.abs(r) ** 2)
        for _ in range(steps):
            q = f.adjoint(f(p, trajectory=points), trajectory=points) + damping * p
            a = square / torch.sum(torch.real(torch.conj(p) * q))
            x, r = x + a * p, r - a * q
            last, square = square, torch.sum(torch.abs(r) ** 2)
            p = r + (square / last) * p
        error(x).backward()
        return points.grad

    return run


def memory():
    """Print the second table."""
    methods = ["implicit", "unrolled"]
    if importlib.util.find_spec("torch"):
        methods.append("torch")
    print("| iterations | " + " | ".join(methods) + " |")
    print("|---|" + "---|" * len(methods))
    for steps in ITERATIONS:
        found = [
            float(
                subprocess.run(
                    [sys.executable, __file__, "peak", method, str(steps)],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for method in methods
        ]
        print(f"| {steps} | " + " | ".join(f"{mb:.0f} MB" for mb in found) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        print(peak(sys.argv[2], int(sys.argv[3])))
    else:
        times(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
        print()
        memory()
