"""Jobs that are killed at any step go on from their checkpoints to the same bits."""

import dataclasses
import functools
import os
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


@pytest.fixture
def each_write(monkeypatch, tmp_path):
    """Return what asserts that a job goes on from whatever it writes, and how often it did."""

    def goes_on_from_each(job, most):
        path, copies, replace = tmp_path / "run.npz", [], optim._checkpoint.replace

        def copied(*file):
            replace(*file)
            copies.append(shutil.copy(path, tmp_path / f"at-{len(copies)}.npz"))

        whole = job()
        with monkeypatch.context() as watched:
            watched.setattr(optim._checkpoint, "replace", copied)
            watched.setattr(os, "fsync", lambda _: None)  # no power is lost here
            assert_same(job(checkpoint=optim.Checkpoint(path, interval=0)), whole)
        # Some of them, and the last: a kill may come after it.
        for i in {round(j * (len(copies) - 1) / (most - 1)) for j in range(most)}:
            assert_same(job(checkpoint=optim.Checkpoint(copies[i], resume=True)), whole, f"at {i}")
        return len(copies)

    return goes_on_from_each


COUNTS = workflows.simulate_blur(300 * SHARP, size=5, noise=3.0, seed=0)[1].clip(min=0)
SEEN = np.random.default_rng(5).random(BLURRED.shape) < 0.97


@pytest.mark.parametrize(
    ("blurred", "settings", "writes"),
    [
        (BLURRED, {"method": "wiener", "boundary": "reflect"}, 3),
        (BLURRED, {"method": "tv", "steps": 6}, 7 + 3),  # after the steps of its start
        (BLURRED, {"method": "tv", "steps": 4, "seen": SEEN}, 5 + 3 * 3),
        (COUNTS, {"method": "richardson-lucy"}, 3),
        (COUNTS, {"method": "richardson-lucy", "weight": 1e-3, "steps": 5}, 6),
    ],
    ids=["wiener", "tv", "gaps", "counts", "counts and tv"],
)
def test_a_deblurring_goes_on(each_write, blurred, settings, writes):
    job = functools.partial(workflows.deblur, blurred, TRUTH, **settings)
    assert each_write(job, most=5) >= writes


def test_richardson_and_lucy_end_where_they_ended():
    result = workflows.deblur(COUNTS, TRUTH, method="richardson-lucy")
    assert result.converged
    assert result.steps < 100  # or the test above would not see the step after the last


EVEN = (16, 16)  # wavelets want to halve it
COILS = nl.mri.birdcage_maps(3, EVEN, dtype=np.complex128)
NOISY = nl.NUFFT(K, EVEN, norm="ortho")(COILS * np.pad(IMAGES[0], ((0, 0), (0, 1))))
NOISY = NOISY + 0.05 * RNG.standard_normal(NOISY.shape)


@pytest.mark.parametrize("method", ["cg", "tv", "wavelet"])
def test_a_reconstruction_goes_on(each_write, method):
    given = {"maps": COILS, "method": method, "steps": 5, "noise": 0.05}
    job = functools.partial(workflows.reconstruct, NOISY, K, EVEN, **given)
    assert each_write(job, most=4) >= 6


def test_an_adjoint_is_there_at_once(tmp_path):
    path = tmp_path / "run.npz"
    workflows.reconstruct(
        NOISY, K, EVEN, maps=COILS, method="adjoint", checkpoint=optim.Checkpoint(path)
    )
    assert not path.exists()


def test_an_l_curve_goes_on(each_write):
    found = workflows.reconstruct(NOISY, K, EVEN, maps=COILS, noise=0.05)
    curve = functools.partial(workflows.l_curve, NOISY, K, EVEN, found, steps=2)
    # Of each weight three points and what came of them; last the file without its part.
    assert each_write(curve, most=6) == 9 * (3 + 1) + 1


OPTICS = nl.blur.ThroughFocus(11, (-0.5, 0.5), indices=(4, 5, 6))
BEAD = nl.blur.poisson_noise(300 * OPTICS(np.asarray([0.05, 0.1, -0.1])) + 1.0, seed=0)


def test_a_retrieval_of_the_phase_goes_on_with_its_starts(each_write):
    job = functools.partial(workflows.retrieve_phase, BEAD, OPTICS, steps=4, starts=3)
    assert each_write(job, most=6) >= 12  # its noise is not known: all starts are tried


ALL = ("photometry", "clipping", "outliers", "gamma", "shift", "vignette")


@pytest.mark.parametrize(("side", "shade", "nuisances"), [(96, 0.0, "auto"), (120, 0.1, ALL)])
def test_a_calibration_of_a_pair_goes_on(each_write, monkeypatch, side, shade, nuisances):
    monkeypatch.setattr(nl.blur.calibrate.pair.rounds, "CROP", 108)  # of the larger one
    x = astronaut()[:1, 64 : 64 + side, 64 : 64 + side].astype(float)
    light = (1 - shade * np.linspace(-1, 1, side) ** 2) * np.roll(x, 1, -1)
    _, y = workflows.simulate_blur(light, size=5, noise=0.004, seed=0)
    y = np.where(RNG.random(y.shape) < 1e-3, 1.3, (0.8 * y + 0.1).clip(min=0.2) ** 0.6)
    job = functools.partial(workflows.calibrate_pair, x, y, size=5, nuisances=nuisances)
    found = job()
    writes = each_write(job, most=3)
    if shade:
        assert found.motion[0] != (0.0, 0.0, 0.0, 1.0)
        assert writes >= len(found.losses) + 2  # the rounds of its middle, too
    else:
        assert writes == len(found.losses) < 7  # they have settled


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
