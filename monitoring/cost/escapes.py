"""How many defective parts the live model passes under the present pictures, and how many good ones it rejects, without
labels of them.

Two sources, each with its own doubt. *Rehearsed*: the measured change of the camera was laid on labelled test parts of
healthy days; the rates of the classes are then mixed as the present calls say (black-box shift estimation: Z. Lipton et
al., ICML 2018, by expectation maximisation). *Probabilities*: what the model's own calibrated probabilities expect (D.
Guillory et al., "Predicting with Confidence on Unseen Distributions", ICCV 2021), corrected for another share of
defective parts (M. Saerens et al., Neural Computation 2002). Where they contradict each other, or neither can be
believed, or the interval is wide, nothing is estimated, and it is said how many labels it takes.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, logit

from inspection.model.metrics import Z

Agreement = Literal["agrees", "too low", "too high"]
How = Literal["rehearsed", "probabilities", "seen", "unknown"]

HALF_WIDTH = 0.05  # of a 95 % interval, beyond which a rate is not given
MIN_DEFECTIVE = 20  # labelled defective parts below which nothing is estimated

_DRAWS = 200  # of the bootstrap
_STEPS = 60  # of expectation maximisation
_TRUST = 20.0  # present parts that the classes' shares among test parts weigh as much as
_KS = 1.63  # of Kolmogorov and Smirnov, for 1 %
_RIDGE = 0.01  # of the line through log odds, so that it is finite where scores tell all parts apart
_PASSES = ""  # the call of a part that passes

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """A share, 0..1, with its 95 % interval and the labelled parts that it stands on."""

    value: float
    low: float
    high: float
    parts: int

    @property
    def narrow(self) -> bool:
        return self.high - self.low <= 2 * HALF_WIDTH

    @property
    def words(self) -> str:
        return f"{self.value:.0%} (95 % interval {self.low:.0%} to {self.high:.0%})"


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


def fold(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """One row a part: `rejected`, `call` (the class of its worst image; empty: it passes), `score` (the reject
    probability that decides), `images`, and of labelled parts `truth` and `defective`.

    Args:
        rows: one per image with `serial`, `called`, `reject`, `reject_probability`; labelled ones with `label` and
            `acceptable`.
        rule: any or majority, as `verdict.part` has it.
    """
    typed = rows.astype({"reject": bool, "reject_probability": float})  # a query without a row has no types
    worst = typed.sort_values("reject_probability", ascending=False, kind="stable")
    grouped = worst.groupby("serial", sort=True)
    share = grouped["reject"].mean()
    rejected = share > 0 if rule == "any" else share > 0.5
    quantile = 1.0 if rule == "any" else 0.5
    parts = pd.DataFrame(
        {
            "rejected": rejected,
            "call": grouped["called"].first().where(rejected, _PASSES),
            "score": grouped["reject_probability"].quantile(quantile, interpolation="lower"),
            "images": grouped.size(),
        }
    )
    if "acceptable" in rows:
        grouped = rows.sort_values("acceptable", kind="stable").groupby("serial", sort=True)
        parts["truth"], parts["defective"] = grouped["label"].first(), ~grouped["acceptable"].all()
    return parts.reset_index()


def estimate(healthy: pd.DataFrame, laid: pd.DataFrame | None, present: pd.DataFrame, moved: bool) -> Estimate:
    """The rates among the parts that come now.

    Args:
        healthy, laid: labelled test parts (`fold`) as they were, and with the measured change laid on; None: it cannot
            be. The same frame twice where the camera did not change.
        present: parts since the change (`fold`), without labels.
        moved: whether the frozen network sees the present parts otherwise than clean ones (`drift`), or may.
    """
    rehearsed = _rehearsed(laid, present) if laid is not None else None
    expected = None if moved else _expected(healthy, present)
    if rehearsed and expected and _apart(rehearsed[0], expected[0]):
        return _unknown("two ways to estimate it contradict each other", rehearsed[0], healthy, present)
    found = rehearsed or expected
    if found is None:
        return _unknown(_why(healthy, laid, moved), None, healthy, present)
    if not found[0].narrow:
        return _unknown(f"its interval is {found[0].low:.0%} to {found[0].high:.0%}", found[0], healthy, present)
    return _known(found, "rehearsed" if rehearsed else "probabilities")


def counted(parts: pd.DataFrame) -> Estimate | None:
    """The rates among labelled parts (`fold`) since the change; None: too few defective ones to know them."""
    found = rates(parts)
    if int(parts["defective"].sum()) < MIN_DEFECTIVE or not found[0].narrow:
        return None
    return _known(found, "seen")


def rates(parts: pd.DataFrame) -> tuple[Rate, Rate]:
    """Escape and false-reject rate of labelled parts (`fold`), counted; of no parts anything between 0 and 1."""
    bad, good = parts[parts["defective"]], parts[~parts["defective"]]
    pairs = [(int((~bad["rejected"]).sum()), len(bad)), (int(good["rejected"].sum()), len(good))]
    escapes, false_rejects = (_rate(hits, n, n) if n else Rate(0.0, 0.0, 1.0, 0) for hits, n in pairs)
    return escapes, false_rejects


def check(estimated: Estimate, defective: int, escaped: int) -> Check | None:
    """The estimate against `escaped` of `defective` parts as labels have it; None: one of the two says nothing."""
    if estimated.escapes is None or defective < MIN_DEFECTIVE:
        return None
    said, seen = estimated.escapes, _rate(escaped, defective, defective)
    verdict: Agreement = "agrees" if not _apart(said, seen) else "too low" if said.value < seen.value else "too high"
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


def _apart(one: Rate, other: Rate) -> bool:
    return one.low > other.high or other.low > one.high


def _rate(hits: float, n: float, parts: int) -> Rate:
    """Of `n` the share `hits`, with the interval of Clopper and Pearson, which takes effective numbers as well (E. Korn
    and B. Graubard, Survey Methodology 1998)."""
    low = float(betaincinv(hits, n - hits + 1, 0.025)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 0.975)) if hits < n else 1.0
    return Rate(hits / n, low, high, parts)


def _with_doubt(value: float, variance: float, parts: int) -> Rate:
    """A rate whose variance was found by drawing; never surer than `parts` counted ones."""
    shrunk = (value * parts + 0.5) / (parts + 1)
    n = min(float(parts), shrunk * (1 - shrunk) / max(variance, 1e-12))
    return _rate(value * n, n, parts)


# ---------------------------------------------------------------------------------------------- rehearsed


def _rehearsed(laid: pd.DataFrame, present: pd.DataFrame) -> tuple[Rate, Rate] | None:
    """The classes' rates under the change, mixed as they come now; None: too few labelled parts, or the change that
    was laid on is not what the model sees now."""
    if int(laid["defective"].sum()) < MIN_DEFECTIVE or laid["defective"].all():
        return None
    classes = sorted(set(laid["truth"]))
    calls = [_PASSES, *sorted((set(laid["call"]) | set(present["call"])) - {_PASSES})]
    table = pd.crosstab(laid["truth"], laid["call"]).reindex(index=classes, columns=calls, fill_value=0)
    seen = present["call"].value_counts().reindex(calls, fill_value=0).to_numpy(float)
    counts = table.to_numpy(float)
    bad = laid.groupby("truth")["defective"].any().reindex(classes).to_numpy(bool)
    weights = _shares(counts[None], seen[None])[0] / counts.sum(axis=1)
    if not _reproduced(laid, present, dict(zip(classes, weights, strict=True))):
        return None
    rng = np.random.default_rng(0)
    several = np.stack([counts, *(_redrawn(counts, rng) for _ in range(_DRAWS))])
    rates = _mixed(several, np.stack([seen, *(_redrawn(seen, rng) for _ in range(_DRAWS))]), bad)
    numbers = (int(counts[bad].sum()), int(counts[~bad].sum()))
    escapes, false_rejects = (_with_doubt(one[0], one[1:].var(), n) for one, n in zip(rates, numbers, strict=True))
    return escapes, false_rejects


def _redrawn(counts: Table, rng: np.random.Generator) -> Table:
    total = int(counts.sum())
    drawn = rng.multinomial(total, counts.ravel() / total) if total else counts.ravel()
    return np.asarray(drawn, np.float64).reshape(counts.shape)


def _mixed(counts: Table, seen: Table, bad: NDArray[np.bool_]) -> tuple[Table, Table]:
    """Escape and false-reject rates (B,) of classes called as `counts` (B, C, calls), mixed so that `seen` (B, calls)
    comes; the first call is to pass."""
    number = counts.sum(axis=2)
    shares = _shares(counts, seen) * (number > 0)
    passes = shares * counts[:, :, 0] / np.maximum(number, 1)
    escapes, passed = (
        passes[:, side].sum(axis=1) / np.maximum(shares[:, side].sum(axis=1), 1e-12) for side in (bad, ~bad)
    )
    return escapes, 1 - passed


def _shares(counts: Table, seen: Table) -> Table:
    """Shares of the classes (B, C) that explain the calls `seen`: expectation maximisation from the test parts' own."""
    total = counts.sum(axis=(1, 2), keepdims=True)
    first = counts.sum(axis=2) / total[:, :, 0]
    smooth = counts + counts.sum(axis=1, keepdims=True) / total + 1e-3
    chance = smooth / smooth.sum(axis=2, keepdims=True)
    shares = first
    for _ in range(_STEPS):
        of_call = shares[:, :, None] * chance
        shares = (of_call / of_call.sum(axis=1, keepdims=True) * seen[:, None]).sum(axis=2) + _TRUST * first
        shares = shares / shares.sum(axis=1, keepdims=True)
    return np.asarray(shares)


