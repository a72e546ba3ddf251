"""Phase retrieval: the aberrations of a lens from pictures of a bead through focus."""

from nufftlib.blur.phase.retrieve import RetrievedPhase, retrieve_phase

__all__ = ["RetrievedPhase", "retrieve_phase"]
