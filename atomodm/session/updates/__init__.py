"""Updates of objects and queries: names and values of a model as operators of MongoDB's language, and running them.

`places` finds what a name means, `values` gives operands their stored form, `words` has one word for each operator.
`compiling` makes an update of all that, which `running` sends, and has the cached objects follow.
"""

from .compiling import ModelUpdate, compile_update
from .running import update_matching, update_object

__all__ = ["ModelUpdate", "compile_update", "update_matching", "update_object"]
