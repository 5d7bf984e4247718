#!/bin/sh
# Brings ROS and the workspace into the environment, where the image has them from apt and colcon.
for prefix in /opt/ros/jazzy /opt/dgemma/ws; do
    if [ -f "$prefix/setup.sh" ]; then
        AMENT_CURRENT_PREFIX=$prefix COLCON_CURRENT_PREFIX=$prefix
        . "$prefix/setup.sh"
    fi
done
unset AMENT_CURRENT_PREFIX COLCON_CURRENT_PREFIX
# Compose passes it empty where nobody chose a profile, and Fast DDS would look for a file of that name.
[ -n "${FASTRTPS_DEFAULT_PROFILES_FILE:-}" ] || unset FASTRTPS_DEFAULT_PROFILES_FILE
exec "$@"
