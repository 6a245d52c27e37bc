"""Readings may be deleted when their time is over; the record never is."""

from orchestrator.store.migrations import script

revision = "historian_0002"
down_revision = "historian_0001"


def upgrade() -> None:
    """Give the right to delete."""
    script.run(__file__)


def downgrade() -> None:
    """The historian is never downgraded."""
    raise NotImplementedError("The historian is never downgraded; restore a backup made before the upgrade.")
