"""Every public function in every array library: what NumPy gives, in the caller's own arrays."""

import numbers
from functools import cache
from itertools import product

import array_api_compat as compat
import numpy as np
import pytest
from cases import Maker
from packages import PACKAGES
from public import ENTRIES, ROWS, WITHOUT_CALL, marks_of, runs
from rows import open_row


def in_rows(precision):
    for entry, name in product(ENTRIES, ROWS):
        if runs(entry, name, precision):
            yield pytest.param(entry, name, marks=marks_of(name), id=f"{entry.title}-{name}")


def leaves(found):
    """Return the arrays and numbers in what a function gave."""
    if isinstance(found, tuple | list):
        return [leaf for part in found for leaf in leaves(part)]
    return [found]


class Watched(Maker):
    """Remembers the inputs that it makes."""

    def __init__(self, row, precision, seed):
        super().__init__(row, precision, seed)
        self.made = []

    def note(self, x):
        self.made.append((x, np.array(self.row.numpy(x))))
        return x

    def real(self, *shape):
        return self.note(super().real(*shape))

    def complex(self, *shape):
        return self.note(super().complex(*shape))


def call(entry, row, precision):
    maker = Watched(row, precision, sum(entry.name.encode()))
    found = leaves(entry.call(maker))
    for x, before in maker.made:
        assert np.array_equal(row.numpy(x), before), "an input was changed"
    return found


@cache
def by_numpy(entry):
    """Return what NumPy gives: once for all rows, whose arrays are others."""
    with open_row("numpy", host=entry.host) as numpy:
        return call(entry, numpy, "double")


def test_every_public_name_has_an_entry():
    names = {f"{package.__name__}.{name}" for package in PACKAGES for name in package.__all__}
    assert {entry.name for entry in ENTRIES} | set(WITHOUT_CALL) == names
    assert not {entry.name for entry in ENTRIES} & set(WITHOUT_CALL)


@pytest.mark.parametrize(("entry", "name"), list(in_rows("double")))
def test_it_gives_what_numpy_gives(entry, name):
    with open_row(name, host=entry.host) as row:
        got = call(entry, row, "double")
        for a, b in zip(got, by_numpy(entry), strict=True):
            if compat.is_array_api_obj(b):
                kind = str(b.dtype)
                assert row.owns(a, kind), (type(a), a.dtype)
                a, b = row.numpy(a), np.asarray(b)
            else:
                assert isinstance(a, numbers.Number)
            assert np.linalg.norm(a - b) <= (1e-12 + entry.eps) * max(np.linalg.norm(b), 1e-3)


@pytest.mark.parametrize(("entry", "name"), list(in_rows("single")))
def test_single_precision_stays_single(entry, name):
    with open_row(name, host=entry.host, single=True) as row:
        found = [x for x in call(entry, row, "single") if compat.is_array_api_obj(x)]
        kinds = ["float32", "complex64"] + ["float64", "complex128"] * entry.double
        for x in found:
            assert any(row.owns(x, kind) for kind in kinds), x.dtype
