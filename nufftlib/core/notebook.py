"""What a notebook shows of an operator, a result or a report: a table, with thumbnails.

Colours are those of the notebook, light or dark, and greys between them. Pictures are PNG that
stand in the HTML itself.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj
from numpy.typing import NDArray

from nufftlib.core.arrays import Array, summary
from nufftlib.core.convert import fetched
from nufftlib.core.shapes import Shapes, written
from nufftlib.core.tree import Node, children

Pixels = NDArray[np.uint8]

SIDE = 128
"""Pixels along the longer side of a thumbnail at most; small pictures are enlarged to it."""
ARROW = "\N{RIGHTWARDS ARROW}"
FEW = 6
"""Numbers that are shown one by one; of more the ends are."""

FRAME = "display:inline-block;border:1px solid rgba(128,128,128,.5);border-radius:4px;"
FRAME += "padding:.4em .7em;margin:.2em 0;line-height:1.35;"
FRAME += "max-width:100%;box-sizing:border-box;overflow-x:auto"
FAINT = "opacity:.65"
CELL = "text-align:left;vertical-align:top;padding:0 1em 0 0;border:0;background:none;"
CELL += "font-size:inherit"


def card(
    thing: Any,
    facts: Mapping[str, object] | None = None,
    **thumbnails: Callable[[Any], Pixels],
) -> str:
    """Return the HTML of a dataclass or named tuple: its fields, and thumbnails of some.

    Parameters
    ----------
    thing : object
        An operator, a map or a result.
    facts : dict, optional
        What is said beside the fields, or in the place of those of the same name.
    **thumbnails : callable
        By the names of fields, what makes a picture of their arrays: `picture` or `samples`.

    Returns
    -------
    str
        A piece of HTML.
    """
    rows, inner = dict[str, str](), []
    rule = getattr(thing, "shapes", None) if isinstance(thing, Node) else None
    if isinstance(rule, Shapes):
        rows[f"in {ARROW} out"] = f"{written(rule.source)} {ARROW} {written(rule.target)}"
    for name, value in {**dict(fields_of(thing)), **(facts or {})}.items():
        for key, part in numbered(name, value):
            if isinstance(part, Node) or made_of_fields(part):
                inner.append(folded(key, card(part)))
            else:
                rows[key] = said(part)
    shown = {name: getattr(thing, name) for name in thumbnails}
    pictures = "".join(thumbnail(name, thumbnails[name](x)) for name, x in shown.items())
    return framed(outline(thing), f"<div>{pictures}</div>" + table(rows) + "".join(inner))


def printed(thing: object) -> str:
    """Return the HTML of a report that is a table when printed."""
    style = "margin:.3em 0 0;background:none;border:0;padding:0;color:inherit;overflow-x:auto"
    return framed(type(thing).__name__, f'<pre style="{style}">{escape(str(thing))}</pre>')


def outline(thing: Any) -> str:
    """Return the name of a class, with those of the operators that it is made of."""
    parts = [outline(part) for _, part in children(thing) if isinstance(part, Node)]
    return type(thing).__name__ + (f"({', '.join(parts)})" if parts else "")


def fields_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields that a dataclass or a named tuple was made of."""
    if dataclasses.is_dataclass(thing):
        yield from ((f.name, getattr(thing, f.name)) for f in dataclasses.fields(thing) if f.repr)
    else:
        yield from getattr(thing, "_asdict", dict)().items()


def made_of_fields(value: Any) -> bool:
    """Tell whether a value has fields, and no text of its own to print."""
    fields = dataclasses.is_dataclass(value) or hasattr(value, "_fields")
    kind: Any = type(value)
    return fields and kind.__str__ is object.__str__


