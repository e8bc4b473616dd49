"""What the pictures show, apart from how the camera sees it. One cause a file.

comparison.py  a window -> new product, changed mix, changed surface, defect rate, in a fixed order
drift.py       how a window differs: statistics, units, causes
healthy.py     what a healthy camera shows
learning.py    clean windows -> what a healthy camera shows
looks.py       the looks of an only part
mix.py         other kinds pass
novelty.py     parts unlike any other
parts.py       what captures show, folded to parts
rejections.py  how often the live model rejects parts
scatter.py     how healthy parts lie about their centres
surface.py     all pictures of a kind look different
"""
