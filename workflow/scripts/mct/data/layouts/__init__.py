"""Arrangements of data sets, one module each: the only places that know where pictures came from."""
