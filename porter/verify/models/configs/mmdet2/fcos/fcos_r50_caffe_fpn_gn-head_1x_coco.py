"""FCOS (Tian et al., 2019), normalized by groups of channels."""

_base_ = ["../_base_/coco.py", "../_base_/r50_fpn.py"]

model = {
    "type": "FCOS",
    "backbone": {"style": "caffe", "norm_cfg": {"requires_grad": False}},
    "bbox_head": {
        "type": "FCOSHead",
        "num_classes": 80,
        "in_channels": 256,
        "stacked_convs": 4,
        "feat_channels": 256,
        "strides": [8, 16, 32, 64, 128],
        "norm_cfg": {"type": "GN", "num_groups": 32, "requires_grad": True},
        "loss_cls": {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25},
        "loss_bbox": {"type": "IoULoss"},
        "loss_centerness": {"type": "CrossEntropyLoss", "use_sigmoid": True},
    },
    "test_cfg": {"nms": {"iou_threshold": 0.5}},
}
optimizer_config = {"_delete_": True, "grad_clip": {"max_norm": 35, "norm_type": 2}}
