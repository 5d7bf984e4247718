"""Small changes to the cores, each of which the tests should notice: ``make mutants``, see docs/mutants.md.

``operators`` makes the changes, ``plugin`` puts one of them in place of a module while pytest runs, ``table`` says
which tests answer for which module, ``__main__`` draws a sample and lists what no test noticed.
"""
