"""What is wrong with templates, all of it at once: by their source, by rendering, by a build.

`run.lint` reads a folder as a conversion does, but goes on behind a mistake. `texts` judges one
template's source, `renders` what it makes of probe records, `pools` templates beside each other,
`usage` what a build drew. A finding names file, line, template and what to do.
"""
