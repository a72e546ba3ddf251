"""Ctrl-C inside of the engines: a KeyboardInterrupt and nothing else, wherever it falls.

A fault here shows as a call that never ends. So the tests run in processes of their own, with
a limit of time that no run without a fault comes near.
"""

import ctypes
import signal
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import RLock, get_ident

import numpy as np
import pytest

from nufftlib.nufft.engines.grid.cpu import parallel
from nufftlib.nufft.engines.plans import call, guarded

RANGES = [(i, i + 1) for i in range(8)]


def in_a_process(code, *arguments):
    """Run Python code, and return what it prints; after two minutes it shows where it hangs."""
    code = f"import faulthandler\nfaulthandler.dump_traceback_later(120, exit=True)\n{code}"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


EVERY_BYTECODE = """
import sys
import numpy as np
from nufftlib.nufft.engines.grid.cpu import parallel

parallel.threads = lambda: 3

class Interrupt:
    def __init__(self, number):
        self.number = number
    def __call__(self, frame, event, argument):
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.number -= 1
            if self.number < 0:
                raise KeyboardInterrupt
        return self

def loop(out, begin, end):
    out[begin:end] += 1

def run():
    out = np.zeros(8)
    parallel.run(loop, [(i, i + 1) for i in range(8)], out)
    assert np.all(out == 1)

def grow(team):
    team.grow(2)
    assert len(team.helpers) == 2

interrupted = []
for call, setting, numbers in (run, lambda: (), 1000), (grow, lambda: (parallel.Team(),), 200):
    for number in range(numbers):
        arguments = setting()
        try:
            sys.settrace(Interrupt(number))
            call(*arguments)
        except KeyboardInterrupt:
            interrupted.append(call)
        sys.settrace(None)
        call(*arguments)
print(interrupted.count(run), interrupted.count(grow))
"""


def test_an_interrupt_before_any_bytecode_leaves_threads_that_work():
    run, grow = map(int, in_a_process(EVERY_BYTECODE).split())
    assert 100 < run < 1000  # all of its bytecodes, and then it ends
    assert 10 < grow < 200


RANDOM = """
import random, signal, sys, time
import numpy as np
import nufftlib as nl
from nufftlib.nufft.engines.grid.cpu import parallel

parallel.LITTLE = 0
parallel.threads = lambda: 3
signal.signal(signal.SIGALRM, signal.default_int_handler)
rng, times = np.random.default_rng(0), random.Random(0)
k = rng.uniform(-0.5, 0.5, (3000, 2))
x = np.ones((3, 40, 40), complex)
F = nl.NUFFT(k, (40, 40), engine=sys.argv[1])

def call():
    G = F.replace(trajectory=k)
    return G.H(G(x))

want = call()
begin = time.perf_counter()
for _ in range(20):
    call()
duration = (time.perf_counter() - begin) / 20
interrupted = 0
while interrupted < 300:
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 + times.random() * duration)
        call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupted += 1
    np.testing.assert_allclose(call(), want, rtol=1e-12)
print(interrupted)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that interrupts here")
@pytest.mark.parametrize("engine", ["grid", "finufft"])
def test_transforms_survive_interrupts_at_any_time(engine):
    assert int(in_a_process(RANDOM, engine)) == 300


def add_one(out, begin, end):
    out[begin:end] += 1


def test_helpers_keep_no_array_alive(monkeypatch):
    monkeypatch.setattr(parallel, "threads", lambda: 3)
    array = np.zeros(8)
    parallel.run(add_one, RANGES, array)
    gone = weakref.ref(array)
    del array
    assert gone() is None


def test_a_loop_is_first_called_by_the_thread_that_waits_for_it(monkeypatch):
    # Numba compiles it there: an interrupt can leave Numba's lock to that thread.
    monkeypatch.setattr(parallel, "threads", lambda: 3)
    calls = []
    parallel.run(lambda begin, end: calls.append((get_ident(), (begin, end))), RANGES)
    assert calls[0] == (get_ident(), (0, 0))
    assert sorted(done for _, done in calls[1:]) == RANGES


def test_helpers_that_do_not_come_are_not_waited_for(monkeypatch):
    class Empty(parallel.Team):
        def _help(self):
            pass

    monkeypatch.setattr(parallel, "threads", lambda: 3)
    monkeypatch.setattr(parallel, "TEAM", Empty())
    array = np.zeros(8)
    parallel.run(add_one, RANGES, array)
    assert np.all(array == 1)


def test_an_interrupt_among_the_arguments_of_a_native_call_stays_one():
    class Raising:
        @classmethod
        def from_param(cls, error):
            raise error

    function = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda _: None)
    function.argtypes = [Raising]
    with pytest.raises(KeyboardInterrupt):
        call(function, KeyboardInterrupt)
    with pytest.raises(ctypes.ArgumentError, match="ZeroDivisionError"):
        call(function, ZeroDivisionError)


class InterruptingLock:
    """A reentrant lock around which Ctrl-C is pressed, before or after it is acquired."""

    def __init__(self, when):
        self.lock, self.when = RLock(), when
        self.release = self.lock.release

    def acquire(self):
        if self.when == "before":
            raise KeyboardInterrupt
        self.lock.acquire()
        raise KeyboardInterrupt


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_leaves_no_lock_held(when):
    lock = InterruptingLock(when)
    with pytest.raises(KeyboardInterrupt):
        guarded(lock, print)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lock.lock.acquire, blocking=False).result()
