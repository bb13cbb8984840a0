"""A sample followed back to its raw file, every link made again and held against the build.

`chain.explain` puts the links in order: `from_raw` has those that need the raw files,
`from_templates` those that need the templates, `from_build` the rest. `raw_items` shows what
stands at a position of a raw file, whatever its shape; `rendering` renders one record as the
conversion did.
"""
