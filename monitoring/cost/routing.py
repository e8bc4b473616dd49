"""Verdict -> what to do about it: repair, watch, label or retrain. Pure; every answer carries its reasons."""

from dataclasses import dataclass
from typing import Any, Literal

from inspection.params import Requests, Routing

Kind = Literal["repair", "watch", "label", "retrain"]

WORDS: dict[Kind, str] = {
    "repair": "a technician has to look at the camera",
    "watch": "nothing has to be done; Andon keeps watching",
    "label": "parts have to be labelled, so that the cost can be known",
    "retrain": "the model has to learn how parts look now",
}


COSTLY = 0.05  # fall of the balanced accuracy from which a change is costly, where params.yaml is not asked


@dataclass(frozen=True)
class Cost:
    """What a change does to the live model's balanced accuracy (0..1), and how that is known.

    Attributes:
        low, high: 95 % interval of `before - after`, drawn by part.
        parts: labelled parts that it stands on.
        how: rehearsed (the measured change was laid on healthy labelled images) or seen (labels since the change).
    """

    before: float
    after: float
    low: float
    high: float
    parts: int
    how: Literal["rehearsed", "seen"]

    @property
    def drop(self) -> float:
        return self.before - self.after

    def as_json(self) -> dict[str, Any]:
        return {**self.__dict__, "drop": self.drop}

    @property
    def words(self) -> str:
        source = (
            "laid on labelled images of healthy days" if self.how == "rehearsed" else "seen on parts labelled since"
        )
        return (
            f"of 100 pictures of each class {100 * self.before:.0f} were given their right class before, "
            f"{100 * self.after:.0f} now ({source}; {self.parts} parts; the fall is "
            f"{100 * self.low:.0f} to {100 * self.high:.0f})"
        )


CALM: dict[str, tuple[str, ...]] = {  # causes that are watched, in words
    "defect_rate": (
        "the share of defective parts changed: this is the process, not the camera; look at the machine upstream",
        "the pictures are as good as before, so they may train the model",
    ),
    "changed_mix": ("known parts come in other shares than before; the model knows all of them",),
}


@dataclass(frozen=True)
class Action:
    """What is to be done, and why."""

    kind: Kind
    reasons: tuple[str, ...]


def route(cause: str, cost: Cost | None, live: bool, routing: Routing, requests: Requests) -> Action:
    """What a change with this cause asks for.

    Args:
        cost: None where it is not known.
        live: whether a model is on the line.
    """
    way = getattr(routing, cause)
    if way == "repair":
        return Action(
            "repair",
            (
                f"{cause.replace('_', ' ')}: a fault of the camera, which is mended, not learned",
                "images since then are kept out of training until a person rules on them",
            ),
        )
    if way == "watch":
        return Action("watch", CALM.get(cause, (f"{cause.replace('_', ' ')} is only watched (params.yaml: routing)",)))
    if not live:
        return Action("watch", ("no model is on the line yet, so the change costs nothing today",))
    if cost is None or cost.parts < routing.min_parts:
        return Action("label", _unknown(cost, way, routing))
    if cost.drop < routing.costly_drop:
        return Action(
            "watch", (cost.words, f"a fall by less than {100 * routing.costly_drop:.0f} of 100 counts as none")
        )
    return Action(
        "retrain",
        (
            cost.words,
            f"that is {100 * routing.costly_drop:.0f} of 100 or more, so the model has to learn it",
            f"for that it needs {requests.labels} labelled images of {requests.parts} parts since the change",
        ),
    )


def _unknown(cost: Cost | None, way: str, routing: Routing) -> tuple[str, ...]:
    have = cost.parts if cost else 0
    missing = f"{have} labelled parts show what it costs; {routing.min_parts} are needed"
    if way == "label":
        return ("the model was never shown such parts, so what it says of them is a guess", missing)
    return (missing, "without them nobody can say whether it matters")
