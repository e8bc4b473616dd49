"""What is measured on a window of images: how the camera sees. One cause a file.

blur.py         defocus against motion
daylight.py     light that comes and goes in health
dust.py         specks, and what is left
framing.py      shift, rotation and zoom; where edges are
health.py       a window -> every cause with a size, in a fixed order
healthy.py      what each part looks like to the healthy camera, and how much each place scatters
image_stats.py  brightness, contrast, sharpness, noise, colour
light.py        gain, colour, gradient, flicker, the curve of the levels; parts against what stands still
measurement.py  the sizes, their units and places
noise.py        the sensor's noise, more of it or less
pixels.py       dead, hot and stuck pixels, lines and clusters
processing.py   pictures that were sharpened, smoothed, compressed or bent after the sensor
scene.py        a window's blocks against what is expected of them
spectrum.py     power by direction and scale
transfer.py     pictures that arrived broken
view.py         another view, or the same one mirrored or turned
window.py       consecutive images of one camera, added up and never held
zones.py        what stands still while parts come and go
"""
