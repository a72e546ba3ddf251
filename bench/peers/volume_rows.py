"""Patterns in three dimensions beside mri-nufft's and SigPy's: rows of ``trajectories.py``.

Where directions or the order of shots differ, a second row compares what does not depend on them:
the shape of each shot, by the products of its points, or the shots sorted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mrinufft.trajectories import inits
from planar_rows import DOUBLE, SAMPLES, Row, ours, pattern
from sigpy.mri import radial as sigpy_radial

NODES = SAMPLES / (SAMPLES - 1)
"""Theirs has angles at ``n / samples`` and radii or heights at ``n / (samples - 1)``."""


def products(k: Any) -> Any:
    """Return the inner products of a shot's samples, which no turn or reflection changes."""
    return k @ np.swapaxes(k, -1, -2)


def ordered(k: Any) -> Any:
    """Return shots sorted by their coordinates."""
    flat = np.asarray(k).round(9).reshape(len(k), -1)
    return np.asarray(k)[np.lexsort(flat.T[::-1])]


def by(change: Callable[[Any], Any], said: str, row: Row, why: str = "") -> Row:
    """Compare what `change` makes of both."""
    return Row(f"{row.name}, {said}", lambda: change(row.ours()), lambda: change(row.theirs()), why)


def peer(name: str, *arguments: Any, **settings: Any) -> Any:
    return getattr(inits, f"initialize_3D_{name}")(*arguments, **settings)


FOUR_DIGITS = "theirs has four digits of the golden means, and comes back after 10000 spokes"
PICCINI = "theirs spreads the heights evenly; Piccini's formula has roots of the polar angle"
HALF = "theirs has the turns of a whole sphere on the half: 1.41 times too far apart"
POLES = (
    "theirs has directions at both poles, whose share of the sphere is half of the others'; ours "
    "have equal ones"
)

IN_TURN = [
    pattern(
        name,
        f"3D_{name}",
        {"interleaves": 3, "in_out": in_out},
        {"nb_interleaves": 3, "in_out": in_out},
        HALF if in_out else "",
    )
    for name in ("wong_radial", "park_radial")
    for in_out in (False, True)
]
SPOKES = [
    pattern(
        "golden_means_radial",
        "3D_golden_means_radial",
        {"in_out": True},
        {"in_out": True},
        FOUR_DIGITS,
    ),
    Row(
        "golden_means_radial, one more sample, less the last; sigpy.mri.radial, axes reversed",
        lambda: ours.golden_means_radial(12, SAMPLES + 1, **DOUBLE)[:, :-1],
        lambda: sigpy_radial((12, SAMPLES, 3), (1, 1, 1))[..., ::-1],
    ),
    pattern(
        "phyllotaxis_radial",
        "3D_phyllotaxis_radial",
        {"interleaves": 3, "in_out": True},
        {"nb_interleaves": 3, "in_out": True},
        PICCINI,
    ),
    *IN_TURN,
]

CONES = [
    pattern(
        "cones_3d",
        "3D_cones",
        {"revolutions": 5.0, "power": 1.0, "width": 0.9, "in_out": in_out},
        {"nb_zigzags": 5.0, "width": 0.9, "in_out": in_out},
        POLES,
    )
    for in_out in (False, True)
]


def floret(axes: tuple[int, ...], why: str = "", *, power: float = 1.0) -> Row:
    mine = {"revolutions": 2.0, "power": power, "max_angle": 0.7, "axes": axes}
    theirs = {"nb_revolutions": 2.0, "spiral": power, "max_angle": 0.7, "axes": axes}
    return pattern("floret", "3D_floret", mine, theirs, why, 15)


def helices(packing: str, shape: str, why: str = "", turns: float = 1.0, shots: int = 12) -> Row:
    said = "" if turns == 1 else ", theirs with n / (n - 1) times the turns"
    mine = {"revolutions": 5.0, "packing": packing, "shape": shape, "spacing": (1, 2)}
    row = pattern(
        "wave_caipi",
        "3D_wave_caipi",
        mine,
        {"nb_revolutions": 5.0 * turns, "packing": packing, "shape": shape}
        | {"spacing": (1, 2), "readout_axis": 2},
        why,
        shots,
    )
    return row._replace(name=row.name + said)


