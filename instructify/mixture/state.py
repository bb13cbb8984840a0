"""The state of the data in a checkpoint: the position in the stream, and hashes of mixture and
data.

A run is not resumed with another mixture or other data, unless the caller accepts the changes; the
message lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from instructify._util.errors import UserError
from instructify.mixture.stream import Mixture

STATE_FORMAT = 1
_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureState:
    """The position of a run. `facts` describe what the hash covers; `builds`: hash by dataset."""

    version: int
    position: int
    seed: int
    mixture_hash: str
    facts: dict[str, str]
    builds: dict[str, str]

    @classmethod
    def of(cls, mixture: Mixture, builds: Mapping[str, str], position: int) -> "MixtureState":
        """Return the state after `position` samples."""
        return cls(
            version=STATE_FORMAT,
            position=position,
            seed=mixture.seed,
            mixture_hash=mixture.hash,
            facts=mixture.facts(),
            builds=dict(builds),
        )

    def to_json(self) -> bytes:
        """Serialise, reproducibly."""
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def from_json(cls, data: bytes, where: str) -> "MixtureState":
        """Read what `to_json` wrote; `where` names it in messages."""
        try:
            version = msgspec.json.decode(data, type=_Version).version
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{where} is no mixture state ({error}); start the run anew") from error
        if version != STATE_FORMAT:
            raise UserError(
                f"{where} has mixture state version {version} and this version of instructify "
                f"reads {STATE_FORMAT}; start the run anew, or go on with the version that wrote it"
            )
        try:
            state = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{where} is damaged ({error}); use an older checkpoint") from error
        if state.position < 0:
            raise UserError(f"{where} is damaged (position < 0); use an older checkpoint")
        return state

    def changes(self, mixture: Mixture, builds: Mapping[str, str]) -> tuple[str, ...]:
        """List the differences to the state: seed, mixture, data; empty if there are none."""
        lines: list[str] = []
        if mixture.seed != self.seed:
            lines.append(f"the seed was {self.seed} and is {mixture.seed}")
        if mixture.hash != self.mixture_hash:
            lines += _differences(self.facts, mixture.facts()) or ["the mixture has another hash"]
        for name in sorted({*self.builds, *builds}):
            before, now = self.builds.get(name), builds.get(name)
            if before is not None and now is not None and before != now:
                lines.append(f"the samples of {name} were made anew")
            elif before != now and not any(line.startswith(name) for line in lines):
                lines.append(f"{name} was {'added' if before is None else 'taken out'}")
        return tuple(lines)

    def check(
        self, mixture: Mixture, builds: Mapping[str, str], *, accept_changes: bool = False
    ) -> tuple[str, ...]:
        """Raise UserError if mixture or data have changed; return the changes that are accepted."""
        changes = self.changes(mixture, builds)
        if changes and not accept_changes:
            more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
            raise UserError(
                f"the data is not what the run was started with: {'; '.join(changes[:_SHOWN])}"
                f"{more}. Go back to that data, start a new run, or accept the changes explicitly."
            )
        return changes


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    lines = []
    for name in sorted({*before, *now}):
        if name not in before:
            lines.append(f"{name} was added ({now[name]})")
        elif name not in now:
            lines.append(f"{name} was taken out ({before[name]})")
        elif before[name] != now[name]:
            lines.append(f"{name} was {before[name]} and is {now[name]}")
    return lines


class _Version(msgspec.Struct):
    version: int
