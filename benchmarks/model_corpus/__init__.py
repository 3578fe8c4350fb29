"""Model files made on the spot: hostile ones, each with a name of its own, and honest ones from the libraries themselves.

Payloads write nothing and reach nothing: a file that is loaded by mistake would run ``echo``.
"""
