"""Operations: is the shop's bookkeeping true, and what needs a person? It reads every domain and changes none."""
