"""Training through mmengine's Runner: mmdet 3.x, mmcv 2.x."""
