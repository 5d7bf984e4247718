"""The ROS 2 nodes: ``planner`` and ``camera``. Thin: parameters, conversions, callbacks; all thinking is elsewhere.

The only room that imports rclpy and messages, besides ``dgemma watch``. Nothing is handed on: nodes are started, not imported.
"""
