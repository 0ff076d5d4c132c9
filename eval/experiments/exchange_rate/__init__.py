"""The exchange rate: metres that agents go farther for soil than for dirt."""
