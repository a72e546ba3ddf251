"""The rows of limits: their transposes, and their Hessian."""

import dataclasses

import numpy as np
import pytest
from array_api_compat import array_namespace
from scans import SCANNER, limited

import nufftlib as nl
from nufftlib.mri.scanner.projection import project
from nufftlib.mri.scanner.projection.limits import hessian

NUMPY = array_namespace(np.zeros(1))
KINDS = [
    (norm, rest, d, fixed)
    for norm in ("l2", "max")
    for rest in ("both", "start", "end", None)
    for d, fixed in [(1, ()), (2, (0, 3)), (3, (0, 1, 2, -1))]
]


def problem(norm, rest, d, fixed, samples=9):
    protocol = nl.mri.Protocol(
        dataclasses.replace(SCANNER, norm=norm), (0.2, 0.3, 0.1)[:d], (64, 50, 7)[:d], rest=rest
    )
    k = np.random.default_rng(d).uniform(-0.4, 0.4, (2, samples, d))
    points = project.fixed_points({i: np.zeros(d) for i in fixed}, k)
    return project.Problem(NUMPY, protocol, k, points)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_what_is_limited(kind):
    made = problem(*kind[:3], ())
    for rows, want in zip(made.limits, limited(made.k, made.protocol), strict=True):
        got = np.moveaxis(rows.forward(NUMPY, made.c), 0, -1)
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_have_their_transpose(kind):
    made = problem(*kind)
    rng = np.random.default_rng(0)
    for rows in made.limits:
        x = rng.standard_normal(made.c.shape)
        v = rng.standard_normal(rows.forward(NUMPY, x).shape)
        a, b = np.sum(rows.forward(NUMPY, x) * v), np.sum(x * rows.adjoint(NUMPY, v))
        assert abs(a - b) <= 1e-13 * np.linalg.norm(x) * np.linalg.norm(v) * np.max(rows.scale)


@pytest.mark.parametrize("kind", KINDS)
def test_the_hessian_is_that_of_its_sum(kind):
    """Column by column: of a free sample, the gradient's change; of a fixed one, the identity."""
    made = problem(*kind)
    rng = np.random.default_rng(0)
    d, shots, samples = made.c.shape
    terms = []
    for rows in made.limits:
        v = rows.forward(NUMPY, made.c)
        one = np.ones(rows.inner(NUMPY, v, v).shape)
        terms.append((v, *(rng.uniform(0.5, 2, one.shape) for _ in range(2))))
    pairs = hessian(NUMPY, made.limits, terms, made.free, 0.7)
    free = np.ones(samples) if made.free is None else made.free
    for a in range(d):
        for t in range(samples):
            x = np.zeros(made.c.shape)
            x[a, :, t] = free[t]
            y = 0.7 * x
            for rows, (v, multiplier, ratio) in zip(made.limits, terms, strict=True):
                dv = rows.forward(NUMPY, x)
                y += rows.adjoint(NUMPY, multiplier * dv + ratio * rows.inner(NUMPY, v, dv) * v)
            y = y * free
            y[a, :, t] += 1 - free[t]
            for b in range(d):
                found = np.zeros((shots, samples))
                weights = pairs.get((max(a, b), min(a, b)), ())
                for n, w in enumerate(weights):
                    if t + n < samples:
                        found[:, t + n] = w[:, t]
                    if t - n >= 0:
                        found[:, t - n] = w[:, t - n]
                np.testing.assert_allclose(found, y[b], rtol=1e-9, atol=1e-9 * np.max(np.abs(y)))
