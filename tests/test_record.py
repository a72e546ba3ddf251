"""The record of speed: `bench/record.py` measures, compares, keeps and draws."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from legible import _legible  # noqa: F401  # of the figure that it draws

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "bench"
TINY = "32^2, 2 coils, 128 points"


def loaded(name):
    specification = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def works(monkeypatch):
    monkeypatch.setitem(sys.modules, "record_works", None)
    return loaded("record_works")


@pytest.fixture
def record(works, monkeypatch):
    monkeypatch.setitem(sys.modules, "record", None)
    return loaded("record")


@pytest.mark.skipif(sys.platform != "linux", reason="memory and machine as Linux tells them")
def test_two_records_of_a_tree_beside_itself(record, tmp_path, capsys):
    folder, picture = tmp_path / "records", tmp_path / "drawn" / "record.png"
    words = ["step", "peak memory", "--tiny", "--repeats", "3", "--tree", str(ROOT)]
    words += ["--folder", str(folder), "--picture", str(picture)]
    record.main(words)
    first = capsys.readouterr().out
    assert "in the same run" in first
    assert "last record" not in first
    record.main([*words[:1], *words[2:]])
    assert "last record" in capsys.readouterr().out
    old, new = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
    assert list(old["sides"][0]["figures"]) == ["step", "peak memory"]
    assert str(ROOT) not in json.dumps(old)
    for side in new["sides"]:
        columns = side["figures"]["step"][TINY]
        assert len(columns) == 6
        assert all(len(values) == 3 and min(values) > 0 for values in columns.values())
        assert min(columns["estimated, whole gradient"]) > min(columns["FFTs"])
    assert picture.stat().st_size > 10_000


def test_a_part_that_a_tree_lacks_is_told_and_does_not_end_the_run(record, tmp_path, capsys):
    package = tmp_path / "nufftlib"
    package.mkdir()
    (package / "__init__.py").write_text("")
    sides = [{"commit": "0123456", "figures": {}}, {"commit": "89abcde", "figures": {}}]
    trees = [tmp_path, ROOT]
    record.measure(list(zip(trees, sides, strict=True)), "step", TINY, sys.executable, 1)
    assert "0123456: step" in capsys.readouterr().err
    lacking, whole = (side["figures"]["step"][TINY] for side in sides)
    assert lacking == {}
    assert len(whole) == 6


def test_a_tree_without_a_whole_gradient_has_no_column_of_it(works, monkeypatch):
    import nufftlib.workflows

    made = nufftlib.workflows.TrajectoryObjective
    monkeypatch.setattr(
        nufftlib.workflows,
        "TrajectoryObjective",
        lambda image, coil_maps, nufft, maps: made(image, coil_maps, nufft, maps, constants=True),
    )
    names = works.Job(TINY).steps(works.KINDS)
    assert list(names) == ["ones, constants", "estimated, constants"]


def test_each_step_has_a_trajectory_of_its_own(works):
    job = works.Job(TINY)
    assert len({job.trajectory().tobytes() for _ in range(5)}) == 5
    assert abs(job.trajectory()).max() < 0.5


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ([10.0, 10.2, 10.1], [11.5, 11.6, 11.9], "SLOWER"),
        ([10.0, 10.2, 10.1], [11.0, 11.1, 11.2], ""),  # within 10 % of the slowest
        ([10.0, 14.0, 10.1], [13.0, 13.1, 13.2], ""),  # within the noise
        ([11.5, 11.6, 11.9], [10.0, 10.2, 10.1], "faster"),
    ],
)
def test_a_slowdown_is_told_beyond_the_margin_and_the_noise(record, before, now, said):
    place = ("step", TINY, "density")
    assert record.verdict(before, now) == said
    line = record.table({place: before}, {place: now}).splitlines()[-1]
    assert line.endswith(f"| {said} |")


def test_the_interval_of_the_median_is_that_of_the_binomial_distribution(record):
    assert record.interval([5.0]) == (5.0, 5.0)
    assert record.interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    # Of 11 values the 2nd and the 10th: the median is outside with a probability of 1.2 %.
    assert record.interval([float(i) for i in range(11, 0, -1)]) == (2.0, 10.0)


def test_busy_processes_end_with_the_block(works):
    for count in (0, 2):
        with works.busy(count) as running:
            assert [process.poll() for process in running] == [None] * count
        assert all(process.poll() is not None for process in running)


def test_a_measurement_that_is_not_there_is_refused(record, capsys):
    with pytest.raises(SystemExit):
        record.main(["speed"])
    assert "there is no measurement 'speed'" in capsys.readouterr().err


def test_the_first_step_ends_the_command(works, tmp_path):
    words = ["learn-trajectory", "--out", str(tmp_path / "out"), "--coils", "1", "--shots", "2"]
    (tmp_path / "nufftlib").mkdir()  # another tree than that of PYTHONPATH
    (tmp_path / "nufftlib" / "__init__.py").write_text("raise SystemExit('the wrong tree')")
    done = subprocess.run(
        [*works.UNTIL_THE_FIRST_STEP, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"first step"
    assert not (tmp_path / "out" / "result.json").exists()
