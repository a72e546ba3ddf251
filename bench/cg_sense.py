"""What the gradient through CG-SENSE costs, beside the solve: time, and memory by iterations.

``python bench/cg_sense.py [repeats]`` (Linux) prints two tables for 256 x 256 voxels, 8 coils,
16,384 samples and a damping of 1e-3 of the norm, in single precision.

1. CPU time of a solve to a tolerance of 1e-6, and of value and gradient by the trajectory of a loss
   of the solution, in turn, the least of the repeats; without and with the circulant
   preconditioner.
2. The peak of resident memory above the start, of value and gradient after so many iterations, each
   in a process of its own: by the implicit function theorem, of as many recorded steps of our own,
   and of as many steps that torch records. torch is optional.
"""

import importlib.util
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from memory import resident, settled

import nufftlib as nl
import optim
from nufftlib.data import brain

SHAPE, COILS, SHOTS, SAMPLES = (256, 256), 8, 32, 512
TOLERANCE, DAMPING = 1e-6, 1e-3
ITERATIONS = (10, 20, 40, 80)
MAPS = nl.mri.birdcage_maps(COILS, SHAPE)
LOSS = nl.MeanSquaredError(brain()) @ nl.Magnitude()


def trajectories():
    """Return trajectories of 16,384 samples by name."""
    rng = np.random.default_rng(0)
    return {
        "spokes": nl.mri.trajectories.radial(SHOTS, SAMPLES),
        "spiral": nl.mri.trajectories.spiral(SHOTS, SAMPLES, revolutions=4),
        "random": rng.uniform(-0.5, 0.5, (SHOTS, SAMPLES, 2)).astype(np.float32),
    }


@dataclass(frozen=True)
class Scan:
    """A scan of the brain along a trajectory, and its reconstruction."""

    k: np.ndarray

    @cached_property
    def F(self):
        """The NUFFT."""
        return nl.NUFFT(self.k, SHAPE, eps=1e-6, norm="ortho")

    @cached_property
    def A(self):
        """From the image to the data."""
        return self.F @ nl.Sense(MAPS)

    @cached_property
    def y(self):
        """The data."""
        return self.A(brain() + 0j)

    @cached_property
    def damping(self):
        """A part of the largest eigenvalue of the Gram."""
        N = self.A.N
        return DAMPING * optim.lipschitz(lambda x: (nl.inner(x, N(x)) / 2, N(x)), brain() + 0j)

    def solver(self, preconditioned):
        """Return the solve as a map, made anew as at a trajectory that has moved."""
        F, M = self.F.replace(trajectory=self.k), None
        if preconditioned:
            M = nl.mri.circulant_preconditioner(F, MAPS, damping=self.damping)
        return nl.LeastSquares(
            F @ nl.Sense(MAPS), self.damping, tolerance=TOLERANCE, steps=1000, preconditioner=M
        )

    def solve(self, preconditioned):
        """Return the solution."""
        return self.solver(preconditioned)(self.y)

    def value_and_grad(self, preconditioned):
        """Return the loss of the solution and its gradient by the trajectory."""
        f = self.solver(preconditioned)
        return (LOSS @ f.as_map("trajectory", self.y)).value_and_grad(self.k)


def seconds(functions, argument, repeats):
    """Return the least CPU time of each of several functions, called in turn."""
    least = [np.inf] * len(functions)
    for _ in range(repeats):
        for i, function in enumerate(functions):
            begun = time.process_time()
            function(argument)
            least[i] = min(least[i], time.process_time() - begun)
    return least


def times(repeats):
    """Print the first table."""
    print("| trajectory | preconditioner | solve [CPU s] | value and gradient | ratio |")
    print("|---|---|---|---|---|")
    for name, k in trajectories().items():
        scan = Scan(k)
        for kind in ("none", "circulant"):
            functions, preconditioned = (scan.solve, scan.value_and_grad), kind == "circulant"
            seconds(functions, preconditioned, 1)
            solve, both = seconds(functions, preconditioned, repeats)
            row = f"| {name} | {kind} | {solve:.2f} | {both:.2f} | {both / solve:.2f} |"
            print(row, flush=True)


def implicit(scan, steps):
    """Value and gradient of the solution, found in so many steps."""
    f = nl.LeastSquares(scan.A, scan.damping, tolerance=1e-30, steps=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nl.NotConvergedWarning)
        (LOSS @ f.as_map("trajectory", scan.y)).value_and_grad(scan.k)


def unrolled(scan, steps):
    """Value and gradient of so many steps."""
    problem = nl.PenalizedLeastSquares(scan.A, damping=scan.damping)
    f = nl.UnrolledConjugateGradient(problem, steps)
    (LOSS @ f.as_map("trajectory", scan.y)).value_and_grad(scan.k)


def torch(scan, steps):
    """Value and gradient of so many steps that torch records, with our NUFFT."""
    import torch

    from nufftlib.interop.torch import wrap

    A, loss = wrap(scan.A), wrap(LOSS)
    k = torch.tensor(scan.k, requires_grad=True)
    r = A.adjoint(torch.as_tensor(scan.y), trajectory=k)
    x, p, square = torch.zeros_like(r), r, torch.sum(torch.abs(r) ** 2)
    for _ in range(steps):
        q = A.adjoint(A(p, trajectory=k), trajectory=k) + scan.damping * p
        a = square / torch.sum(torch.real(torch.conj(p) * q))
        x, r = x + a * p, r - a * q
        last, square = square, torch.sum(torch.abs(r) ** 2)
        p = r + (square / last) * p
    loss(x).backward()


METHODS = {method.__name__: method for method in (implicit, unrolled, torch)}


def peak(method, steps):
    """Return the peak in MB above the start, of value and gradient after so many steps."""
    scan = Scan(trajectories()["spokes"])
    METHODS[method](scan, 1)  # compiles, and makes the plans
    start = settled()
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as refs:
        refs.write("5")  # the peak begins anew
    METHODS[method](scan, steps)
    return resident("VmHWM") - start


def memory():
    """Print the second table."""
    methods = [m for m in METHODS if m != "torch" or importlib.util.find_spec("torch")]
    print("| iterations | " + " | ".join(methods) + " |")
    print("|---|" + "---|" * len(methods))
    for steps in ITERATIONS:
        found = []
        for method in methods:
            command = [sys.executable, __file__, "peak", method, str(steps)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(f"{float(done.stdout):.0f} MB")
        print(f"| {steps} | " + " | ".join(found) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        print(peak(sys.argv[2], int(sys.argv[3])))
    else:
        times(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
        print()
        memory()
