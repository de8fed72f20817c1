"""What the library offers: `import jsae` has these names too."""

__all__: list[str] = []
