"""Mixtures: shares, order and index arithmetic, without files or torch."""

from instructify.mixture.dealing import WINDOW, deal_batches, loss_weights, place_of
from instructify.mixture.permutation import choose_rows
from instructify.mixture.state import MixtureState
from instructify.mixture.stream import CYCLE, ORDERS, Draw, Drawn, Mixture
from instructify.mixture.topology import Topology, cut
from instructify.mixture.weights import Member

__all__ = [
    "CYCLE",
    "Draw",
    "Drawn",
    "Member",
    "Mixture",
    "MixtureState",
    "ORDERS",
    "Topology",
    "WINDOW",
    "choose_rows",
    "cut",
    "deal_batches",
    "loss_weights",
    "place_of",
]
