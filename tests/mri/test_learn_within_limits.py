"""Learning under a scanner's limits: what moves, within what, and what is kept of it."""

import dataclasses

import numpy as np
import pytest
from scans import PROTOCOL, violation

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.mri.learn.stages import stages

SHAPE = (64, 64)
SCAN = dataclasses.replace(PROTOCOL, shape=SHAPE, dwell=5e-6)
SHOTS, SAMPLES = 6, 64


def setup(dtype="float32", centre_out=True):
    image = np.ascontiguousarray(data.brain()[::4, ::4].astype(dtype))
    maps = nl.mri.birdcage_maps(4, image.shape, dtype="c8" if dtype == "float32" else "c16")
    k = nl.mri.trajectories.radial(SHOTS, SAMPLES, dtype=np.dtype(dtype))
    if not centre_out:  # through the centre at the middle sample
        radius = (np.arange(SAMPLES) - SAMPLES // 2) / (SAMPLES // 2) * 0.5
        k = radius[:, None] * (k[:, -1:] / np.linalg.norm(k[:, -1:], axis=-1, keepdims=True))
        k = k.astype(dtype)
    return image, maps, k


def learn(dtype="float32", centre_out=True, **settings):
    settings = {"maps": "ones", "steps": 4, "learning_rate": (5e-3, 1e-3), **settings}
    settings = {"protocol": SCAN, **settings}
    image, maps, k = setup(dtype, centre_out)
    return workflows.learn_trajectory(image, maps, settings.pop("trajectory", k), **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rest", ["both", None])
@pytest.mark.parametrize(
    ("centre_out", "fixed", "control_points"),
    [
        (True, {0: (0.0, 0.0)}, None),
        (False, {SAMPLES // 2: (0.0, 0.0)}, None),
        (True, None, 16),
        (True, None, (8, 16, 32)),
    ],
)
def test_all_that_is_seen_can_be_played(dtype, rest, centre_out, fixed, control_points):
    protocol = dataclasses.replace(SCAN, rest=rest)
    seen = []
    result = learn(
        dtype,
        centre_out,
        protocol=protocol,
        fixed=fixed,
        control_points=control_points,
        callback=lambda *told: seen.append(told),
    )
    for k in (*(k for _, _, k in seen), result.trajectory, result.trajectory_start):
        assert k.dtype == dtype
        assert k.shape == (SHOTS, SAMPLES, 2)
        assert violation(k, protocol) <= 1e-12
        for index, point in (fixed or {}).items():
            np.testing.assert_array_equal(k[:, index], np.broadcast_to(point, (SHOTS, 2)))
    assert [step for step, *_ in seen] == [0, 1, 2, 3, 4]
    assert [loss for _, loss, _ in seen] == pytest.approx(result.losses)
    assert result.losses[result.step_best] == min(result.losses)
    assert result.loss_final < result.losses[0]
    np.testing.assert_array_equal(result.trajectory, seen[result.step_best][2])
    np.testing.assert_array_equal(result.trajectory_start, seen[0][2])
    assert result.protocol is protocol
    assert result.certificate.violation <= 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fixed_ends_of_control_points_are_kept(dtype):
    fixed = {0: (0.0, 0.0), -1: (0.25, 0.125)}
    result = learn(dtype, fixed=fixed, control_points=(8, 16))
    np.testing.assert_allclose(result.trajectory[:, 0], 0, atol=1e-9)
    np.testing.assert_allclose(result.trajectory[:, -1], [[0.25, 0.125]] * SHOTS, atol=1e-7)


@pytest.mark.parametrize("control_points", [(), (12,)])
@pytest.mark.parametrize("rest", ["both", "start", None])
def test_the_gradient_goes_through_receiver_and_spline(control_points, rest):
    image, maps, k = setup("float64")
    image, maps = image[::4, ::4].copy(), maps[:, ::4, ::4].copy()
    protocol = dataclasses.replace(SCAN, rest=rest)
    sampled = nl.mri.receiver(protocol, SAMPLES)(k)
    nufft = nl.NUFFT(sampled, image.shape, engine="direct")
    job = workflows.TrajectoryObjective(image, maps, nufft, "ones")
    (stage,) = stages(SAMPLES, protocol, None, control_points)
    rng = np.random.default_rng(1)
    p = stage.begin(k + 1e-3 * rng.standard_normal(k.shape))
    _, gradient = stage.value_and_grad(job, p)
    assert gradient.shape == p.shape
    t, h = rng.standard_normal(p.shape), 1e-5

    def value(step):
        return float(stage.value_and_grad(job, p + step * t)[0])

    slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert float(np.sum(gradient * t)) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("control_points", [(), (12,)])
def test_the_gradient_of_a_volume_goes_through_receiver_and_spline(control_points):
    rng = np.random.default_rng(2)
    image = rng.random((14, 15, 16)) + 0.2
    maps = nl.mri.birdcage_maps(3, image.shape, dtype=np.complex128)
    protocol = nl.mri.Protocol(SCAN.scanner, (0.2, 0.22, 0.24), image.shape, SCAN.dwell)
    ends = rng.uniform(-0.4, 0.4, (3, 1, 3))
    k = np.linspace(0, 1, 24)[:, None] * ends
    sampled = nl.mri.receiver(protocol, 24)(k)
    nufft = nl.NUFFT(sampled, image.shape, engine="direct")
    job = workflows.TrajectoryObjective(image, maps, nufft, "estimated")
    (stage,) = stages(24, protocol, None, control_points)
    p = stage.begin(k + 1e-3 * rng.standard_normal(k.shape))
    _, gradient = stage.value_and_grad(job, p)
    t, h = rng.standard_normal(p.shape), 1e-5

    def value(step):
        return float(stage.value_and_grad(job, p + step * t)[0])

    slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert float(np.sum(gradient * t)) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("control_points", [None, (8, 16)])
@pytest.mark.parametrize("norm", ["l2", "max"])
def test_all_that_is_seen_of_a_volume_can_be_played(control_points, norm):
    rng = np.random.default_rng(3)
    image = (rng.random((16, 15, 14)) + 0.2).astype(np.float32)
    scanner = dataclasses.replace(SCAN.scanner, norm=norm)
    protocol = nl.mri.Protocol(scanner, 0.2, image.shape)
    k = np.linspace(0, 1, 64)[:, None] * rng.uniform(-0.5, 0.5, (5, 1, 3))
    seen = []
    result = workflows.learn_trajectory(
        image,
        nl.mri.birdcage_maps(4, image.shape),
        k.astype(np.float32),
        steps=3,
        protocol=protocol,
        fixed={0: (0.0, 0.0, 0.0)},
        control_points=control_points,
        callback=lambda *told: seen.append(told[2]),
    )
    assert len(seen) == 4
    for path in (*seen, result.trajectory, result.trajectory_start):
        assert path.shape == (5, 64, 3)
        assert violation(path, protocol) <= 1e-12
        np.testing.assert_allclose(path[:, 0], 0, atol=1e-9)
    assert result.certificate.violation <= 1e-12


def stop_at(last, error=None):
    def callback(step, *_):
        if step == last and error:
            raise error
        return step == last

    return callback


@pytest.mark.parametrize("control_points", [None, 16, (8, 16, 32)])
@pytest.mark.parametrize("last", [0, 1, 3, 5])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_end_of_the_course_is_the_same_in_every_stage(control_points, last, error):
    result = learn(steps=6, control_points=control_points, callback=stop_at(last, error))
    assert result.steps == last
    assert len(result.losses) == last + 1
    assert result.interrupted == (error is not None)
    assert violation(result.trajectory, SCAN) <= 1e-12
    assert result.certificate.violation <= 1e-12


def test_stages_share_the_steps_and_each_loss_is_told_once():
    seen = []
    result = learn(steps=7, control_points=(8, 16, 32), callback=lambda *told: seen.append(told))
    assert [step for step, *_ in seen] == list(range(8))
    assert result.steps == 7


def test_no_steps_are_the_projection_of_the_start():
    *_, k = setup()
    result = learn(steps=0)
    want = nl.mri.project_trajectory(k, SCAN)
    np.testing.assert_array_equal(result.trajectory, want.trajectory)
    assert len(result.losses) == 1
    assert result.certificate.violation == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"protocol": PROTOCOL}, ValueError, r"its shape is \(256, 256\); want the image's"),
        ({"protocol": PROTOCOL.scanner}, TypeError, "want a Protocol"),
        ({"protocol": None, "fixed": {0: (0, 0)}}, ValueError, "without a protocol; want both"),
        ({"protocol": None, "control_points": 8}, ValueError, "without a protocol; want both"),
        ({"trajectory": np.zeros((3, 8, 3), "f4")}, ValueError, r"want \(shots, samples, 2\) with"),
        ({"control_points": 1}, ValueError, "control_points"),
        ({"control_points": 65}, ValueError, "want at most the 64 samples"),
        ({"control_points": (8, 24)}, ValueError, "each number twice the one before"),
        ({"control_points": 8.5}, TypeError, "control_points"),
        ({"control_points": 8, "fixed": {5: (0, 0)}}, ValueError, "sample 5 is fixed"),
        ({"fixed": {0: (0, 0), 1: (0.3, 0)}}, ValueError, "times the slew limit"),
        (
            {
                "control_points": 8,
                "fixed": {0: (0, 0)},
                "protocol": dataclasses.replace(SCAN, rest="end"),
            },
            ValueError,
            "sample 0 is fixed",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        learn(**change)
