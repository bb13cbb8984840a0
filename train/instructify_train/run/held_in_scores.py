"""Score held-in protocols during training; `run.best_by` chooses a checkpoint by these scores.

As in the paper, one checkpoint is used for all datasets: that with the highest mean score. The
questions are the same each time, for any number of processes.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter

import torch

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import Catalog
from instructify.protocols import (
    Protocol,
    Questions,
    named_protocol,
    protocol_folders,
    read_questions,
)
from instructify.templating import TemplateFolders
from instructify_train.config import RunConfig
from instructify_train.distributed import Ranks, gather
from instructify_train.evaluate import Answerer, Evaluator, score_predictions
from instructify_train.run.setup import Setup
from instructify_train.run.stop import BrokenOff


class HeldInScores:
    """Scores the current model on the protocols that `run.best_by` names."""

    def __init__(
        self,
        build: Build,
        catalog: Catalog,
        templates: TemplateFolders,
        config: RunConfig,
        answerer: Answerer,
        ranks: Ranks,
    ) -> None:
        store = build.pictures()
        assert store is not None, "a run has pictures"
        self._answerer = answerer
        self._ranks = ranks
        self._asked: dict[str, tuple[Protocol, Questions, Evaluator]] = {}
        for name in config.best_by:
            try:
                protocol = _held_in(catalog, name, templates)
                questions = read_questions(
                    build, protocol, catalog, templates, limit=config.validation_samples
                )
                if not questions.labelled:
                    raise UserError("its golds are not public; choose another")
            except UserError as error:
                raise UserError(f"'run.best_by' names '{name}': {error}") from error
            batch = min(16, config.device_batch or 16)
            examiner = Evaluator(answerer, protocol, questions, store, batch=batch)
            self._asked[name] = (protocol, questions, examiner)

    def scores(self, is_asked: Callable[[], bool] = lambda: False) -> Mapping[str, float]:
        """Score each protocol from 0 to 1; all processes call this and get the same scores.

        Raises:
            BrokenOff: `is_asked` says in some process that the run is to stop, and protocols are
                left.
        """
        model = self._answerer.model
        was_training = model.training
        model.eval()
        scores: dict[str, float] = {}
        with torch.no_grad():
            for name, asked in self._asked.items():
                if any(gather(is_asked())):
                    break
                scores[name] = self._score(*asked)
        model.train(was_training)
        if len(scores) < len(self._asked):
            raise BrokenOff
        return scores

    def _score(self, protocol: Protocol, questions: Questions, examiner: Evaluator) -> float:
        mine = range(self._ranks.rank, examiner.num_parts, self._ranks.world)
        parts = [part for value in gather([*examiner.parts(mine)]) for part in value]
        rows = [row for _, part_rows in sorted(parts, key=itemgetter(0)) for row in part_rows]
        return score_predictions(rows, protocol, questions, protocol.variant).value


def held_in_scores(
    setup: Setup, catalog: Catalog, templates: TemplateFolders
) -> HeldInScores | None:
    """Prepare the scores of `run.best_by`; None if `best` is chosen by the validation loss."""
    config, prepared = setup.config, setup.prepared
    if not config.run.best_by:
        return None
    answerer = Answerer(prepared.inner, prepared.processor, config.data, prepared.device)
    return HeldInScores(setup.mixed.build, catalog, templates, config.run, answerer, setup.ranks)


def _held_in(catalog: Catalog, name: str, templates: TemplateFolders) -> Protocol:
    protocol = named_protocol(catalog, name, folder=protocol_folders(templates))
    if catalog.dataset(protocol.dataset).role != "held-in":
        raise UserError(
            "it is a protocol of a dataset which is held out: choosing by it would train on what "
            "is to be measured; choose protocols of held-in datasets"
        )
    return protocol
