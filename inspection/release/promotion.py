"""decide(candidate, champion, rules) -> Decision(promote, reasons). Pure: the same figures, the same decision."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from inspection.model import metrics
from inspection.params import Promotion
from inspection.release.forgetting import Slice, slices


@dataclass(frozen=True, eq=False)
class Scores:
    """How a package did on a test set, which `test_set` names by hash.

    Attributes:
        figures: as `metrics.figures` gives them.
        old: the same figures over the parts whose labels the champion all knows; of a first model all parts.
        classes: those that the package knows.
        rows: one per test image, of any class: `image_id`, `label`, `part` (the part type), `serial`, `predicted`; in
            the same order for every package.
    """

    test_set: str
    figures: Mapping[str, Any]
    old: Mapping[str, Any]
    classes: Sequence[str]
    rows: pd.DataFrame

    @cached_property
    def recalls(self) -> dict[str, tuple[int, int]]:
        """Class of the test set that the package knows -> (images called right, images of the class)."""
        known = sorted(set(self.rows["label"]) & set(self.classes))
        return {name: (one.hits, one.n) for name, one in metrics.recall_by_class(self.rows, known).items()}


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may be put before a person, every reason for and against, in words, and what it forgot."""

    promote: bool
    reasons: tuple[str, ...]
    objections: tuple[str, ...]
    forgetting: tuple[Slice, ...]


def decide(candidate: Scores, champion: Scores | None, rules: Promotion) -> Decision:
    """The gate. A first model must pass floors; a later one must in addition lose nothing and gain something.

    Raises:
        ValueError: the two were not scored on the same test set.
    """
    if champion is not None and champion.test_set != candidate.test_set:
        raise ValueError("candidate and champion were scored on different test sets")
    checks = [*_floors(candidate, rules)]
    forgetting = slices(_paired(candidate, champion), rules) if champion else []
    if champion is not None:
        checks += [*_nothing_forgotten(forgetting, rules), *_new_classes(candidate, champion, rules)]
        checks.append(_better(candidate, champion, rules))
    return Decision(
        promote=all(holds for holds, _ in checks),
        reasons=tuple(words for holds, words in checks if holds),
        objections=tuple(words for holds, words in checks if not holds),
        forgetting=tuple(forgetting),
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


def _paired(candidate: Scores, champion: Scores) -> pd.DataFrame:
    """As `forgetting.slices` takes them: the images of the classes that the champion knows."""
    sides = {"champion": champion.rows, "candidate": candidate.rows}
    right = {name: (rows["predicted"] == rows["label"]).to_numpy() for name, rows in sides.items()}
    return candidate.rows.assign(**right)[lambda rows: rows["label"].isin(champion.classes)]


def _nothing_forgotten(forgetting: Sequence[Slice], rules: Promotion) -> list[Check]:
    """No class and no part type may lose more than the budget for certain; a few images more or less are chance. Of the
    many classes on part types only those that object have a line of their own."""
    finest = Counter(one.verdict for one in forgetting if one.slice == "class x part")
    listed = (one for one in forgetting if one.slice != "class x part" or one.verdict == "lost")
    return [
        *((one.verdict != "lost", _in_words(one, rules)) for one in listed),
        (True, f"each class on each part type: {finest['kept']} kept, {finest['insufficient']} insufficient"),
    ]


def _in_words(one: Slice, rules: Promotion) -> str:
    name, recall = (f"part type {one.value}", "mean recall") if one.slice == "part" else (one.value, "recall")
    if one.verdict == "insufficient":
        return f"{name}: insufficient, {one.images} test images of {one.parts} parts"
    words = f"{name}: {recall} {one.champion:.3f} → {one.candidate:.3f} on {one.images} images of {one.parts} parts"
    if one.verdict == "kept":
        return f"{words}, no sure loss beyond {rules.forgetting_budget:.3f}"
    return (
        f"{words}, at least {one.low:.3f} lost (97.5 % sure, {rules.forgetting_budget:.3f} allowed); "
        f"now wrong: {', '.join(image[:12] for image in one.lost)}"
    )


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
    """On the parts that both know, escapes may not grow beyond what fewer false rejects pay for. A candidate that lets
    no more defects through there, and tells the classes apart clearly better or knows a new one, may reject a few more
    good parts."""
    new, old = candidate.old, champion.old
    grows = any(candidate.recalls[name][1] for name in candidate.recalls.keys() - champion.recalls.keys())
    gain = (new["balanced_accuracy"] or 0.0) - (old["balanced_accuracy"] or 0.0)
    more_rejects = new["false_rejects"] - old["false_rejects"]
    pays = (
        (gain >= rules.min_gain or grows)
        and new["escapes"] <= old["escapes"]
        and more_rejects <= rules.forgetting_budget * new["good_parts"]
    )
    where = "on parts without new classes, " if new["parts"] < candidate.figures["parts"] else ""
    words = where + (
        f"cost {old['cost']:g} → {new['cost']:g}: escapes {old['escapes']} → {new['escapes']} of "
        f"{new['defective_parts']}, false rejects {old['false_rejects']} → {new['false_rejects']} "
        f"of {new['good_parts']}; balanced accuracy {gain:+.3f}"
    )
    return bool(new["cost"] <= old["cost"]) or pays, words
