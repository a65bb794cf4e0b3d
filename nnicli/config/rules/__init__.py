"""Checks that a schema cannot express, for every training service.

Internal: `nnicli.config` has what the other packages take.
"""
