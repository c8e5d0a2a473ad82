"""GFocalV2 with ResNet-50 and FPN, 1x schedule. Li et al., arXiv 2011.12885."""
_base_ = '../gfl/gfl_r50_fpn_1x_coco.py'

model = dict(
    bbox_head=dict(
        type='GFocalHead',
        # One class more than there are, as in GFocalV2's own checkpoints.
        loss_cls=dict(use_sigmoid=False),
        reg_topk=4,
        reg_channels=64,
        add_mean=True))
