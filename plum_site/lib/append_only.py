"""
Tables that are appended and never edited, held so by the database itself on both engines.

A migration calls `protect("app_table")`; UPDATE, DELETE and (on PostgreSQL) TRUNCATE then fail, unless a permit
row exists in the permit table, which purge and erasure make and remove inside their own transaction.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {permitted} THEN
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '{table} is append-only: % refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER {table}_no_edit BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_append_only();
"""
POSTGRES_TRUNCATE = """
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}_append_only();
"""
POSTGRES_CLOSED = """
CREATE OR REPLACE FUNCTION {table}_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {when} THEN
    RAISE EXCEPTION '{table}: % into what is closed refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER {table}_closed BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_closed();
"""
SQLITE_CLOSED = """
CREATE TRIGGER {table}_closed_{verb} BEFORE {verb} ON {table} WHEN {when}
BEGIN SELECT RAISE(ABORT, '{table}: {verb} into what is closed refused'); END
"""
# A condition of the trigger itself looks at the two rows in hand: a SELECT in its function would be planned once, while the
# table is still empty, and read all of it for every row of a large insert.
POSTGRES_FIXED = """
CREATE OR REPLACE FUNCTION {table}_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '{table}: UPDATE of what is fixed refused' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {table}_fixed();
"""
SQLITE_FIXED = """
CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} WHEN {when}
BEGIN SELECT RAISE(ABORT, '{table}: UPDATE of what is fixed refused'); END
"""
SQLITE_TRIGGER = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} {when}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: {verb} refused'); END
"""


class RunOnTables(migrations.RunPython):
    """RunPython without the models of that time: making them takes longer than a trigger, which needs none of them."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the code; its `apps` is None."""
        self.code(None, schema_editor)  # type: ignore[arg-type]

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Run the code of the way back, which each of these has."""
        self.reverse_code(None, schema_editor)  # type: ignore[arg-type, misc]


def install(editor: BaseDatabaseSchemaEditor, table: str, permit_table: str = "", when: str = "") -> None:
    """
    Put the triggers on one table.

    permit_table: while it holds a row, edits pass. when: an SQL condition over OLD under which edits are refused
    (empty: always), the same text on both engines.
    """
    permitted = f"EXISTS (SELECT 1 FROM {permit_table})" if permit_table else "FALSE"  # noqa: S608 - named in migrations
    if editor.connection.vendor == "postgresql":
        if when:
            # TRUNCATE has no OLD row to ask: it is refused whatever the table holds.
            permitted = f"({permitted}) OR (TG_OP <> 'TRUNCATE' AND NOT ({when}))"
        editor.execute(POSTGRES_FUNCTION.format(table=table, permitted=permitted), params=None)
        editor.execute(POSTGRES_TRUNCATE.format(table=table, function=table), params=None)
        return
    conditions = [f"({when})"] if when else []
    if permit_table:
        conditions.append(f"NOT EXISTS (SELECT 1 FROM {permit_table})")  # noqa: S608 - named in migrations
    clause = f"WHEN {' AND '.join(conditions)}" if conditions else ""
    for verb in ("UPDATE", "DELETE"):
        editor.execute(SQLITE_TRIGGER.format(table=table, verb=verb, when=clause), params=None)


def remove(editor: BaseDatabaseSchemaEditor, table: str) -> None:
    """Take the triggers away again (backwards migration)."""
    if editor.connection.vendor == "postgresql":
        editor.execute(f"DROP FUNCTION {table}_append_only() CASCADE", params=None)
        return
    for verb in ("UPDATE", "DELETE"):
        editor.execute(f"DROP TRIGGER {table}_no_{verb}", params=None)


def protect(table: str, permit_table: str = "", when: str = "") -> RunOnTables:
    """A migration operation that makes `table` append-only; reversible."""
    return RunOnTables(
        lambda apps, editor: install(editor, table, permit_table, when),
        lambda apps, editor: remove(editor, table),
    )


def close_to(table: str, when: str) -> RunOnTables:
    """A migration operation that refuses new and moved rows while `when`, a condition over NEW, is true; reversible."""

    def forwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(POSTGRES_CLOSED.format(table=table, when=when), params=None)
            return
        for verb in ("INSERT", "UPDATE"):
            editor.execute(SQLITE_CLOSED.format(table=table, verb=verb, when=when), params=None)

    def backwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(f"DROP FUNCTION {table}_closed() CASCADE", params=None)
            return
        for verb in ("INSERT", "UPDATE"):
            editor.execute(f"DROP TRIGGER {table}_closed_{verb}", params=None)

    return RunOnTables(forwards, backwards)


def fix_columns(table: str, *columns: str) -> RunOnTables:
    """A migration operation that refuses to change columns, none of which is ever NULL, of rows that are there; reversible."""
    when = " OR ".join(f"OLD.{name} <> NEW.{name}" for name in columns)

    def forwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        made = POSTGRES_FIXED if editor.connection.vendor == "postgresql" else SQLITE_FIXED
        editor.execute(made.format(table=table, when=when), params=None)

    def backwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        is_postgres = editor.connection.vendor == "postgresql"
        editor.execute(f"DROP FUNCTION {table}_fixed() CASCADE" if is_postgres else f"DROP TRIGGER {table}_fixed", params=None)

    return RunOnTables(forwards, backwards)


def undo(operation: RunOnTables) -> RunOnTables:
    """A migration operation that takes back what one of the functions above did in an earlier migration; reversible."""
    if operation.reverse_code is None:
        raise ValueError("An operation without a way back cannot be undone.")
    return RunOnTables(operation.reverse_code, operation.code)


def alter_protected(*operations: Operation) -> list[Operation]:
    """
    The operations, for use where they change columns of protected tables or of tables that triggers look into.

    SQLite rebuilds such a table, which drops its triggers without a word and fails on those of others that name it:
    they are all lifted before and put back after, in the migration's one transaction. PostgreSQL needs none of it.
    """
    lifted: list[str] = []

    def lift(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "sqlite":
            with editor.connection.cursor() as cursor:
                cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
                triggers = cursor.fetchall()
            lifted[:] = [sql for _, sql in triggers]
            for name, _ in triggers:
                editor.execute(f"DROP TRIGGER {name}", params=None)

    def put_back(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        for sql in lifted:
            editor.execute(sql, params=None)
        lifted.clear()

    return [RunOnTables(lift, put_back), *operations, RunOnTables(put_back, lift)]
