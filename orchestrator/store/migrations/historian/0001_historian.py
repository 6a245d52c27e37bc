"""The historian: readings of tags."""

from orchestrator.store.migrations import script

revision = "historian_0001"
down_revision = None


def upgrade() -> None:
    """Make the table and its rights."""
    script.run(__file__)


def downgrade() -> None:
    """The historian is never downgraded."""
    raise NotImplementedError("The historian is never downgraded; restore a backup made before the upgrade.")
