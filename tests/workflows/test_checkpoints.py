"""Jobs that are killed at any step go on from their checkpoints to the same bits."""

import dataclasses
import functools
import shutil
from collections.abc import Mapping

import numpy as np
import pytest
from scans import PROTOCOL

import nufftlib as nl
import optim
from nufftlib import workflows
from nufftlib.data import astronaut
from nufftlib.mri.learn.stages import Stage

RNG = np.random.default_rng(4)
SHAPE = (16, 15)
IMAGES = 0.1 + np.cumsum(RNG.random((6, *SHAPE)), axis=-1)
MAPS = nl.mri.birdcage_maps(3, SHAPE, dtype=np.complex128)
K = nl.mri.trajectories.radial(5, 16, dtype=np.float64)
SCAN = {
    "protocol": dataclasses.replace(PROTOCOL, shape=SHAPE, dwell=5e-6),
    "trajectory": 0.2 * K,
}
OF_TIME = {"seconds", "seconds_setup"}


def assert_same(a, b, where="result"):
    """Assert that two results are the same to the last bit, but for what they took."""
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), where
    elif dataclasses.is_dataclass(a):
        assert type(a) is type(b)
        for field in dataclasses.fields(a):
            if field.name not in OF_TIME and field.init:
                name = field.name
                assert_same(getattr(a, name), getattr(b, name), f"{where}.{name}")
    elif isinstance(a, Mapping):
        assert_same(list(a.items()), list(b.items()), where)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            assert_same(one, other, f"{where}[{i}]")
    elif isinstance(a, float | int | str | None):
        assert repr(a) == repr(b), where


def batches(epoch):
    rng = np.random.default_rng(epoch)
    for _ in range(3):
        yield IMAGES[rng.permutation(6)[:2]], MAPS


def learn(**settings):
    given = {"trajectory": K, "maps": "ones", "steps": 5, "engine": "direct", **settings}
    given = {"image": IMAGES[0], "coil_maps": MAPS, "learning_rate": (5e-3, 1e-3), **given}
    if given.pop("single", False):
        single = {"image": "float32", "coil_maps": "complex64", "trajectory": "float32"}
        given |= {name: given[name].astype(dtype) for name, dtype in single.items()}
    return workflows.learn_trajectory(**given)


def learn_on_images(**settings):
    given = {"trajectory": K, "maps": "ones", "epochs": 3, "batch": 2, "engine": "direct"}
    given |= {"learning_rate": (5e-3, 1e-3), "images": IMAGES, "coil_maps": MAPS, **settings}
    return workflows.learn_on_images(**given)


CHANGES = workflows.Augmentation(flips=True, phase=0.3, coils=(1.3, 2.0))
LEARNING = {
    "free": (learn, {}),
    "single precision": (learn, {"single": True}),
    "limits": (learn, {**SCAN, "fixed": {0: (0.0, 0.0)}}),
    "control points": (learn, {**SCAN, "control_points": (4, 8)}),
    "images": (learn_on_images, {"validation": 0.3, "augment": CHANGES, "noise": 0.1}),
    "own batches": (learn_on_images, {"images": batches, "coil_maps": None}),
    "stages": (
        learn_on_images,
        {**SCAN, "control_points": (4, 8), "validation": 0.3, "patience": 1, "epochs": 4},
    ),
}


