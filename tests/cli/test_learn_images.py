"""The command learn-trajectory on a set of images: what it learns, writes, says and refuses."""

import json
import signal
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from scans import violation

import nufftlib as nl
from nufftlib import mri, workflows
from nufftlib.cli import learn_images, learning
from nufftlib.nufft.engines.grid.cpu import engine
from nufftlib.plots import learning as figures

OUT = Path("out/trajectory")
LIMITS = ("--gmax", "40", "--smax", "180")
CURVES = {"training", "validation", "validation_worst"}
ARRAYS = CURVES | {
    f"{name}{which}"
    for name in ("image", "reconstruction", "reconstruction_start")
    for which in ("_worst", "_best")
}
FILES = {"result.npz", "result.json"}
DRAWN = {"figure.png", "report.html"}


def result(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


def names(folder=OUT):
    return {path.name for path in folder.iterdir()}


def scaled(images):
    return images / images.max(axis=(1, 2), keepdims=True)


def given(**changed):
    """Return what the command passes on of its own accord."""
    first, last = learning.learning_rate((24, 24))
    course = {"reconstruction": "adjoint", "loss": "mse", "epochs": 2, "batch": 2}
    return {**course, "learning_rate": (first, last), **changed}


def test_files_say_the_same_as_each_other_and_as_the_table(learn_set):
    done = learn_set()
    assert names() == FILES | DRAWN
    record, arrays = result()
    assert set(arrays) == ARRAYS | {"trajectory", "trajectory_start"}
    for name in CURVES:
        np.testing.assert_array_equal(record[name], arrays[name])
    assert (len(record["training"]), len(record["validation"])) == (2, 3)
    assert record["validation"][record["best_epoch"]] == min(record["validation"])
    assert (record["epochs"], record["stopped_early"], record["interrupted"]) == (2, False, False)
    assert (
        "Images of 24 x 24: 2 to learn from, 2 held out, 4 between them in neither" in done.stderr
    )
    assert "Learning on the CPU: 2 epochs, adjoint, mse, maps estimated\n" in done.stderr
    scores = record["scores"]
    assert [score["image"] for score in scores] == record["settings"]["held_out"]
    for when in ("start", "learned"):
        for kind, worst in (("loss", max), ("psnr", min), ("ssim", min)):
            values = [score[when][kind] for score in scores]
            assert record["mean"][when][kind] == pytest.approx(np.mean(values))
            assert record["worst"][when][kind] == worst(values)
        row = record["mean"][when]
        assert f"mean, {when}".ljust(14) + f"  {row['loss']:.4g}" in done.stdout
        assert f"{row['psnr']:.2f}" in done.stdout
        assert f"{record['worst'][when]['ssim']:.4f}\n" in done.stdout
    assert record["mean"]["learned"]["loss"] == pytest.approx(min(record["validation"]), rel=1e-4)
    assert record["worst"]["start"]["loss"] == pytest.approx(
        record["validation_worst"][0], rel=1e-4
    )
    assert f"the best after {record['best_epoch']} epoch" in done.stdout


def test_it_is_the_workflow_on_the_parts_of_the_set(learn_set):
    learn_set(
        "--no-figures", "--maps", "true", "--seed", "4", "--noise", "0.05", "--validate", "0.3"
    )
    assert names() == FILES
    record, arrays = result()
    with np.load("set.npz") as found:
        images = scaled(found["images"])
    training, held_out = workflows.load_images("set.npz").split(0.3)
    expected = workflows.learn_on_images(
        images[training],
        mri.birdcage_maps(3, (24, 24)),
        mri.trajectories.radial(8, 24),
        validation=images[held_out],
        **given(maps="true", seed=4, noise=0.05),
    )
    np.testing.assert_allclose(arrays["training"], expected.training, rtol=1e-4)
    np.testing.assert_allclose(arrays["validation"], expected.validation, rtol=1e-4)
    np.testing.assert_allclose(arrays["trajectory"], expected.trajectory, atol=1e-4)
    np.testing.assert_array_equal(arrays["trajectory_start"], expected.trajectory_start)
    settings = record["settings"]
    assert settings["held_out"] == [f"image {i}" for i in held_out]
    assert settings["training"] == [f"image {i}" for i in training]
    assert (settings["seed"], settings["noise"], settings["validate"]) == (4, 0.05, 0.3)
    losses = [score["learned"]["loss"] for score in record["scores"]]
    for which, place in (("worst", np.argmax(losses)), ("best", np.argmin(losses))):
        np.testing.assert_array_equal(arrays[f"image_{which}"], images[held_out][place])
        for part, k in (("", expected.trajectory), ("_start", expected.trajectory_start)):
            want = expected.reconstruct(k)[place]
            np.testing.assert_allclose(
                arrays[f"reconstruction{part}_{which}"], want, atol=0.02 * images.max()
            )


def passed_on(monkeypatch):
    """Return what the command passes to the workflow, which it stops."""
    passed = {}

    def stopped(images, coil_maps, trajectory, **settings):
        passed.update(images=images, coil_maps=coil_maps, trajectory=trajectory, **settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(workflows, "learn_on_images", stopped)
    return passed


def test_all_settings_are_passed_on(learn_set, monkeypatch):
    passed = passed_on(monkeypatch)
    learn_set(
        *("--reconstruction", "adjoint", "--loss", "mae", "--patience", "3", "--batch", "5"),
        *("--augment", "flips,phase", "--coils", "2", "--shots", "5"),
        code=130,
    )
    want = {"reconstruction": "adjoint", "loss": "mae", "patience": 3, "batch": 5, "epochs": 2}
    assert {name: passed[name] for name in want} == want
    assert passed["augment"] == workflows.Augmentation(flips=True, phase=learn_images.PHASE)
    assert passed["coil_maps"].shape == (2, 24, 24)
    assert passed["trajectory"].shape == (5, 24, 2)
    assert (passed["seed"], passed["protocol"], passed["fixed"]) == (0, None, None)
    learn_set("--augment", "turns,coils", "--size", "20", "--seed", "7", code=130)
    assert passed["augment"] == workflows.Augmentation(quarter_turns=True, coils=learn_images.RADII)
    assert passed["images"].shape == (2, 20, 20)
    np.testing.assert_array_equal(passed["images"].max(axis=(1, 2)), 1)
    np.testing.assert_array_equal(passed["trajectory"], mri.trajectories.radial(8, 24))  # no turn
    assert passed["seed"] == 7
    learn_set(code=130)
    assert passed["augment"] is passed["patience"] is None
    assert not OUT.joinpath("result.json").exists()


def test_without_held_out_images_the_training_chooses(learn_set):
    done = learn_set("--validate", "0")
    record, arrays = result()
    assert (record["validation"], record["scores"], record["mean"]) == ([], [], {})
    assert set(arrays) == CURVES | {"trajectory", "trajectory_start"}
    assert "Images of 24 x 24: 8 to learn from, 0 held out\n" in done.stderr
    assert "mean of an epoch" in done.stdout
    assert f"{min(record['training']):.4g}\n" in done.stdout
    assert names() == FILES | DRAWN


def test_slices_of_a_volume_have_its_field_of_view(learn_set):
    x = 1 + np.random.default_rng(0).random((24, 20, 12)).astype(np.float32)
    image = nibabel.Nifti1Image(x, np.diag([4.0, 5.0, 6.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, "head.nii")
    limits = (*LIMITS, "--samples", "32")
    volume = ("--images", "head.nii", "--slices", "2:11:2", *limits, "--no-figures")
    learn_set(*volume)
    record, arrays = result()
    assert record["settings"]["protocol"]["fov"] == pytest.approx([0.1, 0.096])
    assert record["settings"]["shape"] == [20, 24]
    assert record["settings"]["held_out"] == ["axial slice 6"]
    assert record["settings"]["training"] == ["axial slice 2", "axial slice 10"]
    learn_set(*volume, "--plane", "sagittal", "--size", "16", "--slices", "0:24", "--out", "sides")
    record, _ = result(Path("sides"))
    # Of 12 x 20 voxels of 6 x 5 mm the square of 12 x 12.
    assert record["settings"]["protocol"]["fov"] == pytest.approx([0.072, 0.06])
    learn_set(*volume, "--fov", "0.2", "--out", "given")
    record, arrays = result(Path("given"))
    protocol = mri.Protocol(mri.Scanner(40e-3, 180.0, 10e-6), 0.2, (20, 24))
    assert violation(arrays["trajectory"], protocol) <= 1e-12
    np.testing.assert_allclose(arrays["trajectory"][:, 0], 0, atol=1e-9)
    assert record["certificate"]["violation"] == 0
    assert {"trajectory.npz"} < names(Path("given"))


def test_volumes_of_several_fields_of_view_want_one(learn_set):
    Path("heads").mkdir()
    for i, voxel in enumerate((4.0, 5.0, 5.0)):
        x = 1 + np.random.default_rng(i).random((20, 20, 2)).astype(np.float32)
        image = nibabel.Nifti1Image(x, np.diag([voxel, voxel, 4.0, 1.0]))
        image.header.set_xyzt_units("mm")
        nibabel.save(image, f"heads/{i}.nii")
    heads = ("--images", "heads", "--no-figures", "--samples", "32")
    done = learn_set(*heads, *LIMITS, code=2)
    assert "--fov: the images have several fields of view in metres (0.08 x 0.08, 0.1 x 0.1)" in (
        done.output
    )
    learn_set(*heads, *LIMITS, "--fov", "0.1")
    held_out = result()[0]["settings"]["held_out"]
    assert held_out == ["1.nii, axial slice 0", "1.nii, axial slice 1"]
    learn_set(*heads, "--out", "free")  # no limits, no length


def test_a_scan_of_the_result_can_be_played(learn_set):
    pytest.importorskip("pypulseq")
    learn_set("--samples", "32", *LIMITS, "--pulseq", "--control-points", "8,16")
    assert names() == FILES | DRAWN | {"waveforms.png", "trajectory.npz", "trajectory.seq"}


def test_patience_ends_the_learning_and_is_reported(learn_set, monkeypatch):
    monkeypatch.setattr(learning, "LEARNING_RATE", (0.1, 0.1))  # too large
    done = learn_set("--epochs", "9", "--patience", "2", "--no-figures")
    record, _ = result()
    assert record["stopped_early"] is True
    assert record["epochs"] == record["best_epoch"] + 2 < 9
    assert f"{record['epochs']} epochs in " in done.stdout
    assert "ended by --patience" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_loses_no_epoch(learn_set, monkeypatch, number, code):
    mark = learn_images.Interrupts.step_done
    done = []

    def marked(self, *, last):
        mark(self, last=last)
        done.append(last)
        if len(done) == 3:  # the start, and two epochs
            signal.raise_signal(number)

    monkeypatch.setattr(learn_images.Interrupts, "step_done", marked)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        output = learn_set("--epochs", "5", code=code).output
    finally:
        signal.signal(signal.SIGINT, before)
    assert "after 2 of 5 epochs; the files hold the best" in output
    record, _ = result()
    assert (record["epochs"], record["interrupted"], len(record["scores"])) == (2, True, 2)
    drawn = DRAWN if number == signal.SIGINT else set()
    assert names() == FILES | drawn | {"checkpoint.npz"}


def test_the_figure_shows_the_worst_and_the_best_by_the_loss(learn_set, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "draw_learning_on_images", lambda *drawn: shown.extend(drawn[1]))
    learn_set("--validate", "0.4")
    record, arrays = result()
    by_loss = sorted(record["scores"], key=lambda score: score["learned"]["loss"])
    for example, want, which in zip(
        shown, (by_loss[-1], by_loss[0]), ("worst", "best"), strict=True
    ):
        assert example.name == want["image"]
        assert example.score.psnr == want["learned"]["psnr"]
        assert example.score_start.loss == want["start"]["loss"]
        np.testing.assert_array_equal(example.image, arrays[f"image_{which}"])
        np.testing.assert_array_equal(example.learned, arrays[f"reconstruction_{which}"])
        np.testing.assert_array_equal(example.start, arrays[f"reconstruction_start_{which}"])


def test_a_score_without_bound_is_null_in_the_record(learn_set, monkeypatch):
    learn = workflows.learn_on_images

    def exact(*args, **settings):
        result = learn(*args, **settings)
        scores = tuple(replace(score, psnr=np.inf) for score in result.scores)
        return replace(result, scores=scores)

    monkeypatch.setattr(workflows, "learn_on_images", exact)
    assert "  inf  " in learn_set("--no-figures").stdout
    record, _ = result()
    assert record["mean"]["learned"]["psnr"] is record["scores"][0]["learned"]["psnr"] is None
    assert record["worst"]["start"]["psnr"] > 0


# --- what is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--image", "brain.npy"), "--image is given with --images; want one of them"),
        (("--volume", "head.npy"), "--volume is given with --images; want one of them"),
        (("--steps", "5"), "--steps is given with --images; want --epochs"),
        (("--plane", "axial"), "no volume, and plane is axial"),
        (("--slices", "4:9"), "no volume, and slices is range(4, 9)"),
        (("--slices", "9:4"), "'9:4' is no range; want first:last or first:last:step"),
        (("--slices", "4"), "'4' is no range"),
        (("--slices", "1:9:0"), "'1:9:0' is no range"),
        (("--slices", "-3:9"), "'-3:9' is no range"),
        (("--slices", "a:b"), "'a:b' is no range"),
        (("--validate", "1"), "--validate"),
        (("--validate", "0.9"), "want some left to train with"),
        (("--validate", "0", "--patience", "3"), "--patience is given with --validate 0"),
        (("--epochs", "0"), "--epochs"),
        (("--batch", "0"), "--batch"),
        (("--noise", "-1"), "--noise"),
        (("--augment", "flips,shear"), "'shear' is not one of"),
        (("--loss", "l1"), "--loss"),
        (("--loss", "ms-ssim"), "want 176 or more along each axis"),
        (("--reconstruction", "grid"), "--reconstruction"),
        (("--size", "13"), "--size"),
        (("--images", "none.npz"), "none.npz: there is no such file"),
        (("--images", "small.npy"), "are of shape (12, 40); want at least 14 voxels"),
        (("--images", "dark.npy"), "largest value of image 1 is 0"),
        (("--images", "wide.npy", "--augment", "turns"), "want squares, as with --size"),
        (("--smax", "180"), "--smax is given; want --gmax and --smax with it"),
        (("--start", "golden-means-radial"), "none of"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_the_folder_is_made(learn_set, options, words):
    x = 1 + np.random.default_rng(0).random((6, 20, 40))
    np.save("wide.npy", x)
    np.save("small.npy", x[:, :12])
    np.save("dark.npy", x * np.asarray([1, 0, 1, 1, 1, 1])[:, None, None])
    assert words in learn_set(*options, code=2).output
    assert not OUT.exists()


@pytest.mark.parametrize(
    "options",
    [(f"--{name}", value) for name, value in {
        "plane": "axial", "slices": "1:2", "validate": "0", "epochs": "3", "batch": "2",
        "patience": "1", "noise": "0", "augment": "flips",
    }.items()],
)  # fmt: skip
def test_options_of_a_set_want_a_set(learn, options):
    output = learn(*options, code=2).output
    assert f"{options[0]} is given; want --images with it" in output
    assert not OUT.exists()


def test_pictures_of_a_folder_are_one_size_or_resized(learn_set):
    Path("pictures").mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        size = (30 + i // 3, 40, 3)
        Image.fromarray(rng.integers(0, 255, size, np.uint8)).save(f"pictures/{i}.png")
    folder = ("--images", "pictures", "--no-figures")
    output = learn_set(*folder, code=2).output
    assert "3.png (31, 40)" in output
    assert "want one shape, or a size" in output
    learn_set(*folder, "--size", "24")
    settings = result()[0]["settings"]
    assert (settings["training"], settings["held_out"]) == (["3.png"], ["1.png"])


def test_solves_that_end_early_are_told_once(capsys):
    with learning.solves_told():
        for last in ("first", "second"):
            warnings.warn(last, nl.NotConvergedWarning, stacklevel=1)
    said = capsys.readouterr().err
    assert "before their tolerance: 2." in said
    assert said.endswith("The last one: second\n")
    with learning.solves_told(), pytest.warns(UserWarning, match="another"):
        warnings.warn("another", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == ""


def test_a_cluster_learns_the_same_as_one_process_from_files_that_workers_read(
    learn_set, dask_pool, monkeypatch
):
    """Nothing of `load_images` is called; the record says who computed."""
    zarr = pytest.importorskip("zarr")
    with np.load("set.npz") as arrays:
        images = arrays["images"]
    zarr.create_array("set.zarr", data=images, chunks=(1, *images.shape[1:]))
    monkeypatch.setattr(workflows, "load_images", None)
    asked = []

    @contextmanager
    def connect(*arguments):
        asked.append(arguments)
        yield dask_pool

    monkeypatch.setattr("nufftlib.interop.dask.connect", connect)
    # Workers take as many coils at a time as this process does in tests.
    dask_pool.client.run(lambda: setattr(engine, "COILS", 2))
    more = ("--images", "set.zarr", "--no-figures", "--maps", "ones")
    learn_set(*more, "--out", "alone")
    learn_set(*more, "--cluster", "local", "--workers", "2", "--out", "cluster")
    learn_set(*more, "--cluster", "tcp://10.0.0.1:8786", "--out", "other")
    assert asked == [(None, 2), ("tcp://10.0.0.1:8786", None)]
    one, found, _ = (result(Path(name))[0] for name in ("alone", "cluster", "other"))
    assert (found["settings"]["cluster"], found["settings"]["workers"]) == ("local", 2)
    assert "dask" in found["versions"]
    assert "dask" not in one["versions"]
    bits = {Path(name, "result.npz").read_bytes() for name in ("alone", "cluster", "other")}
    assert len(bits) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--workers", "2"), "--workers is given; want --cluster with it"),
        (("--cluster", "local", "--device", "cuda"), "--device cuda is given with --cluster"),
        (("--cluster", "Local"), "'--cluster': 'Local'; want a host and a port"),
        (("--cluster", "nowhere:1"), "--cluster nowhere:1: connect: nobody answers at nowhere:1"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(learn_set, more, said, monkeypatch):
    pools = pytest.importorskip("nufftlib.interop.dask.pool")
    monkeypatch.setattr(pools, "PATIENCE", 0.3)
    monkeypatch.setattr(learn_images, "open_device", lambda _: None)
    done = learn_set(*more, code=1 if "nowhere:1" in more else 2)
    assert said in " ".join(done.output.split())
