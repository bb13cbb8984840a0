"""A page for looking at a build: samples with pictures, tokens and templates, rejects, plots.

`choose` says which samples are shown, `gather` reads what there is of them, `renderings`, `raw`,
`pictures`, `rejects`, `figures` and `shares` each make one part of what is shown, `document` puts
plain values, styles and scripts of `assets/` into one file that opens without a server or network.
Tokens come from `train`, where texts are tokenised, in the shape of `tokens`.
"""
