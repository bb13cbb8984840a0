"""Helpers that any room may import, module by module; private to this project."""
