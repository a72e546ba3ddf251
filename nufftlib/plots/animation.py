"""The animation of a trajectory that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize, to_rgb
from PIL import Image

from nufftlib.plots.figures import BLUE, ORANGE, Real, new_figure
from nufftlib.plots.learned import draw_planes, planes
from nufftlib.plots.losses import draw_losses
from nufftlib.plots.samples import draw_trajectory


class Frame(NamedTuple):
    """A moment of the learning.

    Attributes
    ----------
    step : int
        Steps done so far.
    trajectory : ndarray, shape (shots, samples, 2 or 3)
        Trajectory then.
    reconstruction : ndarray, shape (height, width) or (height, width, depth)
        Reconstruction with it.
    """

    step: int
    trajectory: Real
    reconstruction: Real


def animate_learning(frames: Sequence[Frame], losses: Sequence[float], file: BinaryIO) -> None:
    """Animate the trajectory, the reconstruction and the loss.

    Parameters
    ----------
    frames : sequence of Frame
        The moments to show, in order; the last is the best.
    losses : sequence of float
        All losses.
    file : binary file
        Where to write the GIF.
    """
    figure = new_figure(11.5, 4.2, dpi=90)
    grid = figure.add_gridspec(1, 3)
    move = draw_trajectory(figure, grid[0], frames[0].trajectory, "Trajectory")
    # All frames have the grey scale of the best one, which is the closest to the image.
    white = Normalize(0, float(frames[-1].reconstruction.max()))
    first = frames[0].reconstruction
    inner = grid[1].subgridspec(2, 2)
    cells = [grid[1]] if first.ndim == 2 else [inner[i] for i in range(3)]
    shown = draw_planes(figure, cells, first, "Reconstruction", white)
    right = figure.add_subplot(grid[2])
    draw_losses(right, losses, "loss", color="0.8")
    right.set_title("Loss")
    right.set_box_aspect(1)
    (past,) = right.plot([], [], color=BLUE)
    (now,) = right.plot([], [], "o", color=ORANGE)
    caption = figure.suptitle(step_caption(frames[-1].step, losses))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call] # matplotlib's gap
    figure.set_layout_engine("none")  # nothing moves between the frames
    palette = gif_palette()
    images = []
    for frame in frames:
        caption.set_text(step_caption(frame.step, losses))
        move(frame.trajectory)
        for part, plane in zip(shown, planes(frame.reconstruction), strict=True):
            part.set_data(plane.values)
        past.set_data(range(frame.step + 1), losses[: frame.step + 1])
        now.set_data([frame.step], [losses[frame.step]])
        canvas.draw()  # type: ignore[no-untyped-call] # matplotlib's gap
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call] # same gap
        image = Image.fromarray(pixels).convert("RGB")
        images.append(image.quantize(palette=palette, dither=Image.Dither.NONE))
    images[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=[800, *(120 for _ in images[1:-1]), 2500][-len(images) :],
        loop=0,
    )


def step_caption(step: int, losses: Sequence[float]) -> str:
    """Return the caption of a frame."""
    best = ", the best" if step == losses.index(min(losses)) else ""
    return f"Step {step} of {len(losses) - 1}{best}: loss {losses[step]:.3g}"


def gif_palette() -> Image.Image:
    """Return one palette for all frames, so that no colour flickers: greys and both inks."""
    # Pillow looks colours up to 4 levels of 256: another tint as near to white would replace it.
    near = 0.04
    tints = [np.ones((1, 3))]
    for ink, number in (("black", 159), (BLUE, 48), (ORANGE, 48)):
        strength = np.linspace(near, 1, number)[:, None]
        tints.append(1 - strength * (1 - np.asarray(to_rgb(ink))))
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255 * np.concatenate(tints)).astype(np.uint8).tobytes())
    return palette
