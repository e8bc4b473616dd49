"""`demo`: the whole loop in a plant of its own."""

from pathlib import Path
from typing import Annotated

import typer

from andon.options import Json
from andon.surroundings import plant, start_prefect

MOST_DAYS = 3650


def demo(
    data: Annotated[Path | None, typer.Option(help="A folder with metadata.csv (file,label) beside images/.")] = None,
    serial_column: Annotated[str | None, typer.Option(help="Column of metadata.csv that names the part.")] = None,
    order_column: Annotated[str | None, typer.Option(help="Column whose values follow each other as days.")] = None,
    good: Annotated[list[str] | None, typer.Option(help="A label that is acceptable; may be repeated.")] = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Days to simulate.")] = 11,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    json: Json = False,
) -> None:
    """The whole loop in .demo/, on drawn parts or on a folder of images."""
    from andon.demo import run
    from andon.outcome import what_to_do
    from andon.streams import Source
    from inspection.errors import FixInput

    folder = demo_folder()
    start_prefect(folder / "prefect")
    summary = run(folder, Source(data, serial_column, order_column, tuple(good or ()), days, seed), quiet=json)
    if json:
        print((folder / "summary.json").read_text(encoding="utf-8"), end="")
    if not summary["complete"]:
        raise FixInput(*what_to_do(summary))


def demo_folder() -> Path:
    """`.demo`, in the plant or checkout around the current folder, or else in the current folder."""
    from inspection.errors import FixSettings
    from inspection.layout import Layout

    try:
        Layout.find()
    except FixSettings:
        return Path.cwd() / ".demo"
    return plant().root / ".demo"
