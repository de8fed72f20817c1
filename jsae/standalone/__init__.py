"""Training without the study's graph: one run by hand, and agents on your own environment.

| file | what |
|---|---|
| settings.py | what one run of the study is made with: params.yaml, a cell, a seed, and what the command line sets |
| run.py | train that run in a folder, as the stages do, and go on where it was stopped |
| curves.py | the curves of a training as a table |
| policy.py | what a trained policy reaches |
| animation.py | a trained policy as a GIF or MP4 |
| event_file.py | files that TensorBoard reads |
| following.py | a running study as such files |
| command.py | `python -m jsae train | evaluate | watch` |
| vectorised.py | many copies of a Gymnasium environment as one environment of this project |
| plugged.py | what the agents of `jsae.train` see and act through |
| own.py | `jsae.train`: agents on your own environment |
"""
