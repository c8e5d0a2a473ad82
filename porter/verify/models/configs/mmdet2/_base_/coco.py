"""COCO at 1333 x 800, two images a device, SGD for twelve epochs."""

norm = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True}
train_pipeline = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "Resize", "img_scale": (1333, 800), "keep_ratio": True},
    {"type": "RandomFlip", "flip_ratio": 0.5},
    {"type": "Normalize", **norm},
    {"type": "Pad", "size_divisor": 32},
    {"type": "DefaultFormatBundle"},
    {"type": "Collect", "keys": ["img", "gt_bboxes", "gt_labels"]},
]
test_pipeline = [
    {"type": "LoadImageFromFile"},
    {
        "type": "MultiScaleFlipAug",
        "img_scale": (1333, 800),
        "flip": False,
        "transforms": [
            {"type": "Resize", "keep_ratio": True},
            {"type": "RandomFlip"},
            {"type": "Normalize", **norm},
            {"type": "Pad", "size_divisor": 32},
            {"type": "ImageToTensor", "keys": ["img"]},
            {"type": "Collect", "keys": ["img"]},
        ],
    },
]
validation = {
    "type": "CocoDataset",
    "ann_file": "data/coco/annotations/instances_val2017.json",
    "img_prefix": "data/coco/val2017/",
    "pipeline": test_pipeline,
}
data = {
    "samples_per_gpu": 2,
    "workers_per_gpu": 2,
    "train": {
        "type": "CocoDataset",
        "ann_file": "data/coco/annotations/instances_train2017.json",
        "img_prefix": "data/coco/train2017/",
        "pipeline": train_pipeline,
    },
    "val": validation,
    "test": validation,
}
evaluation = {"interval": 1, "metric": "bbox"}

optimizer = {"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.0001}
optimizer_config = {"grad_clip": None}
lr_config = {
    "policy": "step",
    "warmup": "linear",
    "warmup_iters": 500,
    "warmup_ratio": 0.001,
    "step": [8, 11],
}
runner = {"type": "EpochBasedRunner", "max_epochs": 12}
checkpoint_config = {"interval": 1}
log_config = {"interval": 50, "hooks": [{"type": "TextLoggerHook"}]}
custom_hooks = [{"type": "NumClassCheckHook"}]
log_level = "INFO"
load_from = None
resume_from = None
workflow = [("train", 1)]
