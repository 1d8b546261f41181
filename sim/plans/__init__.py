"""Network plans as files: our own JSON, SUMO's tlLogic, UTDF, the cabinet's upload."""
