import json
import os
import signal
from pathlib import Path

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import nufftlib as nl
from nufftlib import io, workflows
from nufftlib.cli import app
from nufftlib.cli.reconstruct import widened
from nufftlib.data import brain

OUT = Path("out/reconstruct")
SHAPE = (32, 32)
K = nl.mri.trajectories.radial(24, 64)
S = nl.mri.birdcage_maps(4, SHAPE)
FILES = ["figure.png", "image.nii.gz", "image.png", "result.json", "result.npz"]


@pytest.fixture(autouse=True)
def scan():
    """Write two frames of a brain, one of half the signal."""
    x = brain()[::8, ::8]
    y = nl.NUFFT(K, SHAPE, norm="ortho")(S * np.stack([x, 0.5 * x])[:, None])
    rng = np.random.default_rng(0)
    n = rng.standard_normal((2, *y.shape)).astype(np.float32)
    y = y + 0.01 * (n[0] + 1j * n[1])
    np.savez("scan.npz", data=y, trajectory=K, shape=SHAPE, fov=(0.24, 0.24), sample_time=5e-6)
    return y


def run(*more, code=0, name="scan.npz"):
    result = CliRunner().invoke(app.cli, ["reconstruct", name, *more])
    assert result.exit_code == code, result.output
    return result.output


def written(folder=OUT):
    with np.load(folder / "result.npz") as arrays:
        return json.loads((folder / "result.json").read_text()), dict(arrays)


def test_files_are_those_of_the_workflow(scan):
    np.savez("maps.npz", maps=S)
    output = run("--coil-maps=maps.npz", "--method=tv", "--steps=5")
    record, arrays = written()
    assert sorted(os.listdir(OUT)) == FILES
    assert arrays["image"].shape == (2, *SHAPE)
    for i, y in enumerate(scan):
        want = workflows.reconstruct(y, K, SHAPE, method="tv", maps=S, steps=5)
        np.testing.assert_allclose(arrays["image"][i], want.image, atol=2e-3)
        assert record["frames"][i]["weight"] == pytest.approx(want.weight, rel=1e-3)
        assert record["frames"][i]["noise"] == pytest.approx(want.noise, rel=1e-3)
        assert record["frames"][i]["steps"] == 5
    assert "tv, 2 frames of 4 coils and 1536 samples, 32 x 32 voxels" in output
    assert "frame 1 (2 of 2)" in output
    shown = np.asarray(Image.open(OUT / "image.png"))
    assert shown.shape == (32, 64)
    assert shown.max() == 255
    volume = nibabel.load(OUT / "image.nii.gz")
    assert volume.shape == (32, 32, 1, 2)
    np.testing.assert_allclose(volume.header.get_zooms()[:2], 7.5)
    np.testing.assert_allclose(volume.affine @ [16, 16, 0, 1], [0, 0, 0, 1])
    values = np.moveaxis(volume.get_fdata()[:, :, 0], -1, 0)
    np.testing.assert_allclose(values, np.abs(arrays["image"]), atol=1e-5)


def test_maps_are_estimated_once_from_all_frames(scan):
    run("--no-figures")
    _, arrays = written()
    whole = np.concatenate(list(scan), axis=1)
    want = workflows.reconstruct(whole, np.concatenate([K, K]), SHAPE, steps=1)
    np.testing.assert_allclose(np.abs(arrays["maps"]), np.abs(want.maps), atol=1e-3)


def test_frames_are_joined_and_divided():
    run("--frames=1", "--no-figures")
    assert written()[1]["image"].shape == (1, *SHAPE)
    output = run("--frames=7", "--force", code=2)
    assert "'--frames': 7, and the scan has 2 of 24 shots; want 1 or 2" in output


