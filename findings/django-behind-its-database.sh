#!/usr/bin/env bash
# After a rollback of the code Django does not notice that the database is ahead of it.
#
# One would guess: `migrate --check` fails, or `showmigrations` says it, where the database has applied
# a migration that the code no longer has. Alembic does ("Can't locate revision").
# What happens: Django walks from the code's migrations to the table of the applied ones and never the
# other way. `migrate`, `migrate --check`, `showmigrations` and `check --deploy` end with 0 and do not
# name the migration. Inserts then fail, as the column that it added is NOT NULL and has no default in
# the database: Django takes the default away again right after it has filled the rows.
#
# Seen on 2026-11-29, Python 3.11 on Debian 12, Django 4.2.30 and 5.2.19 with SQLite:
#   after 0002 (AddField with default="x") and a return to the code of 0001
#   migrate --check: 0; showmigrations: 0, without 0002; an insert: IntegrityError, NOT NULL
#
#   findings/django-behind-its-database.sh
#
# Installs two versions of Django from PyPI into a temporary folder. Exit status 0: as written here.
# 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip

mkdir -p shop/migrations
touch shop/__init__.py shop/migrations/__init__.py
cat >settings.py <<'PY'
SECRET_KEY = "only for this folder"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
PY
cat >shop/migrations/0001_item.py <<'PY'
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Item",
            fields=[("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
        )
    ]
PY
cat >later.py <<'PY'
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_item")]
    operations = [migrations.AddField("Item", "colour", models.CharField(max_length=9, default="x"))]
PY
cat >shop/models.py <<'PY'
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=9)
PY

# with VERSION COMMAND...: a command of Django's.
with() {
    PYTHONPATH=$folder/$1:$folder DJANGO_SETTINGS_MODULE=settings python3 -m django "${@:2}"
}

seen=0
for version in 4.2.30 5.2.19; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" "Django==$version"
    rm -f db.sqlite3
    cp later.py shop/migrations/0002_colour.py
    with "$version" migrate --verbosity 0
    # The code goes back; the database stays.
    rm -rf shop/migrations/0002_colour.py shop/migrations/__pycache__
    check=0 shown=0 insert=0
    with "$version" migrate --check >check.txt 2>&1 || check=$?
    with "$version" showmigrations >shown.txt 2>&1 || shown=$?
    PYTHONPATH=$folder/$version:$folder DJANGO_SETTINGS_MODULE=settings python3 - >insert.txt 2>&1 <<'PY' || insert=$?
import django
django.setup()
from shop.models import Item
Item.objects.create(name="a")
PY
    named=no
    grep -q 0002 check.txt shown.txt && named=yes
    null=no
    grep -q "IntegrityError.*NOT NULL" insert.txt && null=yes
    echo "$version: migrate --check $check, showmigrations $shown, 0002 named: $named, insert refused: $null"
    [ "$check $shown $named $null" = "0 0 no yes" ] || seen=1
done
exit "$seen"
