"""The `andon` command: which words there are, and the file of andon/commands that each stands in.

What a command needs is imported inside it, so that `andon --help` is there at once.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from andon.commands import (
    batches,
    candidates,
    catalog,
    classes,
    demo,
    drill,
    images,
    incidents,
    intake,
    labels,
    masks,
    plants,
    references,
    releases,
    retrain,
    status,
    watch,
)
from inspection.errors import FixCommand, FixInput, in_words

WORDS: Mapping[str, Callable[..., None]] = {  # in the order of --help
    "demo": demo.demo,
    "init": plants.init,
    "upgrade": plants.upgrade,
    "ingest": intake.ingest,
    "push": intake.push,
    "watch": watch.watch,
    "drill": drill.drill,
    "retrain": retrain.retrain,
    "candidates": candidates.candidates,
    "show": candidates.show,
    "approve": candidates.approve,
    "reject": candidates.reject,
    "rollback": releases.rollback,
    "live": releases.live,
    "history": releases.history,
    "predict": images.predict,
    "trace": images.trace,
    "status": status.status,
}
NOUNS: Mapping[str, typer.Typer] = {  # each with words of its own
    "label": labels.app,
    "class": classes.app,
    "catalog": catalog.app,
    "batch": batches.app,
    "reference": references.app,
    "incidents": incidents.app,
    "mask": masks.app,
}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
for name, command in WORDS.items():
    app.command(name)(command)
for name, group in NOUNS.items():
    app.add_typer(group, name=name)


def tell_version(asked: bool) -> None:
    """Print the installed version and end, if it is asked for."""
    if asked:
        from importlib.metadata import version

        print(f"andon {version('andon')}")
        raise typer.Exit


@app.callback()
def door(
    version: Annotated[
        bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Keeps a factory's visual inspection right while the factory changes."""


def main() -> None:
    """The console script."""
    options = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    as_json = "--json" in options
    in_words(lambda: _run(as_json), as_json)


def _run(as_json: bool) -> None:
    """The command line, once it is known that records can hold what was typed.

    Raises:
        FixCommand: with `as_json`, bad usage; without, typer itself says it, with the usage.
    """
    try:
        " ".join(sys.argv).encode()
    except UnicodeEncodeError:
        raise FixInput("An argument is no UTF-8: type it anew, in a terminal that uses UTF-8.") from None
    try:
        raise SystemExit(app(standalone_mode=not as_json))
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "andon"
        raise FixCommand(error.format_message(), f"See `{path} --help`.") from None


if __name__ == "__main__":
    main()
