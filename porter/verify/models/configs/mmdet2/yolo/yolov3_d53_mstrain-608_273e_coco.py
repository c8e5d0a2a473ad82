"""YOLOv3 (Redmon and Farhadi, 2018) on Darknet-53, at sides of 320 to 608 pixels."""

_base_ = "../_base_/coco.py"

model = {
    "type": "YOLOV3",
    "pretrained": "open-mmlab://darknet53",
    "backbone": {"type": "Darknet", "depth": 53, "out_indices": (3, 4, 5)},
    "neck": {
        "type": "YOLOV3Neck",
        "num_scales": 3,
        "in_channels": [1024, 512, 256],
        "out_channels": [512, 256, 128],
    },
    "bbox_head": {
        "type": "YOLOV3Head",
        "num_classes": 80,
        "in_channels": [512, 256, 128],
        "out_channels": [1024, 512, 256],
        "anchor_generator": {
            "type": "YOLOAnchorGenerator",
            "base_sizes": [
                [(116, 90), (156, 198), (373, 326)],
                [(30, 61), (62, 45), (59, 119)],
                [(10, 13), (16, 30), (33, 23)],
            ],
            "strides": [32, 16, 8],
        },
        "bbox_coder": {"type": "YOLOBBoxCoder"},
        "featmap_strides": [32, 16, 8],
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True, "reduction": "sum"},
        "loss_conf": {"type": "CrossEntropyLoss", "use_sigmoid": True, "reduction": "sum"},
        "loss_xy": {
            "type": "CrossEntropyLoss",
            "use_sigmoid": True,
            "loss_weight": 2.0,
            "reduction": "sum",
        },
        "loss_wh": {"type": "MSELoss", "loss_weight": 2.0, "reduction": "sum"},
    },
    "train_cfg": {
        "assigner": {
            "type": "GridAssigner",
            "pos_iou_thr": 0.5,
            "neg_iou_thr": 0.5,
            "min_pos_iou": 0,
        }
    },
    "test_cfg": {
        "nms_pre": 1000,
        "min_bbox_size": 0,
        "score_thr": 0.05,
        "conf_thr": 0.005,
        "nms": {"type": "nms", "iou_threshold": 0.45},
        "max_per_img": 100,
    },
}

norm = {"mean": [0, 0, 0], "std": [255.0, 255.0, 255.0], "to_rgb": True}
train_pipeline = [
    {"type": "LoadImageFromFile", "to_float32": True},
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "PhotoMetricDistortion"},
    {"type": "Expand", "mean": norm["mean"], "to_rgb": norm["to_rgb"], "ratio_range": (1, 2)},
    {
        "type": "MinIoURandomCrop",
        "min_ious": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        "min_crop_size": 0.3,
    },
    {"type": "Resize", "img_scale": [(320, 320), (608, 608)], "keep_ratio": True},
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
        "img_scale": (608, 608),
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
data = {
    "samples_per_gpu": 8,
    "workers_per_gpu": 4,
    "train": {"pipeline": train_pipeline},
    "val": {"pipeline": test_pipeline},
    "test": {"pipeline": test_pipeline},
}

optimizer = {"lr": 0.001, "weight_decay": 0.0005}
optimizer_config = {"_delete_": True, "grad_clip": {"max_norm": 35, "norm_type": 2}}
lr_config = {"warmup_iters": 2000, "warmup_ratio": 0.1, "step": [218, 246]}
runner = {"max_epochs": 273}
