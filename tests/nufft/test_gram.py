"""The Gram of the NUFFT as a convolution: against the composed one, and what it costs."""

import copy
import gc
import pickle
import tracemalloc
import weakref
from dataclasses import replace
from functools import partial
from itertools import cycle

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.nufft import gram, padded
from nufftlib.nufft.engines.direct import DirectEngine
from nufftlib.nufft.gram import ToeplitzGram

rng = np.random.default_rng(12)
SHAPES = [(7,), (16,), (1,), (7, 7), (6, 1), (13, 11), (4, 5, 3), (3, 1, 2)]


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def problem(shape, batch=(2,), **settings):
    """A NUFFT, weights of both signs, and two batches of images."""
    k = rng.uniform(-0.8, 0.8, (3, 4, len(shape)))
    w = rng.standard_normal((3, 4))
    return nl.NUFFT(k, shape, **settings), w, noise(*batch, *shape), noise(*batch, *shape)


def distance(got, want):
    return np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-3)


def deviation(F, w, x, y):
    """The largest distance of the convolution and its derivatives from the composed Gram."""
    T, C = F.gram(w, "toeplitz"), F.gram(w, "composed")
    assert isinstance(T, ToeplitzGram)
    assert sorted(T.parameters) == sorted(C.parameters)
    distances = [distance(T(x), C(x)), distance(T.adjoint(x), C.adjoint(x))]
    for name, theta in C.parameters.items():
        t = np.cos(7 * theta)
        distances.append(distance(T.vjp(name, x, y), C.vjp(name, x, y)))
        distances.append(distance(T.jvp(name, x, t), C.jvp(name, x, t)))
        distances.append(distance(T.H.jvp(name, y, t), C.H.jvp(name, y, t)))
    return max(distances)


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_methods_are_one_operator(shape, norm):
    F, w, x, y = problem(shape, norm=norm, engine="direct")
    assert deviation(F, w, x, y) < 1e-13
    assert deviation(F, None, x, y) < 1e-13


@pytest.mark.parametrize(("shape", "eps"), list(zip(SHAPES, cycle([1e-6, 1e-12]))), ids=str)
def test_both_methods_agree_to_eps(shape, eps):
    assert deviation(*problem(shape, eps=eps)) < 50 * eps + 1e-12


def test_the_convolution_is_self_adjoint_at_any_accuracy(monkeypatch):
    """Of an engine whose ``p`` is not Hermitian to its accuracy, as finufft's happens to be."""
    forward, adjoint = DirectEngine.forward, DirectEngine.adjoint

    def wrong(engine):
        n = np.arange(np.prod(engine.shape)).reshape(engine.shape)
        return 1 + 1e-2 * np.exp(1j * n * n)

    monkeypatch.setattr(
        DirectEngine, "forward", lambda self, points, x: forward(self, points, wrong(self) * x)
    )
    monkeypatch.setattr(
        DirectEngine,
        "adjoint",
        lambda self, points, y: wrong(self).conj() * adjoint(self, points, y),
    )
    F, w, x, y = problem((13, 8), engine="direct")
    A = F.gram(w, "toeplitz")
    assert 1e-3 < deviation(F, w, x, y) < 1e-1
    scale = np.linalg.norm(A(x)) * np.linalg.norm(y)
    assert abs(np.vdot(y, A(x)) - np.vdot(A(y), x)) < 1e-14 * scale
    assert A.H is A
    assert nl.check_operator(A, x, difference_tolerance=1).ok


def root(F):
    return np.sqrt(np.prod(F.shape))


