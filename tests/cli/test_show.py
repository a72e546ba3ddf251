"""The command show: its table, its picture, and what it asks for."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nufftlib import io, mri
from nufftlib.cli import app
from nufftlib.cli import show as module

SCANNER = mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
SCAN = mri.Protocol(SCANNER, fov=(0.24, 0.18), shape=(32, 24))
K = mri.trajectories.radial(8, 64, dtype=np.float64)


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Return what runs the command, in a folder with some files."""
    monkeypatch.chdir(tmp_path)
    io.save_trajectory("scan.npz", K, SCAN)
    io.write_bart("bart.cfl", K, (32, 24))
    np.save("points.npy", 256 * K.astype(np.float32))

    def run(*arguments, code=0):
        result = CliRunner().invoke(app.cli, ["show", *arguments])
        assert result.exit_code == code, result.output
        return result.output

    return run


def rows(output):
    """Return the table."""
    lines = [line for line in output.splitlines() if line.startswith("  ")]
    return {line[2:16].strip(): line[16:] for line in lines}


def test_points_near_the_centre_have_no_width(show):
    np.save("points.npy", 1e-3 * K)
    found = rows(show("points.npy", "--unit=cycles per voxel", "--shape=32,24"))
    assert found["point spread"].startswith("wider than the image: the points stay near the")


def test_the_table_says_what_the_functions_say(show):
    output = show("scan.npz")
    found, shape = rows(output), np.asarray(SCAN.shape)
    assert output.startswith("scan.npz (nufftlib)\n")
    assert output.endswith("\nscan.png\n")
    assert found["shots"] == "8 of 64 samples, 10 us apart"
    assert found["image"] == "32 x 24 voxels, field of view 0.24 x 0.18 m"
    assert found["axis 0"] == found["axis 1"] == "-0.5 to 0.5 cycles/voxel"
    report = mri.check_trajectory(K, SCAN)
    assert found["gradient"] == f"{report.gradient.ratio:.4g} of the limit 40 mT/m"
    assert found["slew rate"] == f"{report.slew.ratio:.4g} of the limit 180 T/m/s  exceeded"
    hole, spread = mri.largest_hole(K * shape), mri.point_spread(K, SCAN.shape)
    at = ", ".join(f"{x:z.3f}" for x in hole.centre / shape)
    assert found["largest hole"] == f"radius {hole.radius:.3g}/FOV, at ({at}) cycles/voxel"
    widths = " x ".join(f"{w:.3g}" for w in spread.widths)
    side = 20 * np.log10(spread.sidelobe)
    said = f"{widths} voxels wide (FWHM), largest sidelobe {side:.1f} dB"
    assert found["point spread"] == said


def test_the_picture_is_that_of_the_plots(show, monkeypatch):
    from nufftlib import plots

    given = []
    draw = plots.draw_overview

    def spy(k, shape, file, **settings):
        given.append((k, shape, settings))
        draw(k, shape, file, **settings)

    monkeypatch.setattr(plots, "draw_overview", spy)
    show("scan.npz", "--shot", "3", "--out", "page.png")
    ((k, shape, settings),) = given
    np.testing.assert_array_equal(k, K)
    assert (shape, settings["protocol"], settings["shot"]) == (SCAN.shape, SCAN, 3)
    with Image.open("page.png") as picture:
        assert picture.format == "PNG"
    assert not Path("scan.png").exists()


def test_a_file_without_limits_has_no_rows_of_them(show):
    found = rows(show("bart.cfl", "--shape", "32,24"))
    assert {"gradient", "slew rate"}.isdisjoint(found)
    assert found["shots"] == "8 of 64 samples"
    assert found["image"] == "32 x 24 voxels"


def test_limits_may_be_given(show):
    limits = ("--gmax", "40", "--smax", "180", "--raster", "10", "--fov", "0.24,0.18")
    found, want = rows(show("bart.cfl", "--shape", "32,24", *limits)), rows(show("scan.npz"))
    assert (found["gradient"], found["slew rate"]) == (want["gradient"], want["slew rate"])
    other = rows(show("scan.npz", "--gmax", "20", "--smax", "100", "--force"))
    report = mri.check_trajectory(K, SCAN)
    assert other["gradient"] == f"{2 * report.gradient.ratio:.4g} of the limit 20 mT/m"
    assert other["slew rate"].startswith(f"{1.8 * report.slew.ratio:.4g} of the limit 100 T/m/s")


