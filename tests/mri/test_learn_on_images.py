"""Learning on a set of images: the objective, the epochs, and what is kept of them."""

import dataclasses
import itertools

import numpy as np
import pytest
from scans import PROTOCOL, violation

import nufftlib as nl
import optim
from nufftlib import workflows
from nufftlib.core.losses import Functional
from nufftlib.mri.density.pipe_menon import PipeMenon, PipeMenonJacobian
from nufftlib.mri.learn.images import Shuffled
from nufftlib.mri.learn.learn_on_images import split
from nufftlib.mri.learn.stages import Stage

RNG = np.random.default_rng(4)
SHAPE = (16, 15)
GRID = np.stack(np.meshgrid(*(np.arange(n) / n - 0.5 for n in SHAPE), indexing="ij"))


def picture(i):
    """Return a few blobs."""
    rng = np.random.default_rng(i)
    centres, widths = rng.uniform(-0.3, 0.3, (4, 2, 1, 1)), rng.uniform(0.05, 0.2, 4)
    blobs = zip(centres, widths, strict=True)
    return 0.1 + sum(np.exp(-np.sum((GRID - c) ** 2, axis=0) / w**2) for c, w in blobs)


IMAGES = np.stack([picture(i) for i in range(7)])
MAPS = nl.mri.birdcage_maps(3, SHAPE, dtype=np.complex128)
EACH = MAPS * np.exp(1j * RNG.random((7, 1, *SHAPE)))
K = nl.mri.trajectories.radial(5, 16, dtype=np.float64)
F = nl.NUFFT(K, SHAPE, engine="direct")
SCAN = dataclasses.replace(PROTOCOL, shape=SHAPE, dwell=5e-6)
SLOW = 0.2 * K  # in few voxels the steps that a scanner plays are small


def objective(images=IMAGES, maps=MAPS, nufft=F, of="ones", **settings):
    return workflows.ImagesObjective(images, maps, nufft, of, **settings)


def learn(images=IMAGES, coil_maps=MAPS, trajectory=K, **settings):
    settings = {"maps": "ones", "epochs": 3, "batch": 3, "engine": "direct", **settings}
    settings = {"learning_rate": (5e-3, 1e-3), **settings}
    return workflows.learn_on_images(images, coil_maps, trajectory, **settings)


def same(a, b):
    """Tell whether two courses are the same, to the last bit."""
    numbers = a.training == b.training and a.validation == b.validation and a.scores == b.scores
    return numbers and np.array_equal(a.trajectory, b.trajectory)


