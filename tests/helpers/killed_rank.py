"""Run by torchrun as the command is: the second process kills itself once, before any restart."""

import os
import signal

from failure_probe import install

from instructify.cli import main

if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    install(lambda _: os.kill(os.getpid(), signal.SIGKILL), None, 3)
main()
