"""`python -m instructify`, which is what torchrun starts."""

from instructify.cli import main

main()
