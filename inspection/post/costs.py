"""What a change costs, in words: how many defective parts pass and how many good ones are rejected, before and now.
Mails and pages say the same, for both are made here."""

from collections.abc import Mapping
from typing import Any

_HOW = {
    "rehearsed": "Tried out: the change was laid on labelled pictures of {parts} parts from healthy days, none of "
    "which the model was trained on; before and now are the same parts.",
    "seen": "Counted on {parts} parts that were labelled since, none of which the model was trained on.",
    "probabilities": "Worked out from how sure the model is of each part; no labels yet. "
    "Before: counted on labelled parts.",
}
_FEW = 50  # parts: counts of fewer are said as they are, with what they may mean of 100


def facts(estimate: Mapping[str, Any], measured: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """One line each, with its name: defective parts that pass, good parts that are rejected, how that is known, and
    what would tell more. `measured`: the cost as older incidents have it, told where there is no estimate."""
    if not estimate:
        return (("What it costs", _measured(measured)),)
    return (
        ("Defective parts", _line(estimate, "escapes", ("defective parts", "pass"))),
        ("Good parts", _line(estimate, "false_rejects", ("good parts", "are rejected"))),
        ("Known from", _source(estimate)),
        ("To know more", _more(estimate)),
    )


def lines(estimate: Mapping[str, Any]) -> tuple[str, ...]:
    """The same without the names."""
    return tuple(words for _, words in facts(estimate, {}) if words)


def _line(estimate: Mapping[str, Any], name: str, about: tuple[str, str]) -> str:
    """Of 100 defective parts about 7 now pass (between 3 and 12); before the change about 4 did (between 2 and 9)."""
    now, before = estimate.get(name), estimate.get(f"{name}_before")
    if not now:
        return _not_known(estimate) if name == "escapes" else ""
    of, fate = about
    if estimate["how"] == "seen" and now["parts"] < _FEW:
        said = f"{_count(now)} {of} that were labelled since {fate} ({_span(now, 100)} of 100)"
    else:
        said = _rate(now, _base(now, before), of, fate)
    return f"{said}{_earlier(estimate, now, before, 'did' if name == 'escapes' else 'were')}."


def _earlier(estimate: Mapping[str, Any], now: Mapping[str, Any], before: Mapping[str, Any] | None, fate: str) -> str:
    if not before:
        return "; nobody has counted how many before" if estimate["how"] == "seen" else ""
    if estimate["how"] == "seen" and before["parts"] < _FEW:
        return f"; before the change {_count(before)} {fate} ({_span(before, 100)} of 100)"
    base = _base(now, before)
    value = round(base * float(before["value"]))
    return f"; before the change {f'about {value}' if value else 'hardly any'} {fate} ({_span(before, base)})"


def _not_known(estimate: Mapping[str, Any]) -> str:
    if estimate.get("how") == "seen":
        labelled = (estimate.get("false_rejects") or {}).get("parts", 0)
        return f"None of the {labelled} parts labelled since is defective, so nobody knows how many pass."
    why = estimate.get("why")
    if not why and not estimate.get("how"):
        return str(estimate.get("words", ""))  # of an older incident
    return f"How many defective parts pass cannot be estimated{f': {why}' if why else ''}."


def _source(estimate: Mapping[str, Any]) -> str:
    rates = [estimate.get(name) for name in ("escapes", "false_rejects")]
    parts = sum(one["parts"] for one in rates if one)
    return _HOW.get(str(estimate.get("how")), "").format(parts=parts) if parts else ""


def _more(estimate: Mapping[str, Any]) -> str:
    """What is to be labelled, in numbers that people can do; "" where enough is known."""
    pieces, defective = estimate.get("labels_needed") or 0, estimate.get("defective_needed") or 0
    if pieces:
        return f"Have {pieces} parts labelled as they come: the fewest that tell whether it costs something."
    if defective:
        return (
            "Labelling parts as they come would take too many, for few of them are defective. Instead let "
            f"{defective} parts that are known to be defective pass the camera, and have their pictures labelled."
        )
    return ""


def _rate(rate: Mapping[str, Any], base: int, of: str, fate: str) -> str:
    """Of 100 defective parts about 7 now pass (between 3 and 12)."""
    value, high = (round(base * float(rate[name])) for name in ("value", "high"))
    verb, _, rest = fate.partition(" ")
    done = f"{verb} now {rest}" if rest else f"now {verb}"
    if value == 0:
        return f"Of {base:,} {of} hardly any {done} (at most {max(high, 1)})"
    return f"Of {base:,} {of} about {value} {done} ({_span(rate, base)})"


def _base(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> int:
    """Of how many both are told: of 1,000 where both are small."""
    return 100 if max(float(one["high"]) for one in (now, before) if one) >= 0.02 else 1000


def _span(rate: Mapping[str, Any], base: int) -> str:
    low, high = (round(base * float(rate[name])) for name in ("low", "high"))
    return f"between {low} and {high}"


def _count(rate: Mapping[str, Any]) -> str:
    return f"{round(float(rate['value']) * rate['parts'])} of {rate['parts']}"


def _measured(cost: Mapping[str, Any]) -> str:
    if not cost:
        return ""
    how = "tried on labelled pictures" if cost["how"] == "rehearsed" else "seen on labelled parts"
    return (
        f"Of 100 pictures of each class, {100 * cost['before']:.0f} were judged right before and "
        f"{100 * cost['after']:.0f} are now ({how}, {cost['parts']} parts)."
    )
