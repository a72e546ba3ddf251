"""Let torchvision be imported where its compiled operators cannot be loaded.

Import this before deepinv, and before mri-nufft, which imports deepinv.
torchvision on PyPI is compiled against the CUDA build of torch; beside the CPU
build its extension does not load and its import stops at the two operators that
it describes unconditionally. Declaring them, without any implementation, is all that
the import needs. Neither published example calls them.
"""

import torch

try:
    import torchvision
except RuntimeError:
    for name in ("nms", "qnms"):
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", schema)
    import torchvision

__all__ = ["torchvision"]