PLANTS = {
    "the lags of the correlation run backwards": (
        "correlation",
        lambda true, F, x, y: true(F, x, y)[::-1, ::-1],
    ),
    "the correlation lacks a conjugate": (
        "correlation",
        lambda true, F, x, y: true(F, x.conj(), y),
    ),
    "the correlation has the norm once": (
        "correlation",
        lambda true, F, x, y: true(F, x, y) * root(F),
    ),
    "the lags of the spectrum run backwards": (
        "lag_spectrum",
        lambda true, F, p: true(F, p[::-1, ::-1]),
    ),
    "the lags of the spectrum begin at -N": (
        "lag_spectrum",
        lambda true, F, p: true(F, np.roll(p, 1, axis=-1)),
    ),
    "the spectrum has the norm once": (
        "lag_spectrum",
        lambda true, F, p: true(F, p) * root(F),
    ),
    "the weights are forgotten": (
        "as_data",
        lambda true, F, w: true(F, np.ones_like(w)),
    ),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_error_is_seen(monkeypatch, plant):
    name, error = PLANTS[plant]
    arguments = problem((7, 7), norm="ortho", engine="direct")
    assert deviation(*arguments) < 1e-13
    monkeypatch.setattr(gram, name, partial(error, getattr(gram, name)))
    assert deviation(*arguments) > 1e-2


class Recorder:
    """Counts the images that the exact sums transform, by their shape."""

    def __init__(self, monkeypatch):
        self.images = []
        for name in ("forward", "adjoint"):
            monkeypatch.setattr(
                DirectEngine, name, self.recorded(name, getattr(DirectEngine, name))
            )

    def recorded(self, name, true):
        def transform(engine, points, data):
            self.images.append((name, engine.shape, data.shape[0]))
            return true(engine, points, data)

        return transform


def test_the_spectrum_is_computed_once_and_kept(monkeypatch):
    recorder = Recorder(monkeypatch)
    F, w, x, _ = problem((6, 5), engine="direct")
    A = F.gram(w, "toeplitz")
    assert recorder.images == []
    A(x)
    A(x)
    assert recorder.images == [("adjoint", (11, 9), 1)]
    recorder.images.clear()
    for _ in range(3):
        F.gram(method="toeplitz")(x)  # a new operator each time, as F.N is
    assert recorder.images == [("adjoint", (11, 9), 1)]


def test_a_gradient_is_one_however_many_coils(monkeypatch):
    recorder = Recorder(monkeypatch)
    F, w, x, y = problem((6, 5), batch=(4, 2), engine="direct")
    A = F.gram(w, "toeplitz")
    A.vjp("trajectory", x, y)
    A.vjp("weights", x, y)
    assert recorder.images == [("forward", (11, 9), 2), ("forward", (11, 9), 1)]


GRID = 11 * 9 * 16
CHUNKS = [
    (2**30, 2**30, [(5, 11, 5), (5, 11, 9)]),
    # Two images; single images; slabs of four rows.
    (6 * GRID, 12 * GRID, [(2, 11, 5), (2, 11, 9)] * 2 + [(1, 11, 5), (1, 11, 9)]),
    (3 * GRID, 6 * GRID, [(1, 11, 5), (1, 11, 9)] * 5),
    (3 * 4 * 9 * 16, 6 * 4 * 9 * 16, [(1, 11, 5), (1, 4, 9), (1, 4, 9), (1, 3, 9)] * 5),
    (1, 1, [(1, 11, 5), *[(1, 1, 9)] * 11] * 5),
]


@pytest.mark.parametrize(("for_three", "for_six", "shapes"), CHUNKS)
def test_a_memory_limit_changes_nothing_but_the_chunks(monkeypatch, for_three, for_six, shapes):
    seen, true_fft = [], padded.pad_fft

    def recorded(xp, x, size, axis):
        X = true_fft(xp, x, size, axis)
        seen.append(X.shape)
        return X

    monkeypatch.setattr(padded, "pad_fft", recorded)
    F, w, x, y = problem((6, 5), batch=(5,), engine="direct")
    A, B = (replace(F, memory_limit=n).gram(w, "toeplitz") for n in (for_three, for_six))
    value = A(x)
    assert seen == shapes
    seen.clear()
    gradient = B.vjp("trajectory", x, y)
    assert seen[::2] == seen[1::2]  # of x and of y
    assert seen[::2] == shapes
    np.testing.assert_allclose(value, F.gram(w, "toeplitz")(x), rtol=1e-12)
    np.testing.assert_allclose(gradient, F.gram(w, "toeplitz").vjp("trajectory", x, y), rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_slabs_of_one_row_are_the_same_operator(shape):
    assert deviation(*problem(shape, engine="direct", memory_limit=1)) < 1e-13


def test_the_padded_grid_of_an_image_is_never_whole():
    """It has the size of 8 images."""
    F, _, x, _ = problem((32, 32, 32), memory_limit=4 * 16 * 32**3, engine="direct")
    A = F.gram(method="toeplitz")
    A(x)
    tracemalloc.start()
    try:
        result = A(x)
        peak = tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * F.memory_limit


def test_what_is_kept_and_returned_holds_no_other_memory():
    """A view of what was padded, or of the real part, would keep all of it."""
    F, w, x, _ = problem((64, 64), batch=(), engine="grid")
    A = F.gram(w, "toeplitz")
    for array in (A(x), A(np.stack([x, x])), A.convolution.spectrum):
        owner = array if array.base is None else array.base
        assert owner.nbytes == array.nbytes


def test_an_empty_batch_in_any_library(row):
    k = row.array(rng.uniform(-0.5, 0.5, (30, 3)), "float64")
    G = nl.NUFFT(k, (5, 4, 3), engine="direct").gram(method="toeplitz")
    x = row.xp.zeros((0, 2, 5, 4, 3), dtype=row.xp.complex128, device=row.device)
    assert G(x).shape == x.shape
    np.testing.assert_array_equal(row.numpy(G.vjp("trajectory", x, x)), np.zeros((30, 3)))


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_an_empty_batch_and_a_strided_image(engine):
    F, w, x, _ = problem((6, 5), engine=engine)
    A = F.gram(w, "toeplitz")
    assert A(x[:0]).shape == (0, 6, 5)
    np.testing.assert_array_equal(A.vjp("trajectory", x[:0], x[:0]), np.zeros_like(F.trajectory))
    np.testing.assert_array_equal(A.vjp("weights", x[:0], x[:0]), np.zeros_like(w))
    np.testing.assert_allclose(A(np.asfortranarray(x)[::-1]), A(x.copy())[::-1], rtol=1e-10)


def test_one_point_without_further_axes():
    F = nl.NUFFT(np.asarray([0.1, 0.2]), (4, 3), engine="direct")
    x = noise(4, 3)
    A = F.gram(np.asarray(2.0), "toeplitz")
    np.testing.assert_allclose(A(x), 2 * F.H(F(x)))
    assert A.vjp("weights", x, x).shape == ()


def test_parameters_stay_shared_in_a_composition():
    F, w, x, y = problem((6, 5), engine="direct")
    G = F.gram(w, "toeplitz") - F.H @ nl.Diagonal(w) @ F
    assert G.parameters["trajectory"] is F.trajectory
    assert G.parameters["weights"] is w
    moved = G.replace(trajectory=0.5 * F.trajectory, weights=w + 1)
    for A in (G, moved):
        assert np.linalg.norm(A(x)) < 1e-12
        assert np.linalg.norm(A.vjp("trajectory", x, y)) < 1e-10
    twice = F.gram(w, "toeplitz")
    twice = (twice @ twice).replace(weights=w + 1)
    assert twice.left is twice.right  # and with it the spectrum
    assert F.gram(w, "toeplitz").rename(weights="density").replace(density=w).parameters.keys() == {
        "trajectory",
        "density",
    }


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda A: pickle.loads(pickle.dumps(A))])
def test_it_can_be_copied_and_pickled(duplicate):
    F, w, x, y = problem((6, 5), norm="ortho")
    for A in (F.gram(w, "toeplitz"), F.gram(method="toeplitz")):
        A(x)
        B = duplicate(A)
        np.testing.assert_array_equal(B(x), A(x))
        np.testing.assert_array_equal(B.vjp("trajectory", x, y), A.vjp("trajectory", x, y))
        assert repr(B) == repr(A)


