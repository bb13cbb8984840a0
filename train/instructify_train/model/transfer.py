"""Move tensors to the device of the model."""

import torch


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move a tensor; to a GPU by way of pinned memory, so that nothing waits for the copy.

    A copy from memory that may be swapped out holds the process up until it is done, whatever
    `non_blocking` says.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
