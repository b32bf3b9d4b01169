"""``.str`` of Series and expressions; distributed = local = pandas."""

from __future__ import annotations

import inspect
from typing import Any

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas
from test_expression import at_once

import weft
from weft import col

TEXTS = [*tables.TEXTS, " pad ", "a-b c", "A1", "²", "-5", "+x", "b\tb  a", "Title Case", "a1b22"]

#: Every call gives one column of values or conditions.
CALLS = """
lower()|upper()|title()|capitalize()|swapcase()|strip()|lstrip()|rstrip()|strip('a-')|lstrip('a')|rstrip('b5')|len()
isalnum()|isalpha()|isdecimal()|isdigit()|isnumeric()|isspace()|islower()|isupper()|istitle()|isascii()
zfill(4)|pad(5)|pad(6,'both','*')|pad(width=5,side='right')|center(5,'*')|center(6)|ljust(4,'.')|rjust(4,'.')|repeat(2)
contains('b')|contains('B',case=False)|contains('.',regex=False)|contains('A',case=False,regex=False)
contains('^a',na=True)|contains('^A',flags=2)|match('[aA]')|match('B',case=False,na=True)|match('a',flags=2)
fullmatch('A.')|fullmatch('a.',case=False,flags=0,na=True)|startswith('a')|startswith(('a','A'),na=True)|startswith(pat=())
endswith('b')|endswith(('5','e'),na=True)|find('b')|find('e')|find('b',1)|find('',1)|find('a',0,2)|count('[a-z]')
count('A',flags=2)|replace('b','Q')|replace('b','Q',n=1)|replace('[a-z]','<x>',regex=True)|replace('(b)',r'\\1\\1',regex=True)
replace('B','q',case=False)|replace('B','q',flags=2,regex=True)|replace({'a':'1','b':'2'})|slice(1)|slice(-2)|slice(1,-1)
slice(0,3,2)|slice_replace(1,2,'__')|slice_replace(1)|removeprefix('a')|removesuffix('b')|get(0)|get(-1)|get(3)|get(-3)
split('-').str.get(0)|split('-').str.get(-1)|split(' ').str.len()|split('[ab]').str.len()|split('-').str.join('+')
split().str.len()|split(n=1).str.get(1)|split('b',n=1).str.get(1)|split('b+',regex=True).str.get(0)|rsplit('b',n=1).str.get(1)
rsplit().str.get(-1)|extract('([a-z])(?:1)?',expand=False)|extract('(?P<n>\\d)',flags=2,expand=False)
rfind('b')|rfind('',1)|rfind('b',1)|rfind('a',0,2)|rfind('')|index('')|rindex('',start=0,end=2)
cat(df.s)|cat(df.s,sep='~')|cat(df.s,sep='~',na_rep='?')|cat([df.s,df.s],'/')|normalize('NFD')|slice(stop=2)
"""
CODES = [f"df.s.str.{call}" for line in CALLS.strip().splitlines() for call in line.split("|") if call]
FRAMES = [
    "df.s.str.split(expand=True)",
    "df.s.str.split('b', n=1, expand=True)",
    "df.s.str.rsplit(' ', n=1, expand=True)",
    "df.s.str.extract('([a-z])([0-9])?')",
    "df.s.str.extract('(?P<letter>[a-z])', flags=2)",
    "df.s.str.split('-')",
    "df.s.str.partition()",
    "df.s.str.partition('-')",
    "df.s.str.rpartition('b', expand=True)",
    "df.s.str.partition('a', expand=False)",
    "df.s.str.rpartition(sep='é', expand=False)",
    "df.s.str.casefold()",
    "df.s.str.translate(str.maketrans({'a': '1', 'b': None}))",
    "df.s.str.wrap(4)",
    "df.s.str.wrap(width=5, break_long_words=False, initial_indent='> ', drop_whitespace=False)",
    "df.s.str.wrap(7, max_lines=1, placeholder='~', expand_tabs=False, subsequent_indent=' ')",
    "df.s.str.wrap(6, tabsize=2, replace_whitespace=False, fix_sentence_endings=True, break_on_hyphens=False)",
    "df.s.str.findall('[a-z]')",
    "df.s.str.findall('([A-Z])([a-z])?', flags=2)",
    "df.s.str.encode('utf-8')",
    "df.s.str.encode('ascii', errors='replace').str.decode('latin-1', errors='strict')",
    "df.assign(k=df.s).set_index('k').s.str.extractall('([a-z])([0-9])?')",
    "df.assign(k=df.s).set_index('k').s.str.extractall('(?P<l>[A-Z])', flags=2)",
    "df.s.str[0]",
    "df.s.str[1:3]",
]


