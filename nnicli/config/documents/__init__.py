"""Plain values with their places: files and mappings read, and YAML written.

Internal: `nnicli.config` has what the other packages take.
"""
