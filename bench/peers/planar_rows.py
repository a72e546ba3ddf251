"""Patterns of the plane and the tools, beside mri-nufft's: the rows of ``trajectories.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from mrinufft.trajectories import inits
from mrinufft.trajectories import tools as theirs
from mrinufft.trajectories.utils import Acquisition, Hardware

from nufftlib import mri

SHOTS, SAMPLES = 12, 65
DOUBLE = {"dtype": np.float64}
GOLDEN = "golden"
ours, T = mri.trajectories, mri.trajectories.tools


class Row(NamedTuple):
    """A comparison.

    Attributes
    ----------
    name : str
        What is compared.
    ours, theirs : callable
        From nothing to an array.
    why : str
        Where the numbers differ: why they do.
    """

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    why: str = ""


def pattern(
    ours_name: str,
    theirs_name: str,
    ours_settings: dict[str, Any],
    theirs_settings: dict[str, Any],
    why: str = "",
    shots: int = SHOTS,
) -> Row:
    """Compare two functions of shots, samples and settings."""
    make, peer = getattr(ours, ours_name), getattr(inits, f"initialize_{theirs_name}")
    said = ", ".join(f"{k}={v}" for k, v in ours_settings.items())
    return Row(
        f"{ours_name}({said})",
        lambda samples=SAMPLES: make(shots, samples, **ours_settings, **DOUBLE),
        lambda: peer(shots, SAMPLES, **theirs_settings),
        why,
    )


def same(name: str, peer: str, why: str = "", **settings: Any) -> Row:
    """Compare two functions whose settings have the same names."""
    return pattern(name, peer, settings, settings, why)


FITTED = "wide and few: theirs leaves k-space, ours is made smaller to fit"
END = "theirs spreads all samples over the closed curve, so that shots begin beside the centre"


def spiral(power: Any, *, even: bool, in_out: bool = False) -> Row:
    mine = {"revolutions": 5.0, "power": power, "even_centre": even, "in_out": in_out}
    peer = {"nb_revolutions": 5.0, "spiral": power, "patch_center": even, "in_out": in_out}
    return pattern("spiral", "2D_spiral", mine, peer)


def zigzag(name: str, peer: str, why: str = "", **settings: Any) -> Row:
    mine = {"zigzags": 5.0, "width": 1.0} | settings
    words = {"zigzags": "nb_zigzags"}
    return pattern(name, peer, mine, {words.get(k, k): v for k, v in mine.items()}, why)


def fibonacci(why: str = "", *, even: bool = False, reduction: float = 1.0) -> Row:
    mine = {"even_centre": even, "reduction": reduction}
    peer = {"patch_center": even, "spiral_reduction": reduction}
    return pattern("fibonacci_spiral", "2D_fibonacci_spiral", mine, peer, why, 13)


def along(row: Row, curves: int, fine: int = 4001) -> Row:
    """Compare the curves: ours at the points of theirs, by fine linear interpolation."""

    def on_curve() -> Any:
        k = row.ours(samples=fine).reshape(curves, -1, 2)
        shots = SHOTS // curves
        time = (np.arange(shots)[:, None] + np.linspace(0, 1, fine)).ravel()
        wanted = np.linspace(0, shots, shots * SAMPLES)
        found = [[np.interp(wanted, time, x) for x in curve.T] for curve in k]
        return np.moveaxis(np.asarray(found), 1, -1).reshape(SHOTS, SAMPLES, 2)

    return Row(f"{row.name}, at the points of theirs", on_curve, row.theirs)


ROSETTES = [
    pattern(
        "rosette",
        "2D_rosette",
        {"winding": winding, "in_out": in_out},
        {"coprime_index": winding, "in_out": in_out},
        END,
    )
    for winding, in_out in ((0, False), (2, True))
]
POLAR = [
    pattern(
        "polar_lissajous",
        "2D_polar_lissajous",
        {"segments": 3, "winding": winding, "in_out": in_out},
        {"nb_segments": 3, "coprime_index": winding, "in_out": in_out},
        END,
    )
    for winding, in_out in ((0, False), (1, True))
]
SCANNER = mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
STEPS = 8
"""Of theirs, in one raster time."""
SCAN = mri.Protocol(SCANNER, fov=0.24, shape=(256, 256), dwell=1e-5 / STEPS, rest="start")


def theirs_vds(edge: float) -> Any:
    """Return a shot of theirs, undersampled `edge` times there; it lowers gmax by 1 %."""
    hardware = Hardware(
        gmax=SCANNER.gmax / 0.99, smax=SCANNER.smax, grad_raster_time=SCANNER.raster
    )
    scan = Acquisition(SCAN.fov, SCAN.shape, hardware, SCANNER.gamma)
    return inits.initialize_2D_vds_spiral(16, STEPS, scan, Rmin=1, Rmax=edge)[0]


def turns_by_formula() -> Any:
    radius = np.linalg.norm(theirs_vds(4), axis=-1)
    return (256 * radius - 192 * radius**2) / 16


def turns_of_theirs() -> Any:
    k = theirs_vds(4)
    return np.unwrap(np.arctan2(k[:, 1], k[:, 0])) / (2 * np.pi)


def ours_vds(edge: float, samples: int) -> Any:
    fov = 256, 256 / edge - 256
    return ours.variable_density_spiral(16, samples, fov=fov, protocol=SCAN, **DOUBLE)


def milliseconds(edge: float) -> Any:
    """Return how long the shortest shot takes, on the raster."""
    try:
        ours_vds(edge, 2)
    except ValueError as error:
        return (int(str(error).split("at least ")[1].split(":")[0]) - 1) * SCANNER.raster * 1e3


def slew_of_ours(edge: float) -> Any:
    k = ours_vds(edge, 1 + round(milliseconds(edge) / SCANNER.raster / 1e3))
    return mri.check_trajectory(k, SCAN).slew.ratio


def slew_of_theirs(edge: float) -> Any:
    second = np.diff(theirs_vds(edge), n=2, axis=0) / (SCANNER.raster / STEPS) ** 2
    found = np.linalg.norm(second, axis=-1).max() / SCANNER.gamma / SCAN.voxel[0]
    return found / SCANNER.smax


VARIABLE = [
    Row(
        "variable_density_spiral: turns at the radii of theirs, by the formula",
        turns_by_formula,
        turns_of_theirs,
        "theirs adds up the angle in steps of Euler's method; ours integrates the polynomial",
    ),
    *(
        Row(
            f"variable_density_spiral: {what}, {words}",
            lambda mine=mine, edge=edge: mine(edge),
            lambda peer=peer, edge=edge: peer(edge),
            alike if edge == 1 else why,
        )
        for edge, words in ((1, "of one density"), (4, "1/4 of it at the edge"))
        for what, mine, peer, alike, why in (
            (
                "ms of the shortest shot",
                milliseconds,
                lambda edge: len(theirs_vds(edge)) / STEPS * SCANNER.raster * 1e3,
                "",
                "theirs is too fast, see the next row",
            ),
            (
                "slew rate over its limit",
                slew_of_ours,
                slew_of_theirs,
                "theirs is in steps of Euler's method",
                "theirs has 2 pi F / N in place of its square in the term B of the slew rate",
            ),
        )
    ),
]

PATTERNS_2D = [
    *(
        same("radial", "2D_radial", in_out=in_out, tilt=tilt)
        for in_out in (False, True)
        for tilt in ("none", "uniform", "intergaps", "inverted", "golden", "mri-golden")
    ),
    spiral("archimedes", even=False),
    spiral("fermat", even=False),
    spiral("fermat", even=True),
    spiral("fermat", even=True, in_out=True),
    pattern(
        "spiral",
        "2D_spiral",
        {"revolutions": 5.0, "power": "galileo"},
        {"nb_revolutions": 5.0, "spiral": "galileo"},
    ),
    fibonacci(),
    fibonacci(
        "ours keeps its curve; theirs is a spline of a shot, which rounds the root at the centre",
        even=True,
    ),
    fibonacci("ours keeps its curve; theirs is a spline through fewer points of it", reduction=2.0),
    zigzag("cones_2d", "2D_cones"),
    zigzag("cones_2d", "2D_cones", in_out=True, tilt=GOLDEN),
    zigzag("cones_2d", "2D_cones", FITTED, width=3.0),
    zigzag("sinusoid", "2D_sinusoide"),
    zigzag("sinusoid", "2D_sinusoide", in_out=True, tilt=GOLDEN),
    zigzag("sinusoid", "2D_sinusoide", FITTED, width=3.0),
    zigzag(
        "waves", "2D_waves", "theirs is not centred: higher by w^2 / 2N(N + w), and a little wider"
    ),
    pattern(
        "propeller",
        "2D_propeller",
        {"strips": 3},
        {"nb_strips": 3},
        "the corners of theirs leave k-space; ours is smaller by one factor, see the next row",
    ),
    Row(
        "propeller(strips=3), scaled",
        lambda: ours.propeller(12, 65, strips=3, **DOUBLE) * np.hypot(1, np.pi / 6),
        lambda: inits.initialize_2D_propeller(12, 65, nb_strips=3),
    ),
    pattern(
        "rings",
        "2D_rings",
        {"rings": 5},
        {"nb_rings": 5},
        "theirs samples the end of each ring, which is its beginning, twice",
    ),
    *ROSETTES,
    *(along(row, 1) for row in ROSETTES),
    pattern("lissajous", "2D_lissajous", {"ratio": 3.5}, {"density": 3.5}),
    *POLAR,
    *(along(row, n) for row, n in zip(POLAR, (6, 3), strict=True)),
    *VARIABLE,
    pattern(
        "eccentric_2d",
        "2D_eccentric",
        {"radius": 0.15, "centre": 0.25, "revolutions": 2.0, "distance": 0.2, "seed": 4},
        {
            "radius_ratio": 0.3,
            "center_ratio": 0.25,
            "nb_revolutions": 2.0,
            "min_distance": 0.4,
            "seed": 4,
        },
    ),
]

PLANE = ours.spiral(6, SAMPLES, revolutions=2.5, **DOUBLE)
THICK = np.concatenate([PLANE, 0.2 * np.sin(np.arange(6.0 * SAMPLES)).reshape(6, SAMPLES, 1)], -1)
THROUGH = ours.spiral(6, SAMPLES, revolutions=2.5, in_out=True, **DOUBLE)
HALF_TURN = "theirs reflects in the centre where it should turn by 180 degrees, one copy of nine"
ON_AXIS = "theirs is NaN for points on axis 2, of which the centres of shots are some here"
TIES = "places as far from the centre come in another order"


def disc(shots: int) -> Any:
    # Theirs sends a point beyond the radius 1/2, by rounding, to the other side.
    return 0.999 * ours.spiral(shots, SAMPLES, revolutions=2.5, **DOUBLE)


def packing(name: str, shape: str, why: str = "") -> Row:
    return Row(
        f"packing_offsets(packing={name}, shape={shape})",
        lambda: T.packing_offsets(30, packing=name, shape=shape, spacing=(2, 3), **DOUBLE),
        lambda: theirs.get_packing_spacing_positions(30, name, shape, (2, 3)),
        why,
    )


TOOLS = [
    Row(
        "stack(tilt=golden)",
        lambda: T.stack(PLANE, 5, tilt=GOLDEN),
        lambda: theirs.stack(PLANE, 5, GOLDEN),
    ),
    *(
        Row(
            f"stack of a thick one(bounded={bounded})",
            lambda bounded=bounded: T.stack(THICK, 5, tilt=GOLDEN, bounded=bounded),
            lambda bounded=bounded: theirs.stack(THICK, 5, GOLDEN, hard_bounded=bounded),
        )
        for bounded in (True, False)
    ),
    *(
        Row(
            f"rotate(axis={axis})",
            lambda axis=axis: T.rotate(THICK, 7, tilt=GOLDEN, axis=axis),
            lambda axis=axis: theirs.rotate(THICK, 7, **{f"{'xyz'[axis]}_tilt": GOLDEN}),
        )
        for axis in range(3)
    ),
    *(
        Row(
            f"precess(axis={axis}, half={half}, partition={partition})",
            lambda a=axis, h=half, p=partition: T.precess(THICK, 9, axis=a, half=h, partition=p),
            lambda a=axis, h=half, p=partition: theirs.precess(
                THICK, 9, axis=a, half_sphere=h, partition=p
            ),
            HALF_TURN if axis == 2 and not half else "",
        )
        for axis, half, partition in (
            (None, False, "axial"),
            (None, True, "polar"),
            (0, False, "axial"),
            (2, True, "axial"),
            (2, False, "axial"),
        )
    ),
    *(
        Row(
            f"conify(borders={borders}, in_out={in_out})",
            lambda k=k, i=in_out, b=borders: T.conify(
                k, 5, tilt=GOLDEN, in_out=i, max_angle=1.2, borders=b
            ),
            lambda k=k, i=in_out, b=borders: theirs.conify(k, 5, GOLDEN, i, 1.2, not b),
            why,
        )
        for k, in_out, borders, why in (
            (PLANE, False, False, ""),
            (PLANE, False, True, ""),
            (THROUGH, True, False, ""),
            (THICK - THICK[:, :1] + [0, 0, 0.1], False, False, ON_AXIS),
        )
    ),
    Row(
        "duplicate_along_axes(2, 1, 0), as theirs counts the axes backwards",
        lambda: T.duplicate_along_axes(THICK, (2, 1, 0)),
        lambda: theirs.duplicate_along_axes(THICK),
    ),
    Row(
        "stack_spherically",
        lambda: T.stack_spherically(disc, 40, 7, tilt=GOLDEN),
        lambda: theirs.stack_spherically(lambda Nc: disc(Nc), 40, 7, GOLDEN),
    ),
    *(
        Row(
            f"shells(lower={lower})",
            lambda lower=lower: T.shells(disc, 40, 7, lower=lower),
            lambda lower=lower: theirs.shellify(lambda Nc: disc(Nc), 40, 7, GOLDEN, lower),
        )
        for lower in ("symmetric", "reversed")
    ),
    *(
        Row(
            f"oversample(kind={kind})",
            lambda kind=kind: T.oversample(PLANE, 200, kind=kind),
            lambda kind=kind: theirs.oversample(PLANE, 200, kind),
        )
        for kind in ("linear", "quadratic", "cubic")
    ),
    *(
        Row(
            f"epify(alternate={alternate})",
            lambda a=alternate: T.epify(PLANE, 2, 9, alternate=a),
            lambda a=alternate: theirs.epify(PLANE, 9, 2, reverse_odd_shots=a),
        )
        for alternate in (False, True)
    ),
    Row(
        "unepify",
        lambda: T.unepify(T.epify(PLANE, 2, 9), SAMPLES, 9),
        lambda: theirs.unepify(theirs.epify(PLANE, 9, 2), SAMPLES, 9),
    ),
    Row(
        "radialize_centre",
        lambda: T.radialize_centre(THICK, 8),
        lambda: theirs.radialize_center(THICK, 8),
        "theirs samples the end of the line twice",
    ),
    Row(
        "radialize_centre(in_out=True)",
        lambda: T.radialize_centre(THICK, 8, in_out=True),
        lambda: theirs.radialize_center(THICK, 8, in_out=True),
        "theirs runs the first half of the line from the centre outwards, so that the shot jumps",
    ),
    *(
        Row(
            f"stack_random(density={density}, order={order})",
            lambda d=density, o=order: T.stack_random(
                PLANE, 22, 64, calibration=8, density=d, order=o, seed=3
            ),
            lambda d=peer_density, o=peer_order: theirs.stack_random(PLANE, 64, 8, 4, d, 3, o),
        )
        for density, order, peer_density, peer_order in (
            ("uniform", "centre", "uniform", "center-out"),
            ("gaussian", "random", "gaussian", "random"),
            ("even", "up", "equispaced", "top-down"),
        )
    ),
    Row(
        "caipi_offsets, in one order",
        lambda: np.unique(T.caipi_offsets((8, 12), (2, 3), **DOUBLE), axis=0),
        lambda: np.unique(theirs.get_grappa_caipi_positions((8, 12), (2, 3)), axis=0),
    ),
    Row(
        "caipi_offsets(shift=1), in one order",
        lambda: np.unique(T.caipi_offsets((8, 12), (2, 3), shift=1, **DOUBLE), axis=0),
        lambda: np.unique(theirs.get_grappa_caipi_positions((8, 12), (2, 3), 1), axis=0),
        "theirs shifts every second entry of its list: every second row, one step only, if even",
    ),
    packing("square", "square"),
    packing("square", "diamond"),
    packing("fibonacci", "circle"),
    packing("circular", "circle", TIES),
    packing("triangular", "circle", "theirs is no lattice of triangles: circles overlap by 7 %"),
]

ROWS_2D = [*PATTERNS_2D, *TOOLS]
