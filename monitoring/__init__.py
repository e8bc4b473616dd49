"""How the world changes: measures on images and windows of images."""
