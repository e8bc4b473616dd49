"""What the words of the `andon` command do: each calls a flow or asks the plant, and prints. A new one is a file here
and a line in andon/__main__.py.

batches.py     batch: list, hold, release, discard
candidates.py  candidates, show, approve, reject: the gate
catalog.py     catalog: query, rebuild
classes.py     class: add, list
demo.py        demo
images.py      predict, trace
incidents.py   incidents, and show, rule, close
intake.py      ingest, push
labels.py      label: import, export, spec, stale, conflicts
masks.py       mask: set, list, clear
pieces.py      piece: list, same, new, undo
quarantine.py  quarantine: list, retry, discard
references.py  reference: accept, renew, list, show
releases.py    rollback, live, history
retrain.py     retrain
status.py      status
watch.py       watch, drill
"""