def seiffert(turns: float = 1.0, why: str = "") -> Row:
    row = pattern(
        "seiffert_spiral",
        "3D_seiffert_spiral",
        {"modulus": 0.7, "revolutions": 2.0},
        {"curve_index": 0.7, "nb_revolutions": 2.0 * turns},
        why,
    )
    said = "" if turns == 1 else ", theirs with n / (n - 1) times the turns"
    return row._replace(name=row.name + said)


def shells(name: str, mine: dict[str, Any], theirs: dict[str, Any], why: str = "") -> Row:
    samples = {} if name != "annular_shells" else {"samples": SAMPLES - 1}
    row = pattern(name, f"3D_{name}", mine | {"tilt": "none"}, theirs | {"shell_tilt": 0.0}, why)
    if samples:
        row = row._replace(
            ours=lambda: ours.annular_shells(12, SAMPLES - 1, **mine, tilt="none", **DOUBLE),
            theirs=lambda: peer("annular_shells", 12, SAMPLES - 1, **theirs, shell_tilt=0.0),
        )
    return row


AREAS = "theirs has shots of shells as 1, 4, 9, ours as their areas: 1, 9, 25"
HELICES = shells("helical_shells", {"shells": 1}, {"nb_shells": 1})


def turns_by_height(k: Any) -> Any:
    """Return the azimuths of helices less those that the formula has at their heights."""
    z = 4 * k[..., 2]
    steepness = np.sqrt(SAMPLES * np.pi / len(k))
    turns = np.arctan2(k[..., 1], k[..., 0]) - steepness * np.arcsin(np.clip(z, -1, 1))
    inner = np.exp(1j * turns[:, 1:-1])  # the azimuth of a pole is anything
    inner = inner[np.argsort((np.angle(inner[:, 0]) + 1e-6) % (2 * np.pi))]
    return np.stack([inner.real, inner.imag], axis=-1)


ROPE = shells("annular_shells", {"shells": 1, "turn": 1.3}, {"nb_shells": 1, "ring_tilt": 1.3})


def twice(k: Any) -> Any:
    """Return how many samples are where another one is."""
    points = np.asarray(k).reshape(-1, 3)
    return len(points) - len(np.unique(points.round(9), axis=0))


TRAIN, LINE = 8, 65


def lines_of(name: str) -> Any:
    """Return the height and the angle of the lines of their 6 trains, of 8 lines each."""
    if name == "turbine":
        k = peer(name, 48, LINE, 9, nb_blades=3, nb_trains=6, skip_factor=2)
    else:
        k = peer("repi", 48, LINE, 9, nb_blades=3, nb_trains=6, nb_blade_revolutions=0.25)
    return directions(np.stack([k[:, i * (LINE + 9) :][:, :LINE] for i in range(TRAIN)], axis=1))


def lines_of_ours(name: str) -> Any:
    settings = {"skip": 2} if name == "turbine" else {"twist": 0.25}
    make = getattr(ours, name.replace("repi", "radial_echo_planar"))
    k = make(6, TRAIN * 100 + 1, lines=TRAIN, blades=3, **settings, **DOUBLE)
    return directions(k[:, :-1].reshape(6, TRAIN, 100, 3)[:, :, 20:81])


def directions(lines: Any) -> Any:
    """Return the mean heights of lines, and cosine and sine of twice their angles."""
    run = lines[:, :, -1, :2] - lines[:, :, 0, :2]
    double = np.angle(run[..., 0] + 1j * run[..., 1]) * 2
    return np.stack([lines[..., 2].mean(axis=-1), np.cos(double), np.sin(double)])


def reach(k: Any) -> Any:
    """Return the largest coordinate."""
    return np.abs(k).max()


