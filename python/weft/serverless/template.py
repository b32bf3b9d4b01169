"""The CloudFormation template: read, with the state machine inline, and looked at.

`build` makes what is deployed; `check` holds what other linters do not see.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["TemplateError", "build", "check", "find", "states_of"]

#: Lambda's own bounds.
MOST_MEMORY, MOST_TIMEOUT = 10240, 900


class TemplateError(ValueError):
    """A template that cannot be deployed."""


def find(folder: str | None = None) -> Path:
    """The directory ``deploy/aws``: as given, below the working directory, in the tree of this package, or in it."""
    above = Path(__file__).parents
    places = [Path(folder)] if folder else [Path("deploy/aws"), above[3] / "deploy/aws", above[1] / "deploy/aws"]
    for place in places:
        if (place / "template.yaml").is_file():
            return place
    raise TemplateError(
        f"there is no template.yaml in {' or '.join(str(place) for place in places)}: name the directory deploy/aws of "
        "Weft's source by --source"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("this needs PyYAML: pip install 'weft[aws]'") from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """YAML with CloudFormation's short forms."""

    def short_form(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        if suffix == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", short_form)
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    value = yaml.load(path.read_text(encoding="utf-8"), Loader)
    if not isinstance(value, dict) or "Resources" not in value:
        raise TemplateError(f"{path} is no template")
    return value


def build(folder: Path) -> dict[str, Any]:
    """The template of `folder` with its state machine inline; as JSON it is one that CloudFormation takes."""
    template = _read(folder / "template.yaml")
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            path = folder / properties.pop("DefinitionUri")
            if path.resolve().parent != folder.resolve():
                raise TemplateError(f"{name}: DefinitionUri {path} is not beside the template")
            properties["Definition"] = json.loads(path.read_text(encoding="utf-8"))
    return template


def states_of(definition: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    """Every state at every depth, with the machine that it is in and its name."""
    for name, state in definition.get("States", {}).items():
        yield definition, name, state
        for inner in (state.get("ItemProcessor"), state.get("Iterator"), *state.get("Branches", ())):
            if inner:
                yield from states_of(inner)


def _targets(state: dict[str, Any]) -> Iterator[str]:
    for holder in (state, *state.get("Catch", ()), *state.get("Choices", ())):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def _check_machine(name: str, definition: dict[str, Any]) -> Iterator[str]:
    reached = {definition.get("StartAt")}
    names = set(definition.get("States", {}))
    for machine, state_name, state in states_of(definition):
        for target in _targets(state):
            if target not in machine["States"]:
                yield f"{name}: state {state_name} goes on to {target!r}, which is not there"
            reached.add(target)
        ends = state.get("End") or state["Type"] in ("Choice", "Succeed", "Fail")
        if not ends and "Next" not in state:
            yield f"{name}: state {state_name} neither ends nor goes on"
        if state["Type"] == "Map":
            if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED":
                yield f"{name}: map {state_name} is not distributed: worlds above 40 would not run at once"
            if "ToleratedFailurePercentage" in state or "ToleratedFailureCount" in state:
                yield f"{name}: map {state_name} tolerates failures: a world that lacks a rank is no world"
            if state.get("MaxConcurrencyPath") != "$.world_size":
                yield f"{name}: map {state_name} does not run the whole world at once (MaxConcurrencyPath $.world_size)"
    for unreached in sorted(names - reached):
        yield f"{name}: nothing leads to state {unreached}"
    if definition.get("StartAt") not in names:
        yield f"{name}: StartAt {definition.get('StartAt')!r} is not there"


def _check_number(where: str, value: Any, parameters: dict[str, Any], most: int) -> Iterator[str]:
    if isinstance(value, dict) and "Ref" in value:
        parameter = parameters.get(value["Ref"], {})
        for key in ("Default", "MaxValue"):
            if not isinstance(parameter.get(key), int) or parameter[key] > most:
                yield f"{where}: parameter {value['Ref']} has {key} {parameter.get(key)!r}, and {most} is the most"
    elif not isinstance(value, int) or value > most:
        yield f"{where}: {value!r}, and {most} is the most"


def check(template: dict[str, Any]) -> list[str]:
    """What is wrong with a built template, in words; empty when nothing is."""
    found: list[str] = []
    parameters = template.get("Parameters", {})
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            found += _check_number(f"{name}.MemorySize", properties.get("MemorySize"), parameters, MOST_MEMORY)
            found += _check_number(f"{name}.Timeout", properties.get("Timeout"), parameters, MOST_TIMEOUT)
            if "Role" not in properties:
                found.append(f"{name}: it has no role of its own")
        elif resource["Type"] == "AWS::Serverless::StateMachine":
            if "Definition" not in properties:
                found.append(f"{name}: the definition is not inline")
            else:
                found += _check_machine(name, properties["Definition"])
        elif resource["Type"] == "AWS::Logs::LogGroup" and "RetentionInDays" not in properties:
            found.append(f"{name}: logs would be kept for ever")
    return found
