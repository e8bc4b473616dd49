"""`mask`: where a model must not look."""

from pathlib import Path
from typing import Annotated

import typer

from andon.options import By, Json
from andon.show import emit, share, table
from andon.surroundings import declared_camera, plant
from inspection.errors import FixInput

app = typer.Typer(no_args_is_help=True, help="Where a model must not look.")


@app.command("set")
def mask_set(
    camera: str,
    part: str,
    png: Annotated[Path, typer.Argument(help="A PNG of the camera's size: black where the model must not look.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    json: Json = False,
) -> None:
    """Set a mask; the next model will not look there."""
    from inspection.network.masks import drawn, set_mask

    layout = plant()
    try:
        content = png.read_bytes()
    except OSError as error:
        raise FixInput(f"{png} cannot be read ({error.strerror}); correct the name.") from None
    entry = set_mask(layout, declared_camera(layout, camera), part, content, by, reason)
    hidden = share(1 - float(drawn(content).mean()))
    emit(
        entry.model_dump(mode="json"),
        json,
        [f"{hidden} of the pictures of {part} on {camera} will be hidden from the next model: run `andon retrain`."],
    )


@app.command("list")
def mask_list(json: Json = False) -> None:
    """The masks, and who set them."""
    from inspection.network.masks import read_index

    rows = [one.model_dump(mode="json") for one in read_index(plant().masks).masks]
    columns = {"camera": "camera", "part": "part", "by": "set by", "at": "at", "reason": "because", "sha256": "SHA-256"}
    table(rows, columns, json, "No masks: models look everywhere.")


@app.command("clear")
def mask_clear(camera: str, part: str, by: By, json: Json = False) -> None:
    """Take a mask away; the next model looks everywhere again."""
    from inspection.network.masks import clear_mask

    clear_mask(plant(), camera, part, by)
    emit({"camera": camera, "part": part}, json, [f"The mask for {part} on {camera} is gone: run `andon retrain`."])
