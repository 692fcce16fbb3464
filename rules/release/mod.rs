//! Rules of the area `release`.

crate::area![dependencies_missing, migration_heads, migration_destructive, migrations_pending,];
