"""Wrong arguments, columns and types, a method a line or more: one exception of one class here and on every rank, which
says what is wrong, and never a hang, whether a rank has rows or none.

Every public method of frames, Series, groups and their accessors that takes an argument has a line (`test_all_are_here`).
"""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import operations
import pyarrow as pa
import pytest

import weft
from weft.groupby import GroupBy, SeriesGroupBy

TABLE = pa.table(
    {
        "k": ["a", "b", "a", None],
        "n": pa.array([1, 2, None, 4], pa.int64()),
        "x": [0.5, None, -1.0, 2.0],
        "t": pa.array([1, 2, 3, None], pa.timestamp("us")),
        "l": pa.array([[1], [], None, [2]], pa.list_(pa.int64())),
    }
)
OTHER = pa.table({"k": ["a", "c"], "m": [1, 2]})

V, T, K, INDEX = ValueError, TypeError, KeyError, IndexError

#: Of a frame `df`.
FRAMES: dict[str, list[tuple[type[Exception], str]]] = {
    "add": [(T, "'a'"), (V, "df['n']"), (V, "other"), (V, "[1]")],
    "radd": [(T, "'a'"), (V, "1, level=0")],
    "sub": [(T, "'a'"), (V, "1, axis=3")],
    "subtract": [(T, "'a'")],
    "rsub": [(T, "'a'")],
    "mul": [(T, "None is None and 0.5j"), (V, "other")],
    "multiply": [(V, "other")],
    "rmul": [(V, "other")],
    "truediv": [(T, "'a'")],
    "div": [(T, "'a'")],
    "divide": [(T, "'a'")],
    "rtruediv": [(T, "'a'")],
    "rdiv": [(T, "'a'")],
    "floordiv": [(T, "'a'")],
    "rfloordiv": [(T, "'a'")],
    "mod": [(T, "'a'")],
    "rmod": [(T, "'a'")],
    "pow": [(T, "'a'")],
    "rpow": [(T, "'a'")],
    "eq": [(V, "other"), (V, "1, level=0")],
    "ne": [(V, "other")],
    "lt": [(T, "'a'"), (V, "other")],
    "le": [(T, "'a'")],
    "gt": [(T, "'a'")],
    "ge": [(T, "'a'")],
    "abs": [(T, "")],
    "add_prefix": [(V, "'p', axis=0")],
    "add_suffix": [(V, "'p', axis=0")],
    "agg": [(V, "'summ'"), (T, "3"), (K, "{'z': 'sum'}"), (T, "'sum'"), (V, "[]")],
    "aggregate": [(V, "['sum', 'sum']")],
    "all": [(T, ""), (V, "axis=None"), (V, "skipna=1")],
    "any": [(T, ""), (V, "axis='z'"), (V, "bool_only=1")],
    "apply": [(T, "3"), (V, "len, axis=4"), (V, "len, raw=True"), (V, "len, result_type='reduce'")],
    "applymap": [(T, "3")],
    "assign": [(T, "n='a' + col('n')"), (K, "n=col('z')"), (V, "n=[1] * 9"), (T, "n=df")],
    "astype": [(T, "'nothing'"), (V, "{'k': 'int64'}"), (K, "{'z': 'int64'}"), (T, "{'l': 'int64'}")],
    "batches": [
        (T, ""),
        (T, "2"),
        (T, "'2'"),
        (V, "0"),
        (V, "2, shuffle='z'"),
        (T, "2, seed='z'"),
        (V, "2, drop_last=1"),
        (K, "2, label='z'"),
        (T, "2, dtype='z'"),
        (T, "2, na_value='z'"),
        (V, "2, prefetch=-1"),
    ],
    "bfill": [(V, "limit=0"), (V, "axis=1")],
    "bind": [(T, "3")],
    "clip": [(T, "0"), (V, "0, axis=1")],
    "combine": [(T, "3, max"), (T, "df, 3"), (V, "other, max")],
    "combine_first": [(T, "3")],
    "compare": [(T, "3"), (V, "other"), (V, "df, align_axis=2")],
    "convert_dtypes": [(V, "dtype_backend='pyarrow'"), (V, "convert_string=False")],
    "copy": [],
    "corr": [(T, ""), (V, "'x'"), (V, "numeric_only=1")],
    "corrwith": [(T, "3"), (V, "df['n'], axis=1")],
    "count": [(V, "axis=2"), (V, "numeric_only=1")],
    "cov": [(T, ""), (V, "ddof='1', numeric_only=True")],
    "cummax": [(T, ""), (V, "axis=1")],
    "cummin": [(T, ""), (V, "skipna=1")],
    "cumprod": [(T, "")],
    "cumsum": [(T, ""), (V, "numeric_only=1")],
    "describe": [(V, "percentiles=[2]"), (V, "include=['z']"), (V, "exclude='all', include='all'")],
    "diff": [(T, ""), (V, "periods=0.5"), (V, "axis=1")],
    "difference": [(T, "3"), (T, "other, all=1"), (T, "df")],
    "drop": [(K, "columns='z'"), (V, "'a'"), (V, ""), (V, "columns='n', errors='z'")],
    "drop_duplicates": [(K, "'z'"), (T, "'l'"), (V, "'n', keep='z'"), (V, "'n', inplace=True")],
    "dropna": [(V, "how='z'"), (K, "subset='z'"), (T, "thresh='1'"), (V, "axis=4")],
    "duplicated": [(K, "'z'"), (T, "'l'"), (V, "'n', keep='z'")],
    "equals": [],
    "eval": [(V, "'n +'"), (K, "'z + 1'"), (T, "'c = k + 1'"), (V, "'c = 1', inplace=True")],
    "ewm": [(V, ""), (V, "com=-1"), (V, "com=1, span=2"), (V, "span='a'")],
    "expanding": [(V, "-1"), (V, "'a'"), (V, "method='table'")],
    "explode": [(K, "'z'"), (V, "[]")],
    "ffill": [(V, "limit='1'"), (V, "inplace=True"), (V, "limit_area='inside'")],
    "fillna": [(T, "0"), (V, "None"), (V, "{'n': 0}, limit=0"), (V, "other"), (V, "0, axis=1")],
    "filter": [(T, "3"), (K, "col('z') > 1"), (T, ""), (T, "col('k')"), (V, "like='n', axis=0"), (V, "[True] * 9")],
    "from_arrow": [(T, "3")],
    "from_dict": [(V, "{'a': [1]}, orient='z'"), (V, "{'a': [1], 'b': [1, 2]}")],
    "from_records": [(V, "[(1, 2)], coerce_float=True")],
    "gather": [(V, "'0'"), (V, "-1")],
    "get": [],
    "groupby": [(K, "'z'"), (V, ""), (V, "[]"), (V, "'k', observed=False"), (V, "len"), (V, "level=0")],
    "head": [(T, "'2'")],
    "idxmax": [(T, ""), (V, "axis=2")],
    "idxmin": [(T, ""), (V, "skipna=1")],
    "infer_objects": [(V, "copy=True")],
    "info": [],
    "insert": [(V, "0, 'n', 1"), (INDEX, "9, 'q', 1"), (T, "'0', 'q', 1"), (K, "0, 'q', col('z')")],
    "intersect": [(T, "3"), (V, "other")],
    "isetitem": [(INDEX, "9, 1"), (T, "'n', 1"), (T, "[0, 1], 3"), (V, "[0, 1], other[['m']]"), (K, "0, col('z')")],
    "isin": [(T, "'abc'"), (T, "df")],
    "items": [],
    "itertuples": [],
    "join": [(T, "3"), (V, "other"), (K, "other.set_index('k'), on='z'"), (V, "other.set_index('k'), on='k', how='z'")],
    "kurt": [(T, "")],
    "kurtosis": [(T, "")],
    "map": [(T, "3"), (V, "len, na_action='z'")],
    "mask": [(T, "3"), (T, "df['k'], 0"), (V, "df['n'] > 1, df['n']")],
    "max": [(T, ""), (V, "axis=2")],
    "mean": [(T, ""), (V, "skipna=1")],
    "median": [(T, ""), (V, "numeric_only=1")],
    "melt": [(K, "id_vars='z'"), (K, "value_vars='z'"), (V, "id_vars='n', var_name='n'"), (V, "col_level=0")],
    "memory_usage": [],
    "merge": [
        (T, "3"),
        (K, "other, on='z'"),
        (V, "other, how='z', on='k'"),
        (T, "other, left_on='n', right_on='k'"),
        (V, "other, on='k', validate='z'"),
        (V, "other, left_on='k'"),
        (V, "other, on='k', algorithm='z'"),
        (V, "df, on='k', suffixes=('', '')"),
    ],
    "min": [(T, ""), (V, "axis=2")],
    "mode": [(T, ""), (V, "axis=1")],
    "nlargest": [(K, "2, 'z'"), (T, "2, 'k'"), (T, "'2', 'n'"), (V, "2, 'n', keep='z'")],
    "nsmallest": [(K, "2, 'z'"), (T, "2, 'l'")],
    "nunique": [(T, ""), (V, "dropna=1"), (T, "axis=1")],
    "pct_change": [(T, ""), (V, "periods='1'"), (V, "fill_method='ffill'")],
    "pivot": [(T, ""), (K, "columns='z'"), (V, "columns='k', index='k', values='n'")],
    "pivot_table": [(K, "index='z'"), (V, "index='k', aggfunc='z'"), (T, "index='k', values='k', aggfunc='sum'")],
    "pop": [(K, "'z'")],
    "prod": [(T, ""), (V, "min_count='1'")],
    "product": [(T, "")],
    "quantile": [
        (T, ""),
        (V, "2"),
        (V, "0.5, interpolation='z', numeric_only=True"),
        (V, "'z'"),
        (V, "method='table'"),
    ],
    "query": [(V, "'n >'"), (K, "'z > 1'"), (K, "'n > @z'"), (T, "'k > 1'"), (T, "'n'"), (V, "'n is None'")],
    "rank": [(T, ""), (V, "method='z'"), (V, "axis=1"), (V, "na_option='z'")],
    "reindex": [(V, ""), (V, "['a']"), (V, "columns=['n'], method='ffill'")],
    "rename": [
        (T, ""),
        (T, "'z'"),
        (K, "columns={'z': 'y'}, errors='raise'"),
        (V, "columns={'n': 'x'}"),
        (V, "index={1: 2}"),
    ],
    "rename_axis": [(V, "'z'"), (V, "'z', axis=1")],
    "repartition": [(V, "[1]"), (K, "by='z'"), (T, "['a']"), (V, "[4], by='n'")],
    "replace": [(V, "1"), (V, "[1, 2], [3]"), (V, "1, 2, regex=True")],
    "reset_index": [(K, "'z'"), (INDEX, "3"), (V, "inplace=True"), (V, "names=['a', 'b']")],
    "resample": [
        (V, "'1D'"),
        (K, "'1D', on='z'"),
        (T, "'1D', on='n'"),
        (V, "'z', on='t'"),
        (V, "'1D', on='t', closed='z'"),
    ],
    "rolling": [(V, "-1"), (V, "2, center=1"), (V, "2, win_type='hann'"), (V, "2, min_periods=3"), (K, "'1D', on='z'")],
    "round": [(T, "'1'"), (T, "0.5")],
    "sample": [(V, "9"), (V, "-1"), (V, "1, frac=1"), (K, "1, weights='z'"), (T, "1, weights='k'")],
    "select": [(K, "'z'"), (T, "col('n') + 1"), (V, "'n', 'n'"), (K, "a=col('z')"), (T, "a=col('k') + 1")],
    "select_dtypes": [(V, ""), (T, "'nothing'")],
    "sem": [(T, ""), (V, "ddof=0.5")],
    "set_axis": [(V, "['a']"), (V, "['a'], axis=1")],
    "set_index": [(K, "'z'"), (V, "[]"), (V, "'k', drop=False"), (V, "['k', 'k']"), (V, "'k', verify_integrity=True")],
    "shift": [(V, "0.5"), (V, "axis=1"), (T, "fill_value=[1]"), (V, "freq='D'")],
    "show": [],
    "shuffle": [(V, "'z'")],
    "skew": [(T, "")],
    "slice": [(V, "-1"), (V, "0, -1")],
    "sort_index": [(V, "kind='z'"), (V, "inplace=True"), (V, "axis=2"), (V, "na_position='z'")],
    "sort_values": [
        (K, "'z'"),
        (T, "'l'"),
        (V, "'n', ascending=[True, False]"),
        (V, "'n', kind='z'"),
        (V, "[]"),
        (T, "'n', key=3"),
    ],
    "squeeze": [(V, "axis=2")],
    "std": [(T, ""), (V, "ddof='1'")],
    "sum": [(T, ""), (V, "min_count=0.5"), (V, "axis=None"), (T, "axis=1")],
    "tail": [(T, "'2'")],
    "take": [(INDEX, "[9]"), (T, "['a']"), (V, "[0], axis=2")],
    "to_dict": [(V, "'z'")],
    "to_duckdb": [],
    "to_tensorflow": [(T, "")],
    "to_torch": [(T, ""), (T, "na_value='z'")],
    "transform": [(V, "'summ'"), (T, "'sum'"), (T, "3"), (K, "{'z': 'abs'}"), (V, "[]"), (V, "'abs', axis=1")],
    "transpose": [(V, "copy=True"), (V, "1")],
    "union": [(T, "3"), (V, "other"), (T, "df")],
    "unique": [(K, "'z'"), (T, "'l'")],
    "update": [(T, "3"), (V, "other, join='outer'"), (V, "df, errors='z'"), (V, "other")],
    "value_counts": [(K, "'z'"), (T, "'l'")],
    "var": [(T, ""), (V, "ddof='1'")],
    "where": [(T, "3"), (T, "df['k'], 0"), (V, "other, 0"), (V, "df['n'] > 1, 0, inplace=True")],
}

