"""The ROS 2 nodes: ``planner`` and ``camera``. Thin: parameters, conversions, callbacks; all thinking is elsewhere.

The only room that needs rclpy, besides ``dgemma watch`` and its like. Nodes are started, not imported.
"""
