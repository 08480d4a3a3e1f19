from __future__ import annotations

import functools
import os.path
import pickle

import pytest
from parsl.app.errors import RemoteExceptionWrapper, wrap_error

from hybrid_parsl.engine.tasks.calls import plain_function


def own_wrapper(function):
    @functools.wraps(function)
    def wrapper(*args: object) -> object:
        return function(*args)

    return wrapper


def test_the_function_behind_parsls_wrapper() -> None:
    wrapped = wrap_error(os.path.join)
    assert isinstance(wrapped(3), RemoteExceptionWrapper)  # it does hide exceptions
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(wrapped)  # and cannot travel by name
    assert plain_function(wrapped) is os.path.join
    assert plain_function(wrap_error(wrapped)) is os.path.join


def test_every_other_function_is_left_as_it_is() -> None:
    own = own_wrapper(os.path.join)
    partial = functools.partial(pow, 2)
    for function in (os.path.join, own, partial, len, str):
        assert plain_function(function) is function
    assert plain_function(wrap_error(own)) is own