#: Of a Series `df[...]`, which comes first.
SERIES: dict[str, list[tuple[type[Exception], str]]] = {
    "abs": [(T, "k|")],
    "add": [(T, "n|'a'"), (V, "n|[1]"), (V, "n|1, level=0"), (V, "n|other['m']")],
    "agg": [(V, "n|'summ'"), (V, "n|{'n': 'sum'}"), (T, "k|'sum'")],
    "aggregate": [(T, "n|3")],
    "all": [(T, "t|"), (V, "n|axis=1"), (V, "n|bool_only=True")],
    "any": [(T, "t|")],
    "apply": [(T, "n|3"), (V, "n|len, by_row=False")],
    "argmax": [(T, "l|"), (V, "n|axis=1")],
    "argmin": [(T, "l|")],
    "astype": [(T, "n|'nothing'"), (V, "k|'int64'"), (V, "n|'float64', errors='ignore'")],
    "between": [(V, "n|0, 1, inclusive='z'"), (T, "k|0, 1")],
    "bfill": [(V, "n|limit=0")],
    "case_when": [
        (T, "n|3"),
        (V, "n|[]"),
        (T, "n|[3]"),
        (V, "n|[(1,)]"),
        (T, "n|[(df['k'], 1)]"),
        (V, "n|[(other['m'] > 1, 1)]"),
    ],
    "cast": [(T, "n|'nothing'")],
    "clip": [(T, "k|0"), (V, "n|0, axis=0")],
    "convert_dtypes": [(V, "n|dtype_backend='pyarrow'")],
    "compare": [(T, "n|3"), (V, "n|other['m']"), (V, "n|df['n'], align_axis=2")],
    "corr": [(T, "n|3"), (T, "n|df['k']"), (V, "n|df['x'], 'z'"), (V, "n|other['m']")],
    "cov": [(T, "n|3"), (T, "n|df['k']"), (V, "n|other['m']")],
    "cummax": [(T, "l|")],
    "cummin": [(T, "l|")],
    "cumprod": [(T, "k|")],
    "cumsum": [(T, "k|"), (V, "n|skipna=1")],
    "describe": [(V, "n|percentiles=[2]")],
    "diff": [(T, "k|"), (V, "n|0.5")],
    "div": [(T, "n|'a'")],
    "divide": [(T, "n|'a'")],
    "drop": [(V, "n|0")],
    "drop_duplicates": [(T, "l|"), (V, "n|keep='z'")],
    "dropna": [(V, "n|axis=1"), (V, "n|how='any'")],
    "duplicated": [(T, "l|"), (V, "n|keep='z'")],
    "eq": [(V, "n|[1]"), (V, "n|1, level=0")],
    "ewm": [(V, "n|"), (V, "n|com=-1")],
    "expanding": [(V, "n|-1"), (V, "n|method='table'")],
    "explode": [],
    "factorize": [(T, "l|")],
    "ffill": [(V, "n|limit=0")],
    "fillna": [(T, "n|'a'"), (V, "n|None"), (V, "n|{0: 1}"), (V, "n|0, limit=0")],
    "floordiv": [(T, "n|'a'")],
    "gather": [(V, "n|'0'")],
    "ge": [(T, "n|'a'")],
    "groupby": [(V, "n|"), (V, "n|level=0"), (K, "n|'z'"), (V, "n|other['m']")],
    "gt": [(T, "n|'a'")],
    "head": [(T, "n|'2'")],
    "idxmax": [(T, "l|")],
    "idxmin": [(T, "l|")],
    "infer_objects": [(V, "n|copy=True")],
    "isin": [(T, "n|'abc'"), (T, "n|3")],
    "kurt": [(T, "k|")],
    "kurtosis": [(T, "k|")],
    "le": [(T, "n|'a'")],
    "lt": [(T, "n|'a'")],
    "map": [(T, "n|3"), (V, "n|{1: 2}, na_action='z'"), (V, "n|df['k']")],
    "mask": [(T, "n|df['k']"), (V, "n|[True]"), (V, "n|df['n'] > 1, 0, inplace=True")],
    "max": [(T, "l|"), (V, "n|axis=1")],
    "mean": [(T, "k|"), (T, "k|numeric_only=True")],
    "median": [(T, "k|")],
    "min": [(T, "l|")],
    "mod": [(T, "n|'a'")],
    "mode": [(T, "l|")],
    "mul": [(T, "n|0.5j")],
    "multiply": [(T, "k|0.5")],
    "ne": [(V, "n|[1]")],
    "nlargest": [(T, "k|2"), (T, "n|'2'"), (V, "n|2, 'z'")],
    "nsmallest": [(T, "k|2")],
    "nunique": [(T, "l|"), (V, "n|dropna=1")],
    "pct_change": [(T, "k|")],
    "pow": [(T, "n|'a'")],
    "prod": [(T, "k|"), (V, "n|min_count='1'")],
    "product": [(T, "k|")],
    "quantile": [(T, "k|"), (V, "n|2"), (V, "n|0.5, 'z'")],
    "radd": [(T, "n|'a'")],
    "rank": [(T, "l|"), (V, "n|method='z'"), (T, "k|numeric_only=True")],
    "rdiv": [(T, "n|'a'")],
    "reindex": [(V, "n|"), (V, "n|[1]")],
    "rename": [(V, "n|None"), (V, "n|{1: 2}")],
    "rename_axis": [(V, "n|'z'")],
    "replace": [(V, "n|1"), (V, "n|1, 2, inplace=True")],
    "reset_index": [(K, "n|'z'"), (V, "n|inplace=True")],
    "resample": [(V, "n|'1D'"), (V, "n|'z'")],
    "rfloordiv": [(T, "n|'a'")],
    "rmod": [(T, "n|'a'")],
    "rmul": [(T, "k|0.5")],
    "rolling": [(V, "n|-1"), (V, "n|'1D'"), (V, "n|2, closed='z'"), (V, "n|2, on='k'")],
    "round": [(T, "n|'1'"), (T, "k|")],
    "rpow": [(T, "n|'a'")],
    "rsub": [(T, "n|'a'")],
    "rtruediv": [(T, "n|'a'")],
    "sample": [(V, "n|9"), (V, "n|1, weights=[1]")],
    "sem": [(T, "k|"), (V, "n|ddof='1'")],
    "shift": [(V, "n|0.5"), (T, "n|1, fill_value='a'")],
    "skew": [(T, "k|")],
    "slice": [(V, "n|-1")],
    "sort_index": [(V, "n|axis=1"), (V, "n|kind='z'")],
    "sort_values": [(T, "l|"), (V, "n|kind='z'"), (T, "n|key=3")],
    "squeeze": [(V, "n|axis=1")],
    "std": [(T, "k|")],
    "sub": [(T, "n|'a'")],
    "subtract": [(T, "n|'a'")],
    "sum": [(T, "k|"), (T, "t|"), (V, "n|axis=1")],
    "tail": [(T, "n|'2'")],
    "take": [(INDEX, "n|[9]"), (V, "n|[0], axis=1")],
    "to_tensorflow": [(T, "k|"), (T, "l|"), (T, "t|")],
    "to_torch": [(T, "k|"), (T, "l|"), (T, "t|"), (T, "n|na_value='z'")],
    "transform": [(V, "n|'summ'"), (V, "n|'sum'"), (T, "n|3"), (V, "n|[]"), (V, "n|'abs', axis=1")],
    "truediv": [(T, "n|'a'")],
    "value_counts": [(T, "l|"), (V, "n|bins=3")],
    "var": [(T, "k|"), (V, "n|ddof='1'")],
    "where": [(T, "n|df['k']"), (T, "n|df['n'] > 1, 'a'")],
}

