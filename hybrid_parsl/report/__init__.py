"""The report: figures as SVG, and one self-contained HTML page."""
