"""The configuration language: text in, plain frozen values out."""
