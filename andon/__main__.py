"""The `andon` command: which words there are, and the file of andon/commands that each stands in.

What a command needs is imported inside it, so that `andon --help` is there at once.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Annotated

import typer

from andon.commands import (
    batches,
    candidates,
    catalog,
    classes,
    demo,
    images,
    incidents,
    intake,
    labels,
    masks,
    pieces,
    quarantine,
    references,
    releases,
    retrain,
    status,
    watch,
)
from andon.upkeep import backup, doctor, plants, scale, verify
from inspection.anchor import account
from inspection.errors import FixCommand, FixInput, in_words, printable
from inspection.outside import credentials
from inspection.process import stopping
from inspection.progress import doing

WORDS: Mapping[str, Callable[..., None]] = {  # in the order of --help
    "demo": demo.demo,
    "init": plants.init,
    "upgrade": plants.upgrade,
    "ingest": intake.ingest,
    "push": intake.push,
    "watch": watch.watch,
    "drill": watch.drill,
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
    "verify": verify.verify,
    "doctor": doctor.doctor,
    "backup": backup.backup,
    "restore": backup.restore,
}
NOUNS: Mapping[str, typer.Typer] = {  # each with words of its own
    "label": labels.app,
    "class": classes.app,
    "catalog": catalog.app,
    "batch": batches.app,
    "quarantine": quarantine.app,
    "piece": pieces.app,
    "reference": references.app,
    "incidents": incidents.app,
    "mask": masks.app,
    "scale": scale.app,
}

OWN_VOICE = ("init", "scale")  # the one asks and waits for answers, the other serves until it is ended

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
    stopping.listen(as_json)
    if not as_json and options[:1] != ["demo"]:  # a program reads both streams; the demo's plant is thrown away
        account.arm()
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
    if words := next(filter(None, (credentials.refusal("An argument", one) for one in sys.argv[1:])), ""):
        raise FixInput(words)
    if odd := next((one for one in sys.argv[1:] if printable(one) != one.replace("\t", " ")), None):
        raise FixInput(f"The argument {odd[:80]!r} holds a character that nobody sees: type it anew.")
    try:
        word = next((one for one in sys.argv[1:] if one in WORDS or one in NOUNS), "")
        with nullcontext() if word in OWN_VOICE else doing(f"andon {word}".rstrip()):
            raise SystemExit(app(standalone_mode=not as_json))
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "andon"
        raise FixCommand(error.format_message(), f"See `{path} --help`.") from None


if __name__ == "__main__":
    main()
