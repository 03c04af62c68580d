"""From image lists to batches: layouts, catalogue, shards, readers. May import `base` and `labels`."""
