"""What a terminal needs: a running planner heard and drawn, output, signals. Shared by command line and demo."""