def _reproduced(laid: pd.DataFrame, present: pd.DataFrame, weights: Mapping[str, float]) -> bool:
    """Whether the model's scores of the altered test parts lie as those of the present parts (Kolmogorov-Smirnov)."""
    if present.empty:
        return True
    weight = laid["truth"].map(weights).to_numpy(float)
    weight = weight / weight.sum()
    levels = np.sort(np.concatenate([laid["score"], present["score"]]))
    order = np.argsort(laid["score"].to_numpy())
    mine = np.concatenate([[0.0], np.cumsum(weight[order])])
    mine = mine[np.searchsorted(laid["score"].to_numpy()[order], levels, side="right")]
    its = np.searchsorted(np.sort(present["score"]), levels, side="right") / len(present)
    chance = _KS * np.sqrt((weight**2).sum() + 1 / len(present))
    return bool(np.abs(mine - its).max() <= max(HALF_WIDTH, chance))


# ------------------------------------------------------------------------------------------- probabilities


def _expected(healthy: pd.DataFrame, present: pd.DataFrame) -> tuple[Rate, Rate] | None:
    """What calibrated probabilities expect of the present parts; None: too few parts, or wrong on labelled ones."""
    if int(healthy["defective"].sum()) < MIN_DEFECTIVE or healthy["defective"].all() or present.empty:
        return None
    labelled, now = _scores(healthy), _scores(present)
    if not _right_on_labels(labelled, rates(healthy)[0]):
        return None
    rng = np.random.default_rng(0)
    draws = [_from_scores(labelled.redrawn(rng), now.redrawn(rng)) for _ in range(_DRAWS // 2)]
    values, variances = _from_scores(labelled, now), np.var(draws, axis=0)
    numbers = (int(healthy["defective"].sum()), int((~healthy["defective"]).sum()))
    escapes, false_rejects = (_with_doubt(*one) for one in zip(values, variances, numbers, strict=True))
    return escapes, false_rejects


class _Scores(NamedTuple):
    """Log odds of the deciding reject probability, whether it passes, how often it counts, whether it is defective."""

    odds: Table
    passes: NDArray[np.bool_]
    weight: Table
    defective: Table

    def redrawn(self, rng: np.random.Generator) -> "_Scores":
        return self._replace(weight=rng.multinomial(len(self.odds), self.weight / self.weight.sum()).astype(float))


def _scores(parts: pd.DataFrame) -> _Scores:
    odds = logit(np.clip(parts["score"].to_numpy(float), 1e-5, 1 - 1e-5))
    defective = parts["defective"].to_numpy(float) if "defective" in parts else np.full(len(parts), np.nan)
    return _Scores(odds, ~parts["rejected"].to_numpy(bool), np.ones(len(parts)), defective)


def _right_on_labels(labelled: _Scores, seen: Rate) -> bool:
    """Whether one half of the labelled parts foretells the other half's escapes, both ways."""
    turn = np.arange(len(labelled.odds)) % 2
    halves = [labelled._replace(weight=(turn == side).astype(float)) for side in (0, 1)]
    if any(not 0 < half.weight @ half.defective < half.weight.sum() for half in halves):
        return False
    foretold = np.mean([_from_scores(one, other)[0] for one, other in (halves, halves[::-1])])
    return bool(abs(foretold - seen.value) <= HALF_WIDTH or seen.low <= foretold <= seen.high)


def _from_scores(labelled: _Scores, present: _Scores) -> tuple[float, float]:
    """Expected escape and false-reject rate of `present`."""
    slope, offset = _platt(labelled)
    before = float(np.clip(np.average(labelled.defective, weights=labelled.weight), 1e-3, 1 - 1e-3))
    chance = expit(slope * present.odds + offset - logit(before))  # as if half of the parts were defective
    odds, share = chance / np.maximum(1 - chance, 1e-9), before
    for _ in range(_STEPS):
        chance = share * odds / (share * odds + 1 - share)
        share = float(np.clip(np.average(chance, weights=present.weight), 1e-4, 1 - 1e-4))
    bad, good = present.weight * chance, present.weight * (1 - chance)
    return float(bad @ present.passes / bad.sum()), float(good @ ~present.passes / good.sum())


def _platt(labelled: _Scores) -> tuple[float, float]:
    """Slope and offset of the log odds of being defective (J. Platt 1999): Newton's steps of a logistic regression."""
    terms, free = np.stack([labelled.odds, np.ones_like(labelled.odds)]), np.zeros(2)
    for _ in range(12):
        chance = expit(free @ terms)
        slope = terms @ (labelled.weight * (labelled.defective - chance)) - _RIDGE * free
        curve = (terms * (labelled.weight * chance * (1 - chance))) @ terms.T + _RIDGE * np.eye(2)
        free = free + np.clip(np.linalg.solve(curve, slope), -2, 2)
    return float(free[0]), float(free[1])
