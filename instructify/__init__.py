"""instructify: raw vision-language releases into instruction-tuning data."""

__version__ = "0.1.0"
