"""Add the cloud's mark, metadata agents, and where ports are moving to."""

import sqlalchemy as sa
from alembic import op

import cloudd.kit.db

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None
phase = 'expand'


def upgrade() -> None:
    op.create_table('network_agent',
    sa.Column('id', sa.String(length=255), nullable=False),
    sa.Column('created_at', cloudd.kit.db.Moment(), nullable=False),
    sa.Column('heard_at', cloudd.kit.db.Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_agent'))
    )
    op.create_table('network_mark',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('cloud_id', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_mark'))
    )
    with op.batch_alter_table('network_port', schema=None) as batch_op:
        batch_op.add_column(sa.Column('binding_destination', sa.String(length=255), server_default='', nullable=False))
        batch_op.create_index(batch_op.f('ix_network_port_binding_destination'), ['binding_destination'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('network_port', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_network_port_binding_destination'))
        batch_op.drop_column('binding_destination')

    op.drop_table('network_mark')
    op.drop_table('network_agent')
