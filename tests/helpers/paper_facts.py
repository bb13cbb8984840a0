"""The datasets of the InstructBLIP paper, its table 1 and appendix: facts, written down once.

The catalog may have more datasets than these.
"""

HELD_IN = [
    *("coco_caption", "web_capfilt", "textcaps", "vqav2", "okvqa", "aokvqa", "ocr_vqa"),
    *("vqav2_qg", "okvqa_qg", "aokvqa_qg"),
    *("llava_conversation", "llava_detail", "llava_reasoning"),
]
HELD_OUT = [
    *("nocaps", "flickr30k", "vizwiz", "gqa", "vsr", "iconqa", "scienceqa", "visdial", "textvqa"),
    *("hateful_memes", "msvd_qa", "msrvtt_qa", "ivqa"),
]
NUM_DATASETS_OF_TASK = {
    "image_captioning": 4,
    "image_captioning_reading": 1,
    "visual_reasoning": 3,
    "image_qa": 2,
    "knowledge_qa": 3,
    "image_qa_reading": 2,
    "question_generation": 3,
    "video_qa": 3,
    "visual_dialog": 1,
    "image_classification": 1,
    "llava_instruct": 3,
}
PAPER = (*HELD_IN, *HELD_OUT)
