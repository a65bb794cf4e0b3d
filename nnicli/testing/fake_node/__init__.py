"""The fake manager: what the `node` of a fake installation runs."""
