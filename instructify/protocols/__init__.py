"""Protocols: how a dataset is evaluated, as data; prompts, candidates and golds made by them."""
