"""What the master checks before it starts anything: that its settings can work here at all.

A store that is away, or anything else that may come right by itself, stops no start: it is a state,
which `/readyz` tells.
"""
