"""When, and what then. Prefect is imported only here; a flow has effects but no arithmetic.

audit.py        what is kept, against what was recorded -> a mail
batch.py        a staged batch -> partition or quarantine, DVC, ledger, git
commission.py   clean windows, or a planned change -> a camera's reference
decisions.py    incidents -> what to do about them, requests
drill.py        a fault on a copy of real pictures -> alarm, mail, passed or not
followup.py     windows, and pictures that do not come -> incidents; labels -> estimates checked
ingest.py       inbox -> batches, and an empty inbox
looks.py        captures -> verdicts, and how each camera looks
mails.py        one mail for each change of state, and one a day
promote.py      a valid approval -> release; the gate in Prefect
reach.py        a reference -> what can be found with it, in words
recalibrate.py  a reference of an earlier method -> a new version of the same pictures
remote.py       what waits in the backlog -> the remote
retrain.py      requests -> cut -> reproduce -> decision -> candidate
rollback.py     an earlier release back
sending.py      objects -> the remote, and what it holds
tasks.py        what flows share of Prefect: running here, what a deployment is believed, the gate
versions.py     what DVC does: reproduce, track, check out
watch.py        verdicts, camera health -> incidents, requests, mails
"""
