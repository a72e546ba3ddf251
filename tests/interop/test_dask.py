"""Sums over items on workers: the same bits whoever computes them, and who is refused."""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

import nufftlib as nl
import optim
from nufftlib import workflows
from nufftlib.core.pool import OneProcess, blocks, tree_sum
from nufftlib.core.threads import available, threads

pytest.importorskip("dask")
pytest.importorskip("distributed")
import dask  # it skips without dask
import dask.array as da

from nufftlib.interop import dask as adapter
from nufftlib.interop.dask import objective as objectives
from nufftlib.interop.dask import pool as pools
from nufftlib.interop.dask.work import Part

X = np.random.default_rng(1).standard_normal(50)
ITEMS = 11


def losses():
    """Return a function of items that travels by value: workers have no tests."""

    def make_loss(i):
        rng = np.random.default_rng(i)
        scale = 10.0 ** rng.integers(-3, 4)
        return scale * nl.MeanSquaredError(rng.standard_normal(50))

    return make_loss


def here(make_loss=None, items=range(ITEMS)):
    make_loss = make_loss or losses()
    return tree_sum(make_loss(i).value_and_grad(X) for i in items)


def same(found, expected):
    return found[0] == expected[0] and np.array_equal(found[1], expected[1])


def test_the_order_of_these_items_matters():
    found = [losses()(i).value_and_grad(X) for i in range(ITEMS)]
    gradients = [gradient for _, gradient in found]
    assert not np.array_equal(sum(gradients), here()[1])
    assert not np.array_equal(sum(gradients[::-1]), here()[1])


@pytest.mark.parametrize("per_worker", [1, 2, 5])
def test_the_bits_do_not_depend_on_how_the_items_are_shared(dask_pool, monkeypatch, per_worker):
    monkeypatch.setattr(objectives, "PER_WORKER", per_worker)
    with adapter.distributed_objective(losses(), range(ITEMS), dask_pool) as objective:
        assert same(objective.value_and_grad(X), here())
        assert len(objective.placed.parts) == len(blocks(ITEMS, 2 * per_worker))
        # The same again, by what the workers have kept.
        assert same(objective.value_and_grad(X), here())
    assert repr(objective) == "DistributedObjective(11 items)"


def test_a_worker_that_dies_in_the_midst_of_a_step_costs_nothing_but_time(dask_pool, tmp_path):
    mark, make = tmp_path / "died", losses()

    def make_deadly(i):
        loss = make(i)

        def value_and_grad(x):
            if i == 7 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return loss.value_and_grad(x)

        return value_and_grad

    with adapter.distributed_objective(make_deadly, range(ITEMS), dask_pool) as objective:
        for _ in range(2):
            mark.unlink(missing_ok=True)
            assert same(objective.value_and_grad(X), here())
            assert mark.exists()
        dask_pool.client.wait_for_workers(2)
        for _ in range(2):  # the second is placed anew
            assert same(objective.value_and_grad(X), here())
        assert len(objective.placed.at) == 2


def test_a_worker_that_joins_gets_its_part(dask_pool):
    cluster = dask_pool.client.cluster
    with adapter.distributed_objective(losses(), range(ITEMS), dask_pool) as objective:
        objective.value_and_grad(X)
        try:
            cluster.scale(3)
            dask_pool.client.wait_for_workers(3)
            for _ in range(2):  # the first finds it, the second gives it its part
                assert same(objective.value_and_grad(X), here())
            assert len(objective.placed.at) == 3
            holders = dask_pool.client.who_has(objective.placed.parts)
            assert len({address for of in holders.values() for address in of}) == 3
        finally:
            cluster.scale(2)
        while len(dask_pool.client.nthreads()) > 2:
            time.sleep(0.05)
        dask_pool.look()
        assert same(objective.value_and_grad(X), here())


def test_a_worker_makes_a_loss_once_if_it_keeps_it():
    made = []

    def make_loss(i):
        made.append(i)
        return lambda x: (float(i), x)

    for keep, times in ((True, 1), (False, 3)):
        made.clear()
        part = Part(make_loss, [4, 6], 0, keep)
        for _ in range(3):
            assert [part.evaluated(i, X)[0] for i in range(2)] == [4.0, 6.0]
        assert made == times * [4, 6]


def test_an_error_says_which_item_it_is_of(dask_pool):
    def make_loss(i):
        if i == 9:
            msg = "no such file"
            raise FileNotFoundError(msg)
        return lambda x: (0.0, x)

    with (
        adapter.distributed_objective(make_loss, range(ITEMS), dask_pool) as objective,
        pytest.raises(FileNotFoundError, match="no such file") as caught,
    ):
        objective.value_and_grad(X)
    assert caught.value.__notes__ == ["(at item 9 of a distributed objective)"]


