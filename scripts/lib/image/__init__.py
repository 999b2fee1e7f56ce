"""Build the image and run its processes without a container engine: `scripts/image`.

`build` makes the base and the image, `container` runs a process in it, `trial` says what must hold.
"""
