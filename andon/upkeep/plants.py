"""`init`, `upgrade`: a new plant, and one of an earlier Andon."""

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from andon.options import Json
from andon.show import emit
from inspection.anchor import account
from inspection.errors import FixCommand

if TYPE_CHECKING:
    from andon.plants.founding import Wishes

_SIZE = re.compile(r"(\d+)[x×*](\d+)\Z")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The new plant's folder: empty, or not there yet.")],
    name: Annotated[str, typer.Option(help="What people call the plant; default: the folder's name.")] = "",
    like: Annotated[Path | None, typer.Option(help="A folder of example pictures to read cameras off.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="A camera's name; may be repeated.")] = None,
    line: Annotated[str, typer.Option(help="The line that the cameras stand on.")] = "A",
    size: Annotated[str, typer.Option(help="Of their pictures in pixels, such as 1280x960.")] = "",
    mode: Annotated[Literal["L", "RGB"], typer.Option(help="L: grey; RGB: colour.")] = "L",
    bit_depth: Annotated[Literal["8", "16"], typer.Option(help="Bits of a value.")] = "8",
    part: Annotated[list[str] | None, typer.Option(help="A kind of part that they see; may be repeated.")] = None,
    sides: Annotated[
        int | None, typer.Option(min=1, help="Of a part that a camera photographs; default: learned from the labels.")
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Of time stamps that name none.")] = "UTC",
    defect: Annotated[list[str] | None, typer.Option(help="A class that is rejected; may be repeated.")] = None,
    good: Annotated[list[str] | None, typer.Option(help="A class that may pass; may be repeated.")] = None,
    json: Json = False,
) -> None:
    """Make a plant: a repository of its own, with its settings and no product code."""
    from andon.plants.founding import Wishes, found, refuse_name, refuse_place
    from andon.plants.like import like as look_at

    refuse_place(folder)
    called = name or folder.absolute().name
    refuse_name(called)
    always = {"time_zone": time_zone} | ({"sides": sides} if sides else {})
    given = {"line": line, "mode": mode, **always}
    given |= {"bit_depth": 16} if bit_depth == "16" else {}
    classes = {**dict.fromkeys(good or (), True), **dict.fromkeys(defect or (), False)}
    notes: Sequence[str] = ()
    if like is not None:
        seen = look_at(like, good or ())
        wishes, notes = (
            Wishes(called, {k: {**v, **always} for k, v in seen.cameras.items()}, seen.classes or classes),
            seen.notes,
        )
    elif camera:
        width, height = _pixels(size)
        entry = {**given, "width": width, "height": height, "parts": part or ["part"]}
        wishes = Wishes(called, dict.fromkeys(camera, entry), classes)
    elif sys.stdin.isatty() and not json:
        wishes = _asked(called, given)
    else:
        wishes = Wishes(called, {}, classes)
    layout = found(folder, wishes)
    account.tell()
    words = [
        f"{called} is a plant now, in {layout.home}.",
        *(f"  {note}" for note in notes),
        *next_steps(wishes, folder),
    ]
    emit({"plant": str(layout.home), "name": called, "notes": list(notes)}, json, words)


def _pixels(size: str) -> tuple[int, int]:
    found = _SIZE.match(size.strip())
    if not found:
        raise FixCommand(
            "A camera needs the size of its pictures.", "Add --size WIDTHxHEIGHT in pixels, such as --size 1280x960."
        )
    return int(found[1]), int(found[2])


def _asked(called: str, given: dict[str, Any]) -> "Wishes":
    """What a person at the terminal answers; an empty answer takes what stands in brackets."""
    from andon.plants.founding import Wishes

    print("A few questions; Enter takes what stands in brackets. Everything can be changed later in the plant's files.")
    names = _several(typer.prompt("Cameras, by name (empty: two example cameras)", default="", show_default=False))
    cameras: dict[str, dict[str, Any]] = {}
    for one in names:
        entry = {**given, "line": typer.prompt(f"{one}: on which line", default=given["line"])}
        entry["width"], entry["height"] = _pixels(typer.prompt(f"{one}: width x height in pixels, such as 1280x960"))
        entry["mode"] = "RGB" if typer.confirm(f"{one}: does it deliver colour", default=False) else "L"
        entry["parts"] = _several(typer.prompt(f"{one}: kinds of parts that it sees", default="part"))
        question = f"{one}: how many sides of a part does it photograph (empty: the labels will show)"
        told = typer.prompt(question, type=int, default=given.get("sides", 0), show_default=False)
        entry |= {"sides": told} if told > 0 else {}
        cameras[one] = {**entry, "time_zone": typer.prompt(f"{one}: time zone", default=given["time_zone"])}
    good = _several(typer.prompt("Classes that may pass", default="good"))
    defects = _several(typer.prompt("Defects (empty: the example ones)", default="", show_default=False))
    classes = {**dict.fromkeys(good, True), **dict.fromkeys(defects, False)} if defects else {}
    return Wishes(called, cameras, classes)


def _several(text: str) -> list[str]:
    return [word for word in re.split(r"[,;\s]+", text) if word]


def next_steps(wishes: "Wishes", folder: Path) -> list[str]:
    """What to do next, in the order in which it is done."""
    example = [
        word for word, there in (("cameras.yaml", wishes.cameras), ("taxonomy.yaml", wishes.classes)) if not there
    ]
    hold = "hold" if len(example) > 1 else "holds"
    first = [f"Edit {' and '.join(example)}, which {hold} an example, and commit."] if example else []
    steps = [
        *first,
        "Set mail.to in params.yaml: who is told; and commit.",
        "Let the cameras write into inbox/ (camera/part/serial/time.png), then run `andon ingest`.",
    ]
    return ["Next:", f"  cd {folder}", *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]


def upgrade(json: Json = False) -> None:
    """Bring the plant to the Andon that is installed, in one commit that says what changed."""
    from andon.plants.upgrading import upgrade as bring
    from inspection.layout import Layout

    layout = Layout.find()  # whose settings may be those of another version
    done = bring(layout)
    words = [
        f"The plant is at Andon {done.to}" + (f", from {done.since}." if done.changes else " already; nothing to do."),
        *(f"  {change}" for change in done.changes),
        *done.notes,
    ]
    told = {key: value for key, value in asdict(done).items() if key != "paths"}
    emit(told, json, words)
