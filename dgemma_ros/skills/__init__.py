"""What the robot can do: the catalogue, how calls of it are written and read, and which of them are right."""
