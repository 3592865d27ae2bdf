"""Regular expressions of RE2's syntax (https://github.com/google/re2/wiki/Syntax), never slower than linear.

``charsets`` and ``nodes`` are what an expression consists of, ``parser`` reads one, ``backtracking`` hands it
to Python's engine where that is safe, ``simulation`` runs it in linear time where it is not.
"""