def test_a_part_of_a_shot_need_not_be_at_rest(show):
    pytest.importorskip("ismrmrd")
    io.write_mrd("scan.h5", K, (32, 24), (0.24, 0.18), sample_time=10e-6)
    found = rows(show("scan.h5", "--gmax", "40", "--smax", "180"))
    assert float(found["slew rate"].split()[0]) < 1e-3  # spokes are straight
    assert found["shots"] == "8 of 64 samples, 10 us apart"


def test_the_unit_of_an_array_is_asked_for(show):
    said = show("points.npy", code=2)
    assert "--unit is not given, and points.npy does not say it; its coordinates go up to" in said
    found = rows(show("points.npy", "--unit", "1/fov", "--shape", "256,256"))
    assert found["axis 0"] == "-0.5 to 0.5 cycles/voxel"
    other = rows(show("points.npy", "--unit", "1/fov", "--shape", "128,128", "--force"))
    assert other["axis 0"] == "-1 to 1 cycles/voxel  beyond 0.5, the end of the band"


def test_a_volume_is_shown(show):
    k = np.pad(K, ((0, 0), (0, 0), (0, 1)))
    k[..., 2] = np.linspace(-0.4, 0.4, 8)[:, None]
    np.save("volume.npy", k)
    found = rows(show("volume.npy", "--unit", "cycles per voxel", "--shape", "16,16,8"))
    assert found["axis 2"] == "-0.4 to 0.4 cycles/voxel"
    assert found["point spread"].count(" x ") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.npz"], 2, "none.npz: there is no such file"),
        (["scan.txt"], 2, "the suffix is '.txt'; want one of"),
        (
            ["bart.cfl"],
            2,
            "--shape is not given, and bart.cfl is in '1/fov'; want the voxels along",
        ),
        (["points.npy", "--unit", "cycles per voxel"], 2, "want --shape, the voxels along each"),
        (["scan.npz", "--shape", "8,8"], 2, "(8, 8), and scan.npz has (32, 24); want the same, or"),
        (["scan.npz", "--shape", "8x8"], 2, "Invalid value for '--shape'"),
        (["scan.npz", "--fov", "0"], 2, "Invalid value for '--fov'"),
        (["scan.npz", "--unit", "mm"], 2, "Invalid value for '--unit'"),
        (["scan.npz", "--shot", "8"], 2, "8, and there are 8 shots; want at most 7"),
        (["scan.npz", "--gmax", "40"], 2, "--gmax is given; want --gmax and --smax with it"),
        (["scan.npz", "--raster", "10"], 2, "--raster is given; want --gmax and --smax with it"),
        (
            ["scan.npz", "--gmax", "40", "--smax", "180", "--raster", "4"],
            2,
            "the samples of scan.npz are 10 us apart; leave it out",
        ),
        (
            ["bart.cfl", "--shape", "32,24", "--gmax", "40", "--smax", "180"],
            2,
            "does not say the time between two samples; want --raster",
        ),
        (
            ["bart.cfl", "--shape", "32,24", "--gmax", "40", "--smax", "180", "--raster", "10"],
            2,
            "does not say the field of view; want --fov",
        ),
        (["scan.npz", "--gmax", "40000", "--smax", "180"], 2, "the units are T/m"),
        (["scan.npz", "--out", "page.pdf"], 1, "want a name that ends with .png"),
        (["scan.npz", "--out", "no/page.png"], 1, "no is no folder; want one that exists"),
    ],
)
def test_what_is_missing_or_odd_is_said_before_anything_is_computed(
    show, monkeypatch, arguments, code, said
):
    monkeypatch.setattr(module.nl.mri, "largest_hole", None)
    output = show(*arguments, code=code)
    assert said in output
    assert not list(Path.cwd().glob("*.png"))


def test_a_trajectory_of_one_axis_is_refused(show):
    np.save("line.npy", K[..., :1])
    assert "has one axis; want two or three" in show(
        "line.npy", "--unit", "1/m", "--shape", "8", "--fov", "0.2", code=1
    )


def test_a_picture_is_overwritten_by_force_alone(show):
    Path("scan.png").write_bytes(b"mine")
    assert "this file is there; give another one, or --force" in show("scan.npz", code=1)
    assert Path("scan.png").read_bytes() == b"mine"
    show("scan.npz", "--force")
    assert Path("scan.png").read_bytes()[1:4] == b"PNG"
    Path("folder.png").mkdir()
    assert "this is a folder; want a file" in show("scan.npz", "--out", "folder.png", code=1)


def test_a_picture_that_cannot_be_written_is_an_error(show, monkeypatch):
    from nufftlib import plots

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "draw_overview", full)
    assert "--out scan.png: the picture cannot be written" in show("scan.npz", code=1)
    assert not list(Path.cwd().glob("*.png"))
    assert not list(Path.cwd().glob(".*"))
