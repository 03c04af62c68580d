"""What people read: tables and figures, and the measurements of performance behind them.

May import `base`, `labels`, `data`, `parallel`, `stage`, `learning` and `calibration`.
"""
