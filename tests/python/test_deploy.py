"""The templates as they are shipped: linters, and assertions of our own."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from weft.serverless import template

ROOT = Path(__file__).parents[2]
AWS = ROOT / "deploy/aws"
TOOLS = ROOT / "build/tools"

#: For tools that want some before they look at a file; they name nobody.
DUMMY = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "SAM_CLI_TELEMETRY": "0",
    # Whatever would go out meets nobody.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **DUMMY}, cwd=ROOT
    )


@pytest.fixture(scope="module")
def built():
    return template.build(AWS)


@pytest.fixture(scope="module")
def built_file(built, tmp_path_factory):
    path = tmp_path_factory.mktemp("built") / "template.json"
    path.write_text(json.dumps(built, indent=1))
    return path


def test_our_own_assertions(built):
    assert template.check(built) == []


def machine(built):
    return built["Resources"]["StateMachine"]["Properties"]["Definition"]


def break_next(built):
    machine(built)["States"]["Init"]["Next"] = "Nowhere"


def break_catch(built):
    machine(built)["States"]["Finish"]["Catch"][0]["Next"] = "Nowhere"


def break_inner(built):
    machine(built)["States"]["Ranks"]["ItemProcessor"]["States"]["ExtractAndInvokeLambda"].pop("End")


def break_concurrency(built):
    machine(built)["States"]["Ranks"].pop("MaxConcurrencyPath")
    machine(built)["States"]["Ranks"]["MaxConcurrency"] = 40


def break_mode(built):
    machine(built)["States"]["Ranks"]["ItemProcessor"]["ProcessorConfig"]["Mode"] = "INLINE"


def break_tolerance(built):
    machine(built)["States"]["Ranks"]["ToleratedFailurePercentage"] = 10


def break_reach(built):
    machine(built)["States"]["Verdict"]["Choices"].pop()


def break_memory(built):
    built["Resources"]["InitFunction"]["Properties"]["MemorySize"] = 10241


def break_memory_parameter(built):
    built["Parameters"]["Memory"]["MaxValue"] = 20000


def break_timeout(built):
    built["Parameters"]["Timeout"]["Default"] = 901


def break_role(built):
    built["Resources"]["FinishFunction"]["Properties"].pop("Role")


def break_retention(built):
    built["Resources"]["InitLog"]["Properties"].pop("RetentionInDays")


@pytest.mark.parametrize(
    "damage",
    [
        *(break_next, break_catch, break_inner, break_concurrency, break_mode, break_tolerance, break_reach),
        *(break_memory, break_memory_parameter, break_timeout, break_role, break_retention),
    ],
)
def test_our_own_assertions_see(built, damage):
    damaged = copy.deepcopy(built)
    damage(damaged)
    assert template.check(damaged)


def test_roles_name_their_resources(built):
    """``*`` only where AWS has no resource to name."""
    unnamed = {
        "lambda:GetAccountSettings", "ecr:GetAuthorizationToken", "ecs:DiscoverPollEndpoint",
        "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
        "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
    }  # fmt: skip
    roles = []
    for name, resource in built["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            roles.append(json.dumps(resource["Properties"]["Role"]))
        if resource["Type"] not in ("AWS::IAM::Role", "AWS::IAM::Policy"):
            continue
        policies = resource["Properties"].get("Policies", [resource["Properties"]])
        for policy in [inner for p in policies for inner in (p.get("Fn::If", [None, p])[1:2])]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not any("*" in action for action in actions), name
                # These are bound to the cluster by their condition.
                bound = "ecs:cluster" in statement.get("Condition", {}).get("ArnEquals", {})
                if statement["Resource"] == "*" and not bound:
                    assert set(actions) <= unnamed, (name, actions)
    assert len(roles) == 3 == len(set(roles))


def test_cfn_lint(built_file):
    lint = str(Path(sys.executable).parent / "cfn-lint")
    done = run(lint, "--regions", "us-east-1", "--", str(built_file), str(AWS / "template.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_sam_validate(built_file):
    sam = TOOLS / "sam/bin/sam"
    if not sam.exists():
        pytest.skip("sam is not installed: tools/setup.sh all")
    done = run(str(sam), "validate", "--lint", "--template", str(built_file), "--region", "us-east-1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid SAM Template" in done.stdout


def test_asl_validator():
    validator = TOOLS / "npm/node_modules/.bin/asl-validator"
    if not validator.exists() or shutil.which("node") is None:
        pytest.skip("asl-validator is not installed: tools/setup.sh all")
    done = run(str(validator), "--json-path", str(AWS / "state_machine.asl.json"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint():
    done = run(str(Path(sys.executable).parent / "hadolint"), str(ROOT / "deploy/docker/Dockerfile"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_systemd_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not there")
    unit = (ROOT / "deploy/systemd/weft-rendezvous.service").read_text()
    assert "/usr/local/bin/weft-rendezvous" in unit
    # Only a program that is there passes; any will do.
    there = tmp_path / "weft-rendezvous.service"
    there.write_text(unit.replace("/usr/local/bin/weft-rendezvous", shutil.which("true") or "/bin/true"))
    done = run("systemd-analyze", "verify", str(there))
    assert done.returncode == 0 and not done.stderr, done.stderr
    # 10 is a service that may do anything.
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", str(there))
    assert done.returncode == 0, done.stdout


def test_deploy_checks_and_writes(tmp_path):
    command = [sys.executable, "-m", "weft.cli", "deploy", "aws"]
    done = run(*command, "--build", str(tmp_path / "t.json"))
    assert done.returncode == 0, done.stderr
    assert "Definition" in json.loads((tmp_path / "t.json").read_text())["Resources"]["StateMachine"]["Properties"]
    assert "--image" in run(*command).stderr
    for path in AWS.iterdir():
        shutil.copy(path, tmp_path)
    broken = (tmp_path / "state_machine.asl.json").read_text().replace('"Next": "Verdict"', '"Next": "Nowhere"')
    (tmp_path / "state_machine.asl.json").write_text(broken)
    done = run(*command, "--source", str(tmp_path), "--image", "a")
    assert done.returncode == 2 and "'Nowhere', which is not there" in done.stderr


#: The parameters of the shipped template that are always given, and something that a local CloudFormation can change.
SMALL = """
Parameters:
  ImageUri: {Type: String}
  Memory: {Type: Number}
  Timeout: {Type: Number}
  Network: {Type: String}
