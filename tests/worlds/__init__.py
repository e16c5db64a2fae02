"""Two stores that differ in what one recipient may not see, and everything that recipient can ask of the doors."""
