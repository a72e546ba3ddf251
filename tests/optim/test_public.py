import subprocess
import sys

import pytest

import optim


@pytest.mark.parametrize(
    ("module", "name"),
    [(m, name) for m in (optim, optim.projections, optim.proximal) for name in m.__all__],
)
def test_every_public_name_is_documented_with_an_example(module, name):
    thing = getattr(module, name)
    assert thing.__doc__
    if name not in {"projections", "proximal", "Result", "CheckpointError", "NonFiniteError"}:
        assert "Examples\n" in thing.__doc__


def test_importing_brings_nothing_heavy_and_nothing_of_nufftlib():
    program = (
        "import sys, optim\n"
        "heavy = {'nufftlib', 'scipy', 'torch', 'tqdm', 'finufft', 'cupy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
