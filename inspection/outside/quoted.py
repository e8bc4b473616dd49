"""Words of others (labels, names, files, servers) as they stand beside Andon's own: between quotes, on one line and not
for long, so that nobody takes a sentence in them for Andon's advice; and no link that a mail program would make."""

import re

LONGEST = 40  # characters
PATH = 120
_OURS = str.maketrans({"'": "’", '"': "”", "`": "’"})  # what would end the quotation, or looks like a command of ours
_WORD = re.compile(r"[\w.,/@+:|=-]+\Z")
_TYPED = re.compile(r"[A-Za-z0-9][\w.-]{0,79}\Z", re.ASCII)
_SCHEME = re.compile(r"\b(https?|ftps?|file)(?=://):|\b(javascript):(?=\S)", re.IGNORECASE)
_MAILTO = re.compile(r"\b(mailto|tel|sms):", re.IGNORECASE)
_HOST = re.compile(
    r"(?:(?<=//)|(?<![\w@./-]))((?:[\w-]+\.)*[\w-]+)\.((?:app|biz|click|cn|co|com|de|dev|eu|info|io|link|net|online|"
    r"org|ru|shop|site|uk|xyz)(?:[/:?]|(?![\w.-]))|[a-z]{2,}/)",
    re.IGNORECASE,
)


def quoted(words: object, most: int = LONGEST) -> str:
    """`words` between quotes: on one line, shortened, without a quote of their own and without links."""
    text = " ".join("".join(one if one.isprintable() else " " if one.isspace() else "?" for one in str(words)).split())
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    return f"'{unlinked(short.translate(_OURS))}'"


def bare(words: object, most: int = LONGEST) -> str:
    """A single word, such as a path, as it is, for it can hold no sentence; anything else as `quoted`."""
    text = str(words)
    return unlinked(text) if len(text) <= PATH and _WORD.match(text) else quoted(text, most)


def typed(words: str, otherwise: str) -> str:
    """A name as it may stand in a command that people copy; of words that a shell would take apart or run, another."""
    return words if _TYPED.match(words) else otherwise


def unlinked(words: str) -> str:
    """`words` with [:] and [.] in what a mail program or a terminal would make a link of."""
    if ":" not in words and "." not in words:
        return words
    return _HOST.sub(r"\1[.]\2", _MAILTO.sub(r"\1[:]", _SCHEME.sub(r"\1\2[:]", words.replace("www.", "www[.]"))))
