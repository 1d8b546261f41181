"""One signal alone: the cycle and splits of least HCM delay, in stages or in rings."""