#: Of groups of frames: `df.groupby("k")`, or with columns before the bar.
GROUPS: dict[str, list[tuple[type[Exception], str]]] = {
    "agg": [(V, "'summ'"), (K, "{'z': 'sum'}"), (T, ""), (K, "a=('z', 'sum')"), (T, "a=3"), (V, "a=('n', 3)")],
    "aggregate": [(V, "['summ']")],
    "all": [(T, "t|")],
    "any": [(T, "t|")],
    "apply": [(T, "3"), (V, "len, include_groups=True")],
    "bfill": [(V, "limit=-1"), (T, "limit='1'")],
    "corr": [(T, ""), (V, "n|'z'")],
    "cov": [(T, ""), (V, "n|ddof='1'")],
    "cumcount": [],
    "cummax": [(T, "l|")],
    "cummin": [(T, "l|")],
    "cumprod": [(T, "t|")],
    "cumsum": [(T, "t|")],
    "describe": [(V, "include='all'")],
    "diff": [(T, "l|"), (T, "n|periods=0.5")],
    "ewm": [(V, ""), (V, "com=-1"), (V, "com=1, span=2")],
    "expanding": [(V, "-1"), (V, "method='table'")],
    "ffill": [(V, "limit=-1")],
    "filter": [(T, "lambda group: 3"), (V, "lambda group: True, dropna=False")],
    "first": [],
    "get_group": [(K, "'z'"), (V, "('a', 'b')")],
    "head": [(T, "'2'")],
    "idxmax": [(T, "l|")],
    "idxmin": [(T, "l|")],
    "kurt": [(T, "t|")],
    "last": [],
    "max": [(T, "l|"), (V, "n|engine='numba'")],
    "mean": [(T, "l|"), (V, "n|engine='numba'")],
    "median": [(T, "l|")],
    "min": [(T, "l|")],
    "ngroup": [],
    "nth": [(T, "'1'"), (V, "0, dropna='any'"), (V, "slice(None, None, 2)")],
    "nunique": [(T, "l|")],
    "pct_change": [(T, "t|"), (V, "n|fill_method='ffill'")],
    "prod": [(T, "t|")],
    "quantile": [(T, "l|"), (V, "n|2"), (V, "n|0.5, 'z'")],
    "rank": [(T, "l|"), (V, "n|method='z'"), (V, "n|na_option='z'")],
    "rolling": [(V, "-1"), (V, "'1D'"), (V, "2, closed='z'"), (K, "'1D', on='z'")],
    "sem": [(T, "l|")],
    "shift": [(T, "n|'1'"), (T, "n|1, fill_value='a'"), (V, "n|freq='D'")],
    "skew": [(T, "t|")],
    "std": [(T, "l|"), (V, "n|engine='numba'")],
    "sum": [(T, "t|"), (V, "n|engine='numba'")],
    "tail": [(T, "'2'")],
    "transform": [(V, "'summ'"), (V, "n|'sum', engine='numba'")],
    "value_counts": [(K, "'z'"), (T, "l|")],
    "var": [(T, "l|")],
}

