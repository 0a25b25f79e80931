"""Looking inside a network: its filters and its feature maps, as arrays. Drawing them is report's work."""
