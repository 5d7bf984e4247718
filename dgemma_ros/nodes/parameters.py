"""The tables' parameters on a node: declared with descriptions and ranges, checked when set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from dgemma_ros.errors import DgemmaError
from dgemma_ros.nodes.parameter_table import Parameter, When


class ParameterError(DgemmaError):
    """A parameter was given at start that the node cannot take; the text names it."""


def declare(node: Node, table: Iterable[Parameter]) -> None:
    """Declares all parameters of a table. Raises :class:`ParameterError` for a bad value from the command line."""
    for parameter in table:
        try:
            value = node.declare_parameter(parameter.name, parameter.default, _descriptor(parameter)).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            limits = f" ({parameter.limits})" if parameter.limits else ""
            raise ParameterError(f"parameter {parameter.name}: {error}{limits}".replace("\n", " ")) from error
        if (wrong := parameter.wrong(value)) is not None:
            raise ParameterError(f"parameter {wrong}")


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=parameter.about, read_only=parameter.when is When.START)
    descriptor.dynamic_typing = parameter.loose
    if parameter.when is When.UNCONFIGURED:
        descriptor.additional_constraints = "changes only while the node is unconfigured"
    elif parameter.choices:
        descriptor.additional_constraints = "one of " + ", ".join(parameter.choices)
    low, high = parameter.low, parameter.high
    if low is None or high is None:
        return descriptor
    if isinstance(parameter.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    else:
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    return descriptor


def values(node: Node, table: Iterable[Parameter]) -> dict[str, Any]:
    """The values now, by name."""
    return {parameter.name: parameter.read(node.get_parameter(parameter.name).value) for parameter in table}


def checker(
    table: Iterable[Parameter], configured: Callable[[], bool], check: Callable[[dict[str, Any]], None]
) -> Callable[[Sequence[RosParameter]], SetParametersResult]:
    """A callback for ``add_on_set_parameters_callback``.

    ``check`` gets the new values of the table's own parameters and raises :class:`DgemmaError` where they do not go
    together; parameters of others (use_sim_time, QoS overrides) pass.
    """
    by_name = {parameter.name: parameter for parameter in table}

    def on_set(changes: Sequence[RosParameter]) -> SetParametersResult:
        own = {change.name: change.value for change in changes if change.name in by_name}
        for name, value in own.items():
            if by_name[name].when is When.UNCONFIGURED and configured():
                reason = f"{name} can only change while the node is unconfigured: clean it up first"
                return SetParametersResult(successful=False, reason=reason)
            if (wrong := by_name[name].wrong(value)) is not None:
                return SetParametersResult(successful=False, reason=wrong)
        try:
            check({name: by_name[name].read(value) for name, value in own.items()})
        except DgemmaError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    return on_set
