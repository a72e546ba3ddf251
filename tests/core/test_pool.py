"""Sums whose order is fixed."""

import math

import numpy as np
import pytest

from nufftlib.core import pool, threads
from nufftlib.core.pool import OneProcess, blocks, tree_sum

rng = np.random.default_rng(0)
VALUES = [*rng.standard_normal((77, 20))]


def by_halves(terms):
    """The definition: split behind the largest power of two below the number of terms."""
    if len(terms) == 1:
        return terms[0]
    m = 2 ** (math.ceil(math.log2(len(terms))) - 1)
    return by_halves(terms[:m]) + by_halves(terms[m:])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 11, 64, 77])
def test_the_tree_is_that_of_its_definition_and_of_all_its_blocks(count):
    terms = [(value,) for value in VALUES[:count]]
    expected = by_halves(VALUES[:count])
    assert np.array_equal(tree_sum(terms)[0], expected)
    for number in range(1, count + 3):
        parts = [tree_sum(terms[i] for i in block) for block in blocks(count, number)]
        assert np.array_equal(tree_sum(parts)[0], expected)


def test_the_order_matters_to_these_numbers():
    assert not np.array_equal(sum(VALUES), by_halves(VALUES))
    assert not np.array_equal(by_halves(VALUES[:7]) + by_halves(VALUES[7:]), by_halves(VALUES))


def test_blocks_are_subtrees_of_one_length():
    assert blocks(64, 4) == [range(0, 16), range(16, 32), range(32, 48), range(48, 64)]
    assert len(blocks(64, 5)) == 8
    assert blocks(3, 8) == [range(0, 1), range(1, 2), range(2, 3)]
    assert [len(block) for block in blocks(11, 3)] == [4, 4, 3]


def test_few_partial_sums_are_held(monkeypatch):
    most, fold = [], pool.fold
    monkeypatch.setattr(pool, "fold", lambda held: (most.append(len(held)), fold(held)))
    tree_sum((value,) for value in range(1000))
    assert max(most) <= 1 + math.ceil(math.log2(1000))


def test_one_process_maps_and_sums_in_order():
    here = OneProcess()
    assert here.map(divmod, [7, 8, 9], 3) == [(2, 1), (2, 2), (3, 0)]
    assert here.sum(divmod, [7, 8, 9], 3) == (7, 3)


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(ValueError, match="there are no items; want one or more"):
        OneProcess().sum(divmod, [], 3)
    assert OneProcess().map(divmod, [], 3) == []


def test_threads_are_those_of_the_variable_or_of_the_process(monkeypatch):
    monkeypatch.setenv(threads.VARIABLE, "3")
    assert threads.threads() == 3
    threads.use_threads(2)
    assert threads.threads() == 2
    monkeypatch.delenv(threads.VARIABLE)
    assert threads.threads() == threads.available() >= 1
