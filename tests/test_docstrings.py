"""Every public name has a whole docstring, by numpydoc's own rules."""

import importlib
import types

import pytest
from packages import ADAPTERS, PACKAGES

validate = pytest.importorskip("numpydoc.validate", reason="comes with the extra dev").validate

IMPORTED = [*PACKAGES]
for adapter in ADAPTERS:
    try:
        IMPORTED.append(importlib.import_module(adapter))
    except ModuleNotFoundError:
        continue
NAMES = [
    f"{package.__name__}.{name}"
    for package in IMPORTED
    for name in package.__all__
    if not isinstance(getattr(package, name), types.ModuleType | tuple)
]
# One-line summaries suffice, and formulas may begin them.
FREE = {"ES01", "SA01", "SS03", "SS06", "GL01", "GL02", "GL03"}
# What a workflow or a loop returns is shown by the example of the function that returns it.
WITHOUT_EXAMPLE = {
    "AttractedTrajectory",
    "BlindCalibration",
    "CalibratedPair",
    "CalibratedField",
    "CalibratedPSF",
    "CalibratedStars",
    "Certificate",
    "Curve",
    "DeblurredPicture",
    "Identifiability",
    "Registration",
    "ImageScore",
    "LCurve",
    "LearnedOnImages",
    "ImageSet",
    "StoredImages",
    "DistributedObjective",
    "Workers",
    "LearnedTrajectory",
    "Measured",
    "PSFMeasures",
    "NerveModel",
    "CheckpointError",
    "NonFiniteError",
    "NotConvergedWarning",
    "CalibratedDelays",
    "CompressedCoils",
    "EspiritMaps",
    "Hole",
    "PointSpread",
    "ProjectedTrajectory",
    "ReconstructedImage",
    "RejectedStar",
    "Result",
    "Scan",
    "Stack",
    "RetrievedPhase",
    "SlantedEdge",
    "TrajectoryFile",
    "TrajectoryReport",
}
# NamedTuples describe their fields as attributes; an interface has none.
FIELDS = {
    "Curve",
    "Measured",
    "CalibratedDelays",
    "CompressedCoils",
    "EspiritMaps",
    "Hole",
    "Penalty",
    "Registration",
    "RejectedStar",
    "Result",
    "Identifiability",
    "NerveModel",
    "SlantedEdge",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_is_whole(name):
    free = set(FREE)
    if name.rpartition(".")[2] in WITHOUT_EXAMPLE:
        free.add("EX01")
    if name.rpartition(".")[2] in FIELDS:
        free.add("PR01")
    assert [error for error in validate(name)["errors"] if error[0] not in free] == []
