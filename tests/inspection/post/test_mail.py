import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection import clock
from inspection.post import outbox
from inspection.post.letter import Attachment, Letter, Picture, Table, Tone, clean
from inspection.post.mail import TONES, compose
from tests.inspection.post.conftest import LETTER, MAIL, NOON, content, grey, letter, parsed


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_mail_has_text_page_pictures_and_attachments() -> None:
    with clock.at(NOON):
        got = parsed(compose(LETTER, MAIL, "cam-1/lamp"))
    assert got.get_content_type() == "multipart/mixed"
    alternative, attachment = got.iter_parts()
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "multipart/related"]
    assert (attachment.get_filename(), attachment.get_content_type()) == ("parts-to-label.csv", "text/csv")
    assert attachment.get_content() == "key,label\n" and attachment.get_content_charset() == "utf-8"
    assert (got["Subject"], got["To"], got["X-Andon-Key"]) == (LETTER.subject, "quality@plant.invalid", "cam-1/lamp")
    assert got["From"] == "Andon <andon@plant.invalid>"
    assert got["Date"].datetime == NOON
    assert not got.defects


def test_every_picture_of_the_page_is_in_the_mail() -> None:
    got = parsed(compose(LETTER, MAIL, "k"))
    images = [tag for name, tag in Tags(content(got, "html")).tags if name == "img"]
    inside = {part["Content-ID"].strip("<>"): part for part in got.walk() if part["Content-ID"]}
    assert [image["src"] for image in images] == [f"cid:{name}" for name in inside]
    assert [part.get_content() for part in inside.values()] == [picture.content for picture in LETTER.pictures]
    assert [part.get_content_disposition() for part in inside.values()] == ["inline", "inline"]
    assert [part.get_filename() for part in inside.values()] == ["compared.png", "example.png"]
    assert [image["width"] for image in images] == ["600", "128"]


def test_nothing_is_lost_without_the_pictures() -> None:
    page = Tags(content(compose(LETTER, MAIL, "k"), "html"))
    text = " ".join(content(compose(LETTER, MAIL, "k"), "plain").split())
    said = [LETTER.headline, LETTER.summary, *LETTER.todo, *LETTER.reasons, LETTER.footer, "Problem"]
    said += [word for fact in LETTER.facts for word in fact] + [picture.caption for picture in LETTER.pictures]
    for words in said:
        assert words in page.words
        assert words in text
    alt = [tag["alt"] for name, tag in page.tags if name == "img"]
    assert alt == ["It was 120 levels bright and is 106.", "A part seen in the new light"]
    assert all(words in text for words in alt)


def test_a_command_and_a_name_are_not_broken_at_their_hyphens() -> None:
    long = "a-name-that-is-longer-than-a-phone"
    told = letter(todo=(f"Type it for cam-1 & {long}: andon incidents rule I-0003 --images drop.",))
    page = content(compose(told, MAIL, "k"), "html")
    for word in ("cam-1", "I-0003", "--images"):
        assert f'<span style="white-space:nowrap;">{word}</span>' in page
    assert f"</span> &amp; {long}: andon incidents rule " in page


def test_the_page_holds_what_mail_programs_can_show() -> None:
    page = content(compose(LETTER, MAIL, "k"), "html")
    names = {name for name, _ in Tags(page).tags}
    assert not names & {"script", "style", "link", "form", "iframe", "svg", "div"}
    assert "flex" not in page and "grid" not in page and "http" not in page
    assert 'width="640"' in page and "max-width:640px" in page
    assert len(page) < 20_000  # some programs cut a page at 100 kB


@pytest.mark.parametrize("tone", ["bad", "warn", "good", "info"])
def test_a_tone_is_a_colour_and_a_word(tone: Tone) -> None:
    word, colour = TONES[tone]
    message = compose(letter(tone=tone), MAIL, "k")
    assert f'bgcolor="{colour}"' in content(message, "html") and word in Tags(content(message, "html")).words
    assert content(message, "plain").startswith(f"[{word}] ")
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in bytes.fromhex(colour[1:]))
    ]
    assert 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) > 4.5


