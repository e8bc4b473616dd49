"""What a change costs, in words: how many parts pass or are rejected because of it."""

from collections.abc import Mapping
from typing import Any

_HOW = {
    "rehearsed": "Tried out: the change was laid on labelled pictures of {parts} parts from healthy days.",
    "seen": "Counted on {parts} parts that were labelled since.",
    "probabilities": "Worked out from how sure the model is of each part; no labels yet.",
}


def cost(estimate: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    """What is estimated to pass and to be rejected, and what was `measured` of it otherwise where neither is known; ""
    where nothing is."""
    known = estimate.get("escapes") or estimate.get("false_rejects")
    said = [_estimated(estimate), "" if known else _measured(measured)]
    return " ".join(words for words in said if words)


def _estimated(estimate: Mapping[str, Any]) -> str:
    """The estimate as `monitoring.cost.escapes.Estimate.as_json` gives it, in a sentence for each rate."""
    if not estimate:
        return ""
    escapes, rejects, needed = (estimate.get(name) for name in ("escapes", "false_rejects", "labels_needed"))
    label = f": have {needed} pictures labelled" if needed else ""
    said = [
        _rate(escapes, "defective parts", "now pass")
        if escapes
        else f"How many defective parts pass cannot be estimated{label}."
    ]
    if rejects:
        said.append(_rate(rejects, "good parts", "are now rejected"))
    if known := escapes or rejects:
        said.append(_HOW.get(str(estimate["how"]), "").format(parts=known["parts"]))
    return " ".join(said).rstrip()


def _rate(rate: Mapping[str, Any], of: str, fate: str) -> str:
    """Of 100 defective parts about 7 now pass (between 3 and 12)."""
    base = 100 if rate["high"] >= 0.02 else 1000
    value, low, high = (round(base * float(rate[name])) for name in ("value", "low", "high"))
    if value == 0:
        return f"Of {base:,} {of} hardly any {fate} (at most {max(high, 1)})."
    return f"Of {base:,} {of} about {value} {fate} (between {low} and {high})."


def _measured(cost: Mapping[str, Any]) -> str:
    if not cost:
        return ""
    how = "tried on labelled pictures" if cost["how"] == "rehearsed" else "seen on labelled parts"
    return (
        f"Of 100 pictures of each class, {100 * cost['before']:.0f} were judged right before and "
        f"{100 * cost['after']:.0f} are now ({how}, {cost['parts']} parts)."
    )
