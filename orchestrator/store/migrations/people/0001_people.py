"""People beside the record: names, password hashes, open sign-ins, failed attempts."""

from orchestrator.store.migrations import script

revision = "people_0001"
down_revision = None


def upgrade() -> None:
    """Make the tables and their rights."""
    script.run(__file__)


def downgrade() -> None:
    """The people's tables are never downgraded."""
    raise NotImplementedError(
        "The people's tables are never downgraded; restore a backup made before the upgrade."
    )