def test_coil_maps_of_bart():
    with open("maps.hdr", "w", encoding="ascii") as header:
        header.write("# Dimensions\n32 32 1 4\n")
    np.moveaxis(S, 0, -1).ravel(order="F").tofile("maps.cfl")
    run("--coil-maps=maps.cfl", "--no-figures", "--steps=2")
    np.testing.assert_allclose(written()[1]["maps"], S, atol=1e-6)
    with open("two.hdr", "w", encoding="ascii") as header:
        header.write("# Dimensions\n32 32 1 4 2\n")
    np.moveaxis(np.stack([S, S]), (0, 1), (-1, -2)).ravel(order="F").tofile("two.cfl")
    assert "it holds 2 arrays, such as sets of maps; want one" in " ".join(
        run("--coil-maps=two.cfl", "--force", code=2).split()
    )


def test_one_coil_has_a_map_of_ones(scan):
    np.savez("scan.npz", data=scan[:, :1], trajectory=K.astype(float), shape=SHAPE)
    run("--no-figures", "--steps=2")
    assert np.array_equal(written()[1]["maps"], np.ones((1, *SHAPE)))
    run("--no-figures", "--steps=2", "--coils=1", "--force")


def test_a_noise_scan_whitens_data_and_maps(scan):
    """Mixed coils, with the noise that such coils have, give the same image."""
    rng = np.random.default_rng(1)
    n = (rng.standard_normal((4, 5000)) + 1j * rng.standard_normal((4, 5000))).astype(np.complex64)
    mix = np.asarray([[1, 0, 0, 0], [0.9, 2, 0, 0], [0, 1j, 3, 0], [0.3, 0, -1, 0.5]], np.complex64)
    more = ["--coil-maps=maps.npy", "--lambda=0.01", "--no-figures", "--force"]

    def image(mix):
        data = np.einsum("vc,fcsm->fvsm", mix, scan)
        np.savez("scan.npz", data=data, trajectory=K, shape=SHAPE, noise=0.01 * mix @ n)
        np.save("maps.npy", np.einsum("vc,cij->vij", mix, S))
        assert "their noise is 1.414" in run(*more)
        record, arrays = written()
        assert record["whitened"]
        np.testing.assert_allclose(arrays["noise"], np.sqrt(2))
        assert arrays["residual"][0] == pytest.approx(np.sqrt(2), rel=0.1)
        return arrays["image"]

    same = image(np.eye(4, dtype=np.complex64))
    np.testing.assert_allclose(image(mix), same, atol=0.02 * np.abs(same).max())


def test_coils_are_compressed():
    np.save("maps.npy", S)
    whole = np.abs(image_of("--coil-maps=maps.npy"))
    output = run("--coil-maps=maps.npy", "--coils=3", "--no-figures", "--force")
    record, arrays = written()
    assert arrays["maps"].shape == (3, *SHAPE)
    assert 0.9 < record["energy_kept"] < 1
    assert record["settings"]["coils"] == 4
    assert record["settings"]["virtual_coils"] == 3
    assert "3 virtual coils have 9" in output
    assert np.linalg.norm(np.abs(arrays["image"]) - whole) < 0.1 * np.linalg.norm(whole)
    assert "5, and the scan has 4 coils; want" in run("--coils=5", "--force", code=2)


def image_of(*options):
    run(*options, "--no-figures", "--force")
    return written()[1]["image"]


def test_an_l_curve_is_drawn():
    run("--frames=1", "--l-curve", "--steps=3")
    _, arrays = written()
    assert (OUT / "l-curve.png").stat().st_size > 10000
    assert arrays["l_curve_weights"][4] == pytest.approx(arrays["weight"][0])
    assert np.all(np.diff(arrays["l_curve_penalties"]) < 0)


def test_an_interrupt_in_the_l_curve_keeps_the_images(monkeypatch):
    def interrupted(*args, **settings):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(workflows, "l_curve", interrupted)
    output = run("--l-curve", "--steps=2", code=130)
    record, arrays = written()
    assert record["interrupted"]
    assert arrays["image"].shape == (2, *SHAPE)
    assert "in the L-curve, which is left out" in output


