"""Pictures of signal plans and runs, as signal engineers draw them: values in, SVG out."""
