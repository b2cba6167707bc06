"""Files that become products and products that become files, in the background. Knows no HTTP."""
