"""The only room that touches llama.cpp: an engine that reads probabilities.

llama.cpp's threads meet at an OpenMP barrier after every operation and by default spin there. On a machine that does
anything else at the same time that costs more than the computing (measured with one busy neighbour on two cores:
70 tokens a second spinning, 240 waiting passively), so the policy is set before the library is loaded; a value that
the user has set stays.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
