"""A run in several processes: ranks, sharing of the model, and sums over processes.

torchrun and `accelerate launch` set RANK, WORLD_SIZE and LOCAL_RANK; without these variables there
is one process. `ddp` keeps the whole model in every process and averages gradients; `fsdp` (FSDP2)
also shards the layers. Both average over processes, so a loss that is a sum must be multiplied by
their number.
"""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from instructify._util.errors import UserError
from instructify_train.model import InstructBlip
from instructify_train.rendezvous import fresh_store


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """The rank of this process and the number of processes."""

    rank: int = 0
    world: int = 1
    local: int = 0
    per_node: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0


def join(device: torch.device) -> Ranks:
    """Join the process group if a launcher started several processes."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Ranks()
    ranks = Ranks(
        rank=int(os.environ["RANK"]),
        world=world,
        local=int(os.environ.get("LOCAL_RANK", "0")),
        per_node=int(os.environ.get("LOCAL_WORLD_SIZE", world)),
    )
    if device.type == "cuda":
        torch.cuda.set_device(ranks.local)
    if not dist.is_initialized():
        store, rank, size = fresh_store()
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    if dist.get_world_size() != world:
        raise UserError(
            f"the launcher speaks of {world} processes and {dist.get_world_size()} met; start the "
            "run by `torchrun --nproc-per-node N -m instructify train ...`"
        )
    return ranks


def leave() -> None:
    """Leave the process group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def share_model(
    model: InstructBlip, parallel: str, ranks: Ranks, device: torch.device
) -> nn.Module:
    """Wrap the model for several processes; with a single process it is returned as it is."""
    if ranks.world == 1:
        return model
    if parallel == "ddp":
        where = [device.index or ranks.local] if device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=where, **_without_buffers())
    return _shard(model, device, ranks)


def _without_buffers() -> dict[str, Any]:
    """Disable the broadcast of buffers in DDP; torch 2.13 renamed the option and warns."""
    options = inspect.signature(DistributedDataParallel.__init__).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in options else "broadcast_buffers"
    return {name: False}


def shards(ranks: Ranks) -> int:
    """Return the number of processes that layers are sharded over.

    It is the number of processes of a node, if all nodes have the same (HSDP): then only gradients,
    and no frozen weights, are sent between nodes. Otherwise it is the number of all processes.
    """
    whole_nodes = ranks.per_node > 1 and ranks.world % ranks.per_node == 0
    return ranks.per_node if whole_nodes else ranks.world


def _shard(model: InstructBlip, device: torch.device, ranks: Ranks) -> nn.Module:
    """Shard each layer, since FSDP2 needs groups of parameters in one precision.

    The few frozen parameters outside of layers (embeddings, head) stay whole in every process.
    """
    each = shards(ranks)
    if each == ranks.world:
        mesh = init_device_mesh(device.type, (each,))
    else:
        names = ("replicate", "shard")
        mesh = init_device_mesh(device.type, (ranks.world // each, each), mesh_dim_names=names)
    for layer in sharded_layers(model):
        fully_shard(layer, mesh=mesh)
    sharded = {id(parameter) for layer in sharded_layers(model) for parameter in layer.parameters()}
    whole = {
        parameter
        for parameter in model.parameters()
        if id(parameter) not in sharded and not parameter.requires_grad
    }
    fully_shard(model, mesh=mesh, ignored_params=whole)
    if not model.tower_is_frozen:
        register_fsdp_forward_method(model, "encode")
    register_fsdp_forward_method(model, "prefix")
    return model


def sharded_layers(model: InstructBlip) -> Iterator[nn.Module]:
    """List the repeated layers of the Q-Former, the language model, and a trained tower.

    A frozen tower is not sharded: each process runs it when it needs new pictures, and sharded
    layers have to run in all processes at the same time.
    """
    if not model.tower_is_frozen:
        yield from model.model.vision_model.encoder.layers
    yield from repeated_layers(model)


def repeated_layers(model: InstructBlip) -> Iterator[nn.Module]:
    """List the repeated layers of the Q-Former and the language model, in the order they run."""
    inner = model.model
    yield from inner.qformer.encoder.layer
    language = inner.language_model
    if inner.config.use_decoder_only_language_model:
        yield from language.get_decoder().layers
    else:
        yield from language.get_encoder().block
        yield from language.get_decoder().block


@contextmanager
def gradients_meet(model: nn.Module, *, now: bool) -> Iterator[None]:
    """Average gradients over processes in this backward pass, or postpone it to a later one."""
    if isinstance(model, DistributedDataParallel) and not now:
        with model.no_sync():
            yield
        return
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(now)
    yield


class InStep:
    """Keeps processes that share layers (`fsdp`) in step if one of them runs out of memory.

    All processes gather each layer together. A process that ran out of memory therefore takes part
    in gathering the remaining layers, and then all processes drop the pass.
    """

    def __init__(self, model: nn.Module) -> None:
        self._root = model if isinstance(model, FSDPModule) else None
        self._copies = isinstance(model, DistributedDataParallel)
        self._entered: set[nn.Module] = set()
        self._modules: list[Any] = []
        if self._root is not None:
            whole: Any = model  # a class of its own, made from InstructBlip and FSDPModule
            self._modules = [whole, *sharded_layers(whole)]
        self._is_known = False
        for layer in self._modules:
            layer.register_forward_pre_hook(lambda module, _: self._enter(module))

    def _enter(self, module: nn.Module) -> None:
        self._is_known = True
        self._entered.add(module)

    @property
    def can_start_again(self) -> bool:
        """Whether a failed forward pass can be dropped; with FSDP this needs torch 2.13."""
        return self._root is None or hasattr(self._root, "reset_iter_state")

    @property
    def says(self) -> bool:
        """Whether this process prints the report for all processes."""
        return self._root is None or dist.get_rank() == 0

    def meets(self, *, last: bool) -> bool:
        """Whether processes wait for each other in a backward pass."""
        return self._root is not None or (self._copies and last)

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Record the layers that a forward pass has reached."""
        self._entered.clear()
        yield

    def keep_up(self) -> None:
        """Take part in gathering the layers that the forward pass of this process did not reach."""
        for module in self._modules:
            if module not in self._entered:
                module.unshard()
                if module is not self._root:
                    module.reshard()

    def agree(self, failed: bool, rows: int) -> tuple[bool, int]:
        """Return whether any process failed, and the maximum of samples over the processes."""
        if self._root is None:
            return failed, rows
        values = torch.tensor([int(failed), rows])
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return bool(values[0]), int(values[1])

    def start_again(self) -> None:
        """Reset the state of a forward pass that has no backward pass."""
        if self._root is None:
            return
        if self._is_known:
            self._root.reset_iter_state()  # type: ignore[operator, unused-ignore]
        else:  # no forward pass of this process has begun, so FSDP has no state to forget
            self._root.reshard()


def add_up(values: torch.Tensor) -> torch.Tensor:
    """Sum a tensor over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def gather(value: Any) -> list[Any]:
    """Gather a value from each process, in the order of ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Wait until all processes reach this point."""
    if dist.is_initialized():
        dist.barrier()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Gather a sharded tensor; all processes have to call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Distribute a whole tensor like another: on the same device, with the same shards."""
    moved = value.to(target.device, target.dtype)
    if isinstance(target, DTensor):
        return distribute_tensor(moved, target.device_mesh, target.placements)
    return moved
