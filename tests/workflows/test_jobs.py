"""The two headline jobs: exact gradients of the whole loss, and that they learn."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from differences import difference

import nufftlib as nl
import optim
from nufftlib import data, workflows
from nufftlib.blur.calibrate.objective import loss_at, objective_of, taken_path
from nufftlib.blur.calibrate.recipes import RECIPES, Method, stepping
from nufftlib.mri.learn.reconstructions import AdjointReconstruction, LinearizedAdjoint

rng = np.random.default_rng(8)
IMAGE = rng.random((17, 16)) + 0.2
MAPS = nl.mri.birdcage_maps(3, IMAGE.shape, dtype=np.complex128)
K = nl.mri.trajectories.radial(6, 9, dtype=np.float64) + 0.01 * rng.standard_normal((6, 9, 2))


def objective(row=None, maps="ones", engine="direct", eps=1e-12):
    make = row.array if row else lambda values, dtype: np.asarray(values, dtype)
    return workflows.TrajectoryObjective(
        make(IMAGE, "float64"),
        make(MAPS, "complex128"),
        nl.NUFFT(make(K, "float64"), IMAGE.shape, engine=engine, eps=eps),
        maps,
    )


def slope(f, t, h=1e-5):
    return difference(lambda s: f(s * t), h)


def gradient_error(job, k=K, t=None):
    """The error of the gradient, forward and back, against differences of the very loss."""
    # The same direction whichever tests ran before: along some the slope is nearly nothing.
    t = np.random.default_rng(8).standard_normal(k.shape) if t is None else t
    _, gradient = job.value_and_grad(k)
    assert gradient.shape == k.shape
    # Steps so small that no point's kernel changes its cells on the grid of the density.
    want = slope(lambda dk: float(job(k + dk)), t, h=1e-6)
    along = float(job.linearize(k)[1](t))
    return max(abs(found - want) for found in (float(np.sum(gradient * t)), along)) / abs(want)


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
@pytest.mark.parametrize("maps", ["ones", "true", "estimated"])
def test_the_whole_loss_of_job_1_against_finite_differences(maps, engine):
    assert gradient_error(objective(maps=maps, engine=engine)) < 1e-6


@pytest.mark.parametrize("maps", ["true", "estimated"])
def test_the_whole_loss_of_cg_sense_against_finite_differences(maps):
    recipe = nl.mri.learn.CGReconstruction(damping=0.5, tolerance=1e-13)
    assert gradient_error(replace(objective(maps=maps), reconstruction=recipe)) < 1e-6


@pytest.mark.parametrize("maps", ["true", "estimated"])
def test_the_whole_loss_of_total_variation_against_finite_differences(maps):
    recipe = nl.mri.learn.TVReconstruction(scale=0.1, delta=0.3, tolerance=1e-12)
    assert gradient_error(replace(objective(maps=maps), reconstruction=recipe)) < 1e-6


@pytest.mark.parametrize("maps", ["ones", "estimated"])
def test_the_loss_of_a_density_that_begins_at_the_weights_of_the_step_before(maps):
    """It is a function of its own, with the gradient of what it computes."""
    job = objective(maps=maps, engine="grid")
    value, J = job.linearize(K)
    settings = {"width": 7, "grid": IMAGE.shape, "iterations": 10}
    np.testing.assert_array_equal(J.weights, nl.mri.pipe_menon(job.nufft, **settings))
    moved, few = K + 1e-3 * np.sin(np.arange(K.size)).reshape(K.shape), job.begun_at(J.weights, 2)
    assert gradient_error(few, moved) < 1e-6
    assert few.spectrum is job.spectrum  # the images of the coils are not transformed again
    assert float(few(K)) != float(value)
    written = replace(job, density_start=J.weights, density_iterations=2)
    assert float(written(moved)) == float(few(moved))
    # Two steps go on from ten: the weights are those of twelve.
    F = job.nufft
    want = nl.mri.pipe_menon(F, width=7, grid=IMAGE.shape, iterations=12)
    np.testing.assert_allclose(few.linearize(K)[1].weights, want, rtol=1e-9)


def test_an_objective_without_density_weights_has_none():
    job = replace(objective(maps="true"), reconstruction="cg")
    assert job.linearize(K)[1].weights is None


def test_a_start_of_the_density_that_does_not_fit_is_refused():
    job = objective()
    with pytest.raises(ValueError, match=r"TrajectoryObjective.begun_at\(weights\): weights has"):
        job.begun_at(np.ones(3), 2)
    with pytest.raises(ValueError, match=r"\(density_start\): 54 of the weights are not positive"):
        replace(job, density_start=np.zeros(K.shape[:-1]))


@pytest.mark.parametrize(("name", "most"), [("cg", 1e-2), ("tv", 1e-1)])
def test_default_tolerances_leave_a_gradient_that_is_near(name, most):
    image = data.brain()[::8, ::8].astype(np.float64)
    S = nl.mri.birdcage_maps(4, image.shape, dtype=np.complex128)
    k = nl.mri.trajectories.radial(8, 32, dtype=np.float64)
    F = nl.NUFFT(k, image.shape, eps=1e-9)
    job = workflows.TrajectoryObjective(image, S, F, "true", reconstruction=name)
    recipe = replace(job.reconstruction, tolerance=1e-10)
    _, found = job.value_and_grad(k)
    _, want = replace(job, reconstruction=recipe).value_and_grad(k)
    assert np.linalg.norm(found - want) < most * np.linalg.norm(want)


def test_cg_sense_minimises():
    recipe = nl.mri.learn.CGReconstruction(tolerance=1e-9)
    job = replace(objective(maps="true"), reconstruction=recipe)
    F, y = job.nufft, job.nufft(MAPS * IMAGE)
    A = F @ nl.Sense(MAPS)
    damping = 0.05 * K[..., 0].size * F.transform.scale**2
    f = nl.LeastSquares(A, damping, tolerance=1e-10)
    z = np.abs(f(y))
    assert np.allclose(job.reconstruct(K), z * (IMAGE.mean() / z.mean()), rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "mae", lambda x: nl.Huber(x, 0.1)])
def test_the_gradient_of_any_loss_with_noise(loss):
    noise = rng.standard_normal((3, 6, 9)) + 1j * rng.standard_normal((3, 6, 9))
    job = replace(objective(maps="estimated"), loss=loss, noise=noise)
    assert float(job(K)) != float(replace(job, noise=None)(K))
    with pytest.raises(
        ValueError, match=r"k has the shape \(5, 9, 2\); want \(6, 9, 2\), the points of"
    ):
        job(K[1:])
    assert gradient_error(job) < 1e-6


@pytest.mark.parametrize("maps", ["ones", "true", "estimated"])
def test_constants_are_what_the_gradient_leaves_out(maps):
    """With density and maps of the point itself in a chain of operators."""
    job = replace(objective(maps=maps), constants=True)
    value, gradient = job.value_and_grad(K)
    F = job.nufft
    d = nl.mri.pipe_menon(F, width=7, grid=F.shape, iterations=10)
    S = {
        "ones": np.ones_like(MAPS),
        "true": MAPS,
        "estimated": nl.mri.low_frequency_maps(F, F(MAPS * IMAGE), d),
    }[maps]
    chain = nl.Sense(S).H @ F.H @ nl.Diagonal(d) @ F
    loss = nl.MeanSquaredError(IMAGE / IMAGE.mean()) @ nl.MeanNormalize() @ nl.Magnitude()
    wanted = (loss @ chain.as_map("trajectory", MAPS * IMAGE)).value_and_grad(K)
    assert float(value) == pytest.approx(float(wanted[0]), rel=1e-10)
    np.testing.assert_allclose(gradient, wanted[1], rtol=1e-8, atol=1e-12)
    assert float(value) == float(objective(maps=maps)(K))
    assert gradient_error(job) > 1e-3
    t = rng.standard_normal(K.shape)
    assert float(job.linearize(K)[1](t)) == pytest.approx(float(np.sum(gradient * t)), rel=1e-10)


SOLID = rng.random((14, 15, 16)) + 0.2
SOLID_MAPS = nl.mri.birdcage_maps(3, SOLID.shape, dtype=np.complex128)
SOLID_K = rng.uniform(-0.08, 0.08, (4, 3, 3)) + rng.uniform(-0.4, 0.4, (4, 1, 3))
SOLID_K = np.concatenate([SOLID_K, rng.uniform(-0.05, 0.05, (4, 3, 3))])


@pytest.mark.parametrize("engine", ["direct", "grid", "finufft"])
@pytest.mark.parametrize("maps", ["ones", "true", "estimated"])
def test_the_whole_loss_of_a_volume_against_finite_differences(maps, engine):
    F = nl.NUFFT(SOLID_K, SOLID.shape, engine=engine, eps=1e-12)
    job = workflows.TrajectoryObjective(SOLID, SOLID_MAPS, F, maps)
    for axis in range(3):  # a wrong axis must not hide beside the others
        t = rng.standard_normal(SOLID_K.shape) * np.eye(3)[axis]
        assert gradient_error(job, SOLID_K, t) < 1e-6


@pytest.mark.parametrize("maps", ["ones", "true", "estimated"])
def test_the_phase_of_an_image_changes_nothing_that_its_coils_could_not(maps):
    phase = np.exp(1j * np.linspace(0, 3, IMAGE.size).reshape(IMAGE.shape))
    F = nl.NUFFT(K, IMAGE.shape, engine="direct")
    of_image = workflows.TrajectoryObjective(IMAGE * phase, MAPS, F, maps)
    of_coils = workflows.TrajectoryObjective(IMAGE, MAPS * phase, F, maps)
    for have, want in zip(of_image.value_and_grad(K), of_coils.value_and_grad(K), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-12)
    have = of_image.reconstruct(K)
    np.testing.assert_allclose(have, of_coils.reconstruct(K), rtol=1e-9)
    assert have.mean() == pytest.approx(IMAGE.mean())


class DensityDropped(LinearizedAdjoint):
    """The density in the data, but not in the Jacobian-transpose: a peer's error."""

    def cotangents(self, z_bar, *, maps=True):
        Fv, K_ = (self.F @ nl.Sense(self.S)).linearize(z_bar, wrt="trajectory")
        return K_.adjoint(self.y), Fv, None, None


