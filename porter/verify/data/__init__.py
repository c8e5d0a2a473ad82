"""The synthetic COCO data set that a verification trains on."""
