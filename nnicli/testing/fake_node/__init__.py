"""The fake manager: what the `node` of a fake installation runs.

Internal: it may change in any release.
"""
