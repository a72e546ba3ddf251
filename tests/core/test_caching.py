"""What is remembered for a setting does not depend on whose numbers came first."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.core.caching import Remembered, plain
from nufftlib.nufft.engines.grid.layout import layout

NO_SETTINGS = {
    "are_complex",
    "compiled",
    "computed_names",
    "declared",
    "import_cufinufft",
    "library",
    "opened",
    "of_kind",
    "precision",
    "whole",
}
"""Functions with a plain cache: of types, dtypes, modules and files, or of nothing."""

SETTINGS = {
    "best_kernel": (5, 1.5),
    "choose_kernel": (1e-3, 2, True),
    "density_kernel": (5,),
    "density_layout": ((24, 24), 5),
    "gaussian_filter": (24, 5.0, 2, True),
    "interpolation": (2, 5, 6, 2, 2, "values"),
    "layout": ((24, 24), 1e-3, True),
    "matern_factor": (0.3,),
    "monomials": (6,),
    "nodes": (20,),
    "point_polynomials": (layout((24, 24), 1e-3, True), np.dtype("f4"), 2),
    "pupil": (16, (4, 5)),
    "spread_of_light": (16, 16, 1.0, False),
    "forward_step": (2, 5, 6, False),
    "backward_step": (2, 5, 6),
    "spreading": (2, 5, 6, 2, 2, False, False),
    "tables": (layout((24, 24), 1e-3, True), np.dtype("f4"), 2),
    "tile": (5, 2, 4, 2, 1),
}
"""Settings of every function that remembers them, in Python's numbers."""

ON_A_DEVICE = {"nufftlib.nufft.engines.grid.cuda.grid.tables"}


def modules():
    for found in pkgutil.walk_packages(nl.__path__, "nufftlib."):
        if not found.name.endswith("__main__"):
            try:
                yield importlib.import_module(found.name)
            except ImportError:  # a package that is not installed here
                continue


def cached():
    """Return every function with a cache, by its full name."""
    return {
        f"{module.__name__}.{name}": value
        for module in modules()
        for name, value in vars(module).items()
        if hasattr(value, "cache_info") and value.__module__ == module.__name__
    }


def as_numpy(setting):
    if isinstance(setting, tuple):
        return tuple(map(as_numpy, setting))
    if isinstance(setting, bool):
        return np.bool_(setting)
    return {int: np.int64, float: np.float64}.get(type(setting), lambda s: s)(setting)


FUNCTIONS = {
    name: function
    for name, function in cached().items()
    if isinstance(function, Remembered) and name not in ON_A_DEVICE
}


def test_every_cache_of_settings_is_of_this_kind():
    for name, function in cached().items():
        last = name.rsplit(".", 1)[-1]
        assert isinstance(function, Remembered) == (last not in NO_SETTINGS), name
        assert last in (NO_SETTINGS if last in NO_SETTINGS else SETTINGS), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_of_numpy_come_first_and_leave_what_plain_ones_get(name):
    function, settings = FUNCTIONS[name], SETTINGS[name.rsplit(".", 1)[-1]]
    seen = []

    def record(*arguments):
        seen.append(arguments)
        return object()

    remembered = Remembered(record, maxsize=4)
    first = remembered(*map(as_numpy, settings))
    assert remembered(*settings) is first  # one result for both
    assert [type(s) for s in seen[0]] == [type(s) for s in settings]
    assert function(*map(as_numpy, settings)) is function(*settings)
    assert list(inspect.signature(function).parameters)  # it still has its own name and signature


def test_plain_numbers_are_pythons_own_in_tuples_too():
    got = plain((np.int32(3), (np.float64(0.5), np.bool_(True)), "a"))
    assert got == (3, (0.5, True), "a")
    assert [type(got[0]), type(got[1][0]), type(got[1][1])] == [int, float, bool]


def test_operators_and_weights_take_numbers_of_numpy_first():
    """A width that only NumPy's numbers would have compiled once broke the default for good."""
    k = nl.mri.trajectories.radial(8, 16)
    settings = {"eps": np.float64(3e-4), "memory_limit": np.int64(2**28), "engine": "grid"}
    F = nl.NUFFT(k, (np.int64(25), np.int16(25)), **settings)
    G = nl.NUFFT(k, (25, 25), eps=3e-4, memory_limit=2**28, engine="grid")
    assert type(F.eps) is float
    assert type(F.memory_limit) is int
    x = np.ones((25, 25), np.complex64)
    np.testing.assert_array_equal(F.H(F(x)), G.H(G(x)))
    for width, grid in ((np.int64(6), (np.int64(26), np.int64(26))), (6, (26, 26))):
        w = nl.mri.pipe_menon(F, width=width, grid=grid, iterations=np.int64(2))
        assert np.all(w > 0)
    np.testing.assert_array_equal(w, nl.mri.pipe_menon(G, width=6, grid=(26, 26), iterations=2))


def test_a_limit_of_memory_is_a_whole_number():
    with pytest.raises(TypeError, match=r"memory_limit is 1000000000.0; want an integer, bytes"):
        nl.NUFFT(np.zeros((3, 1)), (8,), memory_limit=1e9)
