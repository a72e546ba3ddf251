"""What the figures say."""

import dataclasses
import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import nufftlib as nl
from nufftlib import workflows
from nufftlib.plots import animation, calibration, learned, learning

RNG = np.random.default_rng(0)
FALLS, RISES = [4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 1.0, 2.0]


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of figures that are drawn."""
    drawn = []
    for module in (calibration, learned, learning):
        monkeypatch.setattr(module, "save", lambda figure, _: drawn.append(figure))
    return drawn


def calibrated(losses):
    psf = RNG.random((5, 5))
    errors = [1.0 / (1 + i) for i in range(len(losses))]
    return workflows.CalibratedPSF(losses, 1.0, False, psf, psf, errors, False, 0.1, "general")


def pair(truth=None, deviations=None):
    sharp, blurred = RNG.random((3, 12, 12)), RNG.random((3, 8, 8))
    return calibration.Pair(sharp, blurred, "valid", truth, deviations)


def learned_plane(losses):
    k, x = RNG.uniform(-0.5, 0.5, (2, 3, 4, 2)), RNG.random((2, 8, 8))
    return workflows.LearnedTrajectory(losses, 1.0, False, *k, *x)


def titles(figure):
    return [axes.get_title(loc) for axes in figure.axes for loc in ("center", "left")]


def dots(axes):
    return [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]


@pytest.mark.parametrize(
    ("losses", "best", "said"),
    [(FALLS, [3, 1.0], "after 3 steps"), (RISES, [2, 1.0], "after 2 of 3 steps")],
)
def test_both_jobs_say_which_step_they_show_and_mark_it(drawn, losses, best, said):
    falls = ",\nits loss still falling" if losses is FALLS else ""
    learned.draw_learning(RNG.random((8, 8)), learned_plane(losses), None)
    fit = calibration.Fit("adam", calibrated(losses), 0.1, 0.5)
    calibration.draw_calibration(pair(RNG.random((5, 5))), [fit], None)
    of_learning, of_calibration = drawn
    for what in ("Reconstruction", "Error", "Trajectory"):
        assert f"{what} {said}" in titles(of_learning)
    assert f"Adam:\nPSF {said}{falls}" in titles(of_calibration)
    assert [dot for axes in of_learning.axes for dot in dots(axes)] == [[best]]
    # On the losses and, at the same step, on the errors of the PSF.
    assert [dot for axes in of_calibration.axes for dot in dots(axes)] == [
        [best],
        [[best[0], pytest.approx(1 / (1 + best[0]))]],
    ]


def test_colour_bars_say_what_they_measure(drawn):
    learned.draw_learning(RNG.random((8, 8)), learned_plane(FALLS), None)
    labels = {axes.get_ylabel() for axes in drawn[0].axes[0].figure.axes} | {
        child.get_ylabel() for axes in drawn[0].axes for child in axes.child_axes
    }
    assert {"relative signal, one scale for all three", "reconstruction - image"} <= labels


def test_legend_is_outside_of_the_curves_and_the_pictures_are_to_one_scale(drawn):
    fit = calibration.Fit("adam", calibrated(FALLS), 0.1, 0.5)
    calibration.draw_calibration(pair(RNG.random((5, 5))), [fit], None)
    (figure,) = drawn
    FigureCanvasAgg(figure).draw()
    left, right = figure.axes[:2]
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    # Pixel (0, 0) of the valid part is where the PSF is wholly within the sharp picture.
    assert right.images[0].get_extent() == [1.5, 9.5, 9.5, 1.5]
    (axes,) = (axes for axes in figure.axes if axes.get_legend())
    assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1


def test_pictures_are_shown_in_the_range_of_the_sharp_one(drawn):
    problem = pair()
    fit = calibration.Fit("adam", calibrated(FALLS), None, None)
    for scale, offset in ((1, 0), (4000, -100)):
        same = problem._replace(
            sharp=scale * problem.sharp + offset, blurred=scale * problem.blurred + offset
        )
        calibration.draw_calibration(same, [fit], None)
    one, other = (figure.axes[:2] for figure in drawn)
    for i in range(2):
        shown = one[i].images[0].get_array()
        assert 0 < np.ptp(shown) <= 1
        np.testing.assert_allclose(other[i].images[0].get_array(), shown, atol=1e-6)


def test_last_frame_is_named_after_its_step():
    assert animation.step_caption(3, FALLS) == "Step 3 of 3, the best: loss 1"
    assert animation.step_caption(2, RISES) == "Step 2 of 3, the best: loss 1"
    assert animation.step_caption(3, RISES) == "Step 3 of 3: loss 2"


def test_animation_may_go_back_to_the_best():
    frames = [animation.Frame(i, RNG.random((2, 3, 2)), RNG.random((4, 4))) for i in (0, 3, 2)]
    file = io.BytesIO()
    animation.animate_learning(frames, RISES, file)
    with Image.open(file) as gif:
        assert gif.n_frames == 3


def test_without_a_true_psf_nothing_is_said_of_it(drawn):
    fit = calibration.Fit("spectral", dataclasses.replace(calibrated(FALLS), errors=[]), None, None)
    calibration.draw_calibration(pair(), [fit], None)
    said = titles(drawn[0])
    assert not any("true" in title or "error" in title for title in said)
    assert any(title.startswith("Residual") for title in said)


def test_the_residual_is_that_of_the_psf_that_is_shown(drawn):
    problem = pair()
    fit = calibration.Fit("spectral", calibrated(FALLS), None, None)
    calibration.draw_calibration(problem, [fit], None)
    (axes,) = (a for a in drawn[0].axes if a.get_title().startswith("Residual"))
    want = problem.blurred - nl.Blur(fit.result.psf)(problem.sharp)
    np.testing.assert_allclose(axes.images[0].get_array(), want.mean(axis=0))
    assert axes.get_title().endswith(f"root mean square {np.sqrt(np.mean(want**2)):.3g}")


def test_deviations_of_the_components_are_drawn_in_percent(drawn):
    fit = calibration.Fit("adam", calibrated(FALLS), None, None)
    calibration.draw_calibration(pair(deviations=np.asarray([0.001, 0.02, np.inf])), [fit], None)
    (axes,) = (a for a in drawn[0].axes if a.get_title().startswith("Noise of the PSF's"))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.1, 2.0, np.inf])


def learned_volume(losses, shape=(8, 9, 10), shots=5):
    k, x = RNG.uniform(-0.5, 0.5, (2, shots, 40, 3)), RNG.random((2, *shape))
    return workflows.LearnedTrajectory(losses, 1.0, False, *k, *x)


def test_a_volume_is_shown_by_its_three_middle_planes(drawn):
    x, result = RNG.random((8, 9, 10)), learned_volume(FALLS)
    learned.draw_learning(x, result, None)
    pictures = [axes for axes in drawn[0].axes if axes.images]
    shown = [axes.images[0].get_array() for axes in pictures]
    volumes = (x, result.reconstruction_start, result.reconstruction, result.reconstruction - x)
    want = [
        plane
        for v in volumes
        for plane in (v[:, :, 5], v[4].T[::-1], v[:, 4].T[::-1])  # the last axis runs up
    ]
    assert len(shown) == 12
    for got, plane in zip(shown, want, strict=True):
        np.testing.assert_array_equal(got, plane)
    said = [text.get_text() for axes in pictures for text in axes.texts]
    assert said[:2] == ["axis 0, down", "axis 1 (axis 2 at 5)"]
    assert said[2:4] == ["axis 2, up", "axis 1 (axis 0 at 4)"]
    assert said[4:] == ["axis 2, up", "axis 0 (axis 1 at 4)"]
    assert "Reconstruction after 3 steps" in titles(drawn[0])


def test_shots_in_space_are_lines_with_gaps_between_them(drawn):
    result = learned_volume(FALLS)
    learned.draw_learning(RNG.random((8, 9, 10)), result, None)
    start, end, centre = (axes for axes in drawn[0].axes if axes.name == "3d")
    for axes, k in ((start, result.trajectory_start), (end, result.trajectory)):
        lines = np.stack(axes.lines[0].get_data_3d(), axis=-1).reshape(5, 41, 3)
        np.testing.assert_array_equal(lines[:, :-1], k)
        assert np.isnan(lines[:, -1]).all()
        np.testing.assert_array_equal(np.stack(axes.lines[1].get_data_3d(), axis=-1), k[2])
    seen = np.stack(centre.lines[0].get_data_3d(), axis=-1).reshape(5, 41, 3)[:, :-1]
    inside = np.abs(result.trajectory).max(axis=-1) <= 0.1
    np.testing.assert_array_equal(seen[inside], result.trajectory[inside])
    assert np.isnan(seen[~inside]).all()


def test_a_volume_moves_in_every_frame():
    result = learned_volume(FALLS)
    frames = [
        animation.Frame(0, result.trajectory_start, result.reconstruction_start),
        animation.Frame(3, result.trajectory, result.reconstruction),
    ]
    file = io.BytesIO()
    animation.animate_learning(frames, FALLS, file)
    with Image.open(file) as gif:
        pictures = []
        for i in range(2):
            gif.seek(i)
            pictures.append(np.asarray(gif.convert("RGB")).astype(int))
    moved = (pictures[0] != pictures[1]).any(axis=-1)
    third = moved.shape[1] // 3
    assert moved[100:300, :third].any()
    middle = moved[:, third : 2 * third]
    for rows, columns in (((60, 180), (20, 130)), ((60, 180), (180, 290)), ((240, 350), (20, 130))):
        assert middle[slice(*rows), slice(*columns)].mean() > 0.5


# --- a trajectory learned on a set of images


def learned_on_set(training, validation, best):
    k = RNG.uniform(-0.5, 0.5, (2, 3, 4, 2))
    worst = [1.5 * loss for loss in validation]
    end, start = (
        tuple(workflows.ImageScore(i, 20.0 + i, 0.1 * i) for i in pair) for pair in ((1, 2), (2, 3))
    )
    scores = (end, start) if validation else ((), ())
    losses = validation or training
    return workflows.LearnedOnImages(
        losses, 1.0, False, *k, training, validation, worst, best, False, *scores, None
    )


def examples(result):
    pictures = RNG.random((2, 3, 8, 8))
    return [
        learning.Example(name, *images, result.scores_start[i], result.scores[i])
        for i, (name, images) in enumerate(zip(("axial slice 7", "b.png"), pictures, strict=True))
    ]


def test_the_course_on_a_set_has_both_curves_and_its_best(drawn):
    learning.draw_learning_on_images(learned_on_set([3.0, 2.0], [4.0, 1.0, 2.0], 1), [], None)
    (figure,) = drawn
    course = figure.axes[0]
    assert course.get_title("left") == "Loss"
    lines = {line.get_label(): line.get_xydata().tolist() for line in course.lines}
    assert lines == {
        "training": [[0.5, 3.0], [1.5, 2.0]],  # the mean of an epoch is at its middle
        "held out, mean": [[0, 4.0], [1, 1.0], [2, 2.0]],
        "worst of them": [[0, 6.0], [1, 1.5], [2, 3.0]],
        "best, after 1 of 2 epochs": [[1, 1.0]],
    }
    assert course.get_yscale() == "log"
    FigureCanvasAgg(figure).draw()
    legend = course.get_legend().get_window_extent()
    assert legend.y0 >= course.get_window_extent().y1
    assert legend.x0 > course.get_window_extent().x0 + 60  # right of the title


def test_without_held_out_images_the_best_of_training_is_marked(drawn):
    learning.draw_learning_on_images(learned_on_set([3.0, 2.0, 2.5], [], 2), [], None)
    (figure,) = drawn
    assert [dot for axes in figure.axes for dot in dots(axes)] == [[[1.5, 2.0]]]
    assert len([axes for axes in figure.axes if axes.images]) == 0
    assert "Trajectory after 2 of 3 epochs" in titles(figure)


def test_held_out_images_are_shown_with_start_and_learned_and_their_errors(drawn):
    result = learned_on_set([3.0, 2.0], [4.0, 1.0, 0.5], 2)
    shown = examples(result)
    learning.draw_learning_on_images(result, shown, None)
    (figure,) = drawn
    pictures = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in pictures] == [
        "Worst of the held-out images:\naxial slice 7",
        "At the start:\nPSNR 22.0 dB, SSIM 0.200",
        "Learned, after 2 epochs:\nPSNR 21.0 dB, SSIM 0.100",
        "Error at the start",
        "Error after 2 epochs",
        "Best of the held-out images:\nb.png",
        "At the start:\nPSNR 23.0 dB, SSIM 0.300",
        "Learned, after 2 epochs:\nPSNR 22.0 dB, SSIM 0.200",
        "Error at the start",
        "Error after 2 epochs",
    ]
    for row, example in zip((pictures[:5], pictures[5:]), shown, strict=True):
        x, start, learned = example.image, example.start, example.learned
        for axes, want in zip(row, (x, start, learned, start - x, learned - x), strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), want)
        assert {axes.images[0].get_clim() for axes in row[:3]} == {(0, x.max())}
    (scale,) = {axes.images[0].get_clim() for row in (pictures[3:5], pictures[8:]) for axes in row}
    assert scale[0] == -scale[1]
    errors = [abs(z - x.image) for x in shown for z in (x.start, x.learned)]
    assert scale[1] == max(np.quantile(error, 0.995) for error in errors)
    k_start, k_end, centre = (axes for axes in figure.axes if "rajectory" in axes.get_title())
    for axes, k in ((k_start, result.trajectory_start), (k_end, result.trajectory)):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), k[..., 1].ravel())
    assert centre.get_xlim()[1] < 0.11
