"""The scene datasheet (card): a module for each kind of figure, its file, and how it is shown."""
