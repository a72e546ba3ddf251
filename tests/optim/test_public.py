import subprocess
import sys

import pytest

import optim


@pytest.mark.parametrize("name", [*optim.__all__, *optim.projections.__all__])
def test_every_public_name_is_documented_with_an_example(name):
    thing = getattr(optim, name, None) or getattr(optim.projections, name)
    assert thing.__doc__
    if name not in {"projections", "Result", "NonFiniteError"}:
        assert "Examples\n" in thing.__doc__


def test_importing_brings_nothing_heavy_and_nothing_of_nufftlib():
    program = (
        "import sys, optim\n"
        "heavy = {'nufftlib', 'scipy', 'torch', 'tqdm', 'finufft', 'cupy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