def test_an_operator_with_a_gram_is_freed_at_once():
    F, _, x, _ = problem((6, 5), eps=1e-9)
    assert isinstance(F.N, ToeplitzGram)
    F.N(x)
    gone = weakref.ref(F)
    gc.disable()
    try:
        del F
        assert gone() is None  # a cycle would keep its spectrum until the collector comes
    finally:
        gc.enable()


def test_auto_takes_the_convolution_where_it_pays():
    def taken(points, shape, **settings):
        k = np.zeros((points, len(shape)))
        F = nl.NUFFT(k, shape, **settings)
        assert type(F.N) is type(F.gram()) is type(F.gram(method="auto"))
        return isinstance(F.N, ToeplitzGram)

    assert taken(5000, (64, 64), eps=1e-6)
    assert not taken(100, (64, 64), eps=1e-6)  # the padded FFTs cost more than the points
    assert taken(1500, (64, 64), eps=1e-6)
    assert not taken(1500, (64, 64), eps=1e-3)  # a narrower kernel
    assert not taken(5000, (64, 64), engine="direct")  # exact stays exact
    assert not taken(5000, (64, 64), memory_limit=2**17)


def test_the_gram_of_a_product_is_made_of_the_gram_of_its_left_factor():
    F, _, x, _ = problem((6, 5), eps=1e-9)
    A = F @ nl.Diagonal(x[0])
    assert any(isinstance(part, ToeplitzGram) for part in (A.N.left.right, A.N.right))
    np.testing.assert_allclose(A.N(x[0]), A.H(A(x[0])), rtol=1e-6)
    A = F @ nl.Sense(x)
    assert isinstance(A.N.gram, ToeplitzGram)
    np.testing.assert_allclose(A.N(x[0]), A.H(A(x[0])), rtol=1e-6)


