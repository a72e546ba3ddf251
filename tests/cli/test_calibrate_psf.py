import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nufftlib import workflows
from nufftlib.cli import app, calibrate_psf

OUT = Path("out/psf")
METHODS = ("projected-gradient", "adam", "adamw")


def result(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


def test_files_say_the_same_as_each_other_and_as_the_table(calibrate):
    output = calibrate().output
    names = {"result.npz", "figure.png", "result.json"}
    assert {path.name for path in OUT.iterdir()} == names
    assert all(str(OUT / name) in output for name in names)
    record, arrays = result()
    assert tuple(record["methods"]) == METHODS
    assert set(arrays) == {
        "psf_true",
        "psf_start",
        "sharp",
        "blurred",
        *(f"{what}_{name}" for what in ("psf", "losses") for name in METHODS),
    }
    truth = arrays["psf_true"]
    for name, row in record["methods"].items():
        losses, psf = arrays[f"losses_{name}"], arrays[f"psf_{name}"]
        assert (row["loss_start"], row["loss_final"]) == (losses[0], losses.min())
        assert row["steps"] == len(losses) - 1 == 4
        assert row["step_best"] == losses.argmin()
        assert f"Calibrating on the CPU: {name}, 4 steps\n" in output
        assert f"\n  {row['loss_of_true_psf']:.4g}  {name}\n" in output
        assert row["seconds"] > 0
        error = np.linalg.norm(psf - truth) / np.linalg.norm(truth)
        assert row["psf_error"] == pytest.approx(error, rel=1e-5)
        assert f"{error:.2%}" in output
        np.testing.assert_allclose(psf.sum(), 1, rtol=1e-5)
    assert record["interrupted"] is False
    assert record["settings"]["steps"] == dict.fromkeys(METHODS, 4)
    assert record["settings"]["seed"] == 0


def test_loss_of_the_true_psf_is_that_of_the_noise(calibrate):
    calibrate("--no-figures")
    record, arrays = result()
    floors = {name: row["loss_of_true_psf"] for name, row in record["methods"].items()}
    # Of 3 x 40 x 40 samples the mean square is known to 2 % of its value.
    assert arrays["blurred"].shape == (3, 40, 40)
    assert floors["adam"] == floors["projected-gradient"]
    assert floors["adam"] == pytest.approx(0.5 * 0.02**2, rel=0.1)
    assert floors["adamw"] == pytest.approx(0.02 * np.sqrt(2 / np.pi), rel=0.05)


def test_arrays_are_those_of_the_workflow(calibrate):
    calibrate("--no-figures", "--seed", "7")
    record, arrays = result()
    sharp = np.load("astronaut.npy")
    truth, blurred = workflows.simulate_blur(sharp, size=9, noise=0.02, seed=7)
    assert record["settings"]["seed"] == 7
    np.testing.assert_array_equal(arrays["sharp"], sharp)
    np.testing.assert_array_equal(arrays["psf_true"], truth)
    np.testing.assert_array_equal(arrays["blurred"], blurred)
    for name in METHODS:
        expected = workflows.calibrate_psf(sharp, blurred, method=name, size=9, steps=4)
        np.testing.assert_allclose(arrays[f"psf_{name}"], expected.psf, atol=1e-5)
        np.testing.assert_allclose(arrays[f"losses_{name}"], expected.losses, rtol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_one_method_with_its_own_number_of_steps(monkeypatch, name):
    recipe = calibrate_psf.RECIPES[name]
    monkeypatch.setitem(calibrate_psf.RECIPES, name, recipe._replace(steps=2))
    app.cli(
        ["calibrate-psf", "--image", "astronaut.npy", "--method", name],
        standalone_mode=False,
    )
    record, arrays = result()
    assert list(record["methods"]) == [name]
    assert record["methods"][name]["steps"] == 2
    assert record["settings"]["steps"] == {name: 2}
    assert [key for key in arrays if key.startswith("losses")] == [f"losses_{name}"]
    with Image.open(OUT / "figure.png") as figure:
        assert figure.size == (1820, 884)


def test_no_figures_writes_no_pictures(calibrate):
    calibrate("--no-figures")
    assert {path.name for path in OUT.iterdir()} == {"result.npz", "result.json"}


def test_grey_png_is_calibrated_and_drawn(calibrate):
    grey = np.round(255 * np.load("astronaut.npy")[0]).astype(np.uint8)
    Image.fromarray(grey).save("grey.png")
    calibrate("--image", "grey.png", "--method", "adam")
    _, arrays = result()
    np.testing.assert_array_equal(arrays["sharp"], grey[None] / np.float32(255))
    assert (OUT / "figure.png").exists()


def test_interrupted_run_writes_the_methods_so_far(calibrate, monkeypatch):
    run = workflows.calibrate_psf

    def pressed(*args, method, **kwargs):
        def press(step, *_):
            if method == "adam" and step == 1:
                raise KeyboardInterrupt

        return run(*args, method=method, **{**kwargs, "callback": press})

    monkeypatch.setattr(workflows, "calibrate_psf", pressed)
    output = calibrate(code=130).output
    assert "Interrupted in adam after 2 of 4 steps; adamw: not run; " in output
    record, arrays = result()
    assert record["interrupted"] is True
    assert {name: row["steps"] for name, row in record["methods"].items()} == {
        "projected-gradient": 4,
        "adam": 2,
    }
    assert "psf_adamw" not in arrays
    assert (OUT / "figure.png").exists()
