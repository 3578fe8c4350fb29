"""Where models and data sets come from: signatures over both, and their bill of materials."""
