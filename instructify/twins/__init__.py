"""Twins: synthetic releases in the authors' file layouts, filled from one generated world."""
