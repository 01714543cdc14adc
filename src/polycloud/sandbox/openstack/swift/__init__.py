"""Swift, the object stores of OpenStack: one for each region, with an account for each project."""
