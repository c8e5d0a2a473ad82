"""SSD (Liu et al., 2016) at 300 x 300, whatever an image's sides."""

_base_ = "../_base_/coco.py"

model = {
    "type": "SingleStageDetector",
    "pretrained": "open-mmlab://vgg16_caffe",
    "backbone": {
        "type": "SSDVGG",
        "input_size": 300,
        "depth": 16,
        "with_last_pool": False,
        "ceil_mode": True,
        "out_indices": (3, 4),
        "out_feature_indices": (22, 34),
        "l2_norm_scale": 20,
    },
    "neck": None,
    "bbox_head": {
        "type": "SSDHead",
        "in_channels": (512, 1024, 512, 256, 256, 256),
        "num_classes": 80,
        "anchor_generator": {
            "type": "SSDAnchorGenerator",
            "scale_major": False,
            "input_size": 300,
            "basesize_ratio_range": (0.15, 0.9),
            "strides": [8, 16, 32, 64, 100, 300],
            "ratios": [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        },
        "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [0.1, 0.1, 0.2, 0.2]},
    },
    "train_cfg": {
        "assigner": {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": 0.5,
            "neg_iou_thr": 0.5,
            "min_pos_iou": 0.0,
            "ignore_iof_thr": -1,
            "gt_max_assign_all": False,
        },
        "smoothl1_beta": 1.0,
        "allowed_border": -1,
        "pos_weight": -1,
        "neg_pos_ratio": 3,
        "debug": False,
    },
    "test_cfg": {
        "nms": {"type": "nms", "iou_threshold": 0.45},
        "min_bbox_size": 0,
        "score_thr": 0.02,
        "max_per_img": 200,
    },
}

norm = {"mean": [123.675, 116.28, 103.53], "std": [1, 1, 1], "to_rgb": True}
train_pipeline = [
    {"type": "LoadImageFromFile", "to_float32": True},
    {"type": "LoadAnnotations", "with_bbox": True},
    {
        "type": "PhotoMetricDistortion",
        "brightness_delta": 32,
        "contrast_range": (0.5, 1.5),
        "saturation_range": (0.5, 1.5),
        "hue_delta": 18,
    },
    {"type": "Expand", "mean": norm["mean"], "to_rgb": norm["to_rgb"], "ratio_range": (1, 4)},
    {"type": "MinIoURandomCrop", "min_ious": (0.1, 0.3, 0.5, 0.7, 0.9), "min_crop_size": 0.3},
    {"type": "Resize", "img_scale": (300, 300), "keep_ratio": False},
    {"type": "Normalize", **norm},
    {"type": "RandomFlip", "flip_ratio": 0.5},
    {"type": "DefaultFormatBundle"},
    {"type": "Collect", "keys": ["img", "gt_bboxes", "gt_labels"]},
]
test_pipeline = [
    {"type": "LoadImageFromFile"},
    {
        "type": "MultiScaleFlipAug",
        "img_scale": (300, 300),
        "flip": False,
        "transforms": [
            {"type": "Resize", "keep_ratio": False},
            {"type": "Normalize", **norm},
            {"type": "ImageToTensor", "keys": ["img"]},
            {"type": "Collect", "keys": ["img"]},
        ],
    },
]
data = {
    "samples_per_gpu": 8,
    "train": {
        "_delete_": True,
        "type": "RepeatDataset",
        "times": 5,
        "dataset": {
            "type": "CocoDataset",
            "ann_file": "data/coco/annotations/instances_train2017.json",
            "img_prefix": "data/coco/train2017/",
            "pipeline": train_pipeline,
        },
    },
    "val": {"pipeline": test_pipeline},
    "test": {"pipeline": test_pipeline},
}

optimizer = {"lr": 0.002, "weight_decay": 0.0005}
lr_config = {"step": [16, 22]}
runner = {"max_epochs": 24}
