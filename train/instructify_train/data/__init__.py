"""Make the arrays of a training step from its number: samples, batches, pixels, features.

`stream` reads samples of a mixture. `passes` splits a step into passes. `encode_plan` plans when
the frozen tower encodes which picture. `pixels` decodes pictures. `steps` makes a whole step.
`loader` and `parcel` make steps in advance in loader processes, and `shared_parts` makes the
windows that these share. `features` and `feature_files` store the features of the tower.
"""

from instructify_train.data.feature_files import FeatureFiles, tower_key
from instructify_train.data.features import FeatureTable
from instructify_train.data.loader import Failed, Loader, LoaderError, load
from instructify_train.data.passes import FixedRule, PassRule, Piece, padded, plan_step
from instructify_train.data.pixels import PixelReader, Pixels, read_file, without_augmentation
from instructify_train.data.splitting import split_pass
from instructify_train.data.steps import (
    FrameReader,
    Pass,
    Share,
    Step,
    Steps,
    encode_samples,
    make_pass,
)
from instructify_train.data.stream import Sample, SampleStream

__all__ = [
    "Failed",
    "FeatureFiles",
    "FeatureTable",
    "FixedRule",
    "FrameReader",
    "Loader",
    "LoaderError",
    "Pass",
    "PassRule",
    "Piece",
    "PixelReader",
    "Pixels",
    "Sample",
    "SampleStream",
    "Share",
    "Step",
    "Steps",
    "encode_samples",
    "load",
    "make_pass",
    "padded",
    "plan_step",
    "read_file",
    "split_pass",
    "tower_key",
    "without_augmentation",
]