def texts(data, name: str = "s") -> pa.Table:
    rows = data.draw(st.integers(0, 20))
    picked = data.draw(st.lists(st.sampled_from([*TEXTS, None]), min_size=rows, max_size=rows))
    type = data.draw(st.sampled_from([pa.string(), pa.large_string()]))
    table = pa.table({name: pa.array(picked, type)})
    cut = data.draw(st.integers(0, rows))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)])


def covers_methods(accessor: Any, prefix: str, different: dict[str, dict[str, str]]) -> Any:
    """Everything of an accessor, every argument: the same as in pandas but for what is named."""
    for name, member in inspect.getmembers(accessor):
        if name.startswith("_"):
            continue
        told = different.get(name, {})
        arguments = [one for one in inspect.signature(member).parameters if one != "self"] if callable(member) else []
        covers(f"{prefix}.{name}", told.get("", "same"), **{one: told.get(one, "same") for one in arguments})
    return lambda test: test


@covers_methods(
    weft.Series.str.fget(weft.DataFrame({"s": ["a"]}).s).__class__,
    "Series.str",
    {
        "cat": {"others": "different: must be given", "join": "refused"},
        "repeat": {"repeats": "different: one number, or a Series of numbers"},
        "slice": {"step": "different: above 0"},
        "get_dummies": {"": "different: an empty part has no column"},
        "extractall": {"": "different: no index of positions"},
        "findall": {"": "different: several groups are lists"},
        "partition": {"expand": "different: False gives lists"},
        "rpartition": {"expand": "different: False gives lists"},
        "decode": {"dtype": "refused"},
        **{
            one: {"start": "different: not below 0", "end": "different: not below 0"}
            for one in ("find", "rfind", "index", "rindex")
        },
        "slice_replace": {"start": "different: not below 0", "stop": "different: not below 0"},
        "replace": {
            "pat": "different: regular expressions are RE2's",
            "repl": "different: a text, no function",
        },
        **{one: {"pat": "different: regular expressions are RE2's"} for one in ("count", "match", "fullmatch")},
        "split": {"n": "same", "pat": "different: regular expressions are RE2's"},
        "extract": {"pat": "different: regular expressions are RE2's"},
        "contains": {"pat": "different: regular expressions are RE2's"},
    },
)
@given(data=st.data())
def test_texts(servers, data):
    same_as_pandas(data, servers, at_once(CODES), [texts(data)])


@given(data=st.data())
def test_parts(servers, data):
    same_as_pandas(data, servers, data.draw(st.sampled_from(FRAMES)), [texts(data)])


@given(data=st.data())
def test_dummies(servers, data):
    picked = data.draw(st.lists(st.sampled_from(["a", "a-b", "b-a-Größe", "c|a", "b c", None]), max_size=12))
    table = pa.table({"s": pa.array(picked, pa.string()), "k": [f"k{i % 3}" for i in range(len(picked))]})
    codes = ["('-')", "()", "(sep=' ', dtype='float64')", "('-', dtype=bool)"]
    code = f"df.set_index('k').s.str.get_dummies{data.draw(st.sampled_from(codes))}"
    same_as_pandas(data, servers, code, [table])


@given(data=st.data())
def test_expressions_are_the_same(servers, data):
    codes = [code for code in CODES if "df.s," not in code and "(df.s" not in code and "[df.s" not in code][::5]
    series = at_once(codes)
    same_as_pandas(data, servers, series.replace("df.s", "col('s')"), [texts(data)], pandas=series)


