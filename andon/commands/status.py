"""`status`: the state of the plant."""

from andon.options import Json
from andon.show import emit
from andon.surroundings import plant


def status(json: Json = False) -> None:
    """The state of the plant."""
    from andon.status import lines, state

    now = state(plant())
    emit(now, json, lines(now))
