"""The nightly comparison mails what it finds: once, when it changes, else weekly; and that it did not run is told."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
import yaml

from andon.status import lines, state
from flows.audit import audit, summary
from inspection import clock, git
from inspection.layout import Layout
from inspection.post import compared
from inspection.records import ledger
from tests.conftest import ROOT

NIGHT = datetime(2026, 11, 3, 1, 40, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def plant(tiny: Layout) -> Layout:
    """A plant with one event on record, in November."""
    with clock.at(NIGHT - DAY):
        ledger.append(tiny, "note", "Ines", [{"words": "hello"}])
        tiny.approvals.mkdir()
        (tiny.approvals / ".keep").touch()
        git.commit(tiny.home, [*ledger.files(tiny), tiny.approvals / ".keep"], "A note")
    return tiny


def run(layout: Layout, at: datetime) -> str:
    """The subject of the mail of a night, "" for none."""
    with clock.at(at):
        subject: str = audit.fn(root=layout.root)["mail"]
    return subject


def mails(layout: Layout) -> list[EmailMessage]:
    paths = sorted((layout.home / "outbox").glob("*.eml"))
    return [BytesParser(EmailMessage, policy=policy.default).parsebytes(path.read_bytes()) for path in paths]


def break_one(layout: Layout, name: str = "v9.9.9.json") -> None:
    (layout.approvals / name).write_text("{}")


def test_nothing_found_is_no_mail_but_is_noted(plant: Layout) -> None:
    assert run(plant, NIGHT) == "" and not mails(plant)
    with clock.at(NIGHT + DAY):
        said = compared.said(plant)
        assert (
            said == "What is kept was last compared with the record on 2026-11-03 01:40 UTC, and nothing was changed."
        )
        assert not compared.wrong(plant, NIGHT - DAY)


def test_what_is_found_is_mailed_with_since_when_and_what_to_do(plant: Layout) -> None:
    run(plant, NIGHT)
    break_one(plant)
    assert run(plant, NIGHT + DAY) == "[Andon] 1 file is not what was recorded"
    [mail] = mails(plant)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    first, _, rest = text.partition("\n")
    assert first == "[Problem] 1 file is not what was recorded"
    assert rest.strip().startswith("First found ") and "when nothing was found. Leave everything" in " ".join(
        rest.split()
    )
    assert "approvals/v9.9.9.json" in text and "andon verify" in text and "What to do" in text
    assert [part.get_filename() for part in mail.iter_attachments()] == ["not-as-recorded.csv"]
    with clock.at(NIGHT + DAY):
        assert compared.said(plant) == ""
        assert "1 file or tag is not what the record says" in compared.wrong(plant, NIGHT)
        assert any(line.startswith("Beware    1 file or tag is not") for line in lines(state(plant)))


def test_the_same_is_told_once_then_weekly_and_when_it_changes(plant: Layout) -> None:
    break_one(plant)
    told = [bool(run(plant, NIGHT + DAY * number)) for number in range(9)]
    assert told == [True, *[False] * 6, True, False]
    break_one(plant, "v9.9.8.json")
    assert run(plant, NIGHT + DAY * 9) == "[Andon] 2 files are not what was recorded"
    assert not run(plant, NIGHT + DAY * 10)
    (plant.approvals / "v9.9.8.json").unlink()
    assert run(plant, NIGHT + DAY * 11)
    assert len(mails(plant)) == 4


def test_mended_and_broken_again_is_told_again(plant: Layout) -> None:
    break_one(plant)
    assert run(plant, NIGHT)
    (plant.approvals / "v9.9.9.json").unlink()
    assert not run(plant, NIGHT + DAY)
    break_one(plant)
    assert run(plant, NIGHT + 2 * DAY) == "[Andon] 1 file is not what was recorded"
    assert len(mails(plant)) == 2


def test_killed_before_it_was_noted_it_is_told_once(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    break_one(plant)
    with monkeypatch.context() as patch:
        patch.setattr(compared, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(plant, NIGHT)
    run(plant, NIGHT + DAY)
    assert len(mails(plant)) == 1


def test_that_it_does_not_run_is_told(plant: Layout) -> None:
    with clock.at(NIGHT):
        assert not compared.wrong(plant, NIGHT - DAY)  # a plant of yesterday
    with clock.at(NIGHT + 3 * DAY):
        assert "was never compared" in compared.wrong(plant, NIGHT - DAY)
        assert any("was never compared" in line for line in lines(state(plant)))
    run(plant, NIGHT)
    with clock.at(NIGHT + 2.1 * DAY):
        assert "was not compared with the record since 2026-11-03 01:40 UTC" in compared.wrong(plant, NIGHT - DAY)
        assert not compared.said(plant)


def test_a_damaged_note_is_no_comparison(plant: Layout) -> None:
    run(plant, NIGHT)
    for text in ("[" * 100_000, "{}", '{"at": 1}', '{"at": "noon"}', "[]"):
        (plant.state / "compared.json").write_text(text)
        assert compared.read(plant).at == "" and not compared.said(plant)


def test_a_broken_record_is_mailed_too(plant: Layout) -> None:
    """Nothing can be added to a ledger that is broken, so the mail does not wait for it."""
    [path] = ledger.files(plant)
    path.write_text(path.read_text().replace("hello", "jello"))
    assert run(plant, NIGHT).endswith("not what was recorded")
    assert len(mails(plant)) == 1


def test_what_a_flow_is_writing_is_no_finding(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    import flows.audit

    true = flows.audit.verify
    break_one(plant)

    def written_meanwhile(layout: Layout, every: bool) -> object:
        done = true(layout, every)
        (plant.approvals / "v9.9.9.json").unlink(missing_ok=True)
        return done

    monkeypatch.setattr(flows.audit, "verify", written_meanwhile)
    assert not run(plant, NIGHT)


def test_it_says_what_verify_says(plant: Layout) -> None:
    break_one(plant)
    with clock.at(NIGHT):
        told = summary(audit.fn(root=plant.root))
    assert told[0].startswith("Found     approvals/v9.9.9.json") and told[-1].startswith("Mail ")


def test_the_schedule_has_it_every_night() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    [nightly] = [one for one in deployments if one["entrypoint"] == "flows.audit.audit"]
    assert nightly["schedules"] == [{"cron": "40 1 * * *", "timezone": "UTC"}]


def test_a_plant_without_a_server_has_the_command(plant: Layout) -> None:
    break_one(plant)
    command = [sys.executable, "-m", "andon", "verify", "--mail"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=plant.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Mail      [Andon] 1 file is not what was recorded" in done.stdout, done.stderr
    assert len(mails(plant)) == 1


def test_long_work_says_how_far_it_is(
    plant: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from inspection import progress
    from inspection.records import batches
    from inspection.verify.everything import verify
    from tests.inspection.world import add_batch, key, picture

    add_batch(plant, "b-0", {key(number): picture(number) for number in range(5)})
    manifest = batches.digest(plant.batches / "2026-11-01" / "b-0" / batches.MANIFEST)
    body = {"batch": "b-0", "partition": "2026-11-01", "captures": 5, "manifest": manifest}
    ledger.append(plant, "batch", "ingest", [body])
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    verify(plant, every=True)
    assert "Pictures compared 3/5" in capsys.readouterr().err


def test_the_note_lies_where_all_can_be_made_again(plant: Layout) -> None:
    run(plant, NIGHT)
    assert (plant.state / "compared.json").is_file() and Path(".andon").name == plant.state.name
    assert not git.changed(plant.home, ["."])
