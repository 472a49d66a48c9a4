"""Sample programs: one made up, plain enough to be read in a minute, and one of real, anonymised data."""