#: Of the accessors, by column.
TEXTS: dict[str, list[tuple[type[Exception], str]]] = {
    "cat": [(V, "k|"), (T, "k|df['n']")],
    "center": [(T, "k|'1'"), (T, "k|3, 'ab'")],
    "contains": [(T, "k|3"), (V, "k|'('"), (T, "n|'a'")],
    "count": [(V, "k|'('")],
    "endswith": [(T, "k|3")],
    "extract": [(V, "k|'('"), (V, "k|'a'")],
    "find": [(T, "k|3")],
    "fullmatch": [(V, "k|'('")],
    "get": [(T, "k|'a'")],
    "join": [(T, "k|3")],
    "match": [(V, "k|'('")],
    "normalize": [(V, "k|'NFX'")],
    "pad": [(T, "k|'1'"), (V, "k|3, side='z'")],
    "removeprefix": [(T, "k|3")],
    "repeat": [(T, "k|'a'")],
    "replace": [(T, "k|'a', 3"), (V, "k|'(', '', regex=True")],
    "slice": [(T, "k|'a'"), (V, "k|0, 3, -1")],
    "split": [(T, "k|3")],
    "startswith": [(T, "k|3")],
    "upper": [(T, "n|")],
    "zfill": [(T, "k|'1'")],
}
DATES: dict[str, list[tuple[type[Exception], str]]] = {
    "as_unit": [(V, "t|'z'"), (V, "t|'s', round_ok=False"), (T, "k|'s'")],
    "ceil": [(V, "t|'z'"), (V, "t|'D', ambiguous='NaT'")],
    "floor": [(V, "t|'z'"), (T, "n|'D'")],
    "round": [(V, "t|'z'")],
    "strftime": [(T, "n|'%Y'")],
    "tz_convert": [(T, "t|'UTC'")],
    "tz_localize": [(V, "t|'Nowhere/City'")],
    "day_name": [(V, "t|locale='de'")],
    "isocalendar": [(T, "n|")],
    "normalize": [(T, "n|")],
}