class TwoPi(LinearizedAdjoint):
    """One of the two paths by radians: another."""

    def cotangents(self, z_bar, *, maps=True):
        k_bar, *others = super().cotangents(z_bar, maps=maps)
        return k_bar / (2 * np.pi), *others


@pytest.mark.parametrize("cls", [DensityDropped, TwoPi])
def test_the_errors_of_peers_are_found(cls):
    class Wrong(AdjointReconstruction):
        def linearize(self, *given):
            z, right = super().linearize(*given)
            return z, cls(**vars(right))

    assert gradient_error(replace(objective(), reconstruction=Wrong())) > 1e-3


def test_job_1_is_the_same_on_every_row(row):
    want_value, want_gradient = objective(maps="estimated").value_and_grad(K)
    value, gradient = objective(row, "estimated").value_and_grad(row.array(K))
    assert row.owns(value, "float64")
    assert row.owns(gradient, "float64")
    assert float(value) == pytest.approx(float(want_value), rel=1e-9)
    np.testing.assert_allclose(row.numpy(gradient), want_gradient, rtol=1e-6, atol=1e-9)


def test_the_loss_is_the_published_one():
    job = objective(maps="true")
    F = nl.NUFFT(K, IMAGE.shape, engine="direct")
    d = nl.mri.pipe_menon(F, width=7, grid=F.shape, iterations=10)
    coils = [F.H(d * F(s * IMAGE)) for s in MAPS]
    z = np.abs(sum(np.conj(s) * c for s, c in zip(MAPS, coils, strict=True)))
    want = np.mean((z / z.mean() - IMAGE / IMAGE.mean()) ** 2)
    assert float(job.value_and_grad(K)[0]) == pytest.approx(want, rel=1e-10)
    np.testing.assert_allclose(job.reconstruct(K), z / z.mean() * IMAGE.mean(), rtol=1e-9)


