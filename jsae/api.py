"""What the library offers: `import jsae` has these names too.

| name | what |
|---|---|
| train | train an agent on your own Gymnasium environment |
"""

from jsae.standalone.own import train

__all__ = ["train"]
