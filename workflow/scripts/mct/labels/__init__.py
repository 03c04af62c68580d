"""Noise, confusions, posteriors, judgement of labels, selection by confidence. May import `base`."""
