"""Search spaces, and points in them.

Internal: `nnicli.config` has what the other packages take.
"""
