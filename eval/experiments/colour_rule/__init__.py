"""What keeps agents from soil: things of its colour in sight, or things out of reach?"""
