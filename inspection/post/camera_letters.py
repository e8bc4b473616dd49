"""Letters about a planned change of a camera: it is announced, or held up, or a new reference holds; and about a
reference that could not be made again. Pure."""

from zoneinfo import ZoneInfo

from inspection.post.letter import FOOTER, Letter
from inspection.post.wording import between, known, place, titles, when
from inspection.records.commissions import Commission, Outdated, Renewal


def of_renewal(renewal: Renewal, line: str, zone: ZoneInfo) -> Letter:
    """A planned change that a person has announced, while the camera learns how it looks from then on."""
    camera, refused = renewal.camera, renewal.refused
    what = "the pictures since the planned change do not fit together" if refused else "a planned change is announced"
    subject, headline = titles(line, [camera], what)
    return Letter(
        subject=subject,
        headline=headline,
        tone="warn" if refused else "info",
        summary=f"{camera} learns how healthy pictures look after the change. Until {renewal.images} of them fit "
        "together, Andon cannot tell a fault of this camera.",
        facts=(
            ("Where", place(line, [camera])),
            ("Announced", f"{when(renewal.at, zone)}, by {renewal.by}"),
            ("Why", renewal.reason),
            ("Learns since", when(renewal.since, zone)),
        ),
        todo=(f"Finish the work on {camera}; pictures from now on are tried next.",)
        if refused
        else (f"Nothing, if you know of this change. If not, ask {renewal.by}.",),
        reasons=refused[-1:],
        footer=FOOTER,
    )


def of_reference(made: Commission, line: str, zone: ZoneInfo) -> Letter:
    """A new version of what a camera looks like when it is healthy, after a planned change."""
    subject, headline = titles(line, [made.camera], "watched again after the planned change")
    return Letter(
        subject=subject,
        headline=headline,
        tone="good",
        word="Done",  # an incident may be open
        summary=f"From now on {made.camera} is compared with how it looks since the change (reference {made.version}). "
        "Whatever was wrong in these pictures counts as healthy.",
        facts=known(
            ("Where", place(line, [made.camera])),
            ("Made of", f"{made.images} pictures, taken {between((made.first, made.last), zone)}"),
            ("Announced by", made.by),
            ("Why", made.reason),
        ),
        todo=(f"Nothing, if you know of this change. If not, ask {made.by}.",),
        footer=FOOTER,
    )


def of_outdated(kept: Outdated, line: str, zone: ZoneInfo) -> Letter:
    """A reference of an earlier method that holds, because it could not be made again by a better one."""
    camera = kept.camera
    subject, headline = titles(line, [camera], "its reference could not be made again by a better method")
    accept = f"andon reference accept {camera} --from T --to T --by NAME"
    return Letter(
        subject=subject,
        headline=headline,
        tone="warn",
        summary=f"{camera} is judged as before, against reference {kept.version}. What only the better method finds is "
        "not found on this camera.",
        facts=(
            ("Where", place(line, [camera])),
            ("Reference", kept.version),
            ("Tried", when(kept.at, zone)),
        ),
        todo=(f"Declare days on which {camera} was healthy: {accept}.",)
        if kept.final
        else (
            "Bring its pictures back to this computer: dvc pull. The next watch makes it again by itself.",
            f"Where they are gone for good, declare newer days on which {camera} was healthy: {accept}.",
        ),
        reasons=(kept.why,),
        footer=FOOTER,
    )
