"""How good a package is: escapes and false rejects by part, recall and F1 by class; direction and unit beside each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inspection.pictures import piece

Z = 1.959964  # of the normal distribution, for 95 %

# name -> (which way is better, unit)
MEANING = {
    "balanced_accuracy": ("higher", "mean recall of the classes, 0..1"),
    "macro_f1": ("higher", "mean F1 of the classes, 0..1"),
    "escapes": ("lower", "defective parts passed"),
    "false_rejects": ("lower", "good parts rejected"),
    "escape_rate": ("lower", "share of the defective parts"),
    "false_reject_rate": ("lower", "share of the good parts"),
    "cost": ("lower", "false rejects, an escape counting as verdict.cost_escape of them"),
    "confusions": ("lower", "defective images taken for another defect"),
    "log_loss": ("lower", "nats per image"),
}


@dataclass(frozen=True)
class Rate:
    """`hits` of `n` with the 95 % interval after Wilson; None where there is nothing to count."""

    hits: int
    n: int
    value: float | None
    low: float | None
    high: float | None


def rate(hits: int, n: int) -> Rate:
    """A share with its interval (E. B. Wilson, "Probable Inference", JASA 22, 1927; scipy.stats has it too, and
    takes 1.5 s to import)."""
    if n == 0:
        return Rate(0, 0, None, None, None)
    share, z2 = hits / n, Z**2
    middle, half = (share + z2 / (2 * n)), Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    low, high = ((middle + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    return Rate(hits, n, share, 0.0 if hits == 0 else low, 1.0 if hits == n else high)


def parts(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """One row per part: `piece`, `serial`, `defective`, `rejected`, `images`, and its camera, part type and line.

    Args:
        rows: one per image with `serial`, `acceptable` (of its label), `reject`, `camera`, `part`, `line`.
        rule: any: one rejected image rejects the part; majority: more than half of them.
    """
    grouped = rows.groupby(piece.of(rows).rename("piece"), sort=True)
    rejected = grouped["reject"].mean()
    return pd.DataFrame(
        {
            "defective": ~grouped["acceptable"].all(),
            "rejected": rejected > 0 if rule == "any" else rejected > 0.5,
            "images": grouped.size(),
            **{name: grouped[name].first() for name in ("serial", "line", "camera", "part")},
        }
    ).reset_index()


def figures(
    rows: pd.DataFrame, classes: Sequence[str], rule: str, cost_escape: float, cost_false_reject: float
) -> dict[str, Any]:
    """Every headline figure of a scored test set as plain numbers; what does not apply is None.

    Args:
        rows: as for `parts`, with `label`, `predicted`, `predicted_acceptable` and `p_label` (probability that
            was given to the true class).
        classes: those that the figures run over; the ones without a row are left out of the means.
    """
    by_part = parts(rows, rule)
    defective, good = by_part[by_part["defective"]], by_part[~by_part["defective"]]
    escapes, false_rejects = int((~defective["rejected"]).sum()), int(good["rejected"].sum())
    recalls = {name: one.value for name, one in recall_by_class(rows, classes).items() if one.value is not None}
    confused = (~rows["acceptable"]) & (~rows["predicted_acceptable"]) & (rows["label"] != rows["predicted"])
    return {
        "balanced_accuracy": float(np.mean(list(recalls.values()))) if recalls else None,
        "macro_f1": _macro_f1(rows, classes),
        "escapes": escapes,
        "false_rejects": false_rejects,
        "escape_rate": rate(escapes, len(defective)).value,
        "false_reject_rate": rate(false_rejects, len(good)).value,
        "cost": escapes * cost_escape + false_rejects * cost_false_reject,
        "confusions": int(confused.sum()),
        "log_loss": float(-np.log(np.clip(rows["p_label"], 1e-7, 1)).mean()),
        "parts": len(by_part),
        "defective_parts": len(defective),
        "good_parts": len(good),
        "images": len(rows),
    }


def recall_by_class(rows: pd.DataFrame, classes: Sequence[str]) -> dict[str, Rate]:
    """Of the images of each class, the share that was called by its name."""
    return {
        name: rate(int((of["predicted"] == name).sum()), len(of))
        for name in classes
        for of in [rows[rows["label"] == name]]
    }


def slices(rows: pd.DataFrame, rule: str, min_slice: int) -> list[dict[str, Any]]:
    """Escapes and false rejects for each line, camera, part type and class; small ones say "insufficient"."""
    result = []
    by_part = parts(rows, rule).set_index("piece")  # a part is judged by all its images, whichever slice they are in
    own = piece.of(rows)
    for column in ("line", "camera", "part", "label"):
        for value, pieces in own.groupby(rows[column], sort=True):
            mine = by_part.loc[pieces.unique()]
            bad, fine = mine[mine["defective"]], mine[~mine["defective"]]
            result.append(
                {
                    "slice": column,
                    "value": str(value),
                    "parts": len(mine),
                    "escapes": _slice(int((~bad["rejected"]).sum()), len(bad), min_slice),
                    "false_rejects": _slice(int(fine["rejected"].sum()), len(fine), min_slice),
                }
            )
    return result


def interval(rows: pd.DataFrame, classes: Sequence[str], draws: int = 200, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the balanced accuracy, by drawing parts with replacement (Efron's percentile bootstrap)."""
    weights = part_draws(piece.of(rows), np.random.default_rng(seed))
    of_class = {name: (rows["label"] == name).to_numpy() for name in classes}
    right = (rows["label"] == rows["predicted"]).to_numpy()
    values = []
    for _ in range(draws):
        weight = next(weights)
        recalls = [
            (weight * right)[mask].sum() / weight[mask].sum() for mask in of_class.values() if weight[mask].sum()
        ]
        values.append(float(np.mean(recalls)))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def part_draws(pieces: Any, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Without end, how often each row counts when parts are drawn with replacement: (N,) for N rows."""
    parts, index = np.unique(np.asarray(pieces, str), return_inverse=True)
    while True:
        yield np.bincount(rng.integers(0, len(parts), len(parts)), minlength=len(parts))[index]


def balanced(rows: pd.DataFrame, column: str) -> float:
    """Mean over the classes (`label`) of the share of images for which `column` is true: 0..1, higher is better."""
    return float(rows.groupby("label")[column].mean().mean()) if len(rows) else float("nan")


def _macro_f1(rows: pd.DataFrame, classes: Sequence[str]) -> float | None:
    """Mean over the classes of 2 TP / (2 TP + FP + FN)."""
    called, truth = rows["predicted"], rows["label"]
    scores = [
        2 * ((truth == name) & (called == name)).sum() / ((truth == name).sum() + (called == name).sum())
        for name in classes
        if (truth == name).any()
    ]
    return float(np.mean(scores)) if scores else None


def _slice(hits: int, n: int, least: int) -> dict[str, Any] | str:
    if n == 0:
        return "none"
    return asdict(rate(hits, n)) if n >= least else f"insufficient ({hits} of {n})"
