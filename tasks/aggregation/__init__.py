"""From many answers to one label and how sure it is: numpy and scipy only, no Django, no row of any table."""
