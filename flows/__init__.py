"""When, and what then. Prefect is imported only here; a flow has effects but no arithmetic.

batch.py       a staged batch -> partition or quarantine, DVC, ledger, git
commission.py  clean windows, or a planned change -> a camera's reference
drill.py       a fault on a copy of real pictures -> alarm, mail, passed or not
ingest.py      inbox -> batches, and an empty inbox
mails.py       one mail for each change of state, and one a day
promote.py     a valid approval -> release; the gate in Prefect
retrain.py     requests -> cut -> reproduce -> decision -> candidate
rollback.py    an earlier release back
server.py      Prefect's server for the time of one command
tasks.py       what flows share: dvc, reproduce, push
watch.py       verdicts, camera health -> incidents, requests, mails
"""
