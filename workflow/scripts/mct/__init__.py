"""Mutual Calibration Training: the library behind the workflow's entry points.

Imports point one way, from the ground up: `errors`, `partition`, `selection`, `schedules` and
`settings` know nothing of the others; `catalogue`, `shards` and `loading` carry the data; `models`,
`losses`, `metrics` and `estimators` the arithmetic; `comm` and `gradients` the messages; `training`
and `coupling` the two kinds of stage; `tables` and `figures` what people read.
"""
