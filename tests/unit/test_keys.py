"""Keys of file names: text for every line and table, one-to-one."""

import os

from hypothesis import example, given
from hypothesis import strategies as st

from mct.base.names import is_utf8, key_of, name_of

NAMES = st.binary(min_size=1, max_size=30).map(os.fsdecode)


@given(NAMES | st.text(min_size=1))
@example("a\\xe9.jpg")
@example("a\\x5cxe9")
@example("\u2028\x85\ud800")
def test_a_key_leads_back_to_its_name_and_fits_into_any_line(name):
    key = key_of(name)
    assert name_of(key) == name
    assert key.encode("utf-8").decode() == key
    assert len(key.splitlines()) == 1
    assert "\t" not in key
    assert is_utf8(key) == (name == name.encode("utf-8", "replace").decode())
    if name.isprintable() and "\\" not in name:
        assert key == name


@given(st.lists(NAMES, unique=True, max_size=20))
def test_no_two_names_share_a_key(names):
    assert len(set(map(key_of, names))) == len(names)