def test_work_that_kills_its_workers_is_given_up(dask_pool, monkeypatch):
    scheduler = dask_pool.client.cluster.scheduler
    monkeypatch.setattr(scheduler, "allowed_failures", 0)
    with pytest.raises(RuntimeError, match=r"on 1 workers when they died.*; want smaller items"):
        dask_pool.map(lambda _: os.kill(os.getpid(), signal.SIGKILL), [0])
    dask_pool.client.wait_for_workers(2)


def test_an_interrupt_ends_the_step_and_the_next_one_works(dask_pool):
    with adapter.distributed_objective(losses(), range(ITEMS), dask_pool) as objective:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            dask_pool.map(time.sleep, [1.0] * 8)
        assert same(objective.value_and_grad(X), here())


def test_workers_share_the_processors(dask_pool):
    said = dask_pool.client.run(threads)
    assert set(said.values()) == {max(1, available() // 2)}
    assert set(dask_pool.client.run(os.environ.get, "OMP_NUM_THREADS").values()) == {"1"}
    handlers = dask_pool.client.run(signal.getsignal, signal.SIGINT)
    assert set(handlers.values()) == {signal.SIG_IGN}


def test_a_solver_goes_on_from_a_checkpoint_to_the_same_bits(dask_pool, tmp_path):
    with adapter.distributed_objective(losses(), range(ITEMS), dask_pool) as objective:

        def solve(steps, **more):
            return optim.lbfgs(objective.value_and_grad, X, steps=steps, **more)

        path = tmp_path / "run.npz"
        solve(3, checkpoint=optim.Checkpoint(path))
        resumed = solve(6, checkpoint=optim.Checkpoint(path, resume=True))
        whole = solve(6)
        assert np.array_equal(resumed.params, whole.params)
        assert resumed.history == whole.history
        assert whole.history[-1] < 0.9 * whole.history[0]
        chained = (0.5 * objective) @ nl.Diagonal(np.full(50, 2.0))
        assert np.array_equal(chained.value_and_grad(X / 2)[1], here()[1])


def test_a_large_point_and_large_settings_get_to_the_workers(dask_pool):
    x = np.random.default_rng(2).standard_normal(pools.LARGE // 8)
    weights = np.arange(float(x.size))

    def share(i, x):
        return float(i) * float(weights @ x), i * weights

    expected = OneProcess().sum(share, range(5), x)
    assert same(dask_pool.sum(share, range(5), x), expected)
    x[0] += 1.0  # it is not taken for the one before
    assert same(dask_pool.sum(share, range(5), x), OneProcess().sum(share, range(5), x))
    assert len(dask_pool.known) <= pools.KNOWN


def test_learning_on_stored_images_has_the_bits_of_one_process(dask_pool, tmp_path):
    images = 0.1 + np.random.default_rng(3).random((9, 16, 16))
    np.save(tmp_path / "images.npy", images)
    stored = workflows.open_images(tmp_path / "images.npy", bright=True, pool=dask_pool)

    def learned(**more):
        return workflows.learn_on_images(
            stored,
            nl.mri.birdcage_maps(2, (16, 16)),
            nl.mri.trajectories.radial(4, 16),
            validation=[0, 5, 1],
            epochs=2,
            batch=4,
            noise=0.02,
            augment=workflows.Augmentation(flips=True),
            maps="ones",
            engine="direct",
            **more,
        )

    alone, found = learned(), learned(pool=dask_pool)
    assert found.training == alone.training
    assert found.validation == alone.validation
    assert found.scores == alone.scores
    assert np.array_equal(found.trajectory, alone.trajectory)
    both = (one.reconstruct(one.trajectory, [2, 0]) for one in (alone, found))
    assert np.array_equal(*both)


def test_chunks_are_called_one_by_one():
    F = nl.NUFFT(nl.mri.trajectories.radial(4, 16), (16, 16), engine="direct")
    rng = np.random.default_rng(0)
    y = (rng.standard_normal((5, 4, 16)) + 1j * rng.standard_normal((5, 4, 16))).astype("complex64")
    scale, sizes = rng.standard_normal((5,)).astype("float32"), []

    def image(y, scale):
        sizes.append(len(y))
        return scale[:, None, None] * F.H(y)

    lazy = adapter.map_chunks(
        image,
        da.from_array(y, chunks=(2, -1, -1)),
        da.from_array(scale, chunks=2),
        shape=(16, 16),
        dtype="complex64",
    )
    assert (lazy.shape, lazy.chunks[0], sizes) == ((5, 16, 16), (2, 2, 1), [])
    found = lazy.compute(scheduler="synchronous")
    assert sorted(sizes) == [1, 2, 2]
    np.testing.assert_allclose(found, image(y, scale), rtol=1e-6)


class Counted:
    """Chunks of one megabyte that are made when they are asked for, and counted while they live."""

    def __init__(self):
        self.live = self.most = self.made = 0
        self.lock = threading.Lock()

    def add(self, sign):
        with self.lock:
            self.live += sign
            self.made += sign > 0
            self.most = max(self.most, self.live)

    def chunk(self, number):
        array = np.full((4, 2**15), float(number))
        self.add(1)
        weakref.finalize(array, self.add, -1)
        return array

    def array(self, count):
        chunks = [
            da.from_delayed(dask.delayed(self.chunk, pure=False)(i), (4, 2**15), float)
            for i in range(count)
        ]
        return da.concatenate(chunks)


class Target:
    """What a result is written to: it keeps the sums."""

    def __init__(self):
        self.sums = {}

    def __setitem__(self, where, chunk):
        self.sums[where[0].start] = chunk.sum()


@pytest.mark.parametrize(("scheduler", "threads"), [("synchronous", 1), ("threads", 2)])
def test_no_more_chunks_are_there_than_are_at_work(scheduler, threads):
    with dask.config.set(scheduler=scheduler, num_workers=threads):
        for count in (16, 64):
            counted, target = Counted(), Target()
            found = adapter.map_chunks(
                lambda x: 2 * x, counted.array(count), shape=(2**15,), dtype=float
            )
            da.store(found, target, lock=False)
            assert target.sums == {4 * i: 2**18 * i for i in range(count)}
            assert (counted.made, counted.live) == (count, 0)
            assert counted.most <= 2 * threads + 1  # of 16, and of 64
            counted = Counted()
            total = adapter.sum_chunks(
                lambda x: x.sum(axis=0), counted.array(count), shape=(2**15,), dtype=float
            )
            assert np.array_equal(total.compute(), np.full(2**15, 2.0 * count * (count - 1)))
            assert (counted.made, counted.live) == (count, 0)
            assert counted.most <= 2 * threads + 1  # of 16, and of 64


def test_an_array_that_is_there_as_a_whole_is_seen():
    counted = Counted()
    whole = counted.array(16).rechunk((-1, -1))
    adapter.map_chunks(lambda x: x, whole, shape=(2**15,), dtype=float).compute()
    assert counted.most == 16


def test_coils_chunk_by_chunk_give_the_image_of_all_coils():
    shape, k = (16, 16), nl.mri.trajectories.radial(20, 32, dtype=np.float64)
    F, S = nl.NUFFT(k, shape, engine="direct"), nl.mri.birdcage_maps(7, shape, dtype=complex)
    A = F @ nl.Sense(S)
    y = A(np.pad(np.ones((7, 6)), ((3, 6), (5, 5))) + 0j)
    data, maps = (da.from_array(a, chunks=(2, *a.shape[1:])) for a in (y, S))
    sum_of = functools.partial(adapter.sum_chunks, shape=shape, dtype=complex)

    def gram(x):
        return sum_of(lambda s: (F @ nl.Sense(s)).N(x), maps).compute(scheduler="synchronous")

    rhs = sum_of(lambda y, s: (F @ nl.Sense(s)).H(y), data, maps)
    assert rhs.chunks == ((16,), (16,))
    rhs = rhs.compute(scheduler="synchronous")
    np.testing.assert_allclose(rhs, A.H(y), rtol=1e-12)
    with dask.config.set(num_workers=2):
        threaded = sum_of(lambda y, s: (F @ nl.Sense(s)).H(y), data, maps).compute(
            scheduler="threads"
        )
    assert np.array_equal(threaded, rhs)
    found = optim.conjugate_gradient(gram, rhs, steps=8)
    whole = optim.conjugate_gradient(A.N, A.H(y), steps=8)
    np.testing.assert_allclose(found.params, whole.params, rtol=1e-8, atol=1e-10)


def test_chunks_that_do_not_fit_are_refused():
    x = da.ones((4, 6), chunks=(2, -1))
    cases = [
        ([np.ones(3)], TypeError, "array 0 is a ndarray; want one of dask.array"),
        ([da.ones((4, 6), chunks=(2, 3))], ValueError, "want one along each axis but the first"),
        ([x, da.ones(4, chunks=3)], ValueError, r"array 1 has chunks of \(3, 1\).*want the same"),
        ([], TypeError, "there is no array"),
    ]
    for arrays, kind, said in cases:
        with pytest.raises(kind, match=said):
            adapter.map_chunks(np.asarray, *arrays, shape=(6,), dtype=float)
    bad = adapter.map_chunks(lambda x: x[:, :3], x, shape=(6,), dtype=float)
    with pytest.raises(ValueError, match=r"float64 of shape \(2, 3\); want float64 of shape"):
        bad.compute(scheduler="synchronous")
    bad = adapter.sum_chunks(lambda x: x, x, shape=(6,), dtype=float)
    said = r"sum_chunks\(function\): what a chunk adds is float64 of shape \(2, 6\); want .* \(6,\)"
    with pytest.raises(ValueError, match=said):
        bad.compute(scheduler="synchronous")


def test_what_is_no_objective_is_refused(dask_pool):
    make = adapter.distributed_objective
    cases = [
        ((5, [1], dask_pool), TypeError, "make_loss is a int; want a callable"),
        ((losses(), [], dask_pool), ValueError, "there are no items"),
        ((losses(), [1], 5), TypeError, "client is a int; want a distributed.Client"),
    ]
    for arguments, kind, said in cases:
        with pytest.raises(kind, match=said):
            make(*arguments)
    with make(lambda _: lambda x: (0.0, x[:3]), [1, 2], dask_pool) as objective:
        with pytest.raises(ValueError, match=r"have the shape \(3,\); want \(50,\)"):
            objective.value_and_grad(X)
        with pytest.raises(TypeError, match="x is a list; want an array of NumPy"):
            objective.linearize([1.0])


@pytest.mark.parametrize("address", ["tcp:/oops", "tcp://127.0.0.1", "foo://127.0.0.1:1", "Local"])
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(ValueError, match=f"address is {address!r}; want a host and a port"):
        adapter.connect(address)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(pools, "PATIENCE", 0.3)
    with (
        pytest.raises(ConnectionError, match=r"nobody answers at tcp://127.0.0.1:9 .*; want the"),
        adapter.connect("tcp://127.0.0.1:9"),
    ):
        pass


def test_workers_of_another_version_are_refused(dask_pool, monkeypatch):
    address = dask_pool.client.scheduler.address
    monkeypatch.setattr(pools, "version", lambda _: "0.0.7")
    # The function that asks is Python's own.
    with (
        pytest.raises(RuntimeError, match=r"has nufftlib .*; want nufftlib 0\.0\.7, as here"),
        adapter.connect(address),
    ):
        pass


@pytest.fixture
def lacking(tmp_path):
    """Return what starts a command of Dask in a Python that has all packages but this one."""
    site, started = tmp_path / "site", []
    site.mkdir()
    places = [Path(p) for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    for path in (path for place in places for path in place.iterdir()):
        ours = "nufftlib" in path.name or path.name == "optim" or path.suffix == ".pth"
        if not ours and not (site / path.name).exists():
            (site / path.name).symlink_to(path)

    def start(command, *arguments):
        code = f"import sys; sys.path.append({str(site)!r})\n"
        code += f"from distributed.cli.dask_{command} import main; main(sys.argv[1:])"
        called = [sys.executable, "-I", "-S", "-c", code, *arguments, "--no-dashboard"]
        started.append(subprocess.Popen(called, cwd=tmp_path, stderr=subprocess.DEVNULL))

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_worker_without_the_library_is_named_before_it_gets_work(dask_pool, lacking):
    address = dask_pool.client.scheduler.address
    lacking("worker", address, "--no-nanny")
    dask_pool.client.wait_for_workers(3, timeout=30)
    (new,) = dask_pool.client.nthreads().keys() - set(dask_pool.addresses)
    try:
        said = f"Workers: the worker {new} has no nufftlib; want nufftlib .*, as here"
        with pytest.raises(RuntimeError, match=said):
            dask_pool.look()  # as each step does
        with pytest.raises(RuntimeError, match=said), adapter.connect(address):
            pass
    finally:
        dask_pool.client.retire_workers([new])
        dask_pool.look()


def test_a_scheduler_without_the_library_is_named(lacking, tmp_path):
    about = tmp_path / "scheduler.json"
    lacking("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(about))
    while not (about.exists() and about.read_text().endswith("}")):
        time.sleep(0.05)
    address = json.loads(about.read_text())["address"]
    said = f"Workers: the scheduler {address} has no nufftlib; want nufftlib .*, as here"
    with pytest.raises(RuntimeError, match=said), adapter.connect(address):
        pass


def test_fewer_workers_than_asked_for_are_counted(dask_pool, monkeypatch):
    monkeypatch.setattr(pools, "PATIENCE", 0.3)
    with (
        pytest.raises(RuntimeError, match=r"2 of 5 workers are at .* want them started, or fewer"),
        adapter.connect(dask_pool.client.scheduler.address, 5),
    ):
        pass
