"""FCIDUMP files of small molecules."""

from __future__ import annotations

H2 = """ &FCI NORB=   2,NELEC= 2,MS2=0,
  ORBSYM=1,1,
  ISYM=1,
 &END
 0.6757101548035163    1    1    1    1
 0.6645817302552969    1    1    2    2
 0.1809311997842314    2    1    2    1
 0.6985737227320176    2    2    2    2
 -1.25633907300325    1    1  0  0
 -0.4718960072811418    2    2  0  0
 0.7199689944489797  0  0  0  0
"""
"""A hydrogen molecule at 0.735 angstroms in STO-3G, with the symmetry D2h left out."""

HARTREE_FOCK = -1.116998996754
"""Its Hartree-Fock energy in Hartree."""

GROUND = -1.137306035753
"""Its ground-state energy in Hartree."""