def numbered(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a field, or one by one the operators in a tuple."""
    if isinstance(value, tuple) and any(isinstance(part, Node) for part in value):
        yield from ((f"{name}[{i}]", part) for i, part in enumerate(value))
    else:
        yield name, value


def said(value: object) -> str:
    """Return a value in words: arrays by shape and dtype, and few numbers by themselves."""
    if isinstance(value, np.ndarray) and value.size <= FEW and value.dtype.kind in "fiu":
        return np.array2string(value, precision=4, separator=", ")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    if is_array_api_obj(value):
        return summary(value).strip("<>")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {said(part)}" for name, part in value.items())
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        if len(value) <= FEW:
            return ", ".join(map(said, value)) or "none"
        return f"{len(value)}, from {said(value[0])} to {said(value[-1])}"
    return "none" if value is None else str(value)


def framed(title: str, body: str) -> str:
    """Return a body below a title, in a frame."""
    return f'<div style="{FRAME}"><strong>{escape(title)}</strong>{body}</div>'


def folded(title: str, body: str) -> str:
    """Return a body that the reader may unfold."""
    return f'<details><summary style="{FAINT}">{escape(title)}</summary>{body}</details>'


def table(rows: Mapping[str, str]) -> str:
    """Return a table of names and values."""
    name, value = f'<td style="{CELL};{FAINT}">', f'<td style="{CELL}">'
    lines = (
        f'<tr style="background:none">{name}{escape(key)}</td>{value}{escape(text)}</td></tr>'
        for key, text in rows.items()
    )
    return f'<table style="border:0;margin:.3em 0 0;font-size:inherit">{"".join(lines)}</table>'


def thumbnail(name: str, pixels: Pixels) -> str:
    """Return a picture above its name."""
    data = b64encode(png(enlarged(pixels))).decode()
    return (
        '<div style="display:inline-block;margin:.4em .8em .2em 0;text-align:left">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(name)}" '
        f'style="display:block;max-width:none;image-rendering:pixelated">'
        f'<span style="{FAINT}">{escape(name)}</span></div>'
    )


def picture(x: Array) -> Pixels:
    """Return grey levels from the least value, or zero, to the largest; of three channels colours.

    Of complex values it takes the magnitude, and of a stack the image in the middle.
    """
    values = np.nan_to_num(fetched(x).astype(complex if np.iscomplexobj(fetched(x)) else float))
    values = np.abs(values) if np.iscomplexobj(values) else values
    while values.ndim > 3 or (values.ndim == 3 and len(values) != 3):
        values = values[len(values) // 2]
    values = np.moveaxis(values, 0, -1) if values.ndim == 3 else np.atleast_2d(values)
    values = shrunk(values)
    black, white = min(values.min(), 0.0), values.max()
    levels = (values - black) / (white - black) if white > black else 0 * values
    grey: Pixels = np.round(255 * levels).astype(np.uint8)
    return grey


def samples(k: Array) -> Pixels:
    """Return how densely the points of a trajectory lie, along its last two axes."""
    points = np.nan_to_num(fetched(k).astype(float).reshape(-1, k.shape[-1]))
    if points.shape[-1] == 1:
        points = np.concatenate([0 * points, points], axis=-1)
    edge = max(0.5, np.max(np.abs(points), initial=0.0))
    places = ([-edge, edge],) * 2
    counts = np.histogram2d(points[:, -2], points[:, -1], bins=SIDE, range=places)[0]
    # Points that lie alone are seen as well.
    grey: Pixels = np.round(255 * np.minimum(1.0, np.sqrt(counts / 4.0))).astype(np.uint8)
    return grey


def shrunk(values: NDArray[Any]) -> NDArray[Any]:
    """Return means over blocks, so that neither side is longer than `SIDE`."""
    height, width = values.shape[:2]
    n = -(-max(height, width) // SIDE)
    rows, columns = max(height // n, 1), max(width // n, 1)
    cut = values[: rows * n, : columns * n]
    down, across = -(-cut.shape[0] // rows), -(-cut.shape[1] // columns)
    blocks = cut.reshape(rows, down, columns, across, *values.shape[2:])
    means: NDArray[Any] = blocks.mean(axis=(1, 3))
    return means


def enlarged(pixels: Pixels) -> Pixels:
    """Return every pixel as a square of as many as have room."""
    n = max(SIDE // max(pixels.shape[:2]), 1)
    return pixels.repeat(n, axis=0).repeat(n, axis=1)


def png(pixels: Pixels) -> bytes:
    """Return a PNG of grey levels (height, width) or colours (height, width, 3)."""
    height, width = pixels.shape[:2]
    kind = 0 if pixels.ndim == 2 else 2  # grey, or red, green and blue
    # Each row begins with its filter, 0: none.
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    found = b"\x89PNG\r\n\x1a\n"
    for name, content in chunks:
        check = zlib.crc32(name + content)
        found += struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
    return found
