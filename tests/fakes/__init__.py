"""Stand-ins for what lies outside. None of them is secure, and none is used outside tests."""
