"""A stage's process: options, device, progress, checkpoints, record. May import `base` and `parallel`."""
