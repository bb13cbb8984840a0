"""The commands, one module each; the command line imports a module when its command runs."""
