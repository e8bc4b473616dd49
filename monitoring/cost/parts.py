"""What a model said of images, folded to parts."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inspection.pictures import piece
from monitoring.cost.rates import Rate, rate_of

MIN_DEFECTIVE = 20  # labelled defective parts below which nothing is estimated
PASSES = ""  # the call of a part that passes

Table = NDArray[np.float64]


def fold(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """One row a part: `rejected`, `call` (the class of its worst image; empty: it passes), `score` (the reject
    probability that decides), `images`, `piece` with its part and serial, and of labelled parts `truth` and
    `defective`.

    Args:
        rows: one per image with `part`, `serial`, `called`, `reject`, `reject_probability`; labelled ones with `label`
            and `acceptable`.
        rule: any or majority, as `verdict.part` has it.
    """
    typed = rows.astype({"reject": bool, "reject_probability": float})  # a query without a row has no types
    worst = typed.sort_values("reject_probability", ascending=False, kind="stable")
    grouped = worst.groupby(piece.of(worst).rename("piece"), sort=True)
    share = grouped["reject"].mean()
    rejected = share > 0 if rule == "any" else share > 0.5
    quantile = 1.0 if rule == "any" else 0.5
    parts = pd.DataFrame(
        {
            "rejected": rejected,
            "call": grouped["called"].first().where(rejected, PASSES),
            "score": grouped["reject_probability"].quantile(quantile, interpolation="lower"),
            "images": grouped.size(),
            **{name: grouped[name].first() for name in piece.KEY},
        }
    )
    if "acceptable" in rows:
        bad_first = rows.sort_values("acceptable", kind="stable")
        grouped = bad_first.groupby(piece.of(bad_first).rename("piece"), sort=True)
        parts["truth"], parts["defective"] = grouped["label"].first(), ~grouped["acceptable"].all()
    return parts.reset_index()


def rates(parts: pd.DataFrame) -> tuple[Rate, Rate]:
    """Escape and false-reject rate of labelled parts (`fold`), counted; of no parts anything between 0 and 1."""
    bad, good = parts[parts["defective"]], parts[~parts["defective"]]
    pairs = [(int((~bad["rejected"]).sum()), len(bad)), (int(good["rejected"].sum()), len(good))]
    escapes, false_rejects = (rate_of(hits, n, n) if n else Rate(0.0, 0.0, 1.0, 0) for hits, n in pairs)
    return escapes, false_rejects
