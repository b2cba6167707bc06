"""What products and collections are called and described as in other languages than that of their own texts."""
