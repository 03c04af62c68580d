"""One model: losses, steps, training. May import `base`, `labels`, `data`, `parallel` and `stage`."""