Resources:
  Seen:
    Type: AWS::SSM::Parameter
    Properties:
      Name: seen
      Type: String
      Value: !Sub "${ImageUri} ${Memory} ${Timeout} ${Network}"
"""


def test_deploy_makes_and_changes_a_stack(tmp_path):
    """The calls, against a local CloudFormation; what the shipped resources become only AWS can show."""
    pytest.importorskip("moto.server")
    import boto3
    from test_s3 import moto

    (tmp_path / "template.yaml").write_text(SMALL)
    with moto(tmp_path / "log") as url:
        command = [sys.executable, "-m", "weft.cli", "deploy", "aws", "--stack", "one", "--image", "1.example/a:1"]
        command += ["--source", str(tmp_path)]

        def deploy(*more: str) -> subprocess.CompletedProcess[str]:
            environment = {**os.environ, **DUMMY, "AWS_ENDPOINT_URL": url}
            environment.pop("HTTPS_PROXY")
            return subprocess.run(
                [*command, *more], env=environment, capture_output=True, text=True, timeout=300, check=False
            )

        known = {"region_name": "us-east-1", "aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        ssm, formation = (boto3.client(name, endpoint_url=url, **known) for name in ("ssm", "cloudformation"))
        for memory in ("6144", "2048"):
            done = deploy("--memory", memory)
            assert done.returncode == 0, done.stderr
            (stack,) = formation.describe_stacks(StackName="one")["Stacks"]
            assert {"ParameterKey": "Memory", "ParameterValue": memory} in stack["Parameters"]
            if memory == "6144":
                assert ssm.get_parameter(Name="seen")["Parameter"]["Value"] == "1.example/a:1 6144 900 public"
        done = deploy("--parameter", "Colour=red")
        assert done.returncode == 2 and "no parameter Colour" in done.stderr


@pytest.mark.skipif(not os.environ.get("WEFT_SOAK"), reason="builds a wheel: WEFT_SOAK=1")
def test_deploy_from_an_installed_wheel(tmp_path):
    """The templates are in the wheel: no source is near."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # As deep as the other builds: then the compiler's cache knows most of it.
    settings = ["--config-settings", f"build-dir={ROOT / 'build/wheel'}"]
    made = subprocess.run(
        [*pip, "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-w", str(tmp_path / "wheel"), *settings],
        capture_output=True, text=True, timeout=3000, cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    (wheel,) = (tmp_path / "wheel").glob("weft-*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "-q", "--no-deps", "--target", str(site), str(wheel)], check=True, timeout=300)
    # Where pip would have put pyarrow, beside which libweft looks for Arrow's libraries.
    import pyarrow

    (site / "pyarrow").symlink_to(Path(pyarrow.__file__).parent)
    environment = {**os.environ, **DUMMY, "PYTHONPATH": str(site)}
    script = "import sys, weft.cli; print(weft.__file__); sys.exit(weft.cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "deploy", "aws", "--build", str(tmp_path / "t.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
    assert done.returncode == 0 and str(site) in done.stdout, done.stdout + done.stderr
    assert json.loads((tmp_path / "t.json").read_text()) == template.build(AWS)
    for path in AWS.iterdir():
        assert (site / "weft/deploy/aws" / path.name).read_bytes() == path.read_bytes()
