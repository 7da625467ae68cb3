"""How the outside world is reached. Each package implements ports of the domain."""
