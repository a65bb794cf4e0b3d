"""The fake manager, run by the `node` of a fake installation.

Internal: it may change in any release.
"""
