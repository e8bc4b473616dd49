"""What the contract says of a batch, and of a table to be trained on: which rows break it, and why in words."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import pandas as pd

from inspection import clock
from inspection.cameras import Camera
from inspection.intake import rules
from inspection.intake.rules import Earliest
from inspection.intake.suite import Verdict, open_context, run
from inspection.params import Contract
from inspection.taxonomy import Taxonomy


@dataclass(frozen=True)
class Judgement:
    """What the contract says of a batch: `files` came, `refused` of them are not taken in.

    `reasons` says of each row that breaks a rule, by capture_id, why; `held` says why the whole batch waits for a
    person, and is empty when it does not.
    """

    at: datetime
    files: int
    refused: int
    reasons: Mapping[str, str]
    held: tuple[str, ...]
    suites: Mapping[str, Verdict]

    @property
    def expectations(self) -> tuple[Mapping[str, Any], ...]:
        """suite, expectation, column, checked, broken, success and examples (capture and reason) of each."""
        return tuple({"suite": name, **one} for name, suite in self.suites.items() for one in suite.expectations)

    def as_json(self) -> dict[str, Any]:
        """What can be written as JSON: when, the counts, why the batch is held, each expectation with examples."""
        return {
            "judged_at": clock.stamp(self.at),
            "files": self.files,
            "accepted": self.files - self.refused,
            "refused": self.refused,
            "held": list(self.held),
            "expectations": list(self.expectations),
        }


def judge(
    rows: pd.DataFrame,
    refused_before: Mapping[str, str],
    cameras: Mapping[str, Camera],
    not_after: datetime,
    settings: Contract,
    not_before: Mapping[str, Earliest] = MappingProxyType({}),
) -> Judgement:
    """Whether each capture is what its camera is declared to deliver, and whether the batch may be taken in at all.

    Args:
        rows: a manifest's columns, keyed by capture_id, of the files that could be decoded and named.
        refused_before: key -> why, of those that could not.
        not_after: the latest time a camera's clock may show.
        not_before: camera -> the earliest one; of a camera that is not named any.

    Raises:
        FixSettings: a rule cannot be applied to these rows.
    """
    context = open_context()
    batch = str(rows["batch"].iloc[0]) if len(rows) else "nothing but refused files"
    suites = _row_suites(context, rows, cameras, not_after, not_before) if len(rows) else {}
    reasons = _merged(suite.reasons for suite in suites.values())
    of_rows = {key: reasons[one] for key, one in zip(rows["key"], rows["capture_id"], strict=True) if one in reasons}
    refused = {**refused_before, **of_rows}
    files = pd.DataFrame({"key": [*refused_before, *rows["key"]]})
    files["refused"] = files["key"].isin(refused)
    held: tuple[str, ...] = ()
    if len(files) >= settings.min_files:
        suites["the batch"] = run(context, "the batch", batch, files, "key", rules.of_share(settings))
        if not suites["the batch"].success:
            held = (_too_many(len(files), refused.values(), settings),)
    return Judgement(clock.now(), len(files), int(files["refused"].sum()), reasons, held, suites)


def _row_suites(
    context: Any,
    rows: pd.DataFrame,
    cameras: Mapping[str, Camera],
    not_after: datetime,
    not_before: Mapping[str, Earliest],
) -> dict[str, Verdict]:
    """What the suites that judge single captures say, by the suite's name: one for all, one for each camera."""
    batch, everyone = str(rows["batch"].iloc[0]), "every capture"
    asked = rules.of_every_capture(cameras, not_after)
    said = {everyone: run(context, everyone, batch, rules.checked_at_once(rows), "capture_id", asked)}
    for name, group in rows[["capture_id", "captured_at", *rules.DECLARED]].groupby("camera", sort=True):
        if name in cameras:  # the others are refused already
            asked = rules.of_camera(cameras[str(name)])
            if earliest := not_before.get(str(name)):
                asked.append(rules.of_age(str(name), group["captured_at"], earliest))
            said[str(name)] = run(context, str(name), batch, group, "capture_id", asked)
    return said


def check_snapshot(rows: pd.DataFrame, taxonomy: Taxonomy, missing: pd.Series) -> Verdict:
    """Whether a labelled table can be trained on, keyed by image_id.

    Args:
        missing: for each row, whether its file is absent from this disk.
    """
    frame = rows.assign(present=~missing)
    return run(open_context(), "snapshot", "snapshot", frame, "image_id", rules.of_snapshot(taxonomy))


def _too_many(files: int, reasons: Collection[str], settings: Contract) -> str:
    """Why a batch is held; reasons that differ in their numbers and quoted words alone count as one."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for words in reasons:
        kinds[re.sub(r"'[^']*'|[\d.,:+-]+", "", words)].append(words)
    most = max(kinds.values(), key=len)
    ((example, _),) = Counter(most).most_common(1)
    return (
        f"{len(reasons)} of {files} files were refused ({100 * len(reasons) / files:.3g} %), more than "
        f"contract.max_refused_share = {100 * settings.max_refused_share:.3g} %; most often: {example} ({len(most)})"
    )


def _merged(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Row -> all that is said of it."""
    said: dict[str, list[str]] = defaultdict(list)
    for reasons in several:
        for one, words in reasons.items():
            said[one].append(words)
    return {one: "; ".join(words) for one, words in said.items()}
