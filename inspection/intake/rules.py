"""What the contract asks of a row: of every capture, of one camera's, of a snapshot's; and of a batch as a whole."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from inspection.cameras import Camera
from inspection.intake.suite import Rule, expectations
from inspection.params import Contract
from inspection.pictures.images import FORMATS
from inspection.taxonomy import Taxonomy

_REQUIRED = ("image_id", "label", "line", "camera", "part", "serial", "captured_at", "path")
_IDS = ("capture_id", "image_id")
_TEXTS = ("batch", "line", "camera", "part", "serial", "key", "path", "format", *_IDS)
_SIZES = ("width", "height", "channels", "bit_depth", "bytes")
_NUMBERS = (*_SIZES, "brightness", "contrast", "sharpness", "noise", "clipped", "red", "blue")
_MOST = {"brightness": 255, "contrast": 127.5, "clipped": 1}
_ROUNDING = 1e-3  # of a mean of single-precision numbers
DECLARED = ("camera", "line", "part", *_SIZES)  # what `of_camera` looks at


@dataclass(frozen=True)
class Earliest:
    """The earliest time that a camera's pictures may bear, by `days` of `ingest.max_past` before what it is held
    against, in words: this ingest, or the newest picture of a camera that has been silent for long."""

    at: datetime
    days: float
    before: str

    @classmethod
    def of(cls, now: datetime, last: tuple[datetime, datetime] | None, days: float) -> "Earliest":
        """Held against what the camera delivered last, if that came in time: what a computer has kept since then is
        late, and what is far older is of a clock that was reset.

        Args:
            last: when the camera's newest picture was captured, and when it was taken in.
            days: `ingest.max_past`.
        """
        if last and _ago(last[1], days) <= last[0] < now:
            return cls(_ago(last[0], days), days, f"the newest picture of this camera ({last[0]:%Y-%m-%d})")
        return cls(_ago(now, days), days, f"it was taken in ({now:%Y-%m-%d})")


def _ago(moment: datetime, days: float) -> datetime:
    try:
        return moment - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def checked_at_once(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with two columns that name, for each row, the columns that are empty or hold no finite number from 0 on.

    An expectation costs 5 ms or more whatever it checks, so these two stand for thirty.
    """
    texts = rows.reindex(columns=_TEXTS)
    empty = texts.isna() | (texts.astype(str).apply(lambda column: column.str.strip()) == "")
    numbers = rows.reindex(columns=_NUMBERS).apply(pd.to_numeric, errors="coerce")
    wrong = ~numbers.apply(lambda column: column.between(0, sys.float_info.max))
    light = rows.drop(columns="thumbnail", errors="ignore")  # Great Expectations reads every byte it is given
    return light.assign(empty=_names(empty), no_number=_names(wrong))


def _names(marks: pd.DataFrame) -> list[str]:
    """For each row the names of the columns that are true."""
    if not marks.to_numpy().any():
        return [""] * len(marks)
    return [", ".join(marks.columns[row]) for row in marks.to_numpy()]


def of_every_capture(cameras: Mapping[str, Camera], not_after: datetime) -> list[Rule]:
    """What holds for every capture, whatever its camera."""
    gxe = expectations()
    report = "report it, this is a fault of the program"
    columns = [*_TEXTS, *_NUMBERS, "captured_at"]
    return [
        Rule(gxe.ExpectTableColumnsToMatchSet(column_set=columns, exact_match=False), "a column is missing"),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="empty", value_set=[""]),
            "nothing is known of its {value}; name the file by ingest.key_pattern or describe it in a sidecar",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="no_number", value_set=[""]),
            f"{{value}} of the image cannot be measured; export it again, or {report}",
        ),
        *(
            Rule(
                gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0, max_value=most + _ROUNDING),
                f"{name} is {{value}}, more than {most}, which no image can have; {report}",
            )
            for name, most in _MOST.items()
        ),
        Rule(gxe.ExpectColumnValuesToBeBetween(column="bytes", min_value=1), "the file is empty; drop it again"),
        *(
            Rule(
                gxe.ExpectColumnValuesToMatchRegex(column=name, regex=r"[0-9a-f]{64}\Z"),
                f"{name} {{value}} is no SHA-256; {report}",
            )
            for name in _IDS
        ),
        Rule(gxe.ExpectColumnValuesToBeUnique(column="capture_id"), f"stands in the batch twice; {report}"),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="camera", value_set=sorted(cameras)),
            f"camera {{value}} is not in cameras.yaml ({', '.join(list(cameras)[:8])}); declare it there",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="format", value_set=list(FORMATS)),
            f"format {{value}} is not taken; set the camera to {', '.join(FORMATS)}",
        ),
        Rule(gxe.ExpectColumnValuesToNotBeNull(column="captured_at"), "captured_at is empty"),
        Rule(
            gxe.ExpectColumnValuesToBeBetween(column="captured_at", max_value=pd.Timestamp(not_after)),
            f"its time lies in the future, after {not_after:%Y-%m-%d %H:%M} UTC; set the clock of the camera",
        ),
    ]


