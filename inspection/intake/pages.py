"""The verdict on a batch as pages for a browser without a network."""

import html
import os
import shutil
from pathlib import Path
from urllib.parse import quote

from inspection.intake.contract import Judgement
from inspection.intake.suite import drawn

KEPT = 20  # batches whose pages stay


def write_docs(folder: Path, batch: str, judgement: Judgement, keep: int = KEPT) -> Path:
    """Great Expectations' Data Docs of a batch, for a browser without a network; the first page.

    They lie in `folder`/<batch>/, which appears whole; only the newest `keep` of such folders stay, so that neither
    time nor space follows the history. `folder`/index.html leads to them.
    """
    final, beside = folder / batch, folder / f".{batch}"
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed
    beside.mkdir(parents=True)
    for number, page in enumerate(drawn(judgement.suites.values())):
        (beside / f"{number}.html").write_text(page.replace("<head>", f"<head>{_HEAD}", 1), encoding="utf-8")
    (beside / "index.html").write_text(_overview(batch, judgement), encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)  # of the same batch, judged before
    os.replace(beside, final)
    names = sorted((path.parent.name for path in folder.glob("[!.]*/index.html")), reverse=True)
    links = "".join(f"<li><a href='{quote(name)}/index.html'>{html.escape(name)}</a></li>" for name in names[:keep])
    (folder / ".index").write_text(_page("The newest batches", f"<ul>{links}</ul>"), encoding="utf-8")
    os.replace(folder / ".index", folder / "index.html")
    for name in names[keep:]:
        shutil.rmtree(folder / name, ignore_errors=True)
    return final / "index.html"


def _overview(batch: str, judgement: Judgement) -> str:
    """The batch on one page: why it is held, and how many rules of each suite were broken by how many files."""
    held = "".join(f"<p class='held'>Held: {html.escape(words)}</p>" for words in judgement.held)
    rows = "".join(
        f"<tr><td><a href='{number}.html'>{html.escape(name)}</a><td>{len(suite.expectations)}"
        f"<td>{sum(not one['success'] for one in suite.expectations)}<td>{len(suite.reasons)}"
        for number, (name, suite) in enumerate(judgement.suites.items())
    )
    return _page(
        f"Batch {batch}",
        f"<p>{judgement.files} files came, {judgement.refused} of them are refused.</p>{held}"
        f"<table><tr><th>Rules for<th>rules<th>broken<th>files that break one{rows}</table>"
        "<p><a href='../index.html'>All batches</a></p>",
    )


def _page(title: str, body: str) -> str:
    title = html.escape(title)
    return (
        f"<!DOCTYPE html><html><head>{_HEAD}<title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>\n"
    )


# The pages that Great Expectations draws ask servers for scripts, styles and fonts, and hold values as they came.
_HEAD = """<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.5 system-ui, sans-serif !important; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: .5em 0 1.5em }
td, th { border: 1px solid #ccc; padding: .3em .8em; text-align: left }
.held, .text-danger { color: #b00 } .text-success { color: #080 } .breadcrumb { list-style: none; padding: 0 }
.fa-check-circle::before { content: "\\2713" } .fa-times::before { content: "\\2717" }
.fa-exclamation-triangle::before { content: "!" }
footer, .navbar-brand, .modal, .btn-group, .btn-group-toggle, .card.mb-3 { display: none }
</style>"""
