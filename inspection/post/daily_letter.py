"""The letter that comes once a day, also when all is well. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from inspection.post.letter import FOOTER, Letter, Table, Tone
from inspection.post.wording import counted


@dataclass(frozen=True)
class CameraDay:
    """One camera's day.

    Attributes:
        rejected: captures that the live model rejected; None: it judged none.
        state, words: how the camera did by its last window; unknown: it was not judged.
        incidents: those that stand open, in words.
    """

    camera: str
    images: int
    windows: int
    rejected: int | None
    state: Literal["well", "unknown", "troubled"]
    words: str
    incidents: tuple[str, ...] = ()


def of_digest(
    day: date,
    cameras: Sequence[CameraDay],
    waits: Sequence[str],
    model: str,
    wrong: Sequence[str] = (),
    heads: str = "",
) -> Letter:
    """A day of the plant, written also when all is well: every camera was judged, nothing waits and nothing is wrong.

    Args:
        wrong: what is not as it has to be (`checks.ask`), each a sentence with what to do.
        waits: what waits for a person, each a sentence with what to type.
        model: what the live model said of the day's captures, in words.
        heads: how far the record goes, with its hashes, for whoever checks it later.
    """
    troubled = [one for one in cameras if one.incidents or one.state == "troubled"]
    blind = [one for one in cameras if one.state == "unknown" and not one.incidents]
    tone: Tone = "warn" if troubled or waits or wrong else "info" if blind else "good"
    said = "all is well" if tone == "good" else _outcome(troubled, blind, waits, wrong)
    images = sum(one.images for one in cameras)
    return Letter(
        subject=f"[Andon] {day:%a %d %b %Y}: {said}",
        headline=f"{day:%A %d %B %Y}: {said}",
        tone=tone,
        summary=f"{counted(len(cameras), 'camera')} delivered {images} pictures. {model}",
        facts=(),
        todo=(*wrong, *waits),
        footer=f"{FOOTER} A window is a number of pictures that are looked at together. This mail comes once a day: "
        f"if it does not come, Andon does not run.{f' {heads}' if heads else ''}",
        table=Table(("Camera", "Pictures", "Windows", "Rejected", "State"), tuple(_row(one) for one in cameras)),
    )


def _outcome(
    troubled: Sequence[CameraDay], blind: Sequence[CameraDay], waits: Sequence[str], wrong: Sequence[str]
) -> str:
    said = [f"{counted(len(wrong), 'thing')} not as {'it' if len(wrong) == 1 else 'they'} should be"] if wrong else []
    if troubled:
        said.append(f"{_cameras(troubled)} to look at")
    if waits:
        said.append(f"{counted(len(waits), 'thing')} for you to do")
    return ", ".join(said) or f"{_cameras(blind)} not judged"


def _cameras(some: Sequence[CameraDay]) -> str:
    """How many, and which if they are few."""
    names = f" ({', '.join(one.camera for one in some)})" if len(some) <= 3 else ""
    return f"{counted(len(some), 'camera')}{names}"


def _row(one: CameraDay) -> tuple[str, ...]:
    rejected = "–" if one.rejected is None else str(one.rejected)
    stands = "; ".join((one.words, *(f"open: {incident}" for incident in one.incidents)))
    return one.camera, str(one.images), str(one.windows), rejected, stands
