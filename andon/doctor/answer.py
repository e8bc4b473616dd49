"""One answer to one question."""

from dataclasses import dataclass
from typing import Literal

State = Literal["well", "wrong", "unknown"]


@dataclass(frozen=True)
class Answer:
    """What was found, in words.

    Attributes:
        state: unknown is what could not be asked.
        remedy: a command or an order that mends it; "" where there is nothing to mend.
        since: a time in words, "" where it is not known.
    """

    state: State
    words: str
    remedy: str = ""
    since: str = ""


def well(words: str) -> Answer:
    return Answer("well", words)


def wrong(words: str, remedy: str, since: str = "") -> Answer:
    return Answer("wrong", words, remedy, since)


def unknown(words: str, remedy: str = "") -> Answer:
    return Answer("unknown", words, remedy)