F, W, X, _ = problem((6, 5))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.gram(method="fft"), ValueError, "'fft'; want one of 'auto', 'toeplitz'"),
        (
            lambda: F.gram(np.ones(4)),
            ValueError,
            r"shape \(4,\); want one for each sample, \(3, 4\)",
        ),
        (lambda: F.gram(W + 0j), TypeError, "complex128; want .* float64"),
        (lambda: F.gram(np.ones((3, 4), "f4")), TypeError, "float32; want .* float64"),
        (lambda: F.gram([1.0]), TypeError, "weights is a list; want an array"),
        (
            lambda: F.gram(W, "toeplitz").replace(weights=np.ones(3)),
            ValueError,
            r"shape \(3,\); want one for each sample",
        ),
        (lambda: F.N.replace(weights=W), ValueError, "no parameter 'weights'"),
        (
            lambda: F.gram(method="toeplitz").replace(trajectory=np.nan * F.trajectory),
            ValueError,
            "12 of 12 points are not finite",
        ),
        (lambda: F.gram(method="toeplitz")(X.real), TypeError, "float64; want complex128"),
        (
            lambda: F.gram(method="toeplitz")(X[:, 1:]),
            ValueError,
            r"ToeplitzGram.apply\(x\): x has the shape \(2, 5, 5\); want \(..., 6, 5\)",
        ),
        (
            lambda: F.gram(method="toeplitz").vjp("trajectory", X, X[:1]),
            ValueError,
            r"y has the shape \(1, 6, 5\); want \(2, 6, 5\), as of A x",
        ),
        (
            lambda: F.gram(method="toeplitz").jvp("trajectory", X, F.trajectory[0]),
            ValueError,
            "want those of trajectory",
        ),
        (
            lambda: F.gram(W, "toeplitz").jvp("weights", X, np.ones(4)),
            ValueError,
            "want those of weights",
        ),
    ],
)
def test_a_wrong_argument_is_refused_with_what_came_and_what_is_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()
