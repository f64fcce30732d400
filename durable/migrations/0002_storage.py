"""What the ORM cannot say: where PostgreSQL leaves room for HOT updates, and the order of arrival in queues."""

from django.db import migrations

TABLES = {"durable_workflow": 85, "durable_queue": 50, "durable_executor": 50}


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute("create sequence if not exists durable_position")
    with schema_editor.connection.cursor() as cursor:
        # Keys have the "C" collation, so their own index serves LIKE; Django's second one would cost a write each insert.
        cursor.execute(
            "select indexname from pg_indexes where tablename like 'durable\\_%' and indexname like '%\\_like'"
        )
        for (index,) in cursor.fetchall():
            schema_editor.execute(f"drop index {schema_editor.quote_name(index)}")
    for table, fillfactor in TABLES.items():
        schema_editor.execute(
            f"alter table {table} set (fillfactor = {fillfactor}, autovacuum_vacuum_scale_factor = 0.02)"
        )


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("drop sequence if exists durable_position")


class Migration(migrations.Migration):
    dependencies = [("durable", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
