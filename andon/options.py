"""Options that several commands take."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
By = Annotated[str, typer.Option("--by", help="Your name, for the record.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the record.")]
