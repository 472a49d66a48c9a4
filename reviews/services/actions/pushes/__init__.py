"""Promotional pushes while they are carried out: chunk by chunk into the outbox, stopped, and refused by members."""
