"""All readers by the name that catalog.yaml uses."""

from instructify.readers import (
    aokvqa,
    capfilt,
    coco,
    flickr30k,
    gqa,
    hateful_memes,
    iconqa,
    llava,
    nocaps,
    ocr_vqa,
    scienceqa,
    table,
    textcaps,
    textvqa,
    video_qa,
    visdial,
    vizwiz,
    vqa,
    vsr,
)
from instructify.readers.base import Reader

READERS: dict[str, Reader] = {
    "coco_caption": coco.READER,
    "web_capfilt": capfilt.READER,
    "textcaps": textcaps.READER,
    "vqav2": vqa.VQAV2_READER,
    "okvqa": vqa.OKVQA_READER,
    "aokvqa": aokvqa.READER,
    "ocr_vqa": ocr_vqa.READER,
    "vqav2_qg": vqa.VQAV2_QG_READER,
    "okvqa_qg": vqa.OKVQA_QG_READER,
    "aokvqa_qg": aokvqa.QG_READER,
    "llava": llava.READER,
    "nocaps": nocaps.READER,
    "flickr30k": flickr30k.READER,
    "vizwiz": vizwiz.READER,
    "gqa": gqa.READER,
    "vsr": vsr.READER,
    "iconqa": iconqa.READER,
    "scienceqa": scienceqa.READER,
    "visdial": visdial.READER,
    "textvqa": textvqa.READER,
    "hateful_memes": hateful_memes.READER,
    "msvd_qa": video_qa.MSVD,
    "msrvtt_qa": video_qa.MSRVTT,
    "ivqa": video_qa.IVQA,
    "table": table.READER,  # the user's own data
}

__all__ = ["READERS", "Reader"]
