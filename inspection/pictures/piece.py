"""Which piece a picture shows: a part (a kind) and its serial, for two kinds may be numbered alike.

The only place that says what tells one piece from another; whoever counts, groups or joins pieces does it by `of`.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:  # whoever judges pictures does not wait for it
    from sqlalchemy import ColumnElement

KEY = ("part", "serial")  # the columns that tell pieces apart
_OF = " of "  # no part and no serial holds a space (naming.py)


def name(part: str, serial: str) -> str:
    """The piece in words, "S0042 of bracket", unlike any other; names sort as the serials do."""
    return f"{serial}{_OF}{part}"


def of(table: pd.DataFrame) -> pd.Series:
    """The name of each row's piece, missing where its part or serial is.

    Args:
        table: with the columns of KEY.
    """
    part, serial = (table[column].astype("str") for column in KEY)
    return serial + _OF + part


def serial(name: str) -> str:
    """The serial of a piece by its name."""
    return name.partition(_OF)[0]


def column(table: Any) -> "ColumnElement[str]":
    """As `of`, in a query: `table` holds the columns of KEY (`capture_table.c`)."""
    named: ColumnElement[str] = table.serial + _OF + table.part
    return named
