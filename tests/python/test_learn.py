"""`weft.learn` beside scikit-learn: what is learned over ranks, what comes out, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn.impute
import sklearn.model_selection
import sklearn.preprocessing
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_same_rows, refused, run

import weft
from weft.learn import MinMaxScaler, OrdinalEncoder, SimpleImputer, StandardScaler, train_test_split

SMALL = pa.table(
    {"k": ["a", "b", "a", None], "n": [1, 2, 4, 3], "x": [0.5, None, -1.0, 2.0], "i": [math.inf, 1.0, 2.0, 3.0]}
)
#: Columns whose values add up without loss, so that no order of adding matters, nor how scikit-learn does it.
NUMBERS = {"a": [0, 1, -1, 2, 7, -7, 100], "x": [0.0, 0.5, -2.25, 3.0, 1024.0], "f": [0.0, 1.5, -0.25, 3.0]}


@st.composite
def frames(draw, least: int = 1, missing: bool = True) -> pa.Table:
    rows = draw(st.integers(least, 25))
    made = {}
    for name, type in (("a", pa.int64()), ("x", pa.float64()), ("f", pa.float32())):
        values = draw(st.sampled_from([NUMBERS[name], NUMBERS[name][:1], NUMBERS[name][:2]]))
        low = -1 if missing and draw(st.booleans()) else 0
        made[name] = tables.column(
            type, values, draw(st.lists(st.integers(low, len(values) - 1), min_size=rows, max_size=rows))
        )
    return pa.table(made)


def expected_rows(values: np.ndarray) -> list[tuple]:
    return [tuple(tables.plain(value) for value in row) for row in values.tolist()]


def both(
    data, servers, make: str, table: pa.Table, attributes: list[str], of_sklearn, method: str = "transform"
) -> None:
    """What is fitted and what comes out is the same on ranks, here and by scikit-learn."""
    fitted = f"{make}.fit(df)"
    local = run(data, servers, f"{fitted}.{method}(df)", [table], tolerance=1e-9)
    frame = table.to_pandas()
    of_sklearn.fit(frame)
    wanted = getattr(of_sklearn, method)(frame)
    assert_same_rows(tables.rows_of(local.to_arrow()), expected_rows(np.asarray(wanted)), True, 1e-6, make)
    shown = ", ".join(f"'{name}': np.asarray(s.{name}).tolist()" for name in attributes)
    found = run(data, servers, f"(lambda s: {{{shown}}})({fitted})", [table], tolerance=1e-9)
    for name in attributes:
        theirs = getattr(of_sklearn, name)
        np.testing.assert_allclose(
            np.array(found[name], dtype=float), np.array(theirs, dtype=float), rtol=1e-7, atol=1e-12, err_msg=name
        )
    names = eval(make, {"weft": weft}).fit(weft.DataFrame(table))
    assert list(names.get_feature_names_out()) == list(of_sklearn.get_feature_names_out())


@given(data=st.data())
def test_standard_scaler(servers, data):
    table = data.draw(frames())
    options = {"with_mean": data.draw(st.booleans()), "with_std": data.draw(st.booleans())}
    make = f"weft.learn.StandardScaler(with_mean={options['with_mean']}, with_std={options['with_std']})"
    attributes = ["n_samples_seen_", "n_features_in_"]
    attributes += ["mean_"] * (options["with_mean"] or options["with_std"]) + ["var_", "scale_"] * options["with_std"]
    if any(table[name].null_count == len(table) for name in table.column_names):
        # scikit-learn counts nothing of a column without values, in its own way.
        attributes.remove("n_samples_seen_")
    both(data, servers, make, table, attributes, sklearn.preprocessing.StandardScaler(**options))
    again = f"(lambda s: s.inverse_transform(s.fit_transform(df)))({make})"
    back = run(data, servers, again, [table], tolerance=1e-9)
    wanted = [tuple(row) for row in tables.rows_of(table)]
    assert_same_rows(tables.rows_of(back.to_arrow()), wanted, True, 1e-5, make)


@given(data=st.data())
def test_min_max_scaler(servers, data):
    table = data.draw(frames())
    options = {
        "feature_range": data.draw(st.sampled_from([(0, 1), (-1, 3), (0.25, 0.5)])),
        "clip": data.draw(st.booleans()),
    }
    make = f"weft.learn.MinMaxScaler({options['feature_range']}, clip={options['clip']})"
    attributes = ["data_min_", "data_max_", "data_range_", "scale_", "min_", "n_samples_seen_"]
    both(data, servers, make, table, attributes, sklearn.preprocessing.MinMaxScaler(**options))
    back = run(data, servers, f"(lambda s: s.inverse_transform(s.fit_transform(df)))({make})", [table], tolerance=1e-9)
    assert_same_rows(tables.rows_of(back.to_arrow()), tables.rows_of(table), True, 1e-5, make)


def test_min_max_clips_what_it_has_not_seen():
    scaler = MinMaxScaler(clip=True).fit(weft.DataFrame({"a": [0.0, 10.0]}))
    theirs = sklearn.preprocessing.MinMaxScaler(clip=True).fit(pd.DataFrame({"a": [0.0, 10.0]}))
    other = {"a": [-5.0, 5.0, 20.0]}
    np.testing.assert_allclose(
        scaler.transform(weft.DataFrame(other)).to_numpy(), theirs.transform(pd.DataFrame(other))
    )


@given(data=st.data())
def test_simple_imputer_of_numbers(servers, data):
    table = data.draw(frames())
    strategy = data.draw(st.sampled_from(["mean", "median", "most_frequent", "constant"]))
    options = {"add_indicator": data.draw(st.booleans()), "keep_empty_features": data.draw(st.booleans())}
    if strategy == "constant":
        options["fill_value"] = data.draw(st.sampled_from([None, -3]))
    empty = [name for name in table.column_names if table[name].null_count == len(table)]
    if len(empty) == 3 and not options["keep_empty_features"]:
        return
    make = f"weft.learn.SimpleImputer(strategy={strategy!r}, **{options})"
    attributes = ["statistics_"] if strategy != "constant" or options["keep_empty_features"] or not empty else []
    both(data, servers, make, table, attributes, sklearn.impute.SimpleImputer(strategy=strategy, **options))


@given(data=st.data())
def test_simple_imputer_of_texts(servers, data):
    rows = data.draw(st.integers(1, 20))
    picked = data.draw(st.lists(st.integers(-1, 3), min_size=rows, max_size=rows))
    table = pa.table({"s": tables.column(pa.string(), ["b", "a", "", "Größe"], picked)})
    if table["s"].null_count == rows:
        return
    options = data.draw(st.sampled_from([{"strategy": "most_frequent"}, {"strategy": "constant"},
                                         {"strategy": "constant", "fill_value": "none"}]))  # fmt: skip
    local = run(data, servers, f"weft.learn.SimpleImputer(**{options}).fit_transform(df)", [table])
    theirs = sklearn.impute.SimpleImputer(missing_values=None, **options)
    frame = pd.DataFrame({"s": np.array(table["s"].to_pylist(), dtype=object)}, dtype=object)
    assert tables.rows_of(local.to_arrow()) == expected_rows(theirs.fit_transform(frame))


@given(data=st.data())
def test_ordinal_encoder(servers, data):
    rows = data.draw(st.integers(1, 20))
    picked = data.draw(st.lists(st.integers(-1, 3), min_size=rows, max_size=rows))
    table = pa.table(
        {"s": tables.column(pa.string(), ["b", "a", "", "Größe"], picked), "n": pa.array(picked, pa.int64())}
    )
    local = run(data, servers, "weft.learn.OrdinalEncoder().fit_transform(df)", [table])
    # Of None scikit-learn makes one more value.
    columns = {name: [np.nan if value is None else value for value in table[name].to_pylist()] for name in "sn"}
    frame = pd.DataFrame({name: np.array(values, dtype=object) for name, values in columns.items()}, dtype=object)
    theirs = sklearn.preprocessing.OrdinalEncoder()
    assert tables.rows_of(local.to_arrow()) == expected_rows(theirs.fit_transform(frame))
    back = run(
        data, servers, "(lambda e: e.inverse_transform(e.fit_transform(df)))(weft.learn.OrdinalEncoder())", [table]
    )
    assert tables.rows_of(back.to_arrow()) == tables.rows_of(table)
    values = run(data, servers, "[list(c) for c in weft.learn.OrdinalEncoder().fit(df).categories_]", [table])
    assert values == [[value for value in found if value == value] for found in theirs.categories_]


def test_ordinal_encoder_of_the_unknown(servers):
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2, dtype="int32"
    )
    frame = weft.DataFrame({"k": ["a", "b"]})
    found = encoder.fit(frame).transform(weft.DataFrame({"k": ["b", "z", None]}))
    assert found.to_arrow().column("k").to_pylist() == [1, -1, -2] and str(found.dtypes["k"]) == "int32"
    given_order = OrdinalEncoder(categories=[["b", "a"]]).fit(frame)
    assert given_order.transform(frame).to_arrow().column(0).to_pylist() == [1, 0]
    refused(servers, ValueError, "weft.learn.OrdinalEncoder().fit(other).transform(df[['k']])",
            [SMALL, pa.table({"k": ["b"]})], "unknown value 'a'")  # fmt: skip
    for code in ("OrdinalEncoder(handle_unknown='z')", "OrdinalEncoder(unknown_value=3)", "OrdinalEncoder(categories='z')",
                 "OrdinalEncoder(categories=[])", "OrdinalEncoder(handle_unknown='use_encoded_value')"):  # fmt: skip
        refused(servers, ValueError, f"weft.learn.{code}.fit(df[['k']])", [SMALL])


def test_index_and_binding_stay(servers):
    code = "weft.learn.StandardScaler().fit_transform(df.set_index('k')[['n']])"
    table = SMALL.slice(0, 3)
    outcome = servers[3].run({"op": "eval", "code": code, "names": {}}, [table], [[0, 1, 1, 3]])
    assert outcome.errors == [None] * 3 and outcome.rows == [1, 0, 2] and outcome.index == ["k"]
    assert outcome.table.column("k").to_pylist() == ["a", "b", "a"]


@pytest.mark.parametrize("make", ["StandardScaler()", "MinMaxScaler()", "SimpleImputer()", "OrdinalEncoder()"])
def test_refused(servers, make):
    of_numbers = make != "OrdinalEncoder()"
    refused(servers, TypeError, f"weft.learn.{make}.fit(3)", [SMALL], "weft.DataFrame")
    refused(servers, ValueError, f"weft.learn.{make}.fit(df[[]])", [SMALL], "no columns")
    refused(servers, ValueError, f"weft.learn.{make}.fit(df[df['n'] > 9][['n']])", [SMALL], "no rows")
    refused(servers, ValueError, f"weft.learn.{make}.transform(df)", [SMALL], "fit")
    refused(servers, ValueError, f"weft.learn.{make}.fit(df[['n']]).transform(df[['x']])", [SMALL], "'x'", "'n'")
    refused(servers, ValueError, f"weft.learn.{make}.set_params(z=3)", [SMALL], "'z'")
    if of_numbers:
        refused(servers, TypeError, f"weft.learn.{make}.fit(df[['n', 'k']])", [SMALL], "'k'")
        refused(servers, ValueError, f"weft.learn.{make}.fit(df[['i']])", [SMALL], "'i'", "infinite")
        refused(servers, ValueError, f"weft.learn.{make[:-1]}copy=False)", [SMALL], "copy")


def test_more_is_refused(servers):
    refused(
        servers, ValueError, "weft.learn.StandardScaler().fit(df[['n']], sample_weight=[1])", [SMALL], "sample_weight"
    )
    refused(servers, ValueError, "weft.learn.MinMaxScaler((1, 0)).fit(df[['n']])", [SMALL], "feature_range")
    refused(servers, ValueError, "weft.learn.MinMaxScaler(3).fit(df[['n']])", [SMALL], "feature_range")
    refused(servers, ValueError, "weft.learn.SimpleImputer(strategy='z').fit(df[['n']])", [SMALL], "strategy", "median")
    refused(servers, ValueError, "weft.learn.SimpleImputer(missing_values=-1)", [SMALL], "missing_values")
    refused(
        servers,
        ValueError,
        "weft.learn.SimpleImputer(strategy='constant', fill_value='a').fit(df[['n']])",
        [SMALL],
        "'n'",
    )


def test_parameters():
    made = StandardScaler(with_std=False)
    assert made.get_params() == {"copy": True, "with_mean": True, "with_std": False}
    assert repr(made) == "StandardScaler(with_std=False)" and repr(made.set_params(with_std=True)) == "StandardScaler()"
    assert SimpleImputer().get_params().keys() == sklearn.impute.SimpleImputer().get_params().keys()
    assert MinMaxScaler().get_params() == sklearn.preprocessing.MinMaxScaler().get_params()


# -- train_test_split ------------------------------------------------------------------------------------------------


SIZES = [{}, {"test_size": 0.2}, {"train_size": 0.5}, {"test_size": 3}, {"train_size": 4}, {"test_size": 0.3, "train_size": 0.3},
         {"test_size": 2, "train_size": 5}, {"test_size": 0.5, "train_size": 2}]  # fmt: skip


@given(data=st.data())
def test_split(servers, data):
    rows = data.draw(st.integers(8, 40))
    sizes = data.draw(st.sampled_from(SIZES))
    shuffle = data.draw(st.booleans())
    seed = data.draw(st.integers(0, 5)) if shuffle else None
    table = pa.table({"row": np.arange(rows), "v": np.arange(rows) * 2.0})
    wanted = sklearn.model_selection.train_test_split(np.arange(rows), **sizes, shuffle=shuffle, random_state=seed)
    code = f"weft.learn.train_test_split(df, df['row'], **{sizes}, shuffle={shuffle}, random_state={seed})"
    parts = [run(data, servers, f"{code}[{i}]", [table]) for i in range(4)]
    train, test = (part.to_arrow()["row"].to_pylist() for part in parts[:2])
    assert (len(train), len(test)) == (len(wanted[0]), len(wanted[1]))
    assert len({*train, *test}) == len(train) + len(test)
    assert parts[2].to_list() == train and parts[3].to_list() == test
    if not shuffle:
        assert (train, test) == (wanted[0].tolist(), wanted[1].tolist())
    # Evenly spread.
    outcome = servers[3].run({"op": "eval", "code": f"{code}[1]", "names": {}}, [table], [[0, 0, 0, rows]])
    assert max(outcome.rows) - min(outcome.rows) <= 1


@given(data=st.data())
def test_split_stratified(servers, data):
    counts = data.draw(st.lists(st.integers(2, 15), min_size=1, max_size=4))
    labels = data.draw(
        st.permutations([value for value, count in zip("abcd", counts, strict=False) for _ in range(count)])
    )
    rows = len(labels)
    size = data.draw(st.sampled_from([0.25, 0.5, 0.4]))
    table = pa.table({"k": labels, "row": np.arange(rows)})
    by = data.draw(st.sampled_from(["'k'", "df['k']"]))
    frame = data.draw(st.sampled_from(["df", "df.set_index('row')"]))
    code = f"weft.learn.train_test_split({frame}, test_size={size}, stratify={by}, random_state=1)"
    try:
        wanted = sklearn.model_selection.train_test_split(
            np.arange(rows), test_size=size, stratify=labels, random_state=1
        )
    except ValueError:
        with pytest.raises(ValueError):
            run(data, servers, f"{code}[0]", [table])
        return
    found = [run(data, servers, f"{code}[{i}]", [table]).to_arrow() for i in range(2)]
    assert [len(part) for part in found] == [len(part) for part in wanted]
    assert sorted(found[0]["row"].to_pylist() + found[1]["row"].to_pylist()) == list(range(rows))
    for part, theirs in zip(found, wanted, strict=True):
        mine = pd.Series(part["k"].to_pylist()).value_counts()
        other = pd.Series([labels[row] for row in theirs]).value_counts()
        # Which of equal remainders gets the row is drawn by scikit-learn.
        assert (mine.sub(other, fill_value=0).abs() <= 1).all()
        assert (mine.sub(pd.Series(labels).value_counts() * len(part) / rows, fill_value=0).abs() < 1.5).all()


def test_split_again_and_otherwise():
    frame = weft.DataFrame({"row": np.arange(100)})
    first = train_test_split(frame, random_state=1)[1].to_arrow()
    assert first == train_test_split(frame, random_state=1)[1].to_arrow()
    assert first != train_test_split(frame, random_state=2)[1].to_arrow()
    assert train_test_split(frame)[1].to_arrow() != train_test_split(frame)[1].to_arrow()


@pytest.mark.parametrize(
    "code, says",
    [
        ("df, test_size=1.5", "test_size"),
        ("df, test_size=0", "test_size"),
        ("df, train_size=9", "train_size"),
        ("df, test_size=0.6, train_size=0.6", "more than all"),
        ("df, test_size=3, train_size=3", "more than"),
        ("df, test_size='z'", "test_size"),
        ("df, random_state='z'", "random_state"),
        ("df, other", "unequal"),
        ("", "at least one"),
        ("df, shuffle=False, stratify='k'", "shuffle"),
        ("df, stratify='n'", "once"),
        ("df[df['n'] == 1]", "none would be left"),
        ("df, stratify=other['m']", "stratify"),
    ],
)
def test_split_refuses(servers, code, says):
    other = pa.table({"m": [1, 2]})
    refused(servers, ValueError, f"weft.learn.train_test_split({code})", [SMALL, other], says)


def test_split_takes_frames(servers):
    refused(servers, TypeError, "weft.learn.train_test_split([1, 2])", [SMALL], "list")
    refused(servers, KeyError, "weft.learn.train_test_split(df, stratify='z')", [SMALL], "'z'")
