"""Add migrations of servers."""

import sqlalchemy as sa
from alembic import op

import cloudd.kit.db

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None
phase = 'expand'

_INDEXED = ('created_at', 'destination_host', 'server_id', 'source_host', 'status')


def upgrade() -> None:
    op.create_table('compute_migration',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('server_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('status', sa.String(length=32), nullable=False),
    sa.Column('source_host', sa.String(length=255), nullable=False),
    sa.Column('destination_host', sa.String(length=255), nullable=True),
    sa.Column('destination_address', sa.String(length=64), nullable=False),
    sa.Column('old_flavor_id', sa.String(length=255), nullable=False),
    sa.Column('new_flavor_id', sa.String(length=255), nullable=False),
    sa.Column('wish', sa.String(length=16), nullable=False),
    sa.Column('has_landed', sa.Boolean(), nullable=False),
    sa.Column('progress', cloudd.kit.db.Json(), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('created_at', cloudd.kit.db.Moment(), nullable=False),
    sa.Column('updated_at', cloudd.kit.db.Moment(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compute_migration')),
    sa.UniqueConstraint('number', name=op.f('uq_compute_migration_number'))
    )
    with op.batch_alter_table('compute_migration', schema=None) as batch_op:
        for name in _INDEXED:
            batch_op.create_index(batch_op.f(f'ix_compute_migration_{name}'), [name], unique=False)


def downgrade() -> None:
    op.drop_table('compute_migration')
