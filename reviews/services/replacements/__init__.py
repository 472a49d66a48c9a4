"""The replacement of a partner, step by step: opening, candidates, terms, mapping, approving, cutover, holders, ending."""
