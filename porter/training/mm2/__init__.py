"""Training through mmdet 2.x's own ``train_detector``, and mmcv 1.x's runner."""
