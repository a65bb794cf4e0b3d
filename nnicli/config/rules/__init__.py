"""Checks that a schema cannot express, whatever the training service.

Internal: `nnicli.config` has what the other packages take.
"""
