"""Validation of documents against the shipped JSON schemas.

Internal: `nnicli.config` has what the other packages take.
"""
