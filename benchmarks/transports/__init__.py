"""`python -m benchmarks.transports`: transports behind httpx's API, side by side (see decision 0028).

Most of them are no dependency of the project. In a virtual environment of its own:

    pip install -r requirements.lock
    pip install httpx2 httpx-aiohttp pyreqwest pyqwest httpx-curl-cffi aiosonic aiofastnet

What is not installed is left out, with a line that says so. `candidates.py` lists them, `ours.py` and
`over_*.py` make each as safe as it can be made, `turn.py` and `receiver.py` measure, `trials.py` and
`hostile.py` ask what a receiver can do to each (`python -m benchmarks.transports.trials`).
"""
