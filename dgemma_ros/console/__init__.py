"""A running planner on a terminal: its topics heard, plans and drafts drawn. Shared by command line and demo."""
