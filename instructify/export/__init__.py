"""A build in the shapes that other trainers read: LLaVA, chat messages, WebDataset, Parquet, Hub.

An export is derived: texts and picture bytes are those of the build, nothing is decoded or rendered
anew, and whatever a shape can't hold is counted by reason.
"""
