"""Mask R-CNN (He et al., 2017) with an FPN: Faster R-CNN, and a head for masks beside its boxes."""

_base_ = "../faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"

model = {
    "type": "MaskRCNN",
    "roi_head": {
        "mask_roi_extractor": {
            "type": "SingleRoIExtractor",
            "roi_layer": {"type": "RoIAlign", "output_size": 14, "sampling_ratio": 0},
            "out_channels": 256,
            "featmap_strides": [4, 8, 16, 32],
        },
        "mask_head": {
            "type": "FCNMaskHead",
            "num_convs": 4,
            "in_channels": 256,
            "conv_out_channels": 256,
            "num_classes": 80,
            "loss_mask": {"type": "CrossEntropyLoss", "use_mask": True},
        },
    },
    "train_cfg": {"rcnn": {"assigner": {"match_low_quality": True}, "mask_size": 28}},
    "test_cfg": {"rcnn": {"mask_thr_binary": 0.5}},
}

norm = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True}
train_pipeline = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True},
    {"type": "Resize", "img_scale": (1333, 800), "keep_ratio": True},
    {"type": "RandomFlip", "flip_ratio": 0.5},
    {"type": "Normalize", **norm},
    {"type": "Pad", "size_divisor": 32},
    {"type": "DefaultFormatBundle"},
    {"type": "Collect", "keys": ["img", "gt_bboxes", "gt_labels", "gt_masks"]},
]
data = {"train": {"pipeline": train_pipeline}}
evaluation = {"metric": ["bbox", "segm"]}
