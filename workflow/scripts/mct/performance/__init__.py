"""What the paper measures of speed: the runs' own scaling, rehearsals, a model of messages, tables, figures.

May import `base`, `data`, `parallel`, `stage`, `learning`, `calibration` and `results`.
"""
