"""Ten lines: weft run -n 2 examples/ten_lines.py"""

import numpy as np

import weft

env = weft.init()
rng = np.random.default_rng(env.rank)
orders = weft.DataFrame({"customer": rng.integers(0, 100, 1000), "amount": rng.random(1000)}, env=env)
customers = weft.DataFrame({"customer": np.arange(env.rank, 100, env.world_size)}, env=env)
customers = customers.assign(vip=weft.col("customer") < 10)
joined = orders.merge(customers, on="customer")
joined.groupby("vip").agg({"amount": ["sum", "mean"], "customer": "count"}).show()