def lines() -> list[tuple[type[Exception], str]]:
    """(exception, text) of all."""
    made = []
    for name, wrong in FRAMES.items():
        made += [(kind, f"df.{name}({arguments})") for kind, arguments in wrong]
    for table, form in ((SERIES, "df['{}'].{}({})"), (TEXTS, "df['{}'].str.{}({})"), (DATES, "df['{}'].dt.{}({})")):
        for name, wrong in table.items():
            made += [(kind, form.format(text.partition("|")[0], name, text.partition("|")[2])) for kind, text in wrong]
    for name, wrong in GROUPS.items():
        for kind, text in wrong:
            column, bar, arguments = text.partition("|")
            if not bar:
                made.append((kind, f"df.groupby('k').{name}({text})"))
                continue
            made.append((kind, f"df.groupby('k')[['{column}']].{name}({arguments})"))
            if hasattr(SeriesGroupBy, name) and name not in ("corr", "cov", "value_counts"):
                made.append((kind, f"df.groupby('k')['{column}'].{name}({arguments})"))
    return made


#: Where the rows lie: one rank has none, or two.
CUTS = [[0, 2, 2, 4], [0, 0, 0, 4], [0, 4, 4, 4]]


@pytest.mark.parametrize("kind, code", lines(), ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_wrong(servers, kind, code):
    spec = {"op": "eval", "code": code, "names": {}}
    with pytest.raises((ValueError, TypeError, LookupError)) as caught:
        operations.apply(dict(spec), [weft.DataFrame(TABLE), weft.DataFrame(OTHER)])
    assert type(caught.value) is kind, (code, caught.value)
    assert str(caught.value).strip(), code
    for cut in CUTS:
        outcome = servers[3].run(spec, [TABLE, OTHER], [cut, [0, 0, 0, 2] if cut[1] else [0, 2, 2, 2]])
        for found in outcome.errors:
            assert found is not None and found[0] == kind.__name__, (code, cut, outcome.errors)


def takes_arguments(owner: Any, name: str) -> bool:
    member = inspect.getattr_static(owner, name)
    if isinstance(member, property) or not callable(getattr(owner, name)):
        return False
    parameters = list(inspect.signature(getattr(owner, name)).parameters)
    return [one for one in parameters if one not in ("self", "cls")] != []


def test_all_are_here():
    for owner, table in ((weft.DataFrame, FRAMES), (weft.Series, SERIES), (GroupBy, GROUPS)):
        public = {name for name in dir(owner) if not name.startswith("_") and takes_arguments(owner, name)}
        left_out = public - set(table) - EXPORTS
        assert left_out == set(), (owner.__name__, sorted(left_out))
        assert [name for name in table if not hasattr(owner, name)] == []
    assert len(list(itertools.chain(lines()))) > 400


#: Methods whose arguments other tests are about, or that take any.
EXPORTS = {"to_csv", "to_feather", "to_json", "to_parquet", "to_records", "pipe", "to_pandas", "to_numpy", "to_frame", "info", "memory_usage", "equals", "copy", "get", "to_dict",
           "to_ipc",
    "of_same_rows", "has_rows_of", "with_names", "bind", "kurtosis", "numeric_only"}  # fmt: skip
