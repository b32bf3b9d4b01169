"""What is done to columns before a model learns from them, fitted over all ranks, under scikit-learn's names.

>>> from weft.learn import StandardScaler, train_test_split
>>> train, test = train_test_split(flights, test_size=0.2, random_state=1)
>>> scaler = StandardScaler().fit(train)          # collective: means and variances of all ranks' rows
>>> scaled = scaler.transform(test)

Frames come in and frames come out. `weft.DataFrame.batches` then gives them to a training loop.
"""

from weft.imputing import SimpleImputer
from weft.ordinals import OrdinalEncoder
from weft.scalers import MinMaxScaler, StandardScaler
from weft.splitting import train_test_split

__all__ = ["MinMaxScaler", "OrdinalEncoder", "SimpleImputer", "StandardScaler", "train_test_split"]