@pytest.mark.parametrize("name", LEARNING)
def test_learning_goes_on_from_every_evaluation(monkeypatch, tmp_path, name):
    job, settings = LEARNING[name]
    path, copies = tmp_path / "run.npz", []
    evaluate = Stage.value_and_grad

    @functools.wraps(evaluate)  # a function counts by its name
    def copied(self, objective, p):
        if path.exists():
            copies.append(shutil.copy(path, tmp_path / f"at-{len(copies)}.npz"))
        return evaluate(self, objective, p)

    told = []
    whole = job(**settings, callback=lambda *at: told.append(at))
    kept = {"told": []}

    def run(checkpoint):
        return job(**settings, checkpoint=checkpoint, callback=lambda *at: kept["told"].append(at))

    with monkeypatch.context() as watched:
        watched.setattr(Stage, "value_and_grad", copied)
        assert_same(run(optim.Checkpoint(path, interval=0, kept=kept)), whole)
    assert len(copies) >= 4
    for copy in [*copies, path]:
        checkpoint = optim.Checkpoint(copy, interval=0, resume=True, kept=kept)
        assert_same(run(checkpoint), whole)
        assert_same(kept["told"], told)


SHARP = astronaut()[:, ::8, ::8]
TRUTH, BLURRED = workflows.simulate_blur(SHARP, size=5, noise=0.01, seed=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", workflows.METHODS)
def test_calibration_goes_on_from_every_step(tmp_path, method, dtype):
    sharp, blurred, truth = (a.astype(dtype) for a in (SHARP, BLURRED, TRUTH))
    given = {"method": method, "size": 5, "steps": 6, "truth": truth}
    assert goes_on(tmp_path, lambda **s: workflows.calibrate_psf(sharp, blurred, **given, **s)) == 6


def test_a_field_of_psfs_goes_on(tmp_path):
    copies = goes_on(
        tmp_path,
        lambda **s: workflows.calibrate_field(
            SHARP, BLURRED, grid=(1, 2), size=5, steps=4, noise=0.01, **s
        ),
    )
    assert copies == 4


def test_a_blind_calibration_goes_on(tmp_path):
    sharp = np.zeros((24, 24))
    sharp[5:15, 6:19], sharp[10:20, 3:10] = 1.0, 0.5
    _, blurred = workflows.simulate_blur(sharp, size=5, noise=0.002)
    blind = functools.partial(workflows.calibrate_blind, blurred, size=5, rounds=2)
    told = []
    blind(callback=lambda *at: told.append(at))
    assert goes_on(tmp_path, blind) == len(told) - 1 >= 5


def goes_on(folder, job):
    """Assert that a job goes on from each of its steps; return how many files there were."""
    path, copies = folder / "run.npz", []

    def copy(*_):
        if path.exists():
            copies.append(shutil.copy(path, folder / f"at-{len(copies)}.npz"))

    whole = job()
    assert_same(job(checkpoint=optim.Checkpoint(path, interval=0), callback=copy), whole)
    for saved in [*copies, path]:
        assert_same(job(checkpoint=optim.Checkpoint(saved, resume=True)), whole)
    return len(copies)


@pytest.mark.parametrize(
    ("job", "settings", "said"),
    [
        (learn, {"loss": "mae"}, "loss was 'mse' and is 'mae'"),
        (learn, {"steps": 6}, "steps was 5 and is 6"),
        (learn, {"learning_rate": (5e-3, 5e-3)}, r"learning_rate\[1\] was 0.001 and is 0.005"),
        (learn, {"image": IMAGES[1]}, "image was 'numpy float64 of shape .* and is 'numpy"),
        (learn_on_images, {"seed": 1}, "seed was 0 and is 1"),
        (learn_on_images, {"noise": 0.5}, "noise was 0.0 and is 0.5"),
        (
            learn_on_images,
            {"augment": workflows.Augmentation(flips=True)},
            "augment.flips is True and was not there",
        ),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, job, settings, said):
    path = tmp_path / "run.npz"
    job(checkpoint=optim.Checkpoint(path))
    with pytest.raises(optim.CheckpointError, match=said):
        job(checkpoint=optim.Checkpoint(path, resume=True), **settings)


def test_the_time_of_both_processes_counts(tmp_path):
    path = tmp_path / "run.npz"
    first = learn(checkpoint=optim.Checkpoint(path))
    again = learn(checkpoint=optim.Checkpoint(path, resume=True))
    assert again.seconds > 0.5 * first.seconds