def test_the_adjoint_needs_no_noise():
    assert " none " in run("--method=adjoint", "--no-figures")
    record, arrays = written()
    assert record["frames"][0]["noise"] is None
    assert np.isnan(arrays["noise"]).all()


@pytest.fixture
def beyond():
    """Write every second line of an object that is wider than the image."""
    mrd = pytest.importorskip("ismrmrd")
    x = brain()[::8, ::8].copy()
    x[:, [*range(7), *range(25, 32)]] += 0.5
    y = nl.FFT(SHAPE, norm="ortho")(S * x)
    with mrd.Dataset("scan.h5", "dataset") as file:
        space = "<{0}><matrixSize><x>32</x><y>{1}</y><z>1</z></matrixSize><fieldOfView_mm>"
        space += "<x>240</x><y>{2}</y><z>3</z></fieldOfView_mm></{0}>"
        file.write_xml_header(
            (
                '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions>'
                "<H1resonanceFrequency_Hz>1</H1resonanceFrequency_Hz></experimentalConditions>"
                f"<encoding>{space.format('encodedSpace', 32, 240)}"
                f"{space.format('reconSpace', 18, 135)}<encodingLimits/>"
                "<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
            ).encode()
        )
        for step in range(32):
            if step % 2 == 0 or abs(step - 16) < 6:
                a = mrd.Acquisition.from_array(np.ascontiguousarray(y[:, :, step]))
                a.center_sample, a.idx.kspace_encode_step_1 = 16, step
                file.append_acquisition(a)
    return x[:, 7:25]


def test_what_lies_beyond_the_image_does_not_fold_in(beyond):
    def error(*more):
        output = run("--lambda=1e-3", "--force", "--no-figures", *more, name="scan.h5")
        image = np.abs(written()[1]["image"][0])
        assert image.shape == (32, 18)
        return np.linalg.norm(image - beyond) / np.linalg.norm(beyond), output

    whole, output = error()
    assert "32 x 32 voxels, 32 x 18 of them the image" in output
    assert whole < 0.1
    assert written()[1]["maps"].shape == (4, 32, 18)
    volume = nibabel.load(OUT / "image.nii.gz")
    np.testing.assert_allclose(volume.header.get_zooms()[:3], [7.5, 7.5, 3], rtol=1e-6)
    np.save("maps.npy", S[:, :, 7:25])
    part, output = error("--coil-maps=maps.npy")
    assert "Careful: the lines encode 32 x 32 voxels and the image has 32 x 18" in output
    assert part > 2 * whole
    run("--method=wavelet", "--shape=32,16", "--force", "--no-figures", name="scan.h5")
    assert written()[1]["image"].shape == (1, 32, 16)