def test_text_has_72_columns_and_facts_under_each_other() -> None:
    lines = content(compose(LETTER, MAIL, "k"), "plain").splitlines()
    assert max(map(len, lines)) <= 72
    start = next(number for number, line in enumerate(lines) if line.startswith("Camera:"))
    assert lines[start : start + 3] == [
        "Camera:       cam-1, line A",
        "What changed: Light: 12 % darker, evenly over the whole picture, and on",
        "              all of the parts that pass it",
    ]


def test_a_table_is_one_in_the_page_and_has_columns_in_the_text() -> None:
    rows = (("cam-1", "72", "healthy"), ("press-4-left", "6", "light has changed, and " * 4 + "dust <on> the lens"))
    message = compose(letter(table=Table(("Camera", "Pictures", "State"), rows)), MAIL, "k")
    page = Tags(content(message, "html"))
    assert [tag["scope"] for name, tag in page.tags if name == "th" and tag.get("scope") == "col"] == ["col"] * 3
    assert all(cell.strip() in " ".join(page.words.split()) for row in rows for cell in row)
    lines = content(message, "plain").splitlines()
    start = lines.index("Camera        Pictures  State")
    assert lines[start + 1 : start + 3] == [
        "cam-1         72        healthy",
        "press-4-left  6         light has changed, and light has changed, and",
    ]
    assert lines[start + 3].startswith(" " * 24 + "light") and max(map(len, lines)) <= 72


def test_a_long_name_in_a_table_leaves_room_for_the_state() -> None:
    table = Table(("Camera", "State"), (("a-camera-with-a-name-that-fills-" + "x" * 30, "healthy"), ("b", "dark")))
    lines = content(compose(letter(table=table), MAIL, "k"), "plain").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("a-camera"))
    assert lines[start + 1 : start + 3] == [" " * 56 + "healthy", "b" + " " * 55 + "dark"]


def test_a_letter_of_words_alone_is_one_too() -> None:
    bare = letter(facts=(), todo=(), reasons=(), pictures=(), attachments=(), tone="good")
    got = parsed(compose(bare, MAIL, "k"))
    assert got.get_content_type() == "multipart/alternative"
    assert "What to do" not in content(got, "html") and "What to do" not in content(got, "plain")


def test_the_same_state_gives_the_same_message_id() -> None:
    ids = [compose(LETTER, MAIL, key)["Message-ID"] for key in ("lamp", "lamp", "dust")]
    assert ids[0] == ids[1] != ids[2]
    assert re.fullmatch(r"<[0-9a-f]{32}@plant\.invalid>", ids[0])


EVIL = "<script>alert(1)</script>\r\nBcc: thief@evil.invalid\r\n\r\n\"'&{{ 7*7 }}\u202e\udc80\x00"


def test_foreign_text_stays_text() -> None:
    evil = Letter(
        EVIL, EVIL, "bad", EVIL, ((EVIL, EVIL),), (EVIL,), (EVIL,), (Picture(f"../{EVIL}", EVIL, grey(9)),),
        (Attachment(f"/etc/{EVIL}", b"x", "text/csv"),), EVIL,
    )  # fmt: skip
    message = compose(evil, MAIL, EVIL)
    got = parsed(message)
    assert not re.search(rb"^(Bcc|thief)", message.as_bytes(), re.MULTILINE)
    assert (got["Bcc"], got["To"]) == (None, "quality@plant.invalid")
    page = Tags(content(message, "html"))
    assert "script" not in {name for name, _ in page.tags}
    assert "49" not in page.words and "{{ 7*7 }}" in page.words
    assert "\u202e" not in page.words and "\u202e" not in content(message, "plain")
    assert "\n" not in got["Subject"]
    names = [part.get_filename() for part in got.walk() if part.get_filename()]
    assert len(names) == 2 and not any(re.search(r'[/\\<>":]|^\.', name) for name in names)


@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=200))
def test_any_text_makes_a_mail_that_can_be_read(subject: str, label: str, value: str) -> None:
    message = compose(letter(subject=subject, facts=((label, value),), pictures=()), MAIL, "k")
    got = parsed(message)
    assert got["To"] == "quality@plant.invalid" and not got["X-Andon-Key"].defects
    lines = content(message, "plain").splitlines()
    assert all(len(line) <= 72 or len(line.split()[-1]) > 40 for line in lines)
    assert clean(value) in Tags(content(message, "html")).words
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", outbox.slug(subject)) and len(outbox.slug(subject)) <= 60
