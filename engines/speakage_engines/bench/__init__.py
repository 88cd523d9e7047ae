"""How fast a picture model is, from prompt to JPEG, against what people would otherwise use; `speakage bench`."""
