"""Builds: made by `convert`, checked by `verify`, read by `Build`."""

from instructify.build.opened import Build, ShardedTable

__all__ = ["Build", "ShardedTable"]
