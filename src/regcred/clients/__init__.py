"""Programs that call the service. They import nothing of the server."""