def small_job(**settings):
    image = np.ascontiguousarray(data.brain()[::4, ::4])
    coils = nl.mri.birdcage_maps(4, image.shape)
    k = nl.mri.trajectories.radial(8, 64)
    return workflows.learn_trajectory(image, coils, k, **settings), k


@pytest.mark.parametrize("maps", ["ones", "estimated", "true"])
def test_learning_improves_the_reconstruction(maps):
    result, k = small_job(maps=maps, steps=40)
    assert result.losses[-1] < 0.5 * result.losses[0]
    assert result.steps == 40
    assert len(result.losses) == 41
    assert result.trajectory.shape == k.shape
    assert np.abs(result.trajectory).max() <= 0.5
    assert result.trajectory.dtype == np.float32
    assert result.trajectory_start is k
    image = data.brain()[::4, ::4]

    def error(reconstruction):
        return np.linalg.norm(reconstruction - image)

    assert error(result.reconstruction) < 0.8 * error(result.reconstruction_start)


@pytest.mark.parametrize("maps", ["ones", "estimated"])
def test_both_engines_learn_alike(maps):
    """In double precision: in single, rounding decides where Adam goes from zero gradients."""
    image = data.brain()[::4, ::4].astype(float)
    coils = nl.mri.birdcage_maps(4, image.shape, dtype=np.complex128)
    k = nl.mri.trajectories.radial(8, 64, dtype=np.float64)
    k = k + 1e-3 * np.random.default_rng(0).standard_normal(k.shape).clip(-1, 0) * np.sign(k)
    grid, finufft = (
        workflows.learn_trajectory(image, coils, k, maps=maps, steps=40, eps=1e-9, engine=engine)
        for engine in ("grid", "finufft")
    )
    assert grid.losses[0] == pytest.approx(finufft.losses[0], rel=2e-3)
    assert grid.loss_final == pytest.approx(finufft.loss_final, rel=0.02)


@pytest.mark.parametrize("maps", ["ones", "estimated", "true"])
def test_learning_improves_the_reconstruction_of_a_volume(maps):
    x = np.stack(np.indices((16, 18, 20)), axis=-1) - [8, 9, 10]
    far = np.linalg.norm(x, axis=-1)
    image = ((far < 7) + 0.5 * (far < 4)).astype(np.float32)
    coils = nl.mri.birdcage_maps(4, image.shape)
    ends = np.random.default_rng(0).standard_normal((12, 1, 3))
    ends /= np.linalg.norm(ends, axis=-1, keepdims=True)
    k = (np.linspace(0, 0.5, 32)[:, None] * ends).astype(np.float32)
    result = workflows.learn_trajectory(
        image, coils, k, maps=maps, steps=30, learning_rate=(1e-2, 1e-3)
    )
    assert result.loss_final < 0.5 * result.losses[0]
    assert result.trajectory.shape == k.shape
    assert result.reconstruction.shape == image.shape
    assert np.linalg.norm(result.reconstruction - image) < 0.8 * np.linalg.norm(
        result.reconstruction_start - image
    )


