"""Inner product, operator protocol, composition, linearisation, losses."""
