"""What taking images in costs: `python -m benchmarks.ingest [--only PART ...] [--scale X] [--out FILE.json]`.

batch.py    a fixed start, the marginal cost of an image against decoding it, memory
catalog.py  a query over a million rows
history.py  a batch, an idle `dvc repro` and an idle push on top of little and of much, beside plain `dvc add`
past.py     accepted batches and a first model, as if they had long been there
s3.py       the same objects from a Ceph RADOS Gateway and from a folder
scratch.py  a plant with one camera in a temporary folder, and commands run in it
shots.py    captures of which no two have the same bytes

Every ratio is taken within one run.
"""
