"""What the paper measures of speed: rehearsals, the model of scaling, their tables and figures.

May import `base`, `data`, `parallel`, `stage`, `learning`, `calibration` and `results`.
"""
