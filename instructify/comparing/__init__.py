"""What changed from one build to another."""

from instructify.comparing.builds import BuildDifference, compare_builds

__all__ = ["BuildDifference", "compare_builds"]
