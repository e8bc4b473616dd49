"""A picture's bytes: what they say of themselves, and their pixels; which piece and which side of it they show.

decoder.py   a process that turns bytes into pixels, is heard and can be ended
images.py    decode, nothing more
piece.py     which piece a picture shows: a part (a kind) and its serial
returned.py  a serial that comes again long after, and which piece it means
sides.py     how many sides of a part a camera photographs
structure.py what a file says of itself before a pixel is decoded
tags.py      the directories of a TIFF or an EXIF block
"""
