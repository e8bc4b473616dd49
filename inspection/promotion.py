"""decide(candidate, champion, rules) -> Decision(promote, reasons). Pure: the same figures, the same decision."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inspection.params import Promotion


@dataclass(frozen=True)
class Scores:
    """How a package did on a test set, which `test_set` names by hash.

    Attributes:
        figures: as `metrics.figures` gives them.
        recalls: class -> (images called right, images of the class).
        changes: of a candidate, class -> (images that the champion called right and it does not, the reverse);
            without it as few as the recalls allow.
    """

    test_set: str
    figures: Mapping[str, Any]
    recalls: Mapping[str, tuple[int, int]]
    changes: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may be put before a person, and every reason for and against, in words."""

    promote: bool
    reasons: tuple[str, ...]
    objections: tuple[str, ...]


def decide(candidate: Scores, champion: Scores | None, rules: Promotion) -> Decision:
    """The gate. A first model must pass floors; a later one must in addition lose nothing and gain something.

    Raises:
        ValueError: the two were not scored on the same test set.
    """
    if champion is not None and champion.test_set != candidate.test_set:
        raise ValueError("candidate and champion were scored on different test sets")
    checks = [*_floors(candidate, rules)]
    if champion is not None:
        checks += [*_nothing_forgotten(candidate, champion, rules), *_new_classes(candidate, champion, rules)]
        checks.append(_better(candidate, champion, rules))
    return Decision(
        promote=all(holds for holds, _ in checks),
        reasons=tuple(words for holds, words in checks if holds),
        objections=tuple(words for holds, words in checks if not holds),
    )


Check = tuple[bool, str]


def _floors(candidate: Scores, rules: Promotion) -> Sequence[Check]:
    defects = candidate.figures["defective_parts"]
    accuracy = candidate.figures["balanced_accuracy"] or 0.0
    chance = 1 / max(len(candidate.recalls), 2)
    floor = chance + rules.floor * (1 - chance)
    return (
        (
            defects >= rules.min_test_defects,
            f"tried on {defects} defective test parts (at least {rules.min_test_defects} are needed)",
        ),
        (accuracy >= floor, f"balanced accuracy {accuracy:.3f} (floor {floor:.3f}, guessing gives {chance:.3f})"),
    )


def _nothing_forgotten(candidate: Scores, champion: Scores, rules: Promotion) -> list[Check]:
    """No old class may lose more than its budget: refused once the 95 % interval of the loss, paired by image (Wald's
    for matched pairs), lies beyond it. A few images more or less are chance."""
    checks = []
    for name, (had, n) in champion.recalls.items():
        if n < rules.min_class_images:
            checks.append((True, f"{name}: insufficient, {n} test images"))
            continue
        got = candidate.recalls.get(name, (0, n))[0]
        lost, won = candidate.changes.get(name, (max(had - got, 0), max(got - had, 0)))
        low = (lost - won) / n - 1.96 * math.sqrt(max(lost + won - (lost - won) ** 2 / n, 0)) / n
        words = (
            f"{name}: recall {had / n:.3f} → {got / n:.3f} on {n} images (may lose {rules.forgetting_budget:.3f}, "
            f"loses {max(low, 0):.3f} or more with 97.5 % confidence)"
        )
        checks.append((low <= rules.forgetting_budget + 1e-9, words))
    return checks


def _new_classes(candidate: Scores, champion: Scores, rules: Promotion) -> list[Check]:
    checks = []
    for name in candidate.recalls.keys() - champion.recalls.keys():
        got, n = candidate.recalls[name]
        if n < rules.min_class_images:
            checks.append((True, f"new class {name}: insufficient, {n} test images"))
        else:
            words = f"new class {name}: recall {got / n:.3f} on {n} images (floor {rules.new_class_recall_floor:.3f})"
            checks.append((got / n >= rules.new_class_recall_floor, words))
    return sorted(checks, key=lambda check: check[1])


def _better(candidate: Scores, champion: Scores, rules: Promotion) -> Check:
    """Escapes may not grow beyond what fewer false rejects pay for; a new class is a gain in itself. A candidate that
    tells the classes apart clearly better and lets no more defects through may reject a few more good parts."""
    new, old = candidate.figures, champion.figures
    grows = any(candidate.recalls[name][1] for name in candidate.recalls.keys() - champion.recalls.keys())
    gain = (new["balanced_accuracy"] or 0.0) - (old["balanced_accuracy"] or 0.0)
    more_rejects = new["false_rejects"] - old["false_rejects"]
    clearly = (
        gain >= rules.min_gain
        and new["escapes"] <= old["escapes"]
        and more_rejects <= rules.forgetting_budget * new["good_parts"]
    )
    words = (
        f"cost {old['cost']:g} → {new['cost']:g}: escapes {old['escapes']} → {new['escapes']} of "
        f"{new['defective_parts']}, false rejects {old['false_rejects']} → {new['false_rejects']} "
        f"of {new['good_parts']}; balanced accuracy {gain:+.3f}"
    )
    return bool(new["cost"] <= old["cost"]) or clearly or grows, words
