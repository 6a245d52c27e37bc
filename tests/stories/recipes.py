"""The recipes of the stories: the tutorial's, changed by a word where a story needs it."""

from tests.conftest import ROOT

TUTORIAL = (ROOT / "docs" / "tutorial" / "tutorial-recipe.yaml").read_text(encoding="utf-8")
BY_HAND = (ROOT / "tests" / "orchestrator" / "api" / "bench.yaml").read_text(encoding="utf-8")


def changed(name: str, *changes: tuple[str, str]) -> str:
    """The tutorial's recipe under another name, with words replaced that stand in it."""
    text = TUTORIAL
    for old, new in (("recipe: first-batch", f"recipe: {name}"), *changes):
        assert old in text, f"the tutorial's recipe no longer says '{old}'"
        text = text.replace(old, new)
    return text
