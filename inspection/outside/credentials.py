"""Passwords and keys within an address, such as scheme://USER:PASSWORD@host or ?token=...: found, masked, and where
they belong instead. What is kept goes to git, to copies and into mails, where nobody can take it back."""

import re
from collections.abc import Iterator

MASK = "***"
INSTEAD = {  # scheme -> what takes the password or key
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "tcp": "ANDON_DASK_CERT and ANDON_DASK_KEY",
    "tls": "ANDON_DASK_CERT and ANDON_DASK_KEY",
    "smtp": "ANDON_SMTP_USER and ANDON_SMTP_PASSWORD",
    "smtps": "ANDON_SMTP_USER and ANDON_SMTP_PASSWORD",
    "postgresql": "ANDON_DATABASE_URL",
}
_OTHERWISE = "a variable that the program which uses it reads"
_PERSON = re.compile(  # keys of S3 have slashes in them, and no port; a token of git stands alone before the @
    r"""\b(?P<scheme>[a-z][a-z0-9+.-]{0,20})://(?!USER:PASSWORD@|[^\s:@/]{0,99}:\*\*\*@)
    (?:
        (?<=s3://)[^\s/@:"'<>]{0,999}:[^\s"'<>]{0,999}
        |[^\s/@:"'<>]{0,999}:(?!\d{1,5}(?:[/?\#]|\Z))[^\s"'<>]{0,999}
        |(?<=https://)[^\s/@"'<>]{1,999}|(?<=http://)[^\s/@"'<>]{1,999}|(?<=s3://)[^\s/@"'<>]{1,999}
    )@""",
    re.IGNORECASE | re.VERBOSE,
)
_ASKED = re.compile(
    r"""([?&;](?:sig|signature|x-amz-(?:signature|credential|security-token)|(?:access_|auth_)?token|password|passwd|pwd
    |secret|(?:secret_|api_?|access_)?key(?:_id)?|sas)=|\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)
    (?!\*\*\*)[^&;\s"'<>]+""",
    re.IGNORECASE | re.VERBOSE,
)


def masked(words: str) -> str:
    """`words` with each password and key in an address replaced by ***."""
    if "://" not in words and "=" not in words:
        return words
    return _ASKED.sub(rf"\1{MASK}", _PERSON.sub(rf"\g<scheme>://{MASK}@", words))


def held(words: str) -> bool:
    """Whether an address with a password or a key stands in `words`."""
    return masked(words) != words


def instead(address: str) -> str:
    """Where the password or key of an address belongs, by its scheme."""
    found = _PERSON.search(address)
    return INSTEAD.get(found["scheme"].lower() if found else "", _OTHERWISE)


def refusal(name: str, address: str) -> str:
    """Why `name` may not be that address, in words that do not repeat it; "" where it may."""
    if not held(address):
        return ""
    return (
        f"{name} holds a password or a key, which would be kept and shown with it: take it out of the address and set "
        f"{instead(address)} in the environment."
    )


def places(value: object, within: str = "") -> Iterator[tuple[str, str]]:
    """Where in keys and values (as YAML and JSON have them) a text holds one: the key's full name, and the text."""
    if isinstance(value, str):
        if held(value):
            yield within, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, f"{within}.{masked(str(key))}".lstrip("."))
            if held(str(key)):
                yield within or "a key", str(key)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from places(inner, f"{within}.{number}".lstrip("."))