@pytest.mark.parametrize("voxels", [64, 65, 96, 97])
def test_no_voxel_of_the_image_is_another_one_of_the_wide_image(voxels):
    assert widened(voxels, voxels) == voxels
    for encoded in range(voxels + 1, 2 * voxels + 2):
        wide = widened(voxels, encoded)
        image, all_of_it = (range(-(n // 2), n - n // 2) for n in (voxels, wide))
        assert wide % 2 == 0
        assert wide >= encoded
        assert not any(n + apart in all_of_it for n in image for apart in (-encoded, encoded))
    assert widened(voxels, 2 * voxels) % 16 == 0


def test_a_field_map_is_used(scan):
    x, field = brain()[::8, ::8], np.full(SHAPE, 400.0, np.float32)
    times = (2e-5 * np.arange(64)).astype(np.float32)
    F = nl.NUFFT(K, SHAPE, norm="ortho")
    y = (nl.OffResonance(F, field, times) @ nl.Sense(S))(x + 0j * x)
    np.savez("scan.npz", data=y, trajectory=K, shape=SHAPE)
    np.savez("maps.npz", maps=S)
    np.save("field.npy", field)
    more = ["--coil-maps=maps.npz", "--no-figures", "--lambda=1e-3", "--force"]

    def error():
        return np.linalg.norm(written()[1]["image"] - x) / np.linalg.norm(x)

    run(*more)
    without = error()
    output = run("--field-map=field.npy", *more, code=2)
    assert "no file says the time between two samples; want --sample-time" in output
    run("--field-map=field.npy", "--sample-time=20", *more)
    assert error() < 0.5 * without
    # rates in the precision of NumPy's own, with a decay that is hardly one
    np.save("field.npy", 400.0 * 2j * np.pi + np.full(SHAPE, 1e-3))
    run("--field-map=field.npy", "--sample-time=20", *more)
    assert error() < 0.5 * without


def test_a_raw_file_of_ismrmrd(scan):
    pytest.importorskip("ismrmrd")
    io.write_mrd("scan.h5", K, SHAPE, 0.24, data=scan[0], sample_time=5e-6)
    run("--method=adjoint", name="scan.h5")
    record, arrays = written()
    assert record["source"] == "ISMRMRD"
    assert arrays["image"].shape == (1, *SHAPE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method=adjoint", "--lambda=1"], "--lambda: the method adjoint has none"),
        (["--lambda=0", "--l-curve"], "--l-curve has weights around --lambda, which is 0"),
        (["--sample-time=5"], "--sample-time is of --field-map"),
        (
            ["--coil-maps=scan.npz"],
            "it holds data, trajectory, shape, fov, sample_time, and no maps",
        ),
        (["--coil-maps=maps.npy"], "the array has the shape (3, 32, 32); want (4, 32, 32)"),
        (["--trajectory=none.npy"], "'--trajectory': none.npy: there is no such file"),
        (["--coil-maps=none.npy"], "'--coil-maps': none.npy: there is no such file"),
        (["--trajectory=maps.npy"], "'--trajectory': maps.npy: the array is complex64 of"),
        (["--trajectory=k.npy"], "--unit is not given, and k.npy does not say it; its coor"),
        (["--unit=1/m", "--fov=0.1,0.1,0.1"], "'--fov': (0.1, 0.1, 0.1); want a length in metres"),
        (["--fov=240"], "'--fov': 240.0; want metres"),
        (["--shape=32x32"], "'--shape': '32x32' has no commas; want 32,32"),
        (["--sample-time=2e-5"], "'--sample-time': 2e-05 is not in the range x>=0.01"),
        (["--lambda=1e300"], "'--lambda': 1e+300; want 0, or 1e-35 to 1e+35"),
        (
            ["--method=wavelet", "--shape=31,32"],
            "'--shape': (31, 32), and method is 'wavelet'; want even sizes of 16 or more",
        ),
        (["--shape=32"], "'--shape': (32,), and the points of scan.npz have 2 axes; want 2 sizes"),
    ],
)
def test_errors_say_what_is_wanted(options, said):
    np.save("maps.npy", S[:3])
    np.save("k.npy", K)
    assert said in " ".join(run(*options, code=2).split())
    assert not OUT.exists()


def test_maps_that_cannot_be_estimated_are_no_traceback():
    output = run("--shape=4,4", code=2)
    assert "'--shape': (4, 4); want 6 voxels or more along each axis, or maps" in output


def test_files_that_lack_a_part_say_the_option(scan):
    np.savez("data.npz", data=scan)
    output = run(name="data.npz", code=2)
    assert "--trajectory is not given, and data.npz holds none; want the file of one" in output
    for arrays in ({"trajectory": K}, {"k": K}):
        np.savez("k.npz", **arrays)
        output = run("--trajectory=k.npz", name="data.npz", code=2)
        assert "--shape is not given, and no file says it; want the voxels along each" in output
        run("--trajectory=k.npz", "--shape=32,32", "--steps=1", "--no-figures", "--force",
            name="data.npz")  # fmt: skip
    np.savez("k.npz", k=K, trajectory=K)
    output = run("--trajectory=k.npz", name="data.npz", code=2)
    assert "it holds k, trajectory: both trajectory and k" in output


def test_exchanged_files_of_bart_are_told_of(scan):
    io.write_bart("k.cfl", K, SHAPE)
    with open("y.hdr", "w", encoding="ascii") as header:
        header.write("# Dimensions\n1 64 24 4\n")
    scan[0].transpose(2, 1, 0).ravel(order="F").tofile("y.cfl")
    run("--trajectory=k.cfl", "--shape=32,32", "--steps=1", "--no-figures", name="y.cfl")
    output = run("--trajectory=y.cfl", "--shape=32,32", name="k.cfl", code=2)
    assert (
        "'--trajectory': y.cfl: cannot be read: its dimensions are (1, 64, 24, 4), those" in output
    )
    output = run(name="k.cfl", code=2)
    assert "(3, 64, 24), and its values real: those of a trajectory; want data of" in output


def test_it_says_when_coil_maps_take_their_time(scan):
    assert "\nCoil maps ...\n" in run("--no-figures", "--steps=1")
    np.save("maps.npy", S)
    output = run("--no-figures", "--steps=1", "--force", "--coil-maps=maps.npy")
    assert "Coil maps ..." not in output


def test_points_that_fold_back_are_told_of(scan):
    np.savez("scan.npz", data=scan, trajectory=1.5 * K, shape=SHAPE)
    assert "Careful: 23% of the points lie beyond half a cycle" in run("--no-figures", "--steps=1")


def test_points_that_stay_near_the_centre_are_told_of(scan):
    np.savez("scan.npz", data=scan, trajectory=K / (2 * np.pi), shape=SHAPE)
    output = run("--no-figures", "--steps=1")
    assert f"Careful: the points reach to {np.abs(K).max() / (2 * np.pi):.3g} cycles per" in output
    np.savez("scan.npz", data=scan, trajectory=K / 4, shape=SHAPE)
    assert "Careful: the points reach" not in run("--no-figures", "--steps=1", "--force")


def test_a_volume_says_millimetres_only_where_the_field_of_view_is_known(scan):
    run("--no-figures", "--steps=1")
    assert nibabel.load(OUT / "image.nii.gz").header.get_xyzt_units()[0] == "mm"
    np.savez("scan.npz", data=scan, trajectory=K, shape=SHAPE)
    run("--no-figures", "--steps=1", "--force")
    volume = nibabel.load(OUT / "image.nii.gz")
    assert volume.header.get_xyzt_units()[0] == "unknown"
    np.testing.assert_allclose(volume.header.get_zooms()[:3], 1)


def test_a_weight_that_dims_the_image_is_told_of(scan):
    assert "less than half its brightness" not in run("--no-figures")
    wrong = np.random.default_rng(2).permutation(K.reshape(-1, 2)).reshape(K.shape)
    np.savez("scan.npz", data=scan, trajectory=wrong, shape=SHAPE)
    assert "Careful: the weight, " in run("--no-figures", "--force")
    assert "Careful: the weight, " not in run("--no-figures", "--force", "--lambda=0.01")


def test_a_residual_that_is_no_noise_is_told_of():
    assert "Careful" not in run()
    assert "Careful: the residual is up to" in run("--lambda=1000", "--force")


def test_an_interrupt_writes_what_there_is(monkeypatch):
    def interrupted(*args, callback, **settings):
        def stop(step, loss, x):
            callback(step, loss, x)
            if step == 1:
                os.kill(os.getpid(), signal.SIGINT)

        return reconstruct(*args, callback=stop, **settings)

    reconstruct = workflows.reconstruct
    monkeypatch.setattr(workflows, "reconstruct", interrupted)
    output = run(code=130)
    record, arrays = written()
    assert record["interrupted"]
    assert arrays["image"].shape == (1, *SHAPE)
    assert "in frame 1 of 2, after" in output
