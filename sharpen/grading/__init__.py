"""How two answers are compared: spellings, quantities, exact arithmetic, and symbolic checks in killable workers."""