def test_the_best_trajectory_is_returned_not_the_last():
    result, k = small_job(maps="ones", steps=4, learning_rate=(0.002, 0.3))
    assert result.loss_final == min(result.losses) < 0.5 * result.losses[-1]
    assert result.step_best == 1
    image = np.ascontiguousarray(data.brain()[::4, ::4])
    job = workflows.TrajectoryObjective(
        image, nl.mri.birdcage_maps(4, image.shape), nl.NUFFT(k, image.shape, eps=1e-4), "ones"
    )
    assert float(job.value_and_grad(result.trajectory)[0]) == pytest.approx(
        result.loss_final, rel=1e-4
    )
    np.testing.assert_allclose(
        result.reconstruction, job.reconstruct(result.trajectory), rtol=1e-3, atol=1e-4
    )


def test_a_schedule_is_the_rate_of_each_step():
    asked = []

    def rate(step):
        asked.append(step)
        return 1e-3 * (1 - step / 4)

    result, _ = small_job(maps="ones", steps=4, learning_rate=rate)
    line, _ = small_job(maps="ones", steps=4, learning_rate=(1e-3, 0.0))
    assert asked == [0, 1, 2, 3]
    np.testing.assert_allclose(result.losses, line.losses, rtol=1e-4)


def test_the_rate_falls_as_it_should():
    result, k = small_job(maps="ones", steps=1)
    step = np.abs(result.trajectory - k)
    assert step.max() == pytest.approx(1e-3, rel=1e-3)  # Adam's first step is the rate


def test_ctrl_c_returns_what_there_is():
    def stop(step, loss, k):
        if step == 2:
            raise KeyboardInterrupt

    result, _ = small_job(maps="ones", steps=40, callback=stop)
    assert result.interrupted
    assert result.steps == 2
    assert result.losses[-1] == min(result.losses)


def test_ctrl_c_before_the_first_loss_is_raised(monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflows.TrajectoryObjective, "value_and_grad", press)
    with pytest.raises(KeyboardInterrupt):
        small_job(maps="ones", steps=3)


def test_the_last_trajectory_is_evaluated_once_and_seen_by_the_callback(monkeypatch):
    evaluated, seen = [], []
    plain = workflows.TrajectoryObjective.value_and_grad

    def counted(self, k):
        evaluated.append(k)
        return plain(self, k)

    monkeypatch.setattr(workflows.TrajectoryObjective, "value_and_grad", counted)
    result, _ = small_job(maps="ones", steps=3, callback=lambda *at: seen.append(at))
    assert len(evaluated) == len(result.losses) == 4
    assert [(step, loss) for step, loss, _ in seen] == list(enumerate(result.losses))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": "none"}, "maps is 'none'; want one of"),
        ({"image": IMAGE[1:]}, r"\(16, 16\); want \(17, 16\)"),
        ({"image": -IMAGE}, "want it positive"),
        ({"image": 0j * IMAGE}, "want it positive"),
        ({"coil_maps": MAPS[:, 1:]}, r"want \(coils, 17, 16\)"),
        ({"coil_maps": MAPS.real}, "coil_maps are float64; want complex"),
        ({"coil_maps": MAPS.astype("c8")}, "coil_maps is complex64 and trajectory is float64"),
        ({"nufft": K}, "nufft is an array .*; want a NUFFT"),
        ({"reconstruction": "cgg"}, "reconstruction is 'cgg'; want one of 'adjoint'"),
        ({"loss": "mean"}, "loss is 'mean'; want one of 'mse', 'mae'"),
        ({"constants": "yes"}, "constants is 'yes'; want True or False"),
        ({"noise": MAPS}, r"noise has the shape \(3, 17, 16\) .*; want those of the data"),
    ],
)
def test_job_1_refuses_what_does_not_fit(change, message):
    arguments = {"image": IMAGE, "coil_maps": MAPS, "nufft": nl.NUFFT(K, IMAGE.shape)} | change
    with pytest.raises((TypeError, ValueError), match=message):
        workflows.TrajectoryObjective(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trajectory": 2 * np.pi * K}, r"largest coordinate is 3.*from_radians"),
        ({"image": IMAGE[0]}, r"\(16,\); want \(height, width\), or of a volume"),
        ({"image": IMAGE[None]}, r"the shape is \(6, 9, 2\); want \(\.\.\., 3\)"),
        ({"image": IMAGE.tolist()}, "image is a list; want an array"),
        ({"steps": -2}, "steps is -2"),
        ({"trajectory": K[:0]}, r"trajectory has the shape \(0, 9, 2\); want points"),
        ({"trajectory": np.full_like(K, np.nan)}, "54 of 54 points are not finite"),
        (
            {"coil_maps": MAPS[:0]},
            r"have the shape \(0, 17, 16\); want \(coils.* at least one coil",
        ),
        ({"coil_maps": MAPS * np.nan}, "coil_maps is not finite in 816 of 816 entries"),
        ({"image": IMAGE * np.nan}, "image is not finite in 272 of 272 entries"),
        ({"learning_rate": (-1e-3, 0.0)}, "learning_rate is -0.001; want a finite number, 0 or"),
    ],
)
def test_learning_refuses_what_does_not_fit(change, message):
    arguments = {"image": IMAGE, "coil_maps": MAPS, "trajectory": 0.9 * K} | change
    with pytest.raises((TypeError, ValueError), match=message):
        workflows.learn_trajectory(**arguments)