def radii_of_a_spiral(line: Any) -> Any:
    """Return the radii at even angles of a line's second half, which begins along axis 0."""
    z = line[:, 0] + 1j * line[:, 1]
    z = z[len(z) // 2 + 1 :]
    return np.interp(np.linspace(0.2, 3.1, 99), np.angle(z), np.abs(z))


def outside(k: Any) -> Any:
    """Return how far the farthest sample is from the centre."""
    return np.linalg.norm(k, axis=-1).max()


ECCENTRIC = {"radius": 0.1, "seed": 3}
THEIR_ECCENTRIC = {"nb_stacks": 5, "radius_ratio": 0.2, "seed": 3}

ROWS_3D = [
    *SPOKES,
    *(row for cones in CONES for row in (cones, by(products, "products of samples", cones))),
    floret((2,)),
    floret((2, 1, 0)),
    floret(
        (2,), "theirs moves samples along the spiral near the centre, ours are uniform", power=0.5
    ),
    helices("square", "square", "the angles of theirs end a step before its heights do"),
    helices("square", "square", turns=NODES),
    helices("fibonacci", "circle", turns=NODES),
    helices("triangular", "circle", "theirs is no lattice of triangles: helices overlap by 7 %"),
    seiffert(why=POLES + "; and the angles of theirs end a step before its radii do"),
    by(products, "products of samples", seiffert(turns=NODES)),
    shells(
        "seiffert_shells",
        {"shells": 3, "modulus": 0.7, "revolutions": 2.0},
        {"nb_shells": 3, "curve_index": 0.7, "nb_revolutions": 2.0},
        AREAS,
    ),
    by(
        ordered,
        "shots sorted",
        shells(
            "seiffert_shells",
            {"shells": 1, "modulus": 0.7, "revolutions": 2.0},
            {"nb_shells": 1, "curve_index": 0.7, "nb_revolutions": 2.0},
        ),
    ),
    by(
        ordered,
        "shots sorted",
        HELICES,
        "theirs has its first and last samples at the poles, ours at the heights of Wong",
    ),
    by(turns_by_height, "azimuths less the formula's", HELICES),
    ROPE._replace(why="theirs orders and turns round halves by a search"),
    by(
        twice,
        "samples that are there twice",
        ROPE,
        "where theirs turns a half round, it begins where another one does",
    ),
    *(
        Row(
            f"{name}: heights and angles of the lines",
            lambda name=name: lines_of_ours(name),
            lambda name=name: lines_of(name),
            why,
        )
        for name, why in (("turbine", ""), ("repi", "the lines of theirs are of 1e-5 turns"))
    ),
    *(
        Row(
            f"{name}: largest coordinate",
            lambda make=make: reach(make(6, 801, blades=3, **DOUBLE)),
            lambda name=name: reach(peer(name, 48, LINE, 9, nb_blades=3, nb_trains=6)),
            "theirs joins lines by cubic splines, which leave k-space",
        )
        for name, make in (("turbine", ours.turbine), ("repi", ours.radial_echo_planar))
    ),
    *(
        Row(
            f"repi: radii of spirals at even angles, {spiral}",
            lambda spiral=spiral: radii_of_a_spiral(
                ours.radial_echo_planar(1, 40001, lines=1, revolutions=0.5, power=spiral, **DOUBLE)[
                    0
                ]
            ),
            lambda spiral=spiral: radii_of_a_spiral(
                peer("repi", 1, 40001, 9, nb_blades=1, nb_spiral_revolutions=0.5, spiral=spiral)[0]
            ),
            why,
        )
        for spiral, why in (("archimedes", ""), ("fermat", "theirs ignores the kind of a spiral"))
    ),
    Row(
        "eccentric_3d(stacks=5): distance of the farthest sample",
        lambda: outside(ours.eccentric_3d(60, SAMPLES, stacks=5, **ECCENTRIC, **DOUBLE)),
        lambda: outside(peer("eccentric", 60, SAMPLES, **THEIR_ECCENTRIC)),
        "theirs has circles beyond the ball, and discs of the radius 0 at its poles",
    ),
]
