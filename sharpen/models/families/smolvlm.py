"""SmolVLM (arXiv 2504.05299): images as in the family it comes from."""

from __future__ import annotations

from .idefics3 import Idefics3 as SmolVLM

make = SmolVLM