# --- job 2 --------------------------------------------------------------------------------

SHARP = rng.random((3, 14, 15))
PSF = nl.blur.motion_psf(5, seed=0, dtype=np.float64)
SQUARED = [name for name, recipe in RECIPES.items() if recipe.loss == "squared"]


@pytest.mark.parametrize("method", ["adam", "adamw"])
@pytest.mark.parametrize("path", ["quadratic", "general"])
@pytest.mark.parametrize("boundary", ["valid", "reflect"])
def test_the_whole_loss_of_job_2_against_finite_differences(row, method, path, boundary):
    if (method, path) == ("adamw", "quadratic"):
        pytest.skip("the absolute error is no quadratic function")
    blurred = nl.blur.gaussian_noise(nl.Blur(PSF, boundary)(SHARP), 0.02, seed=0)
    h = rng.random((5, 5))
    t = rng.standard_normal((5, 5))

    def job(make):
        blur = nl.Blur(make(h), boundary)
        pairs = [(make(SHARP), make(blurred)), (make(SHARP[:2]), make(blurred[:2]))]
        return objective_of(RECIPES[method], blur, pairs, path)

    value, gradient = job(row.array).value_and_grad(row.array(h))
    assert row.owns(value, "float64")
    assert row.owns(gradient, "float64")
    plain = job(np.asarray)
    want = slope(lambda dh: float(plain(h + dh)), t, h=1e-6)
    assert float(np.sum(row.numpy(gradient) * t)) == pytest.approx(want, rel=1e-6)
    by_blur = objective_of(
        RECIPES[method],
        nl.Blur(h, boundary),
        [(SHARP, blurred), (SHARP[:2], blurred[:2])],
        "general",
    )
    assert float(value) == pytest.approx(float(by_blur(h)), rel=1e-12)


def test_every_method_has_a_recipe():
    assert get_args(Method) == workflows.METHODS == tuple(RECIPES)


def test_the_losses_of_job_2_are_the_published_ones():
    x, y = rng.random((3, 8, 8)), rng.standard_normal((3, 4, 4))
    r = nl.Blur(PSF)(x) - y
    assert loss_at(PSF, x, y, "adam", "valid") == pytest.approx(0.5 * np.mean(r**2))
    assert loss_at(PSF, x, y, "adamw", "valid") == pytest.approx(np.mean(np.abs(r)))
    # Of several pairs, the mean over all samples.
    both = loss_at(PSF, [x, x[:1]], [y, y[:1]], "adamw", "valid")
    assert both == pytest.approx((np.abs(r).sum() + np.abs(r[0]).sum()) / (r.size + r[0].size))
    assert {name: (recipe.loss, recipe.steps) for name, recipe in RECIPES.items()} == {
        "projected-gradient": ("squared", 1000),
        "adam": ("squared", 200),
        "adamw": ("absolute", 100),
        "backtracking": ("squared", 1000),
        "accelerated": ("squared", 200),
        "spectral": ("squared", 200),
    }


@pytest.mark.parametrize(
    ("method", "floor", "within", "error"),
    [
        ("projected-gradient", 0.5 * 0.02**2, 0.06, 0.25),
        ("adam", 0.5 * 0.02**2, 0.02, 0.05),
        ("adamw", 0.02 * np.sqrt(2 / np.pi), 0.02, 0.05),
        ("backtracking", 0.5 * 0.02**2, 0.02, 0.03),
        ("accelerated", 0.5 * 0.02**2, 0.02, 0.05),
        ("spectral", 0.5 * 0.02**2, 0.02, 0.05),
    ],
)
def test_the_published_calibration_reaches_the_noise_floor(method, floor, within, error):
    sharp = data.astronaut()
    psf, blurred = workflows.simulate_blur(sharp)
    assert blurred.shape == (3, 232, 232)
    result = workflows.calibrate_psf(sharp, blurred, method=method, truth=psf)
    assert result.loss_final == pytest.approx(floor, rel=within)
    assert result.psf.dtype == np.float32
    assert result.psf.min() >= 0
    assert result.psf.sum() == pytest.approx(1.0, abs=1e-6)
    assert workflows.psf_error(result.psf, psf) < error
    assert len(result.errors) == len(result.losses)
    assert result.errors[result.step_best] == pytest.approx(
        workflows.psf_error(result.psf, psf), rel=1e-4
    )


