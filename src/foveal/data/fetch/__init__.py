"""Downloads that go on where they stopped, and files that are what they should be."""
