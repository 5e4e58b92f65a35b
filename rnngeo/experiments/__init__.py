"""What a paper claims, and whether it holds here."""
