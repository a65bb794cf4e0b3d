"""Plain values with their places: read from files and mappings, and written as YAML.

Internal: `nnicli.config` has what the other packages take.
"""
