"""What lists are drawn from: names, versions, counts and places, never a value of a patient."""
