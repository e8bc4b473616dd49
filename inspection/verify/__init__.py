"""Whether what is kept is what was kept: read-only, each file that says something else is named.

beside.py      references, verdicts and windows: against the ledger, and DVC's cache of them
committed.py   each file that git keeps, against the disk; what was committed beside Andon
everything.py  all of it in turn, and what is not looked at
finding.py     one file that is not what the record says
folded.py      the catalog, against one that is folded anew
kept.py        DVC's cache: against its hashes, and what lies in the plant against it
line.py        models: tags, requests and approvals against each other, and what the line executes
pictures.py    batches: manifests against the ledger, pictures against manifests, DVC's cache against its hashes
record.py      ledger and history: against themselves, the last commit, what was recorded last, every day's tag and mail
remote.py      a remote that is a folder: that it has what was sent
store.py       git's store: against its hashes
versions.py    each version's tag, data and package; packages in releases/, the last retrain's results, the champion
"""
