"""Imaging operators whose parameters can be learned or calibrated."""

from nufftlib import blur, mri, warp
from nufftlib.blur.downsample import Downsample
from nufftlib.blur.operator import Blur
from nufftlib.blur.point_sources import PointSources
from nufftlib.blur.space_varying import SpaceVaryingBlur
from nufftlib.core.block_diagonal import BlockDiagonal
from nufftlib.core.cartesian import FFT
from nufftlib.core.check import OperatorReport, check_operator
from nufftlib.core.convert import convert
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.differences import FiniteDifferences
from nufftlib.core.inner import inner
from nufftlib.core.losses import (
    HalfSquaredError,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
)
from nufftlib.core.metrics import ms_ssim, nrmse, psnr, ssim
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.paired import Paired
from nufftlib.core.pointwise import Magnitude, MeanNormalize
from nufftlib.core.poisson import PoissonLikelihood
from nufftlib.core.quadratic import Quadratic
from nufftlib.core.ssim import SSIM, MultiScaleSSIM
from nufftlib.core.wavelets import Wavelet
from nufftlib.inverse.inverse import Inverse
from nufftlib.inverse.least_squares import LeastSquares
from nufftlib.inverse.penalized import PenalizedLeastSquares
from nufftlib.inverse.penalties import Charbonnier
from nufftlib.inverse.solve import NotConvergedWarning
from nufftlib.inverse.unrolled import UnrolledConjugateGradient, UnrolledProximalGradient
from nufftlib.mri.field_of_view import FieldOfViewShift
from nufftlib.mri.off_resonance.operator import OffResonance
from nufftlib.mri.partitions import PartitionFFT
from nufftlib.mri.sense import Sense
from nufftlib.mri.subspace.operator import Subspace
from nufftlib.nufft.operator import NUFFT
from nufftlib.warp.operator import Warp

__all__ = [
    "FFT",
    "NUFFT",
    "SSIM",
    "BlockDiagonal",
    "Blur",
    "Charbonnier",
    "Diagonal",
    "Downsample",
    "FieldOfViewShift",
    "FiniteDifferences",
    "HalfSquaredError",
    "Huber",
    "Inverse",
    "LeastSquares",
    "LinearOperator",
    "Magnitude",
    "Map",
    "MeanAbsoluteError",
    "MeanNormalize",
    "MeanSquaredError",
    "MultiScaleSSIM",
    "NotConvergedWarning",
    "OffResonance",
    "OperatorReport",
    "Paired",
    "PartitionFFT",
    "PenalizedLeastSquares",
    "PointSources",
    "PoissonLikelihood",
    "Quadratic",
    "Sense",
    "SpaceVaryingBlur",
    "Subspace",
    "UnrolledConjugateGradient",
    "UnrolledProximalGradient",
    "Warp",
    "Wavelet",
    "blur",
    "check_operator",
    "convert",
    "inner",
    "mri",
    "ms_ssim",
    "nrmse",
    "psnr",
    "ssim",
    "warp",
]
