"""An experiment's logs: their paths, their text, and what it means.

Internal: it may change in any release.
"""