@pytest.mark.parametrize("method", SQUARED)
def test_both_paths_of_a_squared_loss_go_the_same_way(method):
    sharp = data.astronaut()[:, ::4, ::4].astype(float)
    _, blurred = workflows.simulate_blur(sharp, size=9, boundary="replicate", noise=0.01)
    quadratic, general = (
        workflows.calibrate_psf(
            sharp, blurred, method=method, size=9, boundary="replicate", steps=40, path=path
        )
        for path in ("quadratic", "general")
    )
    assert (quadratic.path, general.path) == ("quadratic", "general")
    np.testing.assert_allclose(quadratic.losses, general.losses, rtol=1e-8)
    np.testing.assert_allclose(quadratic.psf, general.psf, atol=1e-8)


def test_auto_takes_the_quadratic_path_where_it_pays():
    def taken(psf, image, method="adam"):
        blur, x = nl.Blur(np.ones((psf, psf))), np.ones((image, image))
        return taken_path(RECIPES[method], blur, [(x, x)], "auto")

    assert taken(25, 256) == "quadratic"
    assert taken(25, 256, "adamw") == "general"
    assert taken(101, 128) == "general"  # 832 MB of matrix for an image of 0.1 MB


@pytest.mark.parametrize("boundary", ["valid", "zero"])
def test_several_pairs_of_images_share_the_psf(boundary):
    whole = data.astronaut().astype(float)
    images = [whole[:, :90:2, ::4], whole[:2, 20::4, 30::3]]
    psf, _ = workflows.simulate_blur(images[0], size=7, seed=3)
    blurred = [
        workflows.simulate_blur(x, psf=psf, boundary=boundary, noise=0.01, seed=i)[1]
        for i, x in enumerate(images)
    ]
    errors = {
        name: workflows.psf_error(
            workflows.calibrate_psf(x, y, size=7, boundary=boundary, steps=400).psf, psf
        )
        for name, x, y in [
            ("both", images, blurred),
            ("first", images[0], blurred[0]),
            ("second", images[1], blurred[1]),
        ]
    }
    assert errors["both"] < min(errors["first"], errors["second"])


@pytest.mark.parametrize("size", [(5, 3), (4, 6)])
def test_a_blurred_picture_of_the_sharp_ones_size_is_cropped_to_its_valid_part(size):
    sharp, psf = rng.random((2, 20, 21)), rng.random(size)
    full = nl.Blur(psf, "zero")(sharp)
    cropped, whole = (
        workflows.calibrate_psf(sharp, y, size=size, steps=30) for y in (nl.Blur(psf)(sharp), full)
    )
    np.testing.assert_allclose(whole.psf, cropped.psf, atol=1e-9)


@pytest.mark.parametrize("method", workflows.METHODS)
def test_a_tolerance_ends_the_calibration(method):
    if method == "adamw":
        pytest.skip("the absolute error's gradient does not become small")
    sharp = data.astronaut()[:, ::8, ::8].astype(float)
    _, blurred = workflows.simulate_blur(sharp, size=5, noise=0.01)
    result = workflows.calibrate_psf(
        sharp, blurred, method=method, size=5, steps=2000, tolerance=2e-4
    )
    assert result.converged
    assert 0 < result.steps < 2000
    blur = nl.Blur(result.psf).as_map("psf", sharp)
    _, g = (nl.HalfSquaredError(blurred) @ blur).value_and_grad(result.psf)
    at = optim.projected_gradient_norm(result.psf, g / blurred.size, optim.projections.simplex())
    assert at <= 1.01 * 2e-4
    assert not workflows.calibrate_psf(sharp, blurred, method=method, size=5, steps=3).converged


def test_ctrl_c_returns_the_psf_so_far():
    def stop(step, loss, psf):
        if step == 4:
            raise KeyboardInterrupt

    sharp = rng.random((20, 20))
    y = nl.Blur(PSF)(sharp)
    result = workflows.calibrate_psf(sharp, y, size=5, callback=stop, truth=PSF)
    assert result.interrupted
    assert result.steps == 4
    assert len(result.errors) == len(result.losses) == 5


@pytest.mark.parametrize("method", workflows.METHODS)
def test_every_method_makes_the_steps_asked_for_and_evaluates_each_point_once(method):
    sharp, seen = rng.random((20, 20)), []
    result = workflows.calibrate_psf(
        sharp,
        nl.Blur(PSF)(sharp),
        size=5,
        method=method,
        steps=3,
        truth=PSF,
        callback=lambda *at: seen.append(at),
    )
    assert result.steps == 3
    assert len(result.errors) == len(result.losses) == 4
    assert [(step, loss) for step, loss, _ in seen] == list(enumerate(result.losses))
    nothing = workflows.calibrate_psf(sharp, nl.Blur(PSF)(sharp), size=5, method=method, steps=0)
    assert (nothing.steps, nothing.losses) == (0, result.losses[:1])


def test_the_best_psf_is_returned_not_the_last(monkeypatch):
    """A rate can be right for a while and far too large in the end; what was found is kept."""
    solve = stepping(optim.sgd(lambda step: 0.3 if step < 15 else 90.0))
    monkeypatch.setitem(RECIPES, "adam", RECIPES["adam"]._replace(solve=solve))
    sharp = data.astronaut()
    _, blurred = workflows.simulate_blur(sharp)
    result = workflows.calibrate_psf(sharp, blurred, method="adam", steps=20)
    assert result.losses[-1] > 2 * min(result.losses)
    assert result.step_best == 15
    at_psf = loss_at(result.psf, sharp, blurred, "adam", "valid")
    assert at_psf == pytest.approx(result.loss_final, rel=1e-5)


