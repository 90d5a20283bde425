"""The servers that a user would pick instead, as small as such a user would write them."""
