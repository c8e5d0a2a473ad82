"""porter: ports of OpenMMLab to chips that are not NVIDIA's, by rules."""

__version__ = "0.1.0"