def test_a_perfect_fit_has_no_negative_loss():
    """Rounding of a quadratic function may be negative; a squared error is not."""
    sharp = rng.random((2, 24, 25)).astype(np.float32)
    for boundary in ("circular", "replicate", "reflect", "zero"):
        result = workflows.calibrate_psf(sharp, sharp, size=5, boundary=boundary)
        assert result.path == "quadratic"
        assert 0 <= result.loss_final < 1e-12
        assert result.psf[2, 2] == pytest.approx(1, abs=1e-4)


def test_identifiability_is_noise_over_the_root_of_the_hessian():
    sharp = [rng.random((2, 12, 13)), rng.random((9, 14))]
    told = workflows.identifiability(sharp, 0.03, size=(2, 3), boundary="reflect")
    hessian = 0
    for x in sharp:
        columns = [nl.Blur(d.reshape(2, 3), "reflect")(x).ravel() for d in np.eye(6)]
        hessian = hessian + np.asarray(columns) @ np.transpose(columns)
    want = 0.03 / np.sqrt(np.linalg.eigvalsh(hessian)[::-1])
    np.testing.assert_allclose(told.deviations, want, rtol=1e-9)
    v = told.components.reshape(6, 6)
    np.testing.assert_allclose(hessian @ v[0], v[0] * (0.03 / want[0]) ** 2, rtol=1e-9)


def test_identifiability_finds_what_a_picture_cannot_tell():
    """Of an image that is constant along its rows, nothing says how a PSF is spread there."""
    stripes = np.broadcast_to(rng.random((20, 1)), (20, 20)).copy()
    told = workflows.identifiability(stripes, 0.01, size=(3, 4))
    assert np.sum(np.isfinite(told.deviations)) == 3
    unseen = told.components[~np.isfinite(told.deviations)]
    np.testing.assert_allclose(np.sum(unseen, axis=-1), 0, atol=1e-6)
    noisy = workflows.identifiability([stripes, rng.random((2, 9, 9))], 0.01, size=(3, 4))
    assert np.all(np.isfinite(noisy.deviations))
    assert np.all(np.diff(noisy.deviations) >= 0)


@pytest.mark.parametrize("kind", ["motion", "gaussian", "defocus", "diffraction"])
@pytest.mark.parametrize("boundary", ["valid", "circular"])
def test_a_blur_is_simulated_with_a_psf_of_every_kind(row, kind, boundary):
    sharp = row.array(SHARP, "float32")
    psf, blurred = workflows.simulate_blur(
        sharp, psf=kind, size=(5, 4), boundary=boundary, noise=0.0, seed=2
    )
    assert row.owns(psf, "float32")
    assert float(row.xp.sum(psf)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(
        row.numpy(blurred), row.numpy(nl.Blur(psf, boundary)(sharp)), atol=1e-6
    )
    again, _ = workflows.simulate_blur(sharp, psf=psf, boundary=boundary)
    assert again is psf


def test_scipy_takes_the_same_objective():
    import scipy.optimize

    sharp = data.astronaut()[0, ::4, ::4].astype(float)
    psf, blurred = workflows.simulate_blur(sharp, size=5, noise=0.0, seed=1)
    blur = nl.Blur(np.full((5, 5), 0.04)).as_map("psf", sharp)
    loss = nl.HalfSquaredError(blurred) @ blur

    def flat(h):
        value, gradient = loss.value_and_grad(h.reshape(5, 5))
        return float(value), gradient.ravel()

    found = scipy.optimize.minimize(
        flat,
        np.full(25, 0.04),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * 25,
        options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10},
    )
    assert workflows.psf_error(found.x.reshape(5, 5), psf) < 1e-3


