"""From the number of a step to its arrays: samples, batches, pixels, features.

`stream` reads samples of a mixture, `passes` cuts a step into passes, `encode_plan` says when the
frozen tower encodes which picture, `pixels` decodes pictures, `steps` puts a step together,
`loader` and `parcel` make steps ahead in processes of their own, `shared_parts` the windows
that they share; `features` and `feature_files`
keep what the tower gave.
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
