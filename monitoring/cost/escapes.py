"""How many defective parts the live model passes under the present pictures, and how many good ones it rejects, without
labels of them.

Two sources, each with its own doubt: *rehearsed* parts, mixed as the present calls say, and the model's own
*probabilities*. Where they contradict each other, or neither can be believed, or the interval is wide, nothing is
estimated, and it is said how many labels it takes.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from inspection.model.metrics import Z
from monitoring.cost.mixture import rehearsed
from monitoring.cost.parts import MIN_DEFECTIVE, rates
from monitoring.cost.probabilities import expected
from monitoring.cost.rates import HALF_WIDTH, Rate, apart, rate_of

Agreement = Literal["agrees", "too low", "too high"]
How = Literal["rehearsed", "probabilities", "seen", "unknown"]


@dataclass(frozen=True)
class Estimate:
    """Of the defective parts the share that passes, of the good ones the share that is rejected; None: cannot be said.

    Attributes:
        labels_needed: images to label so that the escape rate is known to 5 points; 0: it is.
    """

    escapes: Rate | None
    false_rejects: Rate | None
    how: How
    labels_needed: int
    words: str

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Estimate":
        """What `as_json` was made from."""
        rates = {name: Rate(**plain[name]) if plain[name] else None for name in ("escapes", "false_rejects")}
        return cls(**{**plain, **rates})


@dataclass(frozen=True)
class Check:
    """An estimate against what labels said afterwards; it agrees where their 95 % intervals meet."""

    estimated: Rate
    seen: Rate
    verdict: Agreement
    words: str

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)


def estimate(healthy: pd.DataFrame, laid: pd.DataFrame | None, present: pd.DataFrame, moved: bool) -> Estimate:
    """The rates among the parts that come now.

    Args:
        healthy, laid: labelled test parts (`parts.fold`) as they were, and with the measured change laid on; None: it
            cannot be. The same frame twice where the camera did not change.
        present: parts since the change (`parts.fold`), without labels.
        moved: whether the frozen network sees the present parts otherwise than clean ones (`drift`), or may.
    """
    tried = rehearsed(laid, present) if laid is not None else None
    foretold = None if moved else expected(healthy, present)
    if tried and foretold and apart(tried[0], foretold[0]):
        return _unknown("two ways to estimate it contradict each other", tried[0], healthy, present)
    found = tried or foretold
    if found is None:
        return _unknown(_why(healthy, laid, moved), None, healthy, present)
    if not found[0].narrow:
        return _unknown(f"its interval is {found[0].low:.0%} to {found[0].high:.0%}", found[0], healthy, present)
    return _known(found, "rehearsed" if tried else "probabilities")


def counted(parts: pd.DataFrame) -> Estimate | None:
    """The rates among labelled parts (`parts.fold`) since the change; None: too few defective ones to know them."""
    found = rates(parts)
    if int(parts["defective"].sum()) < MIN_DEFECTIVE or not found[0].narrow:
        return None
    return _known(found, "seen")


def check(estimated: Estimate, defective: int, escaped: int) -> Check | None:
    """The estimate against `escaped` of `defective` parts as labels have it; None: one of the two says nothing."""
    if estimated.escapes is None or defective < MIN_DEFECTIVE:
        return None
    said, seen = estimated.escapes, rate_of(escaped, defective, defective)
    verdict: Agreement = "agrees" if not apart(said, seen) else "too low" if said.value < seen.value else "too high"
    words = (
        f"Estimated were {said.words} of the defective parts to pass; of {defective} that were labelled since, "
        f"{escaped} had passed: {seen.words}; {'that' if verdict == 'agrees' else 'it was'} {verdict}."
    )
    return Check(said, seen, verdict, words)


def _known(found: tuple[Rate, Rate], how: How) -> Estimate:
    source = {
        "rehearsed": "tried on labelled parts of healthy days that were given the same change",
        "probabilities": "from the model's own probabilities, which were right on labelled parts",
        "seen": "counted on parts labelled since",
    }[how]
    escapes, false_rejects = found
    words = f"Of the defective parts {escapes.words} pass"
    if false_rejects.narrow:
        words += f", of the good ones {false_rejects.words} are rejected"
    stood = f"{escapes.parts} defective and {false_rejects.parts} good ones"
    return Estimate(escapes, false_rejects if false_rejects.narrow else None, how, 0, f"{words}: {source} ({stood}).")


def _unknown(why: str, rate: Rate | None, healthy: pd.DataFrame, present: pd.DataFrame) -> Estimate:
    needed = _labels(rate, healthy, present)
    words = f"How many defective parts pass cannot be estimated: {why}. Label {needed} images to know it to 5 points."
    return Estimate(None, None, "unknown", needed, words)


def _why(healthy: pd.DataFrame, laid: pd.DataFrame | None, moved: bool) -> str:
    defective = int(healthy["defective"].sum())
    if defective < MIN_DEFECTIVE:
        return f"there are {defective} labelled defective test parts, and it takes {MIN_DEFECTIVE}"
    what = "the change cannot be laid on known pictures"
    if laid is not None:
        what = "the measured change, laid on known pictures, does not make them what the model sees now"
    doubt = "they look new to the network" if moved else "the model's own probabilities are wrong on labelled parts"
    return f"{what}, and {doubt}"


def _labels(rate: Rate | None, healthy: pd.DataFrame, present: pd.DataFrame) -> int:
    """Images to label for an interval of +- 5 points, if as many parts are defective as the model rejects."""
    share = 0.5 if rate is None else min(max(rate.value, HALF_WIDTH), 0.5)
    wanted = Z**2 * share * (1 - share) / HALF_WIDTH**2
    side = present if len(present) else healthy
    defective, images = (max(float(side[name].mean()), 0.01) if len(side) else 1.0 for name in ("rejected", "images"))
    return math.ceil(wanted / defective * images / 10) * 10
