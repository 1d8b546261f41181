"""From counts to plans: estimation, cycle and splits, and the adaptive control on top of them.

Pure computation: no clock, no input or output. Kernels are Cython beside a NumPy reference; the
module without underscore is the front door that checks arguments once and chooses one.
"""
