"""Expected exceptions of a run, as one sentence each; all others keep their traceback."""

import errno
import re

import torch
import torch.distributed as dist

from instructify._util.errors import UserError, first_line

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CPU_MEMORY = ("DefaultCPUAllocator", "not enough memory")
_PEER = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL", "ncclRemoteError")


def foreseen(error: BaseException) -> str | None:
    """Describe an exception in a sentence without a period; None if it is not an expected one."""
    if isinstance(error, UserError):
        return str(error).rstrip(".")
    if is_out_of_memory(error):
        return (
            f"memory ran out ({first_line(error)}); lower 'run.device_tokens' (or "
            "'run.device_batch'), which changes no result, set 'run.checkpoint_activations' to "
            "true, or lower 'data.workers' where it was the memory of the machine"
        )
    if is_lost_peer(error):
        return (
            f"another process of this run ended or can't be reached ({_of_the_network(error)}); "
            "what it said itself counts"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _of_the_system(error)
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that a device or the machine has no more memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and all(part in said for part in _CPU_MEMORY)


def is_lost_peer(error: BaseException) -> bool:
    """Whether an exception of a collective operation means that another process has ended."""
    if isinstance(error, dist.DistError):
        return True
    return (
        isinstance(error, RuntimeError)
        and dist.is_initialized()
        and any(part in str(error) for part in _PEER)
    )


def _of_the_network(error: BaseException) -> str:
    """Extract the event from a message that begins with a place in a source file."""
    return re.sub(r"^\[[^]]*\] ", "", first_line(error)).split(". ")[0]


def _of_the_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    what = f"{where}{error.strerror}"
    if error.errno in _FULL:
        return f"{what}; make room there, or lower 'run.keep'"
    return f"{what}; mend that"
