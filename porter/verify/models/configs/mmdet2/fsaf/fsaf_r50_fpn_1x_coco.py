"""FSAF (Zhu et al., 2019), its anchor-free branch."""

_base_ = "../retinanet/retinanet_r50_fpn_1x_coco.py"

model = {
    "type": "FSAF",
    "bbox_head": {
        "type": "FSAFHead",
        "reg_decoded_bbox": True,
        "anchor_generator": {
            "_delete_": True,
            "type": "AnchorGenerator",
            "octave_base_scale": 1,
            "scales_per_octave": 1,
            "ratios": [1.0],
            "strides": [8, 16, 32, 64, 128],
        },
        "bbox_coder": {"_delete_": True, "type": "TBLRBBoxCoder", "normalizer": 4.0},
        "loss_cls": {"reduction": "none"},
        "loss_bbox": {"_delete_": True, "type": "IoULoss", "eps": 1e-6, "reduction": "none"},
    },
    "train_cfg": {
        "assigner": {
            "_delete_": True,
            "type": "CenterRegionAssigner",
            "pos_scale": 0.2,
            "neg_scale": 0.2,
            "min_pos_iof": 0.01,
        }
    },
}
optimizer_config = {"_delete_": True, "grad_clip": {"max_norm": 10, "norm_type": 2}}
