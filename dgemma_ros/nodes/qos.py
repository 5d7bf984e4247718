"""The topics' quality of service as rclpy takes it; parameters ``qos_overrides.<topic>.…`` override each."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions, QoSPolicyKind

from dgemma_ros.nodes import topics

OVERRIDES = QoSOverridingOptions(
    (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
)


def profile(qos: topics.Qos) -> QoSProfile:
    """As rclpy takes it."""
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if qos.latched else DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_LAST,
        depth=qos.depth,
    )


def of(name: topics.Name) -> QoSProfile:
    """A topic's, as the table of names has it."""
    if name.qos is None:
        raise TypeError(f"{name.name} is no topic")
    return profile(name.qos)


OFFERED_IMAGES = profile(topics.OFFERED)
GOALS = profile(topics.Qos(1000))
"""Of an action's services: the usual ten are soon pushed out where many goals come while nobody reads."""
INHIBIT = of(topics.INHIBIT)
PLANS = of(topics.PLAN)
STATE = profile(topics.Qos(1, latched=True))
"""What is so now, for whoever comes."""