def test_dictionaries_are_texts():
    frame = weft.DataFrame({"s": pa.array(["a", None, "b"]).dictionary_encode()})
    assert frame.s.str.upper().to_list() == ["A", None, "B"]
    assert frame[frame.s.str.startswith("a")].to_pydict() == {"s": ["a"]}
    nothing = weft.DataFrame({"s": pa.nulls(2)})
    assert nothing.s.str.len().to_list() == [None, None]


def test_refusals(servers):
    table = pa.table({"s": ["a", None], "n": [1, 2]})
    refused(servers, TypeError, "df.n.str.lower()", [table], "int64")
    refused(servers, ValueError, "df.s.str.contains('(')", [table])
    refused(servers, ValueError, "df.s.str.contains('a(?=b)')", [table])
    refused(servers, ValueError, "df.s.str.contains('a', flags=64)", [table], "flags")
    refused(servers, ValueError, "df.s.str.contains('a', na=3)", [table], "na")
    refused(servers, TypeError, "df.s.str.contains(1)", [table], "pat")
    refused(servers, TypeError, "df.s.str.replace('a', len)", [table], "map")
    refused(servers, ValueError, "df.s.str.replace('a', r'\\g<0>', regex=True)", [table], "number")
    refused(servers, ValueError, "df.s.str.pad(3, 'up')", [table], "side")
    refused(servers, TypeError, "df.s.str.pad(3, fillchar='ab')", [table], "fillchar")
    refused(servers, TypeError, "df.s.str.zfill('3')", [table], "width")
    refused(servers, ValueError, "df.s.str.cat()", [table], "others")
    refused(servers, ValueError, "df.s.str.cat(df.s, join='outer')", [table], "join")
    refused(servers, ValueError, "df.s.str.slice(step=-1)", [table], "step")
    refused(servers, ValueError, "df.s.str.slice_replace(-1)", [table], "below 0")
    refused(servers, ValueError, "df.s.str.extract('a')", [table], "groups")
    refused(servers, ValueError, "df.s.str.normalize('X')", [table], "form")
    refused(servers, ValueError, "df.s.str.index('a', 1)", [table], "index: a text does not have it")
    refused(servers, ValueError, "df.s.str.rindex('z')", [table], "rindex: a text does not have it")
    refused(servers, ValueError, "df.s.str.rfind('z', -1)", [table], "rfind: start")
    refused(servers, ValueError, "df.s.str.partition('')", [table], "sep is empty")
    refused(servers, ValueError, "df.s.str.get_dummies('')", [table], "sep is empty")
    refused(servers, ValueError, "df.s.str.get_dummies(dtype='string')", [table], "dtype")
    refused(servers, TypeError, "df.s.str.translate('ab')", [table], "maketrans")
    refused(servers, ValueError, "df.s.str.wrap(0)", [table], "width")
    refused(servers, ValueError, "df.s.str.findall('(')", [table], "no regular expression")
    refused(servers, TypeError, "df.s.str.findall(3)", [table], "pat")
    refused(servers, ValueError, "df.s.str.extractall('a')", [table], "no groups")
    refused(servers, LookupError, "df.s.str.encode('nowhere')", [table], "nowhere")
    refused(servers, TypeError, "df.s.str.decode('utf-8')", [table], "columns of bytes")
    refused(servers, ValueError, "df.s.str.encode('utf-8').str.decode('utf-8', dtype='str')", [table], "dtype")
    refused(servers, ValueError, "df.s.str.encode('ascii')", [pa.table({"s": ["ß"]})], "encode")
    for operation in ("casefold()", "index('a')", "partition()", "findall('a')", "get_dummies()", "extractall('(a)')"):
        with pytest.raises(TypeError, match="not of an expression"):
            eval(f"col('s').str.{operation}")
    with pytest.raises(TypeError, match="expression"):
        col("s").str.extract("(a)(b)")
    with pytest.raises(TypeError, match="expression"):
        col("s").str.split(expand=True)
