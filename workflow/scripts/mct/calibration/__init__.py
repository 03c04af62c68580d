"""The pair's calibration. May import `base`, `labels`, `data`, `parallel`, `stage` and `learning`."""
