"""What a caller can do. One verb phrase a file; imports the domain alone."""
