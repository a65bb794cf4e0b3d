"""The two formats of a config, and the way from each to a manager's requests.

Internal: `nnicli.config` has what the other packages take.
"""
