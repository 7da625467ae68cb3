"""What the isolation matrix is made of: the operations, the stage they are played on, the cells."""
