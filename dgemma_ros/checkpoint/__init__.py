"""A model folder read: configuration, tensors, tokenizer, chat template, image preparation.

Files are untrusted: everything is checked here, once, and what leaves this room is frozen and valid.
"""