# --- the objective ------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["estimated", "ones", "true"])
@pytest.mark.parametrize("maps", [MAPS, EACH], ids=["shared", "each"])
def test_the_objective_is_the_mean_of_those_of_the_images(row, maps, of):
    make = row.array
    nufft = nl.NUFFT(make(K, "float64"), SHAPE, engine="direct")
    several = objective(make(IMAGES, "float64"), make(maps, "complex128"), nufft, of)
    value, gradient = several.value_and_grad(nufft.trajectory)
    assert row.owns(value, "float64")
    assert row.owns(gradient, "float64")
    each = [
        workflows.TrajectoryObjective(x, s, F, of).value_and_grad(K)
        for x, s in zip(IMAGES, maps if maps is EACH else itertools.repeat(MAPS))  # noqa: B905
    ]
    assert float(value) == pytest.approx(np.mean([v for v, _ in each]), rel=1e-9)
    want = np.mean([g for _, g in each], axis=0)
    np.testing.assert_allclose(row.numpy(gradient), want, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("of", ["estimated", "ones"])
@pytest.mark.parametrize("constants", [False, True])
def test_the_gradient_against_finite_differences(of, constants):
    several = objective(IMAGES[:3], EACH[:3], of=of, noise=0.1, loss="mae", constants=constants)
    k = K + 0.01 * RNG.standard_normal(K.shape)  # off the lines where kernels gain a cell
    value, gradient = several.value_and_grad(k)
    assert several(k) == value
    t = RNG.standard_normal(K.shape)
    h = 1e-6
    slope = (several(k + h * t) - several(k - h * t)) / (2 * h)
    have = float(np.sum(gradient * t))
    if constants:
        assert abs(have / slope - 1) > 1e-3
    else:
        assert have == pytest.approx(slope, rel=1e-5)


def test_operator_and_density_weights_are_computed_once_for_all_images(monkeypatch):
    made, weights = [], []

    def counted(make, calls):
        def call(*arguments, **settings):
            calls.append(arguments)
            return make(*arguments, **settings)

        return call

    monkeypatch.setattr(nl.NUFFT, "__post_init__", counted(nl.NUFFT.__post_init__, made))
    monkeypatch.setattr(PipeMenon, "linearize", counted(PipeMenon.linearize, weights))
    monkeypatch.setattr(PipeMenonJacobian, "adjoint", counted(PipeMenonJacobian.adjoint, weights))
    several, k = objective(of="estimated"), K + 0.01
    for evaluate, of_weights in ((several.value_and_grad, 2), (several.reconstruct, 1)):
        made.clear(), weights.clear()
        evaluate(k)
        # One of all samples, one of those that maps are estimated from.
        assert (len(made), len(weights)) == (2, of_weights)


def test_reconstructions_and_scores_are_those_of_the_images():
    several = objective(noise=0.1)
    z, scores = several.reconstruct(K), several.scores(K)
    assert z.shape == IMAGES.shape
    np.testing.assert_allclose(z.mean(axis=(1, 2)), IMAGES.mean(axis=(1, 2)))
    assert np.mean([one.loss for one in scores]) == pytest.approx(
        float(several.value_and_grad(K)[0]), rel=1e-9
    )
    for image, one, found in zip(z, IMAGES, scores, strict=True):
        mse = np.mean((image - one) ** 2)
        assert found.loss == pytest.approx(mse / one.mean() ** 2, rel=1e-9)


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("shape", [(16, 16), (14, 17)])
def test_noise_is_that_of_an_image_on_a_full_grid(norm, shape):
    axes = [(np.arange(n) - n // 2) / n for n in shape]
    k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    nufft = nl.NUFFT(k, shape, norm=norm, engine="direct")
    images = np.full((9, *shape), 5.0)
    coil = np.ones((1, *shape)) + 0j
    z = objective(images, coil, nufft, noise=0.02, seed=1).reconstruct(k)
    # Of a complex deviation of 0.02 * 5 the magnitude sees the part along the image.
    assert np.std(z) == pytest.approx(0.02 * 5 / 2**0.5, rel=0.05)
    assert abs(np.corrcoef(z[0].ravel(), z[1].ravel())[0, 1]) < 0.1


def test_noise_belongs_to_its_seed_and_to_no_library(row):
    def value(seed, make=np.asarray):
        nufft = nl.NUFFT(make(K, "float64"), SHAPE, engine="direct")
        arrays = make(IMAGES, "float64"), make(MAPS, "complex128"), nufft
        several = objective(*arrays, noise=0.1, seed=seed)
        values = [float(several.value_and_grad(nufft.trajectory)[0]) for _ in range(2)]
        assert values[0] == values[1]
        return values[0]

    assert value(1, row.array) == pytest.approx(value(1), rel=1e-9)
    assert value(1) != value(2)
    assert value(1) > float(objective().value_and_grad(K)[0])


def test_complex_images_have_their_magnitude_as_reference():
    phase = np.exp(2j * GRID[0])
    z = objective(IMAGES * phase).reconstruct(K)
    assert not np.iscomplexobj(z)
    np.testing.assert_allclose(z.mean(axis=(1, 2)), IMAGES.mean(axis=(1, 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": IMAGES[0]}, r"images have the shape \(16, 15\); want \(n, height, width\), or"),
        ({"images": IMAGES[:0]}, r"\(0, 16, 15\); want .* at least one"),
        ({"images": IMAGES.astype("f4")}, "images is float32 and coil_maps is complex128"),
        ({"maps": MAPS[0]}, r"want \(coils, 16, 15\) or \(7, coils, 16, 15\), at least one coil"),
        ({"maps": MAPS[:0]}, r"\(0, 16, 15\); want \(coils"),
        ({"maps": EACH[:3]}, r"have the shape \(3, 3, 16, 15\); want"),
        ({"maps": MAPS.real}, "coil_maps are float64; want complex"),
        ({"images": np.where(IMAGES[6].max() == IMAGES, np.nan, IMAGES)}, "not finite in 1 of 240"),
        ({"nufft": K}, "nufft is an array .*; want a NUFFT"),
        ({"noise": -1.0}, "noise is -1.0; want a finite number, 0 or more"),
        ({"seed": 0.5}, "seed is 0.5; want an integer"),
    ],
)
def test_the_objective_refuses_what_does_not_fit(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        objective(**change)


# --- batches ------------------------------------------------------------------------------------


def test_each_epoch_has_each_image_once_and_the_last_batch_what_is_left(row):
    numbered = row.array(np.arange(7.0)[:, None, None] * np.ones(SHAPE), "float64")
    maps = row.array(np.arange(7.0)[:, None, None, None] * np.ones((2, *SHAPE)), "complex128")
    batches = Shuffled(numbered, maps, 3, seed=5)
    orders = []
    for epoch in range(4):
        found = list(batches(epoch))
        assert [x.shape[0] for x, _ in found] == [3, 3, 1]
        assert len(batches) == 3
        for x, s in found:  # the maps of an image go with it
            np.testing.assert_array_equal(row.numpy(x)[:, 0, 0], row.numpy(s)[:, 1, 0, 0].real)
        orders.append([int(i) for x, _ in found for i in row.numpy(x)[:, 0, 0]])
        assert sorted(orders[-1]) == list(range(7))
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] == np.random.default_rng((5, 0)).permutation(7).tolist()  # in every library


@pytest.mark.parametrize("part", [0.01, 0.3, 0.8])
def test_a_part_is_held_out_and_not_learned_from(part):
    batches, (x, s), shape = split("f", IMAGES, EACH, part, 2, 3)
    assert shape == SHAPE
    learned = list(zip(batches.images, batches.coil_maps, strict=True))
    held = list(zip(x, s, strict=True))
    assert len(held) == max(1, round(7 * part))
    assert len(held) + len(learned) == 7
    for image, maps in zip(IMAGES, EACH, strict=True):
        found = [np.array_equal(a, image) and np.array_equal(b, maps) for a, b in held + learned]
        assert sum(found) == 1
    again = split("f", IMAGES, EACH, part, 2, 3)[1][0]
    np.testing.assert_array_equal(x, again)
    others = [split("f", IMAGES, EACH, part, 2, seed)[1][0] for seed in range(4, 12)]
    assert not all(np.array_equal(x, other) for other in others)


# --- the course ---------------------------------------------------------------------------------


def test_one_seed_gives_one_course_in_every_library(row):
    change = workflows.Augmentation(flips=True, phase=0.3, coils=(1.3, 1.8))
    settings = {"validation": 0.3, "augment": change, "noise": 0.05, "seed": 11}
    want = learn(**settings)
    assert same(learn(**settings), want)
    make = row.array
    have = learn(make(IMAGES, "float64"), make(MAPS, "complex128"), make(K, "float64"), **settings)
    assert row.owns(have.trajectory, "float64")
    np.testing.assert_allclose(have.training, want.training, rtol=1e-6)
    np.testing.assert_allclose(have.validation, want.validation, rtol=1e-6)
    for other in ({"seed": 12}, {"noise": 0.0}, {"augment": None}):
        assert not same(learn(**settings | other), want)


def test_no_global_generator_takes_part():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    learn(noise=0.1, validation=0.2, augment=workflows.Augmentation(flips=True), epochs=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_it_learns_and_keeps_the_best():
    told = []
    validation = np.stack([picture(i) for i in range(20, 24)])
    result = learn(
        validation=validation, epochs=8, noise=0.02, callback=lambda *at: told.append(at)
    )
    assert min(result.validation) < 0.7 * result.validation[0]
    assert result.training[-1] < result.training[0]
    assert [epoch for epoch, *_ in told] == list(range(9))
    assert [training for _, training, *_ in told] == [None, *result.training]
    assert [v for _, _, v, _ in told] == result.validation == result.losses
    best = int(np.argmin(result.validation))
    assert (result.best_epoch, result.step_best, result.steps) == (best, best, 8)
    assert result.loss_final == result.validation[best]
    np.testing.assert_array_equal(result.trajectory, told[best][3])
    np.testing.assert_array_equal(result.trajectory_start, K)
    for scores, at in ((result.scores, best), (result.scores_start, 0)):
        losses = [one.loss for one in scores]
        assert np.mean(losses) == pytest.approx(result.validation[at])
        assert max(losses) == result.validation_worst[at]
        assert result.held_out.scores(told[at][3]) == scores
    z = result.reconstruct(result.trajectory)
    np.testing.assert_array_equal(z, result.held_out.reconstruct(result.trajectory))
    assert z.shape == validation.shape
    assert not result.stopped_early
    assert "training=<8 of" in repr(result)
    assert len(repr(result)) < 3000


def test_the_training_loss_is_that_of_the_images_at_their_steps():
    result = learn(epochs=1, learning_rate=(0.0, 0.0), batch=3)
    whole = float(objective().value_and_grad(K)[0])
    assert result.training == pytest.approx([whole], rel=1e-3)  # batches of 3, 3 and 1


def test_without_held_out_images_the_training_loss_chooses():
    told = []
    result = learn(epochs=4, callback=lambda *at: told.append(at))
    assert [v for _, _, v, _ in told] == [None] * 5
    assert result.losses == result.training
    assert (result.validation, result.validation_worst) == ([], [])
    assert (result.scores, result.scores_start, result.held_out) == ((), (), None)
    assert result.best_epoch == 1 + int(np.argmin(result.training))
    assert result.loss_final == min(result.training)
    np.testing.assert_array_equal(result.trajectory, told[result.best_epoch][3])
    with pytest.raises(ValueError, match="no images were held out; want them, or Images"):
        result.reconstruct(K)


def test_the_rate_falls_from_step_to_step(monkeypatch):
    rates = []
    adam = optim.adam

    def spied(rate):
        return adam(lambda step: rates.append(rate(step)) or rates[-1])

    monkeypatch.setattr(optim, "adam", spied)
    learn(epochs=2, batch=3, learning_rate=(6e-3, 0.0))
    np.testing.assert_allclose(rates, np.arange(6, 0, -1) * 1e-3)
    rates.clear()
    learn(of_batches, None, epochs=2, learning_rate=(6e-3, 0.0))  # how many, nobody knows
    np.testing.assert_allclose(rates, [6e-3] * 2 + [3e-3] * 2)
    rates.clear()
    learn(epochs=2, batch=3, learning_rate=optim.step_schedule(4e-3, 0.5, 2))
    np.testing.assert_allclose(rates, [4e-3, 4e-3, 2e-3, 2e-3, 1e-3, 1e-3])
    rates.clear()
    learn(of_batches, None, epochs=2, learning_rate=optim.step_schedule(4e-3, 0.5, 1))
    np.testing.assert_allclose(rates, [4e-3] * 2 + [2e-3] * 2)


def test_no_epochs_are_the_start():
    result = learn(epochs=0, validation=0.3)
    np.testing.assert_array_equal(result.trajectory, K)
    assert (result.training, len(result.validation), result.best_epoch) == ([], 1, 0)
    assert result.scores == result.scores_start


class Validations:
    """Held-out images whose loss is given, whatever the trajectory."""

    def __init__(self, monkeypatch, losses):
        losses = iter(losses)

        def scores(_, k):
            return (workflows.ImageScore(next(losses), 0.0, 0.0),)

        monkeypatch.setattr(workflows.ImagesObjective, "scores", scores)


@pytest.mark.parametrize(
    ("losses", "patience", "epochs", "best", "early"),
    [
        ([5, 4, 3, 3, 3, 9, 9], 2, 4, 2, True),  # an equal loss is no new minimum
        ([5, 6, 7, 1, 1, 1, 1], 2, 2, 0, True),
        ([5, 6, 7, 1, 1, 1, 1], 3, 6, 3, False),
        ([5, 6, 4, 5, 3, 4, 2], 2, 6, 6, False),
        ([5, 4, 3, 2, 1, 2, 2], 2, 6, 4, False),  # patience ends where the epochs end
        ([5, 6, 7, 8, 9, 10, 11], None, 6, 0, False),
    ],
)
def test_patience(monkeypatch, losses, patience, epochs, best, early):
    Validations(monkeypatch, losses)
    result = learn(epochs=6, validation=0.3, patience=patience)
    assert (result.steps, result.best_epoch) == (epochs, best)
    assert result.stopped_early == early
    assert result.validation == losses[: epochs + 1]


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("fixed", "control_points"), [({0: (0.0, 0.0)}, None), (None, (4, 8))])
def test_every_iterate_keeps_the_limits(monkeypatch, dtype, fixed, control_points):
    iterates = []
    plain = Stage.value_and_grad

    def spied(self, objective, p):
        iterates.append(self.trajectory(p))
        return plain(self, objective, p)

    monkeypatch.setattr(Stage, "value_and_grad", spied)
    told = []
    real, comp = dtype, {"float32": "complex64", "float64": "complex128"}[dtype]
    result = learn(
        IMAGES.astype(real),
        MAPS.astype(comp),
        SLOW.astype(real),
        validation=0.3,
        protocol=SCAN,
        fixed=fixed,
        control_points=control_points,
        epochs=4,
        callback=lambda *at: told.append(at),
    )
    assert len(iterates) == 8  # two batches of five images
    assert [epoch for epoch, *_ in told] == list(range(5))
    found = (*iterates, *(k for *_, k in told), result.trajectory, result.trajectory_start)
    for k in found:
        assert k.dtype == dtype
        assert violation(k, SCAN) <= 1e-12
        for index, point in (fixed or {}).items():
            np.testing.assert_array_equal(k[:, index], np.broadcast_to(point, (5, 2)))
    assert len({k.tobytes() for k in iterates}) >= 7
    assert result.protocol is SCAN
    assert result.certificate.violation <= 1e-12
    assert result.validation[result.best_epoch] == min(result.validation) < result.validation[0]
    z = result.reconstruct(result.trajectory)  # at the receiver's points
    scores = [np.mean((a - b) ** 2) for a, b in zip(z, result.held_out.images, strict=True)]
    means = result.held_out.images.mean(axis=(1, 2)) ** 2
    np.testing.assert_allclose(scores / means, [s.loss for s in result.scores], rtol=1e-3)


def test_a_stage_without_progress_leaves_its_epochs_to_the_next(monkeypatch):
    # Two stages of four epochs each. The first ends after two, and the second has six.
    Validations(monkeypatch, [5, 6, 6, 4.5, *range(4, -2, -1)])
    settings = {"protocol": SCAN, "trajectory": SLOW, "control_points": (4, 8), "epochs": 8}
    result = learn(validation=0.3, patience=2, **settings)
    assert result.validation == [5, 6, 6, 4, 3, 2, 1, 0, -1]
    assert (result.steps, result.best_epoch, result.stopped_early) == (8, 8, False)


def test_points_without_a_protocol_stay_in_the_band():
    told = []
    learn(learning_rate=(0.2, 0.2), callback=lambda *at: told.append(at[-1]))
    assert max(abs(k).max() for k in told) == 0.5


# --- the end ------------------------------------------------------------------------------------


def pressing(monkeypatch, name, at, action):
    """Act at a call of a method of the objective; a step calls `linearize` once."""
    calls = itertools.count()
    plain = getattr(workflows.ImagesObjective, name)

    def counted(self, x):
        return action() if next(calls) == at else plain(self, x)

    monkeypatch.setattr(workflows.ImagesObjective, name, counted)


def press():
    raise KeyboardInterrupt


@pytest.mark.parametrize("validation", [None, 0.3])
@pytest.mark.parametrize("control_points", [None, (4, 8)])
@pytest.mark.parametrize("step", [2, 4, 7])
def test_ctrl_c_keeps_the_epochs_that_are_complete(monkeypatch, validation, control_points, step):
    if control_points is not None:
        settings = {"protocol": SCAN, "trajectory": SLOW, "control_points": control_points}
    else:
        settings = {}
    settings |= {"validation": validation, "epochs": 4, "batch": 4}
    want = learn(**settings)  # two steps in each epoch
    pressing(monkeypatch, "linearize", step, press)
    result = learn(**settings)
    assert result.interrupted
    assert not result.stopped_early
    assert result.training == want.training[: step // 2]
    assert result.validation == want.validation[: step // 2 + 1]
    assert result.best_epoch == int(np.argmin(result.losses)) + (validation is None)
    assert violation(result.trajectory, SCAN) <= 1e-12 or control_points is None


def test_ctrl_c_in_a_validation_keeps_the_epoch_before(monkeypatch):
    pressing(monkeypatch, "scores", 2, press)
    result = learn(validation=0.3)
    assert result.interrupted
    assert (len(result.training), len(result.validation)) == (1, 2)


@pytest.mark.parametrize(("name", "validation"), [("scores", 0.3), ("linearize", None)])
def test_ctrl_c_before_the_first_loss_is_raised(monkeypatch, name, validation):
    pressing(monkeypatch, name, 0, press)
    with pytest.raises(KeyboardInterrupt):
        learn(validation=validation)


@pytest.mark.parametrize("control_points", [None, (4, 8)])
@pytest.mark.parametrize("last", [0, 1, 3])
def test_a_callback_ends_it(control_points, last):
    settings = {"protocol": SCAN, "trajectory": SLOW} if control_points else {}
    result = learn(
        validation=0.3,
        epochs=4,
        callback=lambda epoch, *_: epoch == last,
        control_points=control_points,
        **settings,
    )
    assert (result.steps, result.interrupted, result.stopped_early) == (last, False, False)


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("linearize", (np.float64("nan"), Functional(K)), "at step 1 of epoch 2 the loss is nan"),
        (
            "linearize",
            (np.float64(1.0), Functional(np.full_like(K, np.inf))),
            "at step 1 of epoch 2 the gradient is not finite",
        ),
        (
            "scores",
            (workflows.ImageScore(np.inf, 0.0, 0.0),),
            "after epoch 3 the validation loss is inf",
        ),
    ],
)
def test_what_is_not_finite_is_an_error_with_the_result_so_far(monkeypatch, name, bad, message):
    pressing(monkeypatch, name, 3, lambda: bad)
    with pytest.raises(optim.NonFiniteError, match=f"learn_on_images: {message}; want") as caught:
        learn(validation=0.3, batch=4)
    result = caught.value.result
    epochs = 1 if name == "linearize" else 2
    assert (result.steps, len(result.history)) == (epochs, epochs + 1)
    assert result.best_value == min(result.history)
    assert np.all(np.isfinite(result.best_params))


def test_what_is_not_finite_at_the_start_is_an_error_with_the_start(monkeypatch):
    pressing(monkeypatch, "scores", 0, lambda: (workflows.ImageScore(np.nan, 0.0, 0.0),))
    with pytest.raises(optim.NonFiniteError, match="after epoch 0 the validation") as caught:
        learn(validation=0.3)
    assert caught.value.result.history == []
    np.testing.assert_array_equal(caught.value.result.best_params, K)


def test_a_progress_bar_shows_both_losses(capsys):
    result = learn(validation=0.3, progress=True)
    shown = capsys.readouterr().err
    for epoch in (1, 2, 3):  # each epoch ends with its own
        training, validation = result.training[epoch - 1], result.validation[epoch]
        assert f"epoch {epoch}, loss {training:.6g}, validation {validation:.6g}" in shown
    assert "6/6" in shown
    learn(of_batches, None, progress=True)
    assert "6it" in capsys.readouterr().err


# --- batches of the user's own ------------------------------------------------------------------


def of_batches(epoch):
    yield IMAGES[:4], MAPS
    yield IMAGES[4:], EACH[4:]


def test_a_callable_gives_the_batches():
    asked = []

    def batches(epoch):
        asked.append(epoch)
        return Shuffled(IMAGES, MAPS, 3, drawn)(epoch)

    drawn = split("learn_on_images", IMAGES, MAPS, None, 3, 0)[0].seed
    held = np.stack([picture(30)]), MAPS
    fixed_rate = {"learning_rate": (1e-3, 1e-3), "validation": held, "noise": 0.02}
    result = learn(batches, None, **fixed_rate)
    assert asked == [0, 0, 1, 2]
    assert same(result, learn(**fixed_rate))


def test_batches_may_have_maps_of_their_own_and_volumes():
    volumes = RNG.random((2, 14, 15, 16)) + 0.3
    maps = nl.mri.birdcage_maps(2, (14, 15, 16), dtype=np.complex128)
    k = RNG.uniform(-0.4, 0.4, (20, 3))
    result = learn(lambda _: [(volumes, maps), (volumes[:1], maps[None])], None, k, epochs=2)
    assert result.trajectory.shape == k.shape
    assert len(result.training) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": lambda _: [], "coil_maps": None}, r"\(images\): epoch 0 has no batch; want"),
        (
            {"images": lambda _: [IMAGES], "coil_maps": None},
            "a batch of epoch 0 is a ndarray; want",
        ),
        ({"images": lambda e: of_batches(e) if e < 1 else [], "coil_maps": None}, "epoch 1 has no"),
        ({"images": of_batches}, "whose batches have maps, and coil_maps are given; want None"),
        ({"images": of_batches, "coil_maps": None, "validation": 0.3}, "a part, 0.3, of a callab"),
        (
            {"images": of_batches, "coil_maps": None, "validation": IMAGES},
            "coil_maps is a NoneType",
        ),
        ({"images": IMAGES.tolist()}, r"\(images, coil_maps\): images is a list; want an array"),
        ({"images": IMAGES - IMAGES.mean()}, "TrajectoryObjective.image.: the mean is .*positive"),
        ({"coil_maps": EACH[1:]}, r"want \(coils, 16, 15\) or \(7, coils, 16, 15\)"),
        ({"validation": 1.5}, r"\(validation\): validation is 1.5; want a part between 0 and 1"),
        ({"validation": 0.95}, "0.95 of 7 images are 7; want one or more to learn from"),
        ({"validation": "some"}, "is 'some'; want images, a pair of images and coil maps, or a p"),
        ({"validation": IMAGES[0]}, r"learn_on_images\(validation\): images have the shape"),
        ({"validation": (IMAGES, MAPS[:, 1:])}, r"\(validation\): coil_maps have the shape"),
        ({"validation": IMAGES, "coil_maps": EACH[:5], "images": IMAGES[:5]}, r"\(validation\): "),
        ({"validation": (IMAGES[:, 1:], MAPS[:, 1:])}, r"\(15, 15\); want \(16, 15\)"),
        ({"patience": 2}, r"\(patience\): patience is 2 without validation; want both"),
        ({"patience": 0, "validation": 0.3}, "patience is 0; want at least 1"),
        ({"epochs": -1}, r"epochs is -1; want 0 or more"),
        ({"batch": 0}, "batch is 0; want at least 1"),
        ({"augment": "flips"}, "augment is 'flips'; want an Augmentation or None"),
        ({"augment": workflows.Augmentation(quarter_turns=True)}, "want as many rows as columns"),
        ({"trajectory": 7 * K}, "largest coordinate is 3.*from_radians"),
        ({"trajectory": K.astype("f4")}, "trajectory is float32"),
        ({"protocol": PROTOCOL}, r"its shape is \(256, 256\); want the image's"),
        ({"control_points": 8}, r"learn_on_images\(control_points\): .* without a protocol"),
        ({"learning_rate": 1e-3}, "learning_rate is 0.001; want two numbers"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        learn(**change)


def test_some_of_the_images_are_reconstructed_as_among_all():
    rng = np.random.default_rng(0)
    images, maps = rng.random((4, 14, 15)) + 0.5, rng.random((4, 2, 14, 15)) + 0j
    k = rng.uniform(-0.4, 0.4, (6, 9, 2))
    F = nl.NUFFT(k, (14, 15), engine="direct")
    job = workflows.ImagesObjective(images, maps, F, "true", noise=0.1)
    every = job.reconstruct(k)
    np.testing.assert_array_equal(job.reconstruct(k, [3, 1]), every[[3, 1]])
    for which in ([], [4], [-1]):
        with pytest.raises(ValueError, match="want places of its 4 images"):
            job.reconstruct(k, which)
