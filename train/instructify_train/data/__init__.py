"""."""

from instructify_train.data.feature_files import FeatureFiles, tower_key
from instructify_train.data.features import FeatureTable
from instructify_train.data.pixels import PixelReader, Pixels, read_file, without_augmentation
from instructify_train.data.steps import (
    Failed,
    FrameReader,
    Pass,
    Share,
    Step,
    Steps,
    encode_samples,
    load,
    make_pass,
)
from instructify_train.data.stream import Sample, SampleStream

__all__ = [
    "Failed",
    "FeatureFiles",
    "FeatureTable",
    "FrameReader",
    "Pass",
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
    "read_file",
    "tower_key",
    "without_augmentation",
]
