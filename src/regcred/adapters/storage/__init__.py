"""The only SQL. What is durable lives here, behind `regcred.domain.ports.Store`."""
