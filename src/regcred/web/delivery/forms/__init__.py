"""Hand-outs as other programs read them: pure functions from logins to bytes, a file a group."""
