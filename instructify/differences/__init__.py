"""What changed from one build to another."""

from instructify.differences.builds import BuildDifference, compare_builds

__all__ = ["BuildDifference", "compare_builds"]
