"""The penalties: value, proximal operator and conjugate, and what they leave open."""

from skreg.penalties.elastic_net import ElasticNet, step

__all__ = ["ElasticNet", "step"]
