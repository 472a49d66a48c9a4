"""Query look-ups that Django does not have."""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Field
from django.db.models.lookups import In


@Field.register_lookup
class OneOf(In):
    """
    `in` for thousands of values. PostgreSQL gets them as one array: with `in` the driver goes through the text of a placeholder
    for each, which takes longer than the query. To a field of another table by its own name: `member__id__one_of`.
    """

    lookup_name = "one_of"

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The condition and its parameters."""
        values = self.get_db_prep_lookup(self.rhs, connection)[1]
        if not values:
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, list(values)]
