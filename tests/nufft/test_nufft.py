"""What the laws do not say of the NUFFT: refusals, plans, memory, threads, engines."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri
from nufftlib.nufft import operator
from nufftlib.nufft.engines import finufft as finufft_engine
from nufftlib.nufft.engines.base import ImageStack, fold
from nufftlib.nufft.engines.direct import DirectEngine
from nufftlib.nufft.engines.grid.cpu import engine as grid_engine
from nufftlib.nufft.engines.plans import PlanCache

rng = np.random.default_rng(3)
k = rng.uniform(-0.5, 0.5, (4, 5, 2))
x = rng.standard_normal((3, 8, 7)) + 1j * rng.standard_normal((3, 8, 7))
y = rng.standard_normal((3, 4, 5)) + 1j * rng.standard_normal((3, 4, 5))


def with_entry(value, index):
    broken = k.copy()
    broken[index] = value
    return broken


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nl.NUFFT(with_entry(np.nan, (2, 3, 1)), (8, 7)),
            ValueError,
            r"1 of 20 points are not finite \(first at index \(2, 3\)\); want finite points",
        ),
        (
            lambda: nl.NUFFT(with_entry(np.inf, (slice(1, 3), 0, 0)), (8, 7)),
            ValueError,
            r"2 of 20 points are not finite \(first at index \(1, 0\)\)",
        ),
        (lambda: nl.NUFFT(k, (8, 7, 3)), ValueError, r"\(4, 5, 2\); want \(..., 3\)"),
        (lambda: nl.NUFFT(k[:0], (8, 7)), ValueError, "at least one point"),
        (lambda: nl.NUFFT(np.zeros((3, 2), int), (8, 7)), TypeError, "int64; want float32 or"),
        (lambda: nl.NUFFT(k + 0j, (8, 7)), TypeError, "complex128; want float32 or"),
        (lambda: nl.NUFFT(k.tolist(), (8, 7)), TypeError, "a list; want an array"),
        (lambda: nl.NUFFT(np.ma.asarray(k), (8, 7)), TypeError, "a MaskedArray; want an array"),
        (
            lambda: nl.NUFFT(k, x),
            TypeError,
            "an array .*; want one to three sizes",
        ),
        (lambda: nl.NUFFT(k, (8, 0)), ValueError, "want one to three sizes"),
        (lambda: nl.NUFFT(k, (8.0, 7)), TypeError, "one to three sizes, integers"),
        (lambda: nl.NUFFT(k, (8, 7), norm="unit"), ValueError, "'unit'; want one of None, 'ortho'"),
        (lambda: nl.NUFFT(k, (8, 7), eps=0.0), ValueError, "eps is 0.0; want 1e-14 <= eps"),
        (
            lambda: nl.NUFFT(k.astype("f4"), (8, 7), eps=1e-9),
            ValueError,
            "want 1.2e-07 <= eps < 1 for a trajectory of float32",
        ),
        (lambda: nl.NUFFT(k, (8, 7), engine="fft"), ValueError, "'fft'; want one of .*'grid'"),
        (lambda: nl.NUFFT(k, (8, 7), engine="cufinufft"), ValueError, "numpy arrays on cpu"),
        (lambda: nl.NUFFT(k, (8, 7), memory_limit=0), ValueError, "is 0; want at least 1"),
        (lambda: nl.NUFFT(k, (8, 7))(x.real), TypeError, "float64; want complex128"),
        (lambda: nl.NUFFT(k, (8, 7))(x.astype("c8")), TypeError, "complex64; want complex128"),
        (lambda: nl.NUFFT(k, (8, 7))(x[:, :7]), ValueError, r"\(3, 7, 7\); want \(..., 8, 7\)"),
        (lambda: nl.NUFFT(k, (8, 7))(x[0, 0]), ValueError, r"\(7,\); want \(..., 8, 7\)"),
        (lambda: nl.NUFFT(k, (8, 7)).H(y[0, 0]), ValueError, r"\(5,\); want \(..., 4, 5\)"),
        (lambda: nl.NUFFT(k, (8, 7)).H(y.real), TypeError, "float64; want complex128"),
        (
            lambda: nl.NUFFT(k, (8, 7)).vjp("trajectory", x, y[:2]),
            ValueError,
            r"y has the shape \(2, 4, 5\); want \(3, 4, 5\), as of A x",
        ),
        (
            lambda: nl.NUFFT(k, (8, 7)).jvp("trajectory", x, k[0]),
            ValueError,
            r"\(5, 2\) .* want those of trajectory, \(4, 5, 2\)",
        ),
        (
            lambda: nl.NUFFT(k, (8, 7)).replace(trajectory=with_entry(np.nan, (0, 0, 0))),
            ValueError,
            "1 of 20 points are not finite",
        ),
    ],
)
def test_a_wrong_argument_is_refused_with_what_came_and_what_is_wanted(call, error, message):
    with pytest.raises(error, match=message):
        call()


def output_of(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_masked_nan_cannot_crash_the_process():
    """A mask hides its entries from a check, but not from native code."""
    script = """
        import numpy as np
        import nufftlib as nl
        k = np.zeros((50, 2)); x = np.ones((8, 8), complex)
        F = nl.NUFFT(k, (8, 8))
        k[7, 1] = np.nan
        bad = np.ma.masked_invalid(k)
        doors = [lambda: nl.NUFFT(bad, (8, 8))(x), lambda: F.replace(trajectory=bad)(x),
                 lambda: F.as_map("trajectory", x)(bad)]
        for door in doors:
            try:
                door()
            except TypeError as error:
                assert "MaskedArray" in str(error)
            else:
                raise SystemExit("a door is open")
        print("alive")
    """
    assert output_of(script) == "alive"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_does_not_wait_for_its_parents_threads():
    script = """
        import os, time, warnings
        import numpy as np
        import nufftlib as nl
        warnings.simplefilter("ignore")
        k = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 2))
        x = np.ones((4, 256, 256), np.complex64)
        F = nl.NUFFT(k.astype(np.float32), (256, 256), eps=1e-3)
        want = F(x)
        child = os.fork()
        if child == 0:
            os._exit(0 if np.linalg.norm(F(x) - want) < 1e-3 * np.linalg.norm(want) else 1)
        for _ in range(400):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                print("child", status)
                break
            time.sleep(0.02)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
    """
    assert output_of(script, OMP_NUM_THREADS="2") == "child 0"


def test_a_point_that_is_not_finite_cannot_crash_the_process():
    """finufft itself dies of it; through every door of ours an exception comes out."""
    script = """
        import numpy as np
        import nufftlib as nl
        x = np.ones((8, 8), complex)
        for value in (np.nan, np.inf, -np.inf):
            k = np.zeros((50, 2))
            F = nl.NUFFT(k, (8, 8))
            fixed = F.as_map("trajectory", x)
            bad = k.copy(); bad[7, 1] = value
            doors = [lambda: nl.NUFFT(bad, (8, 8)), lambda: F.replace(trajectory=bad),
                     lambda: fixed(bad), lambda: fixed.linearize(bad),
                     lambda: F.H.replace(trajectory=bad), lambda: F.N.replace(trajectory=bad)]
            for door in doors:
                try:
                    door()
                except ValueError as error:
                    assert "not finite" in str(error)
                else:
                    raise SystemExit("a door is open")
            k[7, 1] = value  # in place, behind the operator's back
            F(x); F.H(F(x)); F.vjp("trajectory", x, F(x)); nl.mri.pipe_menon
        print("alive")
    """
    assert output_of(script) == "alive"


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_a_trajectory_changed_in_place_changes_nothing(engine):
    mine = k.copy()
    F = nl.NUFFT(mine, (8, 7), engine=engine)
    before = F(x), F.H(y), F.vjp("trajectory", x, y), F.linearize(x, wrt="trajectory")[0]
    mine[...] = 0.123
    np.testing.assert_array_equal(F.trajectory, k)
    after = F(x), F.H(y), F.vjp("trajectory", x, y), F.linearize(x, wrt="trajectory")[0]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_checked_is_what_the_engine_sees(monkeypatch):
    mine, true_check = k.copy(), operator.check_trajectory

    def check(*args):
        true_check(*args)
        mine[...] = np.nan  # by another thread, say

    monkeypatch.setattr(operator, "check_trajectory", check)
    assert np.all(np.isfinite(nl.NUFFT(mine, (8, 7), engine="direct")(x)))


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_a_trajectory_of_another_precision_is_refused_by_the_map(engine):
    F = nl.NUFFT(k, (8, 7), engine=engine)
    for fixed in (F.as_map("trajectory", x), (F @ nl.Sense(x)).as_map("trajectory", x)):
        with pytest.raises(TypeError, match=r"k -> F\(k\) x: k is float32 and x is float64"):
            fixed(k.astype("f4"))
        with pytest.raises(TypeError, match="k is float32"):
            fixed.linearize(k.astype("f4"))


def test_the_transform_is_periodic_to_rounding():
    F, G = (
        nl.NUFFT(k, (8, 7), eps=1e-12),
        nl.NUFFT(k + np.asarray([3.0, -100.0]), (8, 7), eps=1e-12),
    )
    np.testing.assert_allclose(G(x), F(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
@pytest.mark.parametrize(
    ("dtype", "periods", "tolerance"), [("float32", 8000, 1e-4), ("float64", 10**9, 1e-9)]
)
def test_points_are_folded_before_they_are_multiplied(engine, dtype, periods, tolerance):
    """Without the fold a point far out would lose its fraction to 2 pi."""
    near = (rng.integers(-511, 512, (40, 1)) / 1024).astype(dtype)
    far = near + np.asarray(periods, dtype)
    np.testing.assert_array_equal(far - np.asarray(periods, dtype), near)  # nothing is lost
    np.testing.assert_array_equal(fold(np, far), near)
    image = (rng.standard_normal(64) + 0j).astype("complex64" if dtype == "float32" else complex)
    settings = {"engine": engine, "eps": tolerance / 100}
    a, b = (nl.NUFFT(p, (64,), **settings) for p in (near, far))
    assert np.linalg.norm(b(image) - a(image)) < tolerance * np.linalg.norm(a(image))
    assert np.linalg.norm(b.H(a(image)) - a.N(image)) < tolerance * np.linalg.norm(a.N(image))


def test_finufft_agrees_with_the_exact_sums_to_eps():
    for eps in (1e-2, 1e-5, 1e-9):
        F, D = nl.NUFFT(k, (8, 7), eps=eps, engine="finufft"), nl.NUFFT(k, (8, 7), engine="direct")
        assert np.linalg.norm(F(x) - D(x)) < 10 * eps * np.linalg.norm(D(x))
        gradient = D.vjp("trajectory", x, y)
        error = np.linalg.norm(F.vjp("trajectory", x, y) - gradient)
        assert error < 20 * eps * np.linalg.norm(gradient)


class Recorder:
    """Stands in for a plan, and counts."""

    def __init__(self, monkeypatch):
        self.made = []
        self.executed = []
        self.points_set = 0
        recorder = self
        true_plan = finufft_engine.finufft.Plan

        class Plan:
            def __init__(self, kind, shape, n_trans, *args, **kwargs):
                recorder.made.append(n_trans)
                self.plan = true_plan(kind, shape, n_trans, *args, **kwargs)
                self.n_trans = n_trans

            def setpts(self, *axes):
                recorder.points_set += 1
                self.plan.setpts(*axes)

            def execute(self, *args, **kwargs):
                recorder.executed.append(self.n_trans)
                self.plan.execute(*args, **kwargs)

            def execute_adjoint(self, *args, **kwargs):
                recorder.executed.append(-self.n_trans)
                self.plan.execute_adjoint(*args, **kwargs)

        monkeypatch.setattr(finufft_engine.finufft, "Plan", Plan)
        monkeypatch.setattr(finufft_engine, "PLANS", PlanCache(size=16))


def test_plans_are_made_once_and_shared_between_trajectories(monkeypatch):
    recorder = Recorder(monkeypatch)
    F = nl.NUFFT(k, (8, 7), engine="finufft")
    for shift in (0.0, 0.01, 0.02):
        G = F.replace(trajectory=k + shift)
        G.H(G(x))
    assert recorder.made == [3]  # both directions, three trajectories
    assert recorder.executed == [3, -3] * 3
    assert recorder.points_set == 3


def test_shapes_that_are_permutations_have_their_own_plans():
    for shape in ((4, 6), (6, 4)):
        image = rng.standard_normal(shape) + 0j
        F, D = nl.NUFFT(k, shape, eps=1e-12), nl.NUFFT(k, shape, engine="direct")
        np.testing.assert_allclose(F(image), D(image), atol=1e-9)
        np.testing.assert_allclose(F.N(image), D.N(image), atol=1e-9)


def test_a_plan_whose_points_could_not_be_set_has_none():
    class Plan:
        held = None

        def setpts(self, *axes):
            self.held = None  # like finufft, half way through
            if fails:
                raise RuntimeError
            self.held = axes

        def execute(self, data, out):
            out[...] = self.held[0]

    F = nl.NUFFT(k, (8, 7))
    old, new = F.transform.points, F.replace(trajectory=0.5 * k).transform.points
    shared, out = finufft_engine.SharedPlan(Plan()), np.empty(20)
    for points, fails in (
        (old, False),
        (new, True),
        (old, False),
        (new, True),
        (new, False),
    ):
        if fails:
            with pytest.raises(RuntimeError):
                shared.execute(points, out, out, adjoint=False)
        else:
            shared.execute(points, out, out, adjoint=False)
            np.testing.assert_array_equal(out, points.axes[0])


def test_derivatives_run_as_one_stack(monkeypatch):
    recorder = Recorder(monkeypatch)
    F = nl.NUFFT(k, (8, 7), engine="finufft")
    F.vjp("trajectory", x, y)
    F.jvp("trajectory", x, k)
    F.H.jvp("trajectory", y, k)
    assert recorder.executed == [6, 6, -6]
    _, J = F.linearize(x, wrt="trajectory")
    J.adjoint(y)
    J(k)
    assert recorder.executed[3:] == [9]  # value and both derivatives; nothing afterwards


@pytest.mark.parametrize(("limit", "together"), [(2500, 1), (10_000, 2)])
@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_a_memory_limit_changes_nothing_but_the_chunks(monkeypatch, engine, limit, together):
    recorder = Recorder(monkeypatch)
    F = nl.NUFFT(k, (8, 7), eps=1e-12, engine=engine)
    G = nl.NUFFT(k, (8, 7), eps=1e-12, engine=engine, memory_limit=limit)
    np.testing.assert_allclose(G(x), F(x), rtol=1e-9)
    np.testing.assert_allclose(G.H(y), F.H(y), rtol=1e-9)
    recorder.executed.clear()
    calls = [
        lambda A: A.vjp("trajectory", x, y),
        lambda A: A.jvp("trajectory", x, k),
        lambda A: A.H.jvp("trajectory", y, k),
        lambda A: A.linearize(x, wrt="trajectory")[0],
        lambda A: A.linearize(x, wrt="trajectory")[1].adjoint(y),
    ]
    for call in calls:
        np.testing.assert_allclose(call(G), call(F), rtol=1e-8, atol=1e-8)
    if engine == "finufft":
        assert together in recorder.executed  # of one image
        assert 6 in recorder.executed  # all of three


COILS = grid_engine.COILS  # as users have it
CALLS = {
    "apply": lambda F, a: F(a.x),
    "adjoint": lambda F, a: F.H(a.y),
    "vjp": lambda F, a: F.vjp("trajectory", a.x, a.y),
    "jvp": lambda F, a: F.jvp("trajectory", a.x, a.k),
    "derivative adjoint": lambda F, a: F.derivative("trajectory", a.k).adjoint(a.y),
    "N": lambda F, a: F.N(a.x),
    "gram": lambda F, a: F.gram(method="toeplitz")(a.x),
    "gram vjp": lambda F, a: F.gram(method="toeplitz").vjp("trajectory", a.x, a.x),
}


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_a_batch_far_above_the_memory_limit_keeps_it(monkeypatch, engine, call, precision):
    monkeypatch.setattr(grid_engine, "COILS", COILS)
    real, dtype = {"single": ("f4", "c8"), "double": ("f8", "c16")}[precision]
    shape, batch = (32, 30), 60
    points = rng.uniform(-0.5, 0.5, (75, 2)).astype(real)
    images, data = (np.ones((batch, *n), dtype) for n in (shape, (75,)))
    limit = (28 if precision == "double" else 56) * images[0].nbytes
    settings = {"engine": engine, "norm": "ortho", "memory_limit": limit}
    F = nl.NUFFT(points, shape, **settings)
    arguments = SimpleNamespace(k=points, x=images, y=data)
    CALLS[call](F, arguments)  # makes tables and plans, and compiles loops for these coils
    F = F.replace(trajectory=points)
    F(images[:1])
    tracemalloc.start()
    try:
        result = CALLS[call](F, arguments)
        peak = tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()
    assert images.nbytes > (2 if precision == "double" else 1) * limit
    assert peak < 1.3 * limit


@pytest.mark.parametrize("engine", ["direct", "finufft"])
def test_an_image_that_is_changed_later_changes_no_map_of_any_engine(engine):
    F, image = nl.NUFFT(k, (8, 7), engine=engine), x.copy()
    fixed = F.as_map("trajectory", image)
    _, J = F.linearize(image, wrt="trajectory")
    before = fixed(k), J.hessian(y).blocks
    image[...] = 0
    np.testing.assert_array_equal(fixed(k), before[0])
    np.testing.assert_array_equal(J.hessian(y).blocks, before[1])


def test_the_exact_sums_keep_the_memory_limit(monkeypatch):
    seen = []
    true_phases = DirectEngine._phases

    def phases(self, points, part, like):
        seen.append(part.stop - part.start)
        return true_phases(self, points, part, like)

    monkeypatch.setattr(DirectEngine, "_phases", phases)
    F = nl.NUFFT(k, (8, 7), engine="direct", memory_limit=17_000)
    for call in (lambda: F(x), lambda: F.H(y)):
        seen.clear()
        call()
        assert sum(seen) == 20
        # Two arrays of images, rows, points and bytes in a half of the limit.
        assert 2 * max(seen) * x.shape[0] * 8 * 16 <= 17_000 // 2
        assert max(seen) > 1  # not smaller than it must be


def test_finufft_gets_a_bound_on_its_grids(monkeypatch):
    seen = []
    true_plan = finufft_engine.finufft.Plan

    def plan(*args, **kwargs):
        seen.append(kwargs.get("maxbatchsize"))
        return true_plan(*args, **kwargs)

    monkeypatch.setattr(finufft_engine.finufft, "Plan", plan)
    monkeypatch.setattr(finufft_engine, "PLANS", PlanCache(size=16))
    monkeypatch.setattr(finufft_engine.os, "cpu_count", lambda: 8)
    grid = 4 * 8 * 7 * 16
    nl.NUFFT(k, (8, 7), memory_limit=4 * grid, engine="finufft")(x)
    nl.NUFFT(k, (8, 7), engine="finufft")(x)
    assert seen == [2, None]


def test_the_plan_cache_is_bounded_and_forgets_the_oldest():
    cache = PlanCache(size=2)
    made = []
    for key in "abacab":
        cache.get(key, lambda key=key: made.append(key) or key)
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2


@pytest.mark.parametrize("engine", ["grid", "finufft"])
def test_threads_with_different_trajectories_do_not_disturb_each_other(engine):
    operators = [nl.NUFFT(k + 0.01 * i, (8, 7), engine=engine) for i in range(8)]
    want = [F(x) for F in operators]
    with ThreadPoolExecutor(8) as pool:
        jobs = [(i, pool.submit(operators[i], x)) for _ in range(40) for i in range(8)]
        for i, job in jobs:
            np.testing.assert_array_equal(job.result(), want[i])


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_an_empty_batch_and_a_strided_image(engine):
    F = nl.NUFFT(k, (8, 7), engine=engine, eps=1e-12)
    assert F(x[:0]).shape == (0, 4, 5)
    assert F.H(y[:0]).shape == (0, 8, 7)
    assert F.jvp("trajectory", x[:0], k).shape == (0, 4, 5)
    assert F.H.jvp("trajectory", y[:0], k).shape == (0, 8, 7)
    value, J = F.linearize(x[:0], wrt="trajectory")
    assert value.shape == J(k).shape == (0, 4, 5)
    for gradient in (F.vjp("trajectory", x[:0], y[:0]), J.adjoint(y[:0])):
        np.testing.assert_array_equal(gradient, np.zeros_like(k))
    for blocks in (J.gauss_newton().blocks, J.hessian(y[:0]).blocks):
        np.testing.assert_array_equal(blocks, np.zeros((4, 5, 2, 2)))
    turned = np.asfortranarray(x)[::-1]
    np.testing.assert_allclose(F(turned), F(x.copy())[::-1], rtol=1e-10)


def test_torch_memory_is_used_as_it_is(monkeypatch):
    torch = pytest.importorskip("torch")
    seen = []
    true_execute = finufft_engine.SharedPlan.execute

    def execute(self, points, data, out, *, adjoint):
        seen.append((data.ctypes.data, out.ctypes.data))
        return true_execute(self, points, data, out, adjoint=adjoint)

    monkeypatch.setattr(finufft_engine.SharedPlan, "execute", execute)
    F = nl.NUFFT(torch.asarray(k), (8, 7), engine="finufft")
    image = torch.asarray(x)
    data = F(image)
    assert seen == [(image.data_ptr(), data.data_ptr())]
    np.testing.assert_allclose(F.H(data.conj()).numpy(), F.H(data.conj().resolve_conj()).numpy())


def test_any_spectrum_serves_the_operator(monkeypatch):
    """The seam: an engine may keep what does not depend on the trajectory, once."""
    prepared = []

    class OneSpectrum(ImageStack):
        def __init__(self, engine, images):
            prepared.append(images.shape)
            super().__init__(engine, images)

    monkeypatch.setattr(DirectEngine, "fix", lambda self, images, **_: OneSpectrum(self, images))
    F = nl.NUFFT(k, (8, 7), engine="direct")
    fixed = F.as_map("trajectory", x)
    for shift in (0.0, 0.1):
        value, J = fixed.linearize(k + shift)
        G = F.replace(trajectory=k + shift)
        np.testing.assert_allclose(value, G(x))
        np.testing.assert_allclose(J.adjoint(y), G.vjp("trajectory", x, y))
    assert prepared == [(3, 8, 7)] * 3  # once for the map, once for each plain vjp


def test_repr_is_short():
    assert repr(nl.NUFFT(k, (8, 7))) == (
        "NUFFT(trajectory=<(4, 5, 2) float64>, shape=(8, 7), norm=None, eps=1e-06, "
        "engine='auto', memory_limit=1073741824)"
    )


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda A: pickle.loads(pickle.dumps(A))])
def test_operators_can_be_copied_and_pickled(engine, duplicate):
    F = nl.NUFFT(k, (8, 7), norm="ortho", engine=engine)
    G = duplicate(F)
    assert repr(G) == repr(F)
    np.testing.assert_array_equal(G(x), F(x))
    np.testing.assert_array_equal(G.vjp("trajectory", x, y), F.vjp("trajectory", x, y))
    A = F.H @ nl.Diagonal(np.ones((4, 5))).rename(weights="density") @ F @ (2 * nl.Diagonal(x))
    B = duplicate(A)
    assert set(B.parameters) == {"trajectory", "density", "weights"}  # still shared
    np.testing.assert_array_equal(B(x), A(x))
    moved = B.replace(trajectory=0.5 * k)
    np.testing.assert_array_equal(moved(x), A.replace(trajectory=0.5 * k)(x))


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
def test_kernels_of_any_width_in_single_precision(engine):
    k = np.random.default_rng(3).uniform(-0.5, 0.5, (240, 2)).astype("f4")
    F = nl.NUFFT(k, (32, 32), engine=engine)
    exact = nl.NUFFT(k.astype(float), (32, 32), engine="direct")
    for width in (6, 9, 16):
        w = mri.pipe_menon(F, width=width, iterations=5)
        np.testing.assert_allclose(w, mri.pipe_menon(exact, width=width, iterations=5), rtol=1e-3)
