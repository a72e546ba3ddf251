"""Scanners and protocols, and what they refuse."""

import dataclasses
import pickle

import pytest
from scans import PROTOCOL, SCANNER

import nufftlib as nl


def test_steps_follow_from_the_units():
    assert PROTOCOL.voxel == (0.24 / 256, 0.24 / 256)
    assert PROTOCOL.gradient_step == pytest.approx(42.577478518e6 * 10e-6 * 40e-3, rel=1e-15)
    assert PROTOCOL.slew_step == pytest.approx(42.577478518e6 * 10e-6**2 * 180, rel=1e-15)
    other = nl.mri.Protocol(SCANNER, fov=[0.2, 0.3, 0.1], shape=[10, 20, 4])
    assert other.voxel == pytest.approx((0.02, 0.015, 0.025))
    assert (other.ndim, other.fov, other.shape) == (3, (0.2, 0.3, 0.1), (10, 20, 4))


@pytest.mark.parametrize(
    ("rest", "ends"),
    [
        ("both", (True, True)),
        ("start", (True, False)),
        ("end", (False, True)),
        (None, (False, False)),
    ],
)
def test_where_there_is_rest(rest, ends):
    protocol = dataclasses.replace(PROTOCOL, rest=rest)
    assert (protocol.rests_at_start, protocol.rests_at_end) == ends


def test_they_are_values():
    again = pickle.loads(pickle.dumps(PROTOCOL))
    assert again == PROTOCOL
    assert hash(again) == hash(PROTOCOL)
    assert nl.mri.Protocol(SCANNER, (0.24, 0.24), [256, 256]) == PROTOCOL
    with pytest.raises(dataclasses.FrozenInstanceError):
        again.rest = None


SCAN = {"gmax": 40e-3, "smax": 180.0, "raster": 10e-6}


@pytest.mark.parametrize("name", ["gmax", "smax", "raster", "gamma"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.0, ValueError),
        (-1.0, ValueError),
        (float("inf"), ValueError),
        (float("nan"), ValueError),
        ("40", TypeError),
        (None, TypeError),
        (1j, TypeError),
    ],
)
def test_a_limit_is_a_positive_number(name, value, error):
    with pytest.raises(error, match=rf"Scanner\({name}\): {name} is"):
        nl.mri.Scanner(**{**SCAN, name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("gmax", 40.0), ("smax", 1.8e8), ("raster", 10.0), ("gmax", 80)]
)
def test_a_limit_in_another_unit_is_noticed(name, value):
    with pytest.raises(ValueError, match=rf"Scanner\({name}\): .* the units are T/m, T/m/s and s"):
        nl.mri.Scanner(**{**SCAN, name: value})


def test_a_field_of_view_in_millimetres_is_noticed():
    with pytest.raises(ValueError, match=r"Protocol\(fov\): fov is 240; want metres"):
        nl.mri.Protocol(nl.mri.Scanner(**SCAN), 240, (256, 256))


@pytest.mark.parametrize("norm", ["L2", "inf", None, 2])
def test_a_norm_has_one_of_two_names(norm):
    with pytest.raises(ValueError, match=r"Scanner\(norm\): .* want one of 'l2', 'max'"):
        nl.mri.Scanner(**SCAN, norm=norm)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"scanner": 40e-3}, TypeError, r"Protocol\(scanner\): scanner is 0.04; want a Scanner"),
        ({"fov": 0.0}, ValueError, "fov"),
        ({"fov": (0.2,)}, ValueError, "one for each axis of the shape"),
        ({"fov": (0.2, -0.2)}, ValueError, "fov"),
        ({"fov": "0.2"}, TypeError, "fov"),
        ({"fov": (0.2, "0.2")}, TypeError, "fov"),
        ({"shape": ()}, ValueError, "fov"),
        ({"shape": (0, 4)}, ValueError, "shape"),
        ({"shape": (4.5, 4)}, TypeError, "shape"),
        ({"dwell": 0.0}, ValueError, "dwell"),
        ({"dwell": "fast"}, TypeError, "dwell"),
        ({"rest": "middle"}, ValueError, r"Protocol\(rest\): rest is 'middle'; want one of"),
        ({"rest": False}, ValueError, r"Protocol\(rest\)"),
    ],
)
def test_a_protocol_refuses_what_does_not_fit(change, error, message):
    with pytest.raises(error, match=message):
        nl.mri.Protocol(**{"scanner": SCANNER, "fov": 0.24, "shape": (8, 8), **change})