def test_job_2_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="there are 2 sharp and 1 blurred images; want as many"):
        workflows.calibrate_psf([SHARP, SHARP], [SHARP])
    with pytest.raises(ValueError, match="path is 'fast'; want one of 'auto', 'quadratic'"):
        workflows.calibrate_psf(SHARP, SHARP[:, 4:, 4:], size=5, path="fast")
    with pytest.raises(ValueError, match="want 'general' for the absolute error"):
        workflows.calibrate_psf(SHARP, SHARP[:, 4:, 4:], size=5, path="quadratic", method="adamw")
    with pytest.raises(ValueError, match="method is 'newton'; want one of 'projected-gradient'"):
        workflows.calibrate_psf(SHARP, SHARP, method="newton")
    with pytest.raises(ValueError, match=r"want \(3, 10, 11\), which .* makes of the sharp"):
        workflows.calibrate_psf(SHARP, SHARP[:, 1:], size=5)
    with pytest.raises(ValueError, match=r"want \(3, 14, 15\), which .* makes of the sharp"):
        workflows.calibrate_psf(SHARP, SHARP[:, 4:, 4:], size=5, boundary="zero")
    with pytest.raises(ValueError, match=r"\(3, 14, 15\); want at least 25 x 25 pixels"):
        workflows.calibrate_psf(SHARP, SHARP)
    for size in ((5, 5, 5), 5.0, -3, 0):
        with pytest.raises((TypeError, ValueError), match=r"calibrate_psf\(size\): size is"):
            workflows.calibrate_psf(SHARP, SHARP, size=size)
    for wrong in ((255 * SHARP).astype("u1"), SHARP + 0j):
        with pytest.raises(TypeError, match=r"\(sharp\): sharp is .*; want float32 or float64"):
            workflows.calibrate_psf(wrong, SHARP, size=5)
    with pytest.raises(ValueError, match=r"\(sharp\): .* \(15,\); want \(\.\.\., height, width\)"):
        workflows.calibrate_psf(SHARP[0, 0], SHARP, size=5)
    with pytest.raises(TypeError, match=r"blurred is complex128; want float32 or float64"):
        workflows.calibrate_psf(SHARP, SHARP + 0j, size=5)
    with pytest.raises(ValueError, match=r"\(sharp\): sharp has no images; want at least 1"):
        workflows.identifiability([], 0.1)
    with pytest.raises(ValueError, match=r"\(noise\): noise is -1\.0; want a finite"):
        workflows.identifiability(SHARP, -1.0, size=5)
    with pytest.raises(ValueError, match=r"the shapes are \(5, 5\) and \(4, 4\); want equal"):
        workflows.psf_error(PSF, PSF[1:, 1:])
    with pytest.raises(ValueError, match=r"truth has the shape \(5, 5\); want that of `size`, \(3"):
        workflows.calibrate_psf(SHARP, SHARP, size=3, truth=PSF)
    with pytest.raises(ValueError, match="truth is zero everywhere; want a PSF"):
        workflows.calibrate_psf(SHARP, SHARP, size=5, truth=0 * PSF)


@pytest.mark.parametrize("path", ["quadratic", "general"])
def test_a_pixel_that_is_not_finite_is_named(path):
    blurred, bad = nl.Blur(PSF)(SHARP), SHARP.copy()
    bad[1, 2, 3] = np.nan
    job = {"size": 5, "steps": 1, "path": path}
    with pytest.raises(
        ValueError, match=r"calibrate_psf\(sharp\): sharp is not finite in 1 of 630"
    ):
        workflows.calibrate_psf(bad, blurred, **job)
    with pytest.raises(ValueError, match=r"\(sharp\): sharp is not finite in 1 of 630 entries"):
        workflows.calibrate_psf([SHARP, bad], [blurred, blurred], **job)
    with pytest.raises(ValueError, match=r"calibrate_psf.*: blurred is not finite in 330 of 330"):
        workflows.calibrate_psf(SHARP, blurred * np.inf, **job)
    with pytest.raises(ValueError, match=r"identifiability\(sharp\): sharp is not finite in 1 of"):
        workflows.identifiability(bad, 0.1, size=5)
    whole = np.full(SHARP.shape, np.inf)  # beyond the part that a PSF within the image makes
    whole[:, 2:12, 2:13] = blurred
    workflows.calibrate_psf(SHARP, whole, **job)


def test_the_error_of_a_psf_is_relative_at_every_scale(row):
    h, t = np.abs(PSF), np.abs(PSF[::-1])
    want = np.linalg.norm(h - t) / np.linalg.norm(t)
    for scale in (1e-300, 1e-200, 1.0, 1e200, 1e300):
        pair = row.array(scale * h), row.array(scale * t)
        assert workflows.psf_error(*pair) == pytest.approx(want, rel=1e-12)
        assert workflows.shift_aligned_error(*pair) <= want * (1 + 1e-12)
    assert workflows.psf_error(row.array(h, "float32"), row.array(t)) == pytest.approx(want)
    for empty in (np.zeros((0, 3)), np.zeros((3, 0))):
        for error in (workflows.psf_error, workflows.shift_aligned_error):
            with pytest.raises(ValueError, match=r"psf has the shape .*; want entries"):
                error(row.array(empty), row.array(h))
            with pytest.raises(ValueError, match="truth is zero everywhere"):
                error(row.array(h), row.array(0 * h))


def test_the_errors_of_a_calibration_are_those_of_its_psfs():
    seen = []
    result = workflows.calibrate_psf(
        SHARP.astype("f4"),
        nl.Blur(PSF)(SHARP).astype("f4"),
        size=5,
        steps=3,
        truth=PSF.astype("f4"),
        callback=lambda *at: seen.append(at[2].copy()),
    )
    truth = PSF.astype("f4").astype(float)
    want = [np.linalg.norm(h - truth) / np.linalg.norm(truth) for h in seen]
    np.testing.assert_allclose(result.errors, want, rtol=1e-6)


def test_projection_is_that_of_the_simplex():
    result = workflows.calibrate_psf(
        SHARP, nl.Blur(PSF)(SHARP), size=5, method="projected-gradient", steps=1
    )
    again = optim.projections.simplex()(result.psf)
    np.testing.assert_allclose(again, result.psf, atol=1e-15)
