"""The purchases that the paper keeps (appendix A.4.1).

inputs   data/raw/SOURCE
outputs  purchases (user, item, price, time), and counts of rows in and out; for a synthetic log its calibration, too
"""

from jsae.io.declared import Declared
from jsae.purchases import sources
from stages import _main


def main(declared: Declared) -> None:
    rules = dict(declared.values)
    source, months, folder = rules.pop("source"), rules.pop("months"), declared.input("folder")
    sources.keep(source, folder, declared.outputs["purchases"], declared.outputs["summary"], months=months, rules=rules)


if __name__ == "__main__":
    _main.run(main)
