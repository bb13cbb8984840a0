"""All readers by the name that catalog.yaml uses."""

from instructify.readers import video_qa, visdial
from instructify.readers.base import Reader

READERS: dict[str, Reader] = {
    "visdial": visdial.READER,
    "msvd_qa": video_qa.MSVD,
    "msrvtt_qa": video_qa.MSRVTT,
    "ivqa": video_qa.IVQA,
}

__all__ = ["READERS", "Reader"]
