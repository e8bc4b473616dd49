"""What is measured on a window of images: how the camera sees. One cause a file.

blur.py         defocus against motion
dust.py         specks, and what is left
framing.py      shift and rotation; where edges are
health.py       a window -> light, framing, blur, pixels, dust, each with a size, in a fixed order
healthy.py      what each part looks like to the healthy camera
image_stats.py  brightness, contrast, sharpness, noise, colour
light.py        gain, colour, gradient, flicker; the sensor's noise
measurement.py  the sizes, their units and places
pixels.py       dead, hot and stuck pixels
spectrum.py     power by direction and scale
window.py       consecutive images of one camera, added up and never held
"""
