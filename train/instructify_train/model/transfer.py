"""Move tensors to the device of the model."""

import torch


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move a tensor to a device; to a GPU through pinned memory, without waiting for the copy.

    A copy from pageable memory blocks the process in spite of `non_blocking`.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
