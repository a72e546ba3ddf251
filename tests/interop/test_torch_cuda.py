"""The torch adapter on a GPU."""

import numpy as np
import pytest

import nufftlib as nl

torch = pytest.importorskip("torch")
cupy = pytest.importorskip("cupy")
if not torch.cuda.is_available():
    pytest.skip("torch has no CUDA device", allow_module_level=True)

from nufftlib.interop.torch import wrap  # noqa: E402

pytestmark = pytest.mark.gpu

RNG = np.random.default_rng(0)


def test_cupy_computes_on_cuda_tensors_on_torchs_stream_without_a_copy():
    seen = []

    class Seen(nl.Diagonal):
        def _apply(self, x):
            y = super()._apply(x)
            seen.append((cupy.cuda.get_current_stream().ptr, x.data.ptr, y.data.ptr))
            return y

    w = cupy.asarray(RNG.standard_normal(4))
    f, x = wrap(Seen(w)), torch.arange(4.0, device="cuda", dtype=torch.float64, requires_grad=True)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        y = f(x, weights=torch.full((4,), 2.0, device="cuda", dtype=torch.float64))
        y.sum().backward()
    torch.cuda.synchronize()
    assert seen == [(stream.cuda_stream, x.data_ptr(), y.data_ptr())]
    assert y.tolist() == [0.0, 2.0, 4.0, 6.0]
    assert x.grad.tolist() == [2.0] * 4
    with pytest.raises(ValueError, match="x is on cpu and the operator is made of cupy arrays"):
        f(torch.ones(4).double())


@pytest.mark.parametrize("library", ["cupy", "torch"])
def test_gradients(library):
    x = RNG.standard_normal((2, 5, 6)) + 1j * RNG.standard_normal((2, 5, 6))
    k = RNG.uniform(-0.5, 0.5, (4, 2))
    on_gpu = cupy.asarray(k) if library == "cupy" else torch.tensor(k, device="cuda")
    results = []
    for points, device in ((k, "cpu"), (on_gpu, "cuda")):
        f = wrap(nl.NUFFT(points, (5, 6), eps=1e-12))
        image, moved = (torch.tensor(a, device=device, requires_grad=True) for a in (x, 0.9 * k))
        y = f(image, trajectory=moved)
        y.abs().square().sum().backward()
        results.append([t.detach().cpu() for t in (y, image.grad, moved.grad)])
    for ours, want in zip(*results, strict=True):
        torch.testing.assert_close(ours, want, rtol=1e-9, atol=1e-9)
