"""A loop that is killed at any step and goes on from its checkpoint ends at the same bits."""

import json
import shutil
import subprocess
import sys
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from array_api_compat import array_namespace, device, is_array_api_obj, to_device
from rows import covering, open_row

import optim
from optim import projections, proximal

SIMPLEX = projections.simplex()
STEPS = 12


class Counted(NamedTuple):
    """State of a projection that remembers."""

    calls: int
    before: object


def counting(p, state):
    calls = 0 if state is None else state.calls
    return SIMPLEX(p), Counted(calls + 1, p)


class Problem:
    """Least squares with data of a row's library."""

    def __init__(self, row, dtype):
        rng = np.random.default_rng(0)
        self.xp, self.start = row.xp, row.array(np.full(6, 0.3), dtype)
        self.matrix = row.array(rng.standard_normal((9, 6)), dtype)
        self.data = row.array(rng.standard_normal(9), dtype)

    def forward(self, x):
        return self.matrix @ x

    def adjoint(self, y):
        return self.matrix.T @ y

    def gram(self, x):
        return self.adjoint(self.forward(x)) + 0.1 * x

    def bowl(self, x):
        r = self.forward(x) - self.data
        bent = self.xp.sum(x**4)
        return 0.5 * self.xp.sum(r * r) + bent, self.adjoint(r) + 4 * x**3

    def each(self, x):
        p = self.xp.reshape(x, (2, 3))
        return self.xp.sum(p**4 + (p - 1) ** 2, axis=-1), 4 * p**3 + 2 * (p - 1)

    def blocks(self, p):
        one = self.xp.eye(3, dtype=p.dtype, device=device(p))
        return *self.each(p), (12 * p**2 + 2)[..., None] * one


ADAM = optim.adam(optim.linear_schedule(0.1, 0.01, STEPS))
SOLVERS = {
    "adam": lambda f, **s: optim.minimize(f.bowl, f.start, ADAM, project=SIMPLEX, **s),
    "adamw": lambda f, **s: optim.minimize(f.bowl, f.start, optim.adamw(0.1), **s),
    "sgd": lambda f, **s: optim.minimize(f.bowl, f.start, optim.sgd(0.02, 0.9), **s),
    "projected": lambda f, **s: optim.minimize(
        f.bowl, f.start, optim.projected(optim.adam(0.1), counting), **s
    ),
    "mapping": lambda f, **s: optim.minimize(
        lambda p: (f.bowl(p["x"])[0], {"x": f.bowl(p["x"])[1]}), {"x": f.start}, ADAM, **s
    ),
    "projected_gradient": lambda f, **s: optim.projected_gradient(f.bowl, f.start, SIMPLEX, **s),
    "accelerated": lambda f, **s: optim.accelerated_proximal_gradient(
        f.bowl, f.start, proximal.soft_threshold(0.1), **s
    ),
    "spectral": lambda f, **s: optim.spectral_projected_gradient(f.bowl, f.start, SIMPLEX, **s),
    "lbfgs": lambda f, **s: optim.lbfgs(f.bowl, f.start, memory=3, diagonal=True, **s),
    "lbfgs on a set": lambda f, **s: optim.lbfgs(f.bowl, f.start, SIMPLEX, **s),
    "lbfgs of each": lambda f, **s: optim.lbfgs(
        f.each, f.xp.reshape(f.start, (2, 3)), axes=-1, memory=3, **s
    ),
    "levenberg_marquardt": lambda f, **s: optim.levenberg_marquardt(
        f.blocks, f.xp.reshape(f.start, (2, 3)), **s
    ),
    "lsqr": lambda f, **s: optim.lsqr(f.forward, f.adjoint, f.data, damping=0.1, **s),
    "lsmr": lambda f, **s: optim.lsmr(f.forward, f.adjoint, f.data, damping=0.1, **s),
    "conjugate_gradient": lambda f, **s: optim.conjugate_gradient(
        f.gram, f.adjoint(f.data), precondition=lambda r: 0.5 * r, **s
    ),
    "primal_dual": lambda f, **s: optim.primal_dual(
        f.bowl,
        f.start,
        proximal.soft_threshold(0.1),
        lambda x: x[1:] - x[:-1],
        lambda u: f.xp.concat([-u[:1], u[:-1] - u[1:], u[-1:]]),
        proximal.soft_threshold(0.2),
        curvature=60.0,
        norm_of_map=2.0,
        **s,
    ),
    "admm": lambda f, **s: optim.admm(
        f.gram,
        f.adjoint(f.data),
        lambda x: x[1:] - x[:-1],
        lambda u: f.xp.concat([-u[:1], u[:-1] - u[1:], u[-1:]]),
        proximal.soft_threshold(0.2),
        inner_steps=3,
        **s,
    ),
}


