"""What every store promises, and what the embedded one promises besides."""
