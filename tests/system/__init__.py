"""The system as its users and its operators meet it: real programs on real sockets."""
