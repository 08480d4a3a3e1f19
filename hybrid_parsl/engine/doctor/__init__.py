"""``hybrid-parsl doctor``: what has to be right before a run can work on a site."""
