"""Where pictures are looked at: on this computer, or on the plant's cluster. Workers compute; the flow alone publishes.

address.py     where a cluster is, and which addresses are safe
badge.py       by which code and libraries a computer computes
cluster.py     the plant's cluster (Dask)
embedding.py   pictures of a table -> their features
engine.py      work on many items: one seam for this computer and for a cluster
shard.py       some of the items, as a worker takes them
taking.py      files of an inbox -> what they are, and their features
work.py        work on pictures: what it is, and what it is done with
worker.py      a worker of the cluster, started with the right settings
"""
