"""All readers by the name that catalog.yaml uses."""

from instructify.readers import coco, video_qa, visdial, vqa
from instructify.readers.base import Reader

READERS: dict[str, Reader] = {
    "coco_caption": coco.READER,
    "vqav2": vqa.VQAV2_READER,
    "okvqa": vqa.OKVQA_READER,
    "vqav2_qg": vqa.VQAV2_QG_READER,
    "okvqa_qg": vqa.OKVQA_QG_READER,
    "visdial": visdial.READER,
    "msvd_qa": video_qa.MSVD,
    "msrvtt_qa": video_qa.MSRVTT,
    "ivqa": video_qa.IVQA,
}

__all__ = ["READERS", "Reader"]
