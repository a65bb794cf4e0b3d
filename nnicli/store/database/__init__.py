"""An experiment's `nni.sqlite`, opened without trusting it.

Internal: it may change in any release.
"""
