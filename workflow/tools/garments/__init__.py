"""Made pictures of garments with wrong labels, in Clothing1M's layout; see `make_pictures.py`.

`looks` says what the classes look like, `scenes` and `drawing` draw a picture, `labels` draws what
people would call it, `folder` decides on the pictures of each set and writes them.
"""
