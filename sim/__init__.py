"""The SUMO bench: networks in, controls beside each other, figures and reports out."""
