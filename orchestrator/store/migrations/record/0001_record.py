"""The record: entries, bodies, heads, lease, replies, and the first projections."""

from orchestrator.store.migrations import script

revision = "record_0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, triggers and rights."""
    script.run(__file__)


def downgrade() -> None:
    """The record is never downgraded: older software could not read what newer software wrote."""
    raise NotImplementedError("The record is never downgraded; restore a backup made before the upgrade.")
