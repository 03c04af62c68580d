"""Mutual Calibration Training: the library behind the workflow's entry points.

Packages from the ground up; each imports only some of those before it, which its docstring names:
`base`, `labels`, `data`, `parallel`, `stage`, `learning`, `calibration`, `results`, `performance`,
`experiment`, `cluster`, `command`. The last three are for the workflow and its user; no stage imports them.
"""
