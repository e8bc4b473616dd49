"""`backup`, `restore`: the plant on another disk, and a plant from there."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from andon.options import Json
from andon.show import emit


def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="A folder on another disk: empty, or an earlier backup.")],
    new: Annotated[bool, typer.Option("--new", help="Another disk stands there on purpose.")] = False,
    json: Json = False,
) -> None:
    """Copy what is new of the plant into a folder on another disk. Exit code 1 if something could not be copied."""
    from andon.plants.backup import as_words
    from andon.plants.backup import backup as copy
    from inspection.layout import Layout

    done = copy(Layout.find(), to, new)
    emit(asdict(done), json, as_words(done))
    if done.missing:
        raise typer.Exit(1)


def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="The folder that `andon backup` was given.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The plant's folder: empty, or not there yet.")],
    json: Json = False,
) -> None:
    """Make a plant of a backup, and compare all of it with its record. Exit code 1 if something is found."""
    from andon.plants.restoring import restore as bring

    done = bring(source, folder)
    words = [f"The plant of the backup of {done.at[:16].replace('T', ' ')} UTC is in {done.plant}."]
    words += [f"Found     {one.file}: {one.words}" for one in done.verified.findings]
    words += [] if done.verified.findings else ["Found     nothing that differs from its record."]
    words += [f"Compared  {one}" for one in done.verified.compared]
    words += [f"Left out  {one}" for one in done.verified.left_out]
    emit(asdict(done), json, [*words, "Next:", *(f"  {one}" for one in done.next)])
    if done.verified.findings:
        raise typer.Exit(1)
