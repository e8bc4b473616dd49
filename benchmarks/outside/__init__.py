"""How Andon's alarms hold on cameras that another hand drew: `python -m benchmarks.outside`.

clean.py       days of healthy cameras
content.py     what the parts do, not the camera
embeddings.py  what the frozen network says of a picture, kept
faults.py      faults of the camera: found, named, sized
measured.py    what is measured once, and kept
names.py       causes -> the names that they count as
products.py    real pictures of one kind of part, then of another
references.py  references of one, two and five days, kept
run.py         what is measured, where it is kept, on how many processes
shares.py      shares with their intervals
sizes.py       how big a fault is in the units of the product
slots.py       which cameras, seeds and hours a figure is taken from
streams.py     the cameras, loaded from where they lie
watching.py    windows in a row, judged as a plant's watch does
"""
