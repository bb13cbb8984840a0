"""The raw doctor: what a conversion of a raw root would stumble over, found before it is begun.

`examine.examine` asks the same catalog, readers, locator and picture rules as a conversion, and
writes nothing. `causes` says how each finding is mended.
"""
