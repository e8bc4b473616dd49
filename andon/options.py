"""Options that several commands take."""

from typing import Annotated

import typer

LONGEST = 80  # characters of a name


def _name(words: str) -> str:
    """A name as it goes on record and stands in tables, mails and commits."""
    name = " ".join(words.split())
    if len(name) > LONGEST:
        raise typer.BadParameter(f"a name has at most {LONGEST} characters")
    return name


Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
By = Annotated[str, typer.Option("--by", help="Your name, for the record.", callback=_name)]
Why = Annotated[str, typer.Option("--why", help="The reason, for the record.")]
