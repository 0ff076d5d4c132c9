"""Building a zoo: agents with their records, a data sheet, subjects whose goals are held out."""
