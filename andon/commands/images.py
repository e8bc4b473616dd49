"""`predict` and `trace`: what is said of images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from andon.options import Json
from andon.show import emit, table
from andon.surroundings import declared_camera, plant
from inspection.errors import FixInput


def predict(
    paths: Annotated[list[Path], typer.Argument(help="Images.")],
    camera: Annotated[
        str | None, typer.Option(help="Whose images they are, where its black and white or a mask are declared.")
    ] = None,
    part: Annotated[str | None, typer.Option(help="The kind of part they show, where it has a mask.")] = None,
    json: Json = False,
) -> None:
    """What the live model says of images."""
    from inspection.model.package import Package, pieces
    from inspection.params import read_params
    from inspection.pictures.images import read
    from inspection.release import registry

    layout = plant()
    settings = read_params(layout.params)
    if (wrong := registry.difference(layout)) is not None:
        raise FixInput(f"The line is not what the history says: {wrong}.")
    if (line := registry.on_line(layout)) is None:
        raise FixInput("Nothing is on the line yet: `andon retrain`, then `andon approve`.")
    span = declared_camera(layout, camera).span if camera else None
    package = Package(line.folder)
    if package.card.masks and not (camera and part):
        raise FixInput("The model on the line has masks: say whose images these are with --camera and --part.")
    rows: list[dict[str, Any]] = []
    for some in pieces(paths):
        images = [read(path, settings.ingest.max_megapixels).levels(span) for path in some]
        places = [(camera, part)] * len(some) if camera and part else None
        for path, said in zip(some, package.predict(images, places), strict=True):
            rows.append(
                {
                    "file": str(path),
                    "label": said.label,
                    "verdict": "reject" if said.reject else "accept",
                    "reject_probability": said.reject_probability,
                    "threshold": package.card.threshold,
                    "probability": dict(zip(package.card.classes, said.probability.tolist(), strict=True)),
                }
            )
    columns = {
        "file": "file",
        "verdict": "verdict",
        "label": "class",
        "reject_probability": "P(reject)",
        "threshold": "threshold",
    }
    table(rows, columns, json, "No images.")


def trace(
    word: Annotated[
        str, typer.Argument(metavar="IMAGE|SERIAL", help="image_id (or its start), key, a file, or a serial.")
    ],
    serial: Annotated[bool, typer.Option("--serial", help="It is a serial, whatever else goes by that name.")] = False,
    json: Json = False,
) -> None:
    """Everything known about one image or one piece, and each verdict on it."""
    from andon.trace import lines, story

    told = story(plant(), word, serial)
    emit(told, json, lines(told))
