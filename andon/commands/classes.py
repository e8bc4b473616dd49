"""`class`: the declared classes."""

from typing import Annotated

import typer

from andon.options import By, Json
from andon.show import emit, table
from andon.surroundings import plant
from inspection.errors import FixInput

app = typer.Typer(no_args_is_help=True, help="The declared classes.")


@app.command("add")
def class_add(
    name: str,
    by: By,
    description: Annotated[str, typer.Option(help="In a few words.")] = "",
    severity: Annotated[str, typer.Option(help="none, minor, major or critical.")] = "major",
    acceptable: Annotated[bool, typer.Option(help="A part that shows it may pass.")] = False,
    json: Json = False,
) -> None:
    """Declare a class."""
    from pydantic import ValidationError

    from inspection.records.classes import add_class
    from inspection.taxonomy import Defect, read_taxonomy

    layout = plant()
    spec = read_taxonomy(layout.taxonomy).spec
    try:
        defect = Defect.model_validate(
            {"name": name, "description": description, "severity": severity, "acceptable": acceptable, "since": spec}
        )
    except ValidationError:
        raise FixInput(f"--severity {severity!r}: use none, minor, major or critical.") from None
    add_class(layout, defect, by)
    emit(defect.model_dump(), json, [f"{name} is declared. Label images of it, then run `andon retrain`."])


@app.command("rename")
def class_rename(old: str, new: str, by: By, json: Json = False) -> None:
    """Give a class another name: in taxonomy.yaml, and for every label that bears it."""
    from inspection.records.classes import rename_class

    images = rename_class(plant(), old, new, by)
    words = f"{old} is called {new} now; {images} images bear it. Models learn the name with the next `andon retrain`."
    emit({"old": old, "new": new, "by": by, "images": images}, json, [words])


@app.command("list")
def class_list(json: Json = False) -> None:
    """The classes as taxonomy.yaml declares them, and how many images bear each as the label given last."""
    from andon.classes import rows

    columns = {
        "name": "class",
        "description": "description",
        "severity": "severity",
        "acceptable": "acceptable",
        "since": "since spec",
        "images": "images",
    }
    found = rows(plant())
    told = [{**row, "acceptable": "yes" if row["acceptable"] else "no"} for row in found]
    table(found if json else told, columns, json, "No class is declared.")