def of_camera(camera: Camera) -> list[Rule]:
    """What cameras.yaml declares of one camera."""
    gxe = expectations()
    declared = f"for {camera.name}; correct the camera or cameras.yaml"
    channels = 1 if camera.mode == "L" else 3
    low = (camera.min_width or camera.width, camera.min_height or camera.height)
    spans = (("width", low[0], camera.width), ("height", low[1], camera.height))
    return [
        *(
            Rule(
                gxe.ExpectColumnValuesToBeBetween(column=name, min_value=least, max_value=most),
                f"{name} is {{value}} px, but cameras.yaml declares {_span(least, most)} px {declared}",
            )
            for name, least, most in spans
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="channels", value_set=[channels]),
            f"the image has {{value}} channel(s), but cameras.yaml declares mode {camera.mode} {declared}",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="bit_depth", value_set=[camera.bit_depth]),
            f"the image has {{value}} bit, but cameras.yaml declares {camera.bit_depth} bit {declared}",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="part", value_set=list(camera.parts)),
            f"part {{value}} is not declared for {camera.name}; add it to `parts` in cameras.yaml "
            f"(now {', '.join(camera.parts[:8])}) or correct the file's name",
        ),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="line", value_set=[camera.line]),
            f"line is {{value}}, but cameras.yaml declares {camera.line} {declared}",
        ),
    ]


def of_age(camera: str, times: pd.Series, earliest: Earliest) -> Rule:
    """That a camera's clock was not reset; told in the same words of all its captures that are too old."""
    old = times[times < pd.Timestamp(earliest.at)]
    days = list(dict.fromkeys(f"{one:%Y-%m-%d}" for one in (old.min(), old.max()))) if len(old) else []
    return Rule(
        expectations().ExpectColumnValuesToBeBetween(column="captured_at", min_value=pd.Timestamp(earliest.at)),
        f"the clock of {camera} says {' to '.join(days)}, more than ingest.max_past = {earliest.days:g} days before "
        f"{earliest.before}: set the clock of the camera. If the time is right (an archive), raise ingest.max_past in "
        "params.yaml, then `andon quarantine retry`",
    )


def of_share(settings: Contract) -> list[Rule]:
    """How many files of a batch may be refused, of a table with one row for each and a column `refused`."""
    mostly = round(1 - settings.max_refused_share, 9)
    few = expectations().ExpectColumnValuesToBeInSet(column="refused", value_set=[False], mostly=mostly)
    return [Rule(few, "the file is refused")]


def of_snapshot(taxonomy: Taxonomy) -> list[Rule]:
    """What holds for every labelled image, of a table with a column `present`: whether its file is on this disk."""
    gxe = expectations()
    return [
        Rule(gxe.ExpectColumnValuesToBeUnique(column="image_id"), "stands in the table twice"),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=sorted(taxonomy.classes)),
            "label {value} is not declared in taxonomy.yaml",
        ),
        *(Rule(gxe.ExpectColumnValuesToNotBeNull(column=name), f"{name} is empty") for name in _REQUIRED),
        Rule(
            gxe.ExpectColumnValuesToBeInSet(column="present", value_set=[True]),
            "its file is not on this disk: run `dvc pull`, or hold its batch (`andon batch hold`) if it is lost",
        ),
    ]


def _span(least: int, most: int) -> str:
    return f"{most}" if least == most else f"{least} to {most}"
