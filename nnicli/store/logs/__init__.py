"""An experiment's logs: where they are, their text, and what it says.

Internal: it may change in any release.
"""
