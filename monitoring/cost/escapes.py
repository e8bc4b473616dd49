"""How many defective parts the live model passes under the present pictures, and how many good ones it rejects, before
the change and now.

Labels since the change decide. Without them there are two sources, each with its own doubt: *rehearsed* parts, mixed as
the present calls say, and the model's own *probabilities*. Where they contradict each other, or neither can be
believed, nothing is estimated, and it is said how many labelled parts tell something.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import pandas as pd

from inspection.post import costs
from monitoring.cost.labelling import Wanted, fewest
from monitoring.cost.mixture import rehearsed
from monitoring.cost.parts import MIN_DEFECTIVE, rates
from monitoring.cost.probabilities import expected
from monitoring.cost.rates import Rate, apart, rate_of
from monitoring.cost.routing import COSTLY

Agreement = Literal["agrees", "too low", "too high"]
How = Literal["rehearsed", "probabilities", "seen", "unknown"]


_RATES = ("escapes", "false_rejects", "escapes_before", "false_rejects_before")


@dataclass(frozen=True)
class Estimate:
    """Of the defective parts the share that passes, of the good ones the share that is rejected; None: cannot be said.

    Attributes:
        labels_needed: parts to label as they come, so that something is known; 0: it is, or that is out of reach.
        words: as people are told of it (`costs`).
        defective_needed: labelled defective parts that would tell it; 0: it is known.
        why: why nothing is known.
    """

    escapes: Rate | None
    false_rejects: Rate | None
    how: How
    labels_needed: int
    words: str
    escapes_before: Rate | None = None
    false_rejects_before: Rate | None = None
    defective_needed: int = 0
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)

    def told(self) -> "Estimate":
        """With its words."""
        return replace(self, words=" ".join(costs.lines(self.as_json())))

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Estimate":
        """What `as_json` was made from."""
        rates = {name: Rate(**plain[name]) if plain.get(name) else None for name in _RATES}
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


def estimate(
    healthy: pd.DataFrame, laid: pd.DataFrame | None, present: pd.DataFrame, moved: bool, drop: float = COSTLY
) -> Estimate:
    """The rates among the parts that come now.

    Args:
        healthy, laid: labelled test parts (`parts.fold`) as they were, and with the measured change laid on; None: it
            cannot be. The same frame twice where the camera did not change.
        present: parts since the change (`parts.fold`), without labels.
        moved: whether the frozen network sees the present parts otherwise than clean ones (`drift`), or may.
        drop: fall of the balanced accuracy from which a change is costly.
    """
    tried = rehearsed(healthy, laid, present) if laid is not None else None
    foretold = None if moved else expected(healthy, present)
    wanted = partial(fewest, drop=drop, share=_rejected(present, healthy))
    before = rates(healthy)
    known = before[0] if before[0].parts else None
    if tried and foretold and apart(tried.escapes, foretold[0]):
        return _unknown("two ways to estimate it contradict each other", wanted(known))
    if tried:
        return _known(tuple(tried), "rehearsed", wanted(tried.escapes_before))
    if foretold:
        return _known((*foretold, *before), "probabilities", wanted(known))
    return _unknown(_why(healthy, laid, moved), wanted(known))


def counted(since: pd.DataFrame, calm: pd.DataFrame, drop: float = COSTLY) -> Estimate:
    """The rates among labelled parts (`parts.fold`) since the change and before it, however few they are: labels
    decide."""
    now, before = rates(since), rates(calm)
    share = float(since["defective"].mean()) if len(since) else 0.0
    return _known((*now, *before), "seen", fewest(before[0] if before[0].parts else None, drop, share))


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


def _known(found: tuple[Rate, ...], how: How, wanted: Wanted) -> Estimate:
    """Rates that were found; those of no part are not known, and wide ones take more labels."""
    escapes, false_rejects, before, false_before = (one if one.parts else None for one in found)
    pieces, defective = (0, 0) if escapes and escapes.narrow else (wanted.pieces, wanted.defective)
    return Estimate(escapes, false_rejects, how, pieces, "", before, false_before, defective).told()


def _unknown(why: str, wanted: Wanted) -> Estimate:
    return Estimate(None, None, "unknown", wanted.pieces, "", defective_needed=wanted.defective, why=why).told()


def _why(healthy: pd.DataFrame, laid: pd.DataFrame | None, moved: bool) -> str:
    defective = int(healthy["defective"].sum())
    if defective < MIN_DEFECTIVE:
        return f"there are {defective} labelled defective test parts, and it takes {MIN_DEFECTIVE}"
    what = "the change cannot be laid on known pictures"
    if laid is not None:
        what = "the measured change, laid on known pictures, does not make them what the model sees now"
    doubt = "they look new to the network" if moved else "the model's own probabilities are wrong on labelled parts"
    return f"{what}, and {doubt}"


def _rejected(present: pd.DataFrame, healthy: pd.DataFrame) -> float:
    """Share of the parts that the model rejects: as many are taken to be defective."""
    side = present if len(present) else healthy
    return float(side["rejected"].mean()) if len(side) else 0.0
