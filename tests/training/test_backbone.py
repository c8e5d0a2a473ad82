"""Backbones made small, and their neighbours told."""

from __future__ import annotations

from typing import Any

from porter.training.config.backbone import shrink_backbones

FULL = [256, 512, 1024, 2048]
QUARTER = [64, 128, 256, 512]


def resnet(**more: Any) -> dict[str, Any]:
    return {"type": "ResNet", "depth": 50, "out_indices": (0, 1, 2, 3), "frozen_stages": 1, "norm_eval": True, "norm_cfg": {"type": "BN", "requires_grad": False}, **more}  # fmt: skip


def shrunk(backbone: dict[str, Any], **rest: Any) -> dict[str, Any]:
    model = {"type": "RetinaNet", "backbone": backbone, **rest}
    shrink_backbones(model)
    return model


def test_a_resnet_becomes_resnet_18_and_its_neck_knows() -> None:
    model = shrunk(resnet(), neck={"type": "FPN", "in_channels": FULL})
    assert model["backbone"]["depth"] == 18
    assert model["neck"]["in_channels"] == QUARTER


def test_nothing_is_frozen_or_starts_from_zero() -> None:
    backbone = shrunk(resnet(), neck={"type": "FPN", "in_channels": FULL})["backbone"]
    assert backbone["frozen_stages"] == -1
    assert backbone["norm_eval"] is False
    assert backbone["norm_cfg"]["requires_grad"] is True
    assert backbone["zero_init_residual"] is False


def test_what_normalizes_by_running_figures_unless_told_otherwise_is_told() -> None:
    assert shrunk({"type": "Darknet", "depth": 53})["backbone"]["norm_eval"] is False
    assert "norm_eval" not in shrunk({"type": "SSDVGG", "depth": 16})["backbone"]


def test_deformable_convolutions_keep_their_bottlenecks() -> None:
    dcn = {"type": "DCN", "deform_groups": 1}
    model = shrunk(resnet(depth=101, dcn=dcn), neck={"type": "FPN", "in_channels": FULL})
    assert (model["backbone"]["depth"], model["backbone"]["base_channels"]) == (50, 16)
    assert model["backbone"]["dcn"] == dcn
    assert model["neck"]["in_channels"] == QUARTER


def test_a_group_norm_has_no_more_groups_than_the_narrow_stage_channels() -> None:
    norm = {"type": "GN", "num_groups": 32, "requires_grad": True}
    model = shrunk(resnet(dcn={}, plugins=[1], norm_cfg=norm), neck={"in_channels": FULL})
    assert model["backbone"]["norm_cfg"]["num_groups"] == 16


def test_one_level_of_features_in_a_number() -> None:
    model = shrunk(resnet(out_indices=(3,)), neck={"type": "DilatedEncoder", "in_channels": 2048})
    assert model["backbone"]["depth"] == 18
    assert model["neck"]["in_channels"] == 512


def test_a_head_without_a_neck_is_told() -> None:
    head = {"type": "Mask2FormerHead", "in_channels": list(FULL), "feat_channels": 256}
    model = shrunk(resnet(), panoptic_head=head)
    assert model["panoptic_head"]["in_channels"] == QUARTER


def test_a_backbone_whose_neighbours_cannot_be_told_keeps_its_channels() -> None:
    head = {"shared_head": {"type": "ResLayer", "depth": 50}, "in_channels": 2048}
    model = shrunk(resnet(depth=101), roi_head=head)
    assert model["backbone"]["depth"] == 50
    assert "base_channels" not in model["backbone"]
    assert model["roi_head"]["in_channels"] == 2048


def test_other_families_lose_depth_alone() -> None:
    model = shrunk({"type": "ResNeXt", "depth": 101, "groups": 64}, neck={"in_channels": FULL})
    assert model["backbone"]["depth"] == 50
    assert model["neck"]["in_channels"] == FULL


def test_a_model_inside_a_model_is_found() -> None:
    inner = {"backbone": resnet(), "neck": {"type": "FPN", "in_channels": list(FULL)}}
    model = {"type": "SoftTeacher", "detector": inner}
    shrink_backbones(model)
    assert inner["neck"]["in_channels"] == QUARTER
