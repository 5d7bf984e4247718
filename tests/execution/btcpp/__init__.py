"""Our behaviour trees held to BehaviorTree.CPP: rules of its parser, and its own verdicts on good and bad trees.

`rules.why_not` says in Python why the parser refuses a tree of the kind that we write. `verdicts.jsonl` holds what
BehaviorTree.CPP itself said of the trees that `corpus` makes; `record` writes it, with the library at hand, and
`test_btcpp.py` asks the library again where it is installed.
"""
