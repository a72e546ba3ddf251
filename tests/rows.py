"""The rows of every test: one array library each, as strict as it can be made."""

from contextlib import contextmanager

import array_api_compat as compat
import numpy as np
import pytest

CPU_ROWS = (
    "numpy",
    "numpy-readonly",  # whoever modifies an input is found out
    "strict",
    "torch",
)
CUDA_ROWS = ("cupy", "torch-cuda", "jax-cuda")


class Row:
    """Makes arrays of one namespace on one device, and brings them back."""

    def __init__(self, name, xp, device, *, writeable=True):
        self.name = name
        self.xp = xp
        self.device = device
        self.writeable = writeable
        self.cuda = name in CUDA_ROWS

    def array(self, values, dtype="float64"):
        values = np.asarray(values, dtype=dtype)
        if compat.is_numpy_namespace(self.xp):
            values = values.copy()
            values.flags.writeable = self.writeable
            return values
        return self.xp.asarray(values.tolist(), dtype=getattr(self.xp, dtype), device=self.device)

    def numpy(self, x):
        if compat.is_cupy_array(x):
            return x.get()
        if compat.is_numpy_array(x) or compat.is_jax_array(x):
            return np.asarray(x)
        cpu = self.xp.Device("CPU_DEVICE") if self.xp.__name__ == "array_api_strict" else "cpu"
        return np.asarray(compat.to_device(x, cpu))

    def owns(self, x, dtype):
        """Whether `x` is of this namespace, on this device and of this dtype."""
        own = self.array(0.0, "float32")
        return (
            compat.array_namespace(x) is compat.array_namespace(own)
            and compat.device(x) == compat.device(own)
            and x.dtype == getattr(self.xp, dtype)
        )


ROWS = [*CPU_ROWS, pytest.param("cupy", marks=pytest.mark.gpu)]
"""Of every test. JAX, which compiles each operation for each shape, is in `test_rows.py` alone:
what agrees with NumPy keeps its laws. torch on CUDA is there too, and in a few of the laws."""


def covering(every, some):
    """Return settings ``(row, case)``: every case in NumPy, and some in the other libraries.

    That a law holds is shown in NumPy; what another library may do otherwise shows in a few cases.
    """
    gpu = [("cupy", [pytest.mark.gpu])]
    for name, marks in [*((row, ()) for row in CPU_ROWS), *gpu]:
        for case in every if name == "numpy" else some:
            label = "-".join(case) if isinstance(case, tuple) else getattr(case, "name", case)
            yield pytest.param((name, case), marks=marks, id=f"{name}-{label}")


@contextmanager
def open_row(name, *, host=False, single=False):
    """Give the row of this name.

    `host` asks for memory that a native library can read, and `single` for a JAX that, as it
    does unless told otherwise, knows single precision alone.
    """
    if name.startswith("numpy"):
        yield Row(name, compat.array_namespace(np.zeros(1)), "cpu", writeable=name == "numpy")
    elif name == "strict":
        strict = pytest.importorskip("array_api_strict")
        # A device that is not the default shows arrays made in the wrong place.
        device = strict.Device("CPU_DEVICE" if host else "device1")
        with strict.ArrayAPIStrictFlags(boolean_indexing=False, data_dependent_shapes=False):
            yield Row(name, strict, device)
    elif name.startswith("torch"):
        torch = pytest.importorskip("torch")
        if name == "torch-cuda" and not torch.cuda.is_available():
            pytest.skip("torch finds no CUDA device")
        device = "cpu" if name == "torch" else "cuda:0"
        yield Row(name, compat.array_namespace(torch.zeros(1)), device)
    elif name.startswith("jax"):
        jax = pytest.importorskip("jax")
        if name == "jax-cuda" and jax.default_backend() != "gpu":
            pytest.skip("JAX finds no CUDA device")
        device = jax.devices("cpu" if name == "jax" else "cuda")[0]
        with jax.enable_x64(not single):
            yield Row(name, jax.numpy, device)
    else:
        cupy = pytest.importorskip("cupy")
        yield Row(name, compat.array_namespace(cupy.zeros(1)), None)
