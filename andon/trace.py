"""What a word names, an image or a piece, and its story."""

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import or_, select

from andon import images, pieces
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.schema import capture_table, refusal_table

SHORTEST = 6  # letters of an image_id's start
_c = capture_table.c


def story(layout: Layout, word: str, serial: bool = False) -> dict[str, Any]:
    """The story of an image (`refusals`, then as images.stories) or of the pieces that bear a serial (`serial`,
    `pieces`).

    Args:
        word: an image_id or at least six letters of its start, a key, the path of a file, or a serial.
        serial: it is a serial.

    Raises:
        FixInput: nothing of that name was ever seen, or an image as well as a piece, or several images.
    """
    with closing(open_catalog(layout)) as catalog:
        own = or_(_c.serial == word, _c.serial.startswith(f"{word}+", autoescape=True))  # later ones that bear it too
        borne = catalog.frame(select(capture_table).where(own).order_by(_c.captured_at, _c.capture_id))
        taken, refused = _images(catalog, word)
        if not serial:
            _refuse_ambiguous(word, taken["image_id"].unique().tolist(), not refused.empty, not borne.empty)
        if not borne.empty:
            return {"serial": word, "pieces": pieces.stories(layout, catalog, borne)}
        if serial or (taken.empty and refused.empty):
            raise FixInput(_unknown(layout, word, serial))
        told: dict[str, Any] = {"refusals": images.records(refused)}
        return told if taken.empty else {**told, **images.stories(layout, catalog, taken)[0]}


def lines(told: dict[str, Any]) -> list[str]:
    """The story in sentences."""
    if "pieces" in told:
        return pieces.lines(told["pieces"])
    said = [
        f"refused   {row['refused_at'][:19]} UTC {row['key']!r}: {row['reason']} (kept as {row['path']})"
        for row in told["refusals"]
    ]
    return [*said, *images.lines(told)] if "image" in told else said


def _images(catalog: Catalog, word: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Captures of images that go by that name, and refusals."""
    file = Path(word)
    name = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else word
    close = _c.image_id.startswith(name, autoescape=True) if len(name) >= SHORTEST else _c.image_id == name
    taken = catalog.frame(select(capture_table).where(or_(close, _c.key == name)).order_by(_c.captured_at))
    return taken, catalog.frame(select(refusal_table).where(refusal_table.c.key == name))


def _refuse_ambiguous(word: str, ids: list[str], refused: bool, piece: bool) -> None:
    """Raises FixInput when the word names an image as well as a piece, or several images."""
    several = f"{len(ids)} images ({', '.join(one[:16] for one in ids[:4])})"
    if piece and (ids or refused):
        what = several if len(ids) > 1 else f"image {ids[0][:16]}" if ids else "a refused image"
        raise FixInput(
            f"{word!r} is the serial of a piece and names {what} too: add --serial for the piece, or give more of the "
            "image_id for the image."
        )
    if len(ids) > 1:
        raise FixInput(
            f"{word!r} stands for {len(ids)} images; give more of the image_id: {', '.join(i[:16] for i in ids[:4])}."
        )


def _unknown(layout: Layout, word: str, serial: bool) -> str:
    away = ledger.missing_batches(layout)
    hint = (
        f"{len(away)} batches are not on this disk: run `dvc pull`" if away else "`andon catalog query` lists what was"
    )
    if serial:
        return f"No piece with the serial {word!r} was taken in as far as this disk knows; {hint}."
    return (
        f"Neither an image nor a piece {word!r} was taken in or refused as far as this disk knows (no image_id or its "
        f"first {SHORTEST} letters or more, key, file or serial); {hint}."
    )
