"""``weft deploy aws``: the checked template as a CloudFormation stack."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from weft.serverless import template
from weft.serverless.aws import client, error_code

__all__ = ["deploy"]

#: CloudFormation takes no longer text.
TEMPLATE_BYTES = 51_200


def _lint(path: Path) -> list[str]:
    """What cfn-lint finds, where it is installed."""
    if importlib.util.find_spec("cfnlint") is None:
        return []
    run = "import sys, cfnlint.runner; sys.exit(cfnlint.runner.main())"
    done = subprocess.run(
        [sys.executable, "-c", run, "--regions", "us-east-1", "--format", "parseable", "--", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.splitlines() if done.returncode else []


def _create(name: str, text: str, parameters: list[dict[str, str]]) -> dict[str, str]:
    formation = client("cloudformation")
    change = {
        "StackName": name, "TemplateBody": text, "Parameters": parameters,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"], "ChangeSetName": "weft-deploy",
    }  # fmt: skip
    try:
        formation.describe_stacks(StackName=name)
        kind = "UPDATE"
    except Exception as problem:
        if error_code(problem) != "ValidationError":
            raise
        kind = "CREATE"
    formation.create_change_set(**change, ChangeSetType=kind)
    try:
        formation.get_waiter("change_set_create_complete").wait(StackName=name, ChangeSetName="weft-deploy")
    except Exception as problem:
        found = formation.describe_change_set(StackName=name, ChangeSetName="weft-deploy")
        formation.delete_change_set(StackName=name, ChangeSetName="weft-deploy")
        if "didn't contain changes" not in found.get("StatusReason", ""):
            raise RuntimeError(f"the change was refused: {found.get('StatusReason')}") from problem
    else:
        formation.execute_change_set(StackName=name, ChangeSetName="weft-deploy")
        formation.get_waiter(f"stack_{kind.lower()}_complete").wait(StackName=name)
    outputs: list[dict[str, Any]] = formation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
    return {item["OutputKey"]: item["OutputValue"] for item in outputs}


def deploy(options: argparse.Namespace) -> int:
    """Builds and checks; then makes or changes the stack, or with ``--build`` writes the template."""
    if not options.image and not options.build:
        raise ValueError("deploy aws: name the functions' image in ECR by --image (docs/aws.md says how it gets there)")
    built = template.build(template.find(options.source))
    found = template.check(built)
    text = json.dumps(built, separators=(",", ":"))
    if len(text) > TEMPLATE_BYTES:
        found.append(f"the template has {len(text)} bytes, and {TEMPLATE_BYTES} are the most")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.json"
        path.write_text(json.dumps(built, indent=1))
        found += _lint(path)
    if found:
        raise template.TemplateError("the template is not deployed:\n  " + "\n  ".join(found))
    if options.build:
        Path(options.build).write_text(json.dumps(built, indent=1))
        print(f"checked and written: {options.build}")
        return 0
    values = {
        "ImageUri": options.image, "Memory": str(options.memory),
        "Timeout": str(options.timeout), "Network": options.network, **dict(options.parameter),
    }  # fmt: skip
    unknown = set(values) - set(built["Parameters"])
    if unknown:
        raise ValueError(f"deploy aws: the template has no parameter {', '.join(sorted(unknown))}")
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
    for name, value in _create(options.stack, text, parameters).items():
        print(f"{name} = {value}")
    return 0
