"""A record of speed: measure, keep, compare with the records before, and draw them all (Linux).

    python bench/record.py [MEASUREMENT ...] [--rows ROW ...] [--tree PATH ...] [--repeats N]

Without names it measures all of `record_works.py`. Another commit, in a worktree of git whose
path is given as a tree, is measured in the same run, repetition by repetition in turn: only such
figures say what a change has done. Those of records before say whether there is reason to ask: a
median is told as slower where the interval of its repetitions lies more than 10 % above theirs.
The FFTs of SciPy, which no change touches, are the measure of the machine.
"""

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from record_works import MEASUREMENTS

ROOT = Path(__file__).resolve().parents[1]
WORKS = Path(__file__).with_name("record_works.py")
PACKAGES = ("numpy", "scipy", "numba", "finufft")
MARGIN = 1.1
HEAD = "| | before, least | median | now, least | median | before / now | |"

Figures = dict[str, dict[str, dict[str, list[float]]]]
"""All repetitions, by measurement, row and column."""
Place = tuple[str, str, str]
Record = dict[str, Any]


def output(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(tree: Path) -> dict[str, str]:
    """Return the commit of a tree with its date, and a plus where its library is changed."""
    if not (tree / ".git").exists():  # a copy
        return {"commit": "unknown", "commit_date": datetime.now(UTC).isoformat()}
    git = ("git", "-C", str(tree))
    short, date = output(*git, "log", "-1", "--format=%h %cI").split()
    changed = output(*git, "status", "--porcelain", "--", "nufftlib", "optim")
    return {"commit": short + ("+" if changed else ""), "commit_date": date}


def machine() -> dict[str, str | int]:
    """Return the processor's name and the number of cores."""
    words = re.search(r"^Model name:\s*(.+)$", output("lscpu"), re.MULTILINE)
    name = words[1] if words else platform.machine()
    return {"processor": name, "cores": len(os.sched_getaffinity(0))}


class Side:
    """A tree's process, which makes one measurement on one row, column by column."""

    def __init__(self, tree: Path, python: str, measurement: str, row: str) -> None:
        self.process = subprocess.Popen(
            [python, str(WORKS), measurement, row],
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        columns = json.loads(self._line() or '"it ended without a word"')
        self.fault = columns if isinstance(columns, str) else ""
        self.columns = [] if self.fault else columns

    def figure(self, column: str) -> float:
        """Return the figure of one repetition."""
        assert self.process.stdin is not None
        print(column, file=self.process.stdin, flush=True)
        return float(self._line())

    def end(self) -> None:
        """End the process."""
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def measure(
    sides: list[tuple[Path, Record]], measurement: str, row: str, python: str, repeats: int
) -> None:
    """Add the figures of all sides, in turn at each repetition of each column."""
    running = [Side(tree, python, measurement, row) for tree, _ in sides]
    for (_, side), process in zip(sides, running, strict=True):
        if process.fault:
            print(f"{side['commit']}: {measurement}, {row}: {process.fault}", file=sys.stderr)
        side["figures"].setdefault(measurement, {})[row] = {name: [] for name in process.columns}
    for column in dict.fromkeys(name for process in running for name in process.columns):
        for _ in range(repeats):
            for (_, side), process in zip(sides, running, strict=True):
                if column in process.columns:
                    figure = float(f"{process.figure(column):.4g}")
                    side["figures"][measurement][row][column].append(figure)
    for process in running:
        process.end()


def interval(values: list[float]) -> tuple[float, float]:
    """Return two of the values that have the median between them with 95 %, or the outermost."""
    ordered, n = sorted(values), len(values)
    outside = [2 * sum(math.comb(n, i) for i in range(r + 1)) / 2**n for r in range(n // 2)]
    rank = max(sum(p <= 0.05 for p in outside) - 1, 0)
    return ordered[rank], ordered[n - 1 - rank]


def verdict(before: list[float], now: list[float]) -> str:
    """Say whether the intervals of both medians lie apart by more than the margin."""
    (low, high), (least, most) = interval(before), interval(now)
    if least > MARGIN * high:
        return "SLOWER"
    return "faster" if most * MARGIN < low else ""


def entries(figures: Figures) -> Iterator[tuple[Place, list[float]]]:
    """Yield all that has been measured, each with its place."""
    for measurement, rows in figures.items():
        for row, columns in rows.items():
            for column, values in columns.items():
                if values:
                    yield (measurement, row, column), values


def table(before: dict[Place, list[float]], now: dict[Place, list[float]]) -> str:
    """Return a table with a part for each row; a ratio above one is a gain."""
    lines: list[str] = []
    title = ""
    for place, values in now.items():
        measurement, row, column = place
        if title != (title := f"{measurement}, {row}, {MEASUREMENTS[measurement].unit}"):
            lines += ["", title, "", HEAD, "|---" * HEAD.count(" |") + "|"]
        cells = [column, *spread(before.get(place)), *spread(values), "", ""]
        if place in before:
            ratio = statistics.median(before[place]) / statistics.median(values)
            cells[-2:] = [f"{ratio:.2f}", verdict(before[place], values)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float] | None) -> tuple[str, str]:
    """Format the least and the median."""
    if values is None:
        return "", ""
    return f"{min(values):.3g}", f"{statistics.median(values):.3g}"


def records_of(folder: Path, where: Record) -> list[Record]:
    """Return the records of a machine, the oldest first."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    same = [record for record in found if record["machine"] == where]
    return sorted(same, key=lambda record: record["date"])


def draw(records: list[Record], path: Path) -> None:
    """Draw the medians of all trees with their intervals, by the dates of commit and run."""
    from matplotlib.figure import Figure

    from nufftlib.plots.figures import plain_decades

    runs = [(side["commit_date"], record["date"], side) for record in records
            for side in record["sides"]]  # fmt: skip
    runs.sort(key=lambda run: run[:2])
    ticks = [f"{side['commit']}\n{date[5:16].replace('T', ' ')}" for _, date, side in runs]
    panels: dict[str, dict[str, dict[int, list[float]]]] = {}
    for x, (_, _, side) in enumerate(runs):
        for (measurement, row, column), values in entries(side["figures"]):
            title = f"{measurement}: {row}, {MEASUREMENTS[measurement].unit}"
            panels.setdefault(title, {}).setdefault(column, {})[x] = values
    across = min(len(panels), 3)
    down = math.ceil(len(panels) / across)
    width = 5.0 + 0.3 * len(runs)
    figure = Figure(figsize=(across * width, 4.2 * down), layout="constrained")
    for i, (title, columns) in enumerate(panels.items()):
        axes = figure.add_subplot(down, across, i + 1)
        for column, points in columns.items():
            middle = [statistics.median(values) for values in points.values()]
            ends = [interval(values) for values in points.values()]
            bars = [
                [m - low for m, (low, _) in zip(middle, ends, strict=True)],
                [high - m for m, (_, high) in zip(middle, ends, strict=True)],
            ]
            axes.errorbar(list(points), middle, bars, marker="o", ms=4, capsize=2, label=column)
        axes.set_yscale("log")
        plain_decades(axes.yaxis)
        axes.set_title(title.rpartition(",")[0], fontsize=9)
        axes.set_ylabel(title.rpartition(", ")[2])
        axes.set_xlabel("commit, and time of the run")
        axes.set_xticks(range(len(runs)), ticks, rotation=90, fontsize=7)
        axes.set_xlim(-0.5, len(runs) - 0.5)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main(words: list[str] | None = None) -> None:
    """Measure, print the tables, keep the record and draw all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT", default=[],
                        help=", ".join(MEASUREMENTS))  # fmt: skip
    parser.add_argument("--rows", nargs="*", default=[""], help="beginnings of rows")
    parser.add_argument("--tree", nargs="*", default=[], type=Path, help="other commits' worktrees")
    parser.add_argument("--repeats", type=int, default=11, help="repetitions (default: 11)")
    parser.add_argument("--tiny", action="store_true", help="rows that take seconds, for a test")
    parser.add_argument("--peers", default=str(ROOT / "bench" / "peers" / ".venv/bin/python"))
    parser.add_argument("--folder", type=Path, default=ROOT / "bench" / "results" / "records")
    parser.add_argument("--picture", type=Path, default=ROOT / "out" / "record.png")
    given = parser.parse_args(words)
    if unknown := set(given.measurements) - MEASUREMENTS.keys():
        parser.error(f"there is no measurement {min(unknown)!r}; want {', '.join(MEASUREMENTS)}")
    where, date = machine(), datetime.now(UTC)
    trees = [ROOT, *(tree.resolve() for tree in given.tree)]
    record: Record = {
        "date": date.isoformat(timespec="seconds"),
        "machine": where,
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "sides": [{**commit(tree), "figures": {}} for tree in trees],  # this tree is the first
    }
    if record["load"] > 0.5:
        print(f"The machine is busy (load {record['load']:.1f}): times mislead.", file=sys.stderr)
    for name in given.measurements or MEASUREMENTS:
        kind = MEASUREMENTS[name]
        python = given.peers if name == "peers" else sys.executable
        if not Path(python).exists():
            print(f"{name}: no environment, see bench/peers/README.md", file=sys.stderr)
            continue
        for row in kind.tiny if given.tiny else kind.rows:
            if row.startswith(tuple(given.rows)):
                measure(list(zip(trees, record["sides"], strict=True)), name, row, python,
                        given.repeats)  # fmt: skip
    now, *others = (dict(entries(side["figures"])) for side in record["sides"])
    kept = records_of(given.folder, where)
    last = {
        place: values for each in kept for place, values in entries(each["sides"][0]["figures"])
    }
    for other, side in zip(others, record["sides"][1:], strict=True):
        print(f"\nBeside {side['commit']} in the same run:\n{table(other, now)}")
    if last or not others:
        print(f"\nBeside the last record of each figure:\n{table(last, now)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    commit_now = record["sides"][0]["commit"].rstrip("+")
    path = given.folder / f"{date:%Y-%m-%d-%H%M%S}-{commit_now}.json"
    path.write_text(json.dumps(record) + "\n")
    draw([*kept, record], given.picture)
    print(f"\n{path}\n{given.picture}")


if __name__ == "__main__":
    main()