EVERY = [(name, dtype) for name in SOLVERS for dtype in ("float32", "float64")]
FEW = [(name, "float64") for name in ("projected", "lbfgs", "lsqr", "admm")]


@pytest.fixture
def case(request):
    library, (name, dtype) = request.param
    with open_row(library) as row:
        yield row, name, dtype


def plain(x):
    """Return an array as NumPy's."""
    strict = type(x).__module__.startswith("array_api_strict")
    return np.asarray(to_device(x, array_namespace(x).Device("CPU_DEVICE")) if strict else x)


def assert_same(a, b, where="result"):
    """Assert that two trees are of the same types and the same bits."""
    assert type(a) is type(b), where
    if is_array_api_obj(a):
        assert array_namespace(a) is array_namespace(b), where
        assert (a.dtype, a.shape, device(a)) == (b.dtype, b.shape, device(b)), where
        assert plain(a).tobytes() == plain(b).tobytes(), where
    elif isinstance(a, dict):
        assert_same(list(a), list(b), where)
        for name in a:
            assert_same(a[name], b[name], f"{where}.{name}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for name, one, other in zip(getattr(a, "_fields", range(len(a))), a, b, strict=True):
            assert_same(one, other, f"{where}.{name}")
    else:
        assert repr(a) == repr(b), where


def killed(solve, folder, steps=STEPS):
    """Solve, and return the result with copies of the file as a kill in each callback leaves it."""
    path, copies = folder / "run.npz", []

    def copy(*_):
        if path.exists():
            copies.append(shutil.copy(path, folder / f"at-{len(copies)}.npz"))

    checkpoint = optim.Checkpoint(path, interval=0)
    return solve(steps=steps, callback=copy, checkpoint=checkpoint), [*copies, path]


@pytest.mark.parametrize("case", list(covering(EVERY, FEW)), indirect=True)
def test_a_solver_goes_on_from_every_step_to_the_same_bits(case, tmp_path):
    row, name, dtype = case
    problem = Problem(row, dtype)
    tolerance = {} if name in ("adam", "adamw", "sgd", "mapping") else {"tolerance": 1e-14}
    solve = partial(SOLVERS[name], problem, **tolerance)
    whole = solve(steps=STEPS)
    result, copies = killed(solve, tmp_path)
    assert_same(result, whole)
    assert len(copies) >= 6
    for copy in copies:
        assert_same(solve(steps=STEPS, checkpoint=optim.Checkpoint(copy, resume=True)), whole)


def test_a_kill_of_the_process_leaves_a_file_that_is_whole(tmp_path):
    program = """
import os, sys, numpy as np, optim
def bowl(x): return 0.5 * float(x @ x), x
def callback(step, loss, x):
    if step == int(sys.argv[2]): os.kill(os.getpid(), 9)
resume = os.path.exists(sys.argv[1])
checkpoint = optim.Checkpoint(sys.argv[1], interval=0, resume=resume)
r = optim.minimize(bowl, np.ones(3), optim.adam(0.1), steps=9, callback=callback,
                   checkpoint=checkpoint)
print(r.params.tobytes().hex(), r.history)
"""
    said = []
    for step in (4, 6, -1):
        command = [sys.executable, "-c", program, tmp_path / "run.npz", str(step)]
        said.append(subprocess.run(command, capture_output=True, text=True, check=False))
        assert said[-1].returncode == (0 if step < 0 else -9), said[-1].stderr
        assert {path.name for path in tmp_path.iterdir()} == {"run.npz"}
    command = [sys.executable, "-c", program, tmp_path / "other.npz", "-1"]
    assert said[-1].stdout == subprocess.run(command, capture_output=True, text=True).stdout


def bowl(x):
    return 0.5 * float(np.sum(x * x)), x


def solve(checkpoint=None, steps=6, start=None, **settings):
    start = np.ones(3) if start is None else start
    given = {"optimizer": optim.adam(0.1), **settings}
    return optim.minimize(bowl, start, steps=steps, checkpoint=checkpoint, **given)


def test_a_loop_goes_on_for_longer_than_was_asked_first(tmp_path):
    path = tmp_path / "run.npz"
    assert solve(optim.Checkpoint(path), steps=3).steps == 3
    assert_same(solve(optim.Checkpoint(path, resume=True), steps=9), solve(steps=9))


@pytest.mark.parametrize(
    "end", [{"optimizer": optim.sgd(1.0), "tolerance": 1e-9}, {"until": lambda value, _: value < 1}]
)
def test_one_that_has_converged_stays_so(tmp_path, end):
    path, calls = tmp_path / "run.npz", []
    run = partial(solve, **end)
    whole = run(optim.Checkpoint(path))
    resumed = run(optim.Checkpoint(path, resume=True), callback=lambda *_: calls.append(None))
    assert_same(resumed, whole)
    assert resumed.converged
    assert 0 < resumed.steps < 6
    assert not calls


@pytest.mark.parametrize("interval", [0.0, 3600.0])
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_saves_the_last_whole_step_with_the_memory_of_then(tmp_path, interval, after):
    path = tmp_path / "run.npz"
    kept = {"seen": []}

    def follow(step, _loss, x, press=None):
        if step == press and not after:
            raise KeyboardInterrupt
        kept["seen"].append((step, x))
        if step == press and after:
            raise KeyboardInterrupt

    whole = solve(callback=follow)
    seen = kept.pop("seen")
    kept["seen"] = []
    checkpoint = optim.Checkpoint(path, interval, kept=kept)
    result = solve(checkpoint, callback=partial(follow, press=3))
    assert (result.interrupted, result.steps) == (True, 3)
    kept["seen"] = ["of another run"]
    checkpoint = optim.Checkpoint(path, resume=True, kept=kept)
    assert_same(solve(checkpoint, callback=follow), whole)
    assert_same(kept["seen"], seen)


def test_any_error_saves_the_last_whole_step(tmp_path):
    path = tmp_path / "run.npz"

    def fail(step, *_):
        if step == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        solve(optim.Checkpoint(path), callback=fail)
    steps = []
    resumed = solve(optim.Checkpoint(path, resume=True), callback=lambda i, *_: steps.append(i))
    assert_same(resumed, solve())
    assert steps == [3, 4, 5, 6]


def test_several_loops_share_a_file(tmp_path):
    path = tmp_path / "run.npz"

    def both(checkpoint, press=None):
        def follow(step, *_):
            if step == press:
                raise KeyboardInterrupt

        first = solve(checkpoint and checkpoint.part("first"))
        second = solve(
            checkpoint and checkpoint.part("second"), start=first.params, callback=follow
        )
        return first, second

    whole = both(None)
    assert both(optim.Checkpoint(path), press=2)[1].interrupted
    assert_same(both(optim.Checkpoint(path, resume=True), press=4)[0], whole[0])
    assert_same(both(optim.Checkpoint(path, resume=True)), whole)


def test_a_part_that_has_not_begun_again_is_not_lost(tmp_path):
    path = tmp_path / "run.npz"
    checkpoint = optim.Checkpoint(path)
    for name in ("first", "second"):
        solve(checkpoint.part(name), steps=3)
    solve(optim.Checkpoint(path, resume=True).part("first"), steps=6)
    again = optim.Checkpoint(path, resume=True)
    assert [solve(again.part(name), steps=0).steps for name in ("first", "second")] == [6, 3]


def test_brief_loops_leave_the_file_to_the_whole(tmp_path, monkeypatch):
    path, written = tmp_path / "run.npz", []
    replace = optim._checkpoint.replace
    monkeypatch.setattr(
        optim._checkpoint, "replace", lambda *of: written.append(None) or replace(*of)
    )
    checkpoint = optim.Checkpoint(path)
    for i in range(3):
        solve(checkpoint.part(f"{i}", brief=True))
        solve(checkpoint.part(f"{i}", brief=True).part("of it"))
    assert not written
    checkpoint.flush()
    assert len(written) == 1
    solve(checkpoint.part("long"))
    assert len(written) == 2


def test_parts_that_are_dropped_are_gone_from_memory_and_file(tmp_path):
    path = tmp_path / "run.npz"

    def sum_of_losses(checkpoint, count, press=None):
        done = checkpoint.begin("sum_of_losses", {}, np.ones(3)) or []
        for i in range(len(done), count):
            result = solve(checkpoint.part(f"loop {i}"), start=np.full(3, 1.0 + i))
            solve(checkpoint.part(f"loop {i}").part("more"), steps=1)
            done = [*done, result.history[-1]]
            checkpoint.save(done)
            checkpoint.drop(f"loop {i}")
            if i == press:
                break
        checkpoint.flush()
        return done

    first = optim.Checkpoint(path)
    sum_of_losses(first, 12, press=4)
    assert list(first.file.parts) == list(first.file.settled) == [""]
    record = json.loads(np.load(path)["checkpoint"].tobytes())
    assert list(record["parts"]) == [""]
    found = sum_of_losses(optim.Checkpoint(path, resume=True), 12)
    assert found == sum_of_losses(optim.Checkpoint(tmp_path / "whole.npz"), 12)


def test_a_part_is_dropped_by_its_whole_name(tmp_path):
    checkpoint = optim.Checkpoint(tmp_path / "run.npz")
    for name in ("1", "11"):
        solve(checkpoint.part(name))
    checkpoint.drop("1")
    assert [*checkpoint.file.parts] == ["", "/11"]
    with pytest.raises(TypeError, match=r"Checkpoint.drop: name is 1; want a string"):
        checkpoint.drop(1)


def test_seconds_go_on(tmp_path):
    path = tmp_path / "run.npz"
    first = optim.Checkpoint(path)
    solve(first)
    before = json.loads(np.load(path)["checkpoint"].tobytes())["parts"][""]["seconds"]
    again = optim.Checkpoint(path, resume=True)
    solve(again)
    assert 0 < before <= again.seconds


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "run.npz"
    solve(optim.Checkpoint(path))
    with pytest.raises(optim.CheckpointError, match="is there already; want resume=True"):
        optim.Checkpoint(path)


def test_a_file_that_is_not_there_is_missed(tmp_path):
    with pytest.raises(optim.CheckpointError, match="is not there; want a checkpoint to go on"):
        optim.Checkpoint(tmp_path / "run.npz", resume=True)
    with pytest.raises(optim.CheckpointError, match="is no folder to write to"):
        optim.Checkpoint(tmp_path / "none" / "run.npz")


OTHERS = {
    r"optimizer.rate.value was 0.1 and is 0.2": {"optimizer": optim.adam(0.2)},
    r"optimizer.b1 was 0.9 and is 0.5": {"optimizer": optim.adam(0.1, b1=0.5)},
    r"optimizer.function was 'optim.optimizers._adam_update' and": {"optimizer": optim.sgd(0.1)},
    r"tolerance was 0.0 and is 1e-06": {"tolerance": 1e-6},
    r"project.low is -1.0 and was not there": {"project": projections.box(-1, 1)},
    r"params was 'numpy float64 of shape \(3,\) with .* and is 'numpy float64 of shape \(2,\)": {
        "start": np.ones(2)
    },
    r"params was 'numpy float64 .* and is 'numpy float32": {"start": np.ones(3, np.float32)},
    r"digest .* and is .* digest": {"start": np.full(3, 2.0)},
}


@pytest.mark.parametrize("said", OTHERS)
def test_other_settings_are_refused_by_name(tmp_path, said):
    path = tmp_path / "run.npz"
    solve(optim.Checkpoint(path))
    with pytest.raises(optim.CheckpointError, match=said) as error:
        solve(optim.Checkpoint(path, resume=True), **OTHERS[said])
    assert "want the settings of the checkpoint" in str(error.value)


def test_other_functions_and_data_are_refused_by_name(tmp_path):
    path = tmp_path / "run.npz"
    solve(optim.Checkpoint(path, depends_on={"data": np.ones(3), "weight": 0.5}))
    with pytest.raises(optim.CheckpointError, match=r"weight was 0.5 and is 0.25"):
        solve(optim.Checkpoint(path, resume=True, depends_on={"data": np.ones(3), "weight": 0.25}))
    with pytest.raises(optim.CheckpointError, match=r"data was 'numpy float64 of shape"):
        solve(optim.Checkpoint(path, resume=True, depends_on={"data": np.zeros(3), "weight": 0.5}))
    with pytest.raises(optim.CheckpointError, match=r"function was 'minimize' and is 'lbfgs'"):
        optim.lbfgs(bowl, np.ones(3), steps=3, checkpoint=optim.Checkpoint(path, resume=True))


def test_two_loops_of_one_name_are_refused(tmp_path):
    checkpoint = optim.Checkpoint(tmp_path / "run.npz")
    solve(checkpoint)
    with pytest.raises(optim.CheckpointError, match="serves minimize already; want a Checkpoint"):
        solve(checkpoint)


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    for content in (b"", b"PK", b"text"):
        path.write_bytes(content)
        with pytest.raises(optim.CheckpointError, match=r"cannot be read .* want a checkpoint"):
            optim.Checkpoint(path, resume=True)
    np.savez(path, trajectory=np.ones(3))
    with pytest.raises(optim.CheckpointError, match="no checkpoint: it holds trajectory"):
        optim.Checkpoint(path, resume=True)
    np.save(tmp_path / "x.npy", np.ones(3))
    with pytest.raises(optim.CheckpointError, match="cannot be read"):
        optim.Checkpoint(tmp_path / "x.npy", resume=True)
    np.save(tmp_path / "o.npy", np.asarray([{}], dtype=object))
    with pytest.raises(optim.CheckpointError, match="cannot be read"):
        optim.Checkpoint(tmp_path / "o.npy", resume=True)


@pytest.mark.parametrize("name", ["format", "version"])
def test_another_format_or_version_is_refused(tmp_path, name):
    path = tmp_path / "run.npz"
    solve(optim.Checkpoint(path))
    arrays = dict(np.load(path))
    record = json.loads(arrays.pop("checkpoint").tobytes())
    record[name] = "99"
    arrays["checkpoint"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(optim.CheckpointError, match=f"has the {name} 99; want "):
        optim.Checkpoint(path, resume=True)


@pytest.mark.parametrize(
    ("spoil", "gone"),
    [
        (lambda _: {}, ""),
        (lambda _: [1], ""),
        (lambda record: {**record, "parts": []}, ""),
        (lambda record: {name: record[name] for name in ("format", "version")}, ""),
        (lambda record: {**record, "parts": {name: {} for name in record["parts"]}}, ""),
        (lambda record: record, "#0"),
    ],
    ids=["nothing", "a list", "parts in a list", "no parts", "an empty part", "an array less"],
)
def test_a_foreign_record_is_refused_in_words(spoil, gone, tmp_path):
    path = tmp_path / "run.npz"
    solve(optim.Checkpoint(path))
    arrays = {name: array for name, array in np.load(path).items() if name != gone}
    record = spoil(json.loads(arrays.pop("checkpoint").tobytes()))
    np.savez(path, checkpoint=np.frombuffer(json.dumps(record).encode(), np.uint8), **arrays)
    with pytest.raises(optim.CheckpointError, match="want"):
        optim.Checkpoint(path, resume=True)


def test_a_damaged_file_is_refused_or_the_same(tmp_path):
    path = tmp_path / "run.npz"
    solve(optim.Checkpoint(path))
    whole, expected = path.read_bytes(), solve()
    rng, refused = np.random.default_rng(0), 0
    for i in range(300):
        damaged = bytearray(whole)
        if i < 100:
            del damaged[int(rng.integers(len(whole))) :]
        else:
            damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        try:
            result = solve(optim.Checkpoint(path, resume=True))
        except optim.CheckpointError:
            refused += 1
        else:
            assert_same(result, expected)
    assert refused > 200


def test_layout_survives(tmp_path):
    # Sums depend on the order of the axes in memory, in the last digits.
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).transpose(1, 2, 0)
    checkpoint = optim.Checkpoint(tmp_path / "run.npz")
    checkpoint.begin("test", {}, x)
    checkpoint.save({"x": x, "number": x[0, 0, 0], "twice": [x, 1j, float("nan"), -0.0]})
    checkpoint.flush()
    found = optim.Checkpoint(tmp_path / "run.npz", resume=True).begin("test", {}, x)
    assert found["x"].strides == x.strides
    assert found["twice"][0] is found["x"]
    assert type(found["number"]) is np.float64
    assert_same(found["twice"][1:], [1j, float("nan"), -0.0])


def test_what_cannot_be_saved_is_refused_at_the_first_step(tmp_path):
    class Local(NamedTuple):
        x: object

    for state, said in ((object(), "holds a object; want arrays"), (Local(1), "no name of its")):
        path = tmp_path / f"{type(state).__name__}.npz"
        opt = optim.Optimizer(lambda _, s=state: s, lambda _, s, p: (p, s))
        with pytest.raises(TypeError, match=said):
            solve(optim.Checkpoint(path), optimizer=opt)
        assert not path.exists()


def test_a_full_disk_warns_and_the_loop_goes_on(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(RuntimeWarning, match=r"cannot be written .*No space left"):
        result = solve(optim.Checkpoint(tmp_path / "run.npz"))
    assert_same(result, solve())
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_classes_that_are_not_loaded_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    solve(optim.Checkpoint(path))
    arrays = dict(np.load(path))
    text = arrays["checkpoint"].tobytes().replace(b"optimizers:AdamState", b"optimizers:AdamHouse")
    arrays["checkpoint"] = np.frombuffer(text, np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(optim.CheckpointError, match="AdamHouse, which is not loaded here; want"):
        solve(optim.Checkpoint(path, resume=True))
