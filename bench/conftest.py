"""The library that computes: NumPy, or CuPy where there is a GPU."""

import numpy as np
import pytest

collect_ignore = ["peers", "mni152"]  # scripts; peers need an environment of their own


@pytest.fixture(params=["numpy", pytest.param("cupy", marks=pytest.mark.gpu)])
def xp(request):
    if request.param == "numpy":
        return np
    cupy = pytest.importorskip("cupy")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("no CUDA device")
    return cupy


@pytest.fixture
def timed(xp, benchmark):
    """Time a call until its result is there, not until it is queued."""

    def run(f, *args):
        def finished():
            result = f(*args)
            if xp is not np:
                xp.cuda.get_current_stream().synchronize()
            return result

        return benchmark(finished)

    return run
