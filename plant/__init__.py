"""A simulated line: parts, defects and cameras drawn from a seed, real folders replayed, faults injected.

chance.py    random generators named by what they draw
defects.py   scratch, pit, stain, crack, inclusion, and later ones
faults.py    what goes wrong with a camera, with sizes
geometry.py  shift and rotate
line.py      parts, day by day
metadata.py  the table of a folder of real images
optics.py    a camera's fixed optics, from scene to pixels
replay.py    a folder of real images as cameras over days
shifts.py    working hours
shot.py      one picture, its file and its late label
surfaces.py  brushed, cast, woven, painted ...
texture.py   noise fields
wobble.py    lamp and part wobble as in life
words.py     what people call their pieces and classes, as names that a path can hold
"""
