"""Time of a subspace: its data, its Gram as a product and as a convolution, the set-up of that.

256 x 256 voxels, 4 coefficients, 8 coils, spokes of 512 samples; complex64, eps 1e-4.
"""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.mri.subspace.gram import SubspaceGram

N, COILS, COUNT = 256, 8, 4


@pytest.fixture(params=["20 frames of 8 spokes", "500 frames of 1 spoke"])
def problem(request, xp):
    words = request.param.split()
    frames, spokes = int(words[0]), int(words[3])
    k = nl.mri.trajectories.radial(frames * spokes, 512, tilt="golden").reshape(frames, -1, 2)
    t = np.arange(frames)[:, None] / frames
    basis = np.linalg.qr(np.exp(-t * np.linspace(0.5, 8, COUNT)))[0].astype(np.float32)
    maps = nl.mri.birdcage_maps(COILS, (N, N))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((COUNT, N, N)) + 1j * rng.standard_normal((COUNT, N, N))
    return tuple(xp.asarray(a) for a in (k, basis, maps, x.astype(np.complex64)))


def scan(problem):
    k, basis, maps, _ = problem
    return nl.NUFFT(k, (N, N), eps=1e-4) @ nl.Sense(maps), basis


def test_data(problem, timed):
    A = nl.Subspace(*scan(problem))
    A(problem[-1])
    timed(A, problem[-1])


def test_data_frame_by_frame(problem, timed):
    k, basis, maps, x = problem
    of_frame = nl.NUFFT(k[0, ...], (N, N), eps=1e-4) @ nl.Sense(maps)
    A = nl.Subspace(nl.Paired(of_frame, {"trajectory": k}), basis)
    A(x)
    timed(A, x)


def test_gram_composed(problem, timed):
    A = nl.Subspace(*scan(problem))
    G = A.H @ A
    G(problem[-1])
    timed(G, problem[-1])


def test_gram_as_a_convolution(problem, timed):
    A = nl.Subspace(*scan(problem))
    assert isinstance(A.N, SubspaceGram)
    G = A.N
    G(problem[-1])
    timed(G, problem[-1])


def test_set_up_of_the_convolution(problem, timed):
    A = nl.Subspace(*scan(problem))
    timed(lambda: A.N.spectra)
