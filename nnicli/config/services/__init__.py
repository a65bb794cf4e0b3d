"""Training services: all that is known of each.

Internal: `nnicli.config` has what the other packages take.
"""
