"""The shipped template on local servers: SAM's transform, offline, then one API call a resource that exists here.

CloudFormation of the local AWS is not used: it loses a function's handler. Networks, roles and log groups have no
meaning on one machine and are left out, by type.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

from weft.serverless import template
from weft.serverless.function_host import Function

__all__ = ["LocalTemplate"]

_LEFT_OUT = re.compile(r"AWS::(AutoScaling|EC2|IAM|Logs)::.*|AWS::Lambda::EventInvokeConfig")


class LocalTemplate:
    """A template with the values of its parameters; `make` makes what is in it, `outputs` are then known."""

    def __init__(self, folder: Path, parameters: dict[str, Any], attributes: dict[tuple[str, str], str]) -> None:
        built = template.build(folder)
        found = template.check(built)
        if found:
            raise template.TemplateError("; ".join(found))
        self.parameters = {
            name: parameters.get(name, entry.get("Default")) for name, entry in built["Parameters"].items()
        }
        self.template = self._transform(built)
        self._conditions = self.template.get("Conditions", {})
        #: What ``Ref`` (with an empty attribute) and ``Fn::GetAtt`` give, by logical name and attribute.
        self.attributes = dict(attributes)
        self._pseudo = {
            "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012", "AWS::Partition": "aws",
            "AWS::StackName": f"weft-{secrets.token_hex(4)}", "AWS::URLSuffix": "amazonaws.com",
        }  # fmt: skip

    def _transform(self, built: dict[str, Any]) -> dict[str, Any]:
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        from samtranslator.translator.transform import transform

        class NoPolicies:
            """The template names no managed policies."""

            def load(self) -> dict[str, str]:
                return {}

        result = transform(json.loads(json.dumps(built)), dict(self.parameters), NoPolicies())
        assert isinstance(result, dict)
        return result

    # -- intrinsic functions -------------------------------------------------------------------------------------

    def _reference(self, name: str) -> Any:
        if name in self.parameters:
            return self.parameters[name]
        if name in self._pseudo:
            return self._pseudo[name]
        return self.attributes[name, ""]

    def _condition(self, value: Any) -> bool:
        if "Fn::Equals" in value:
            left, right = (self.resolve(side) for side in value["Fn::Equals"])
            return bool(left == right)
        if "Fn::Not" in value:
            return not self._condition(value["Fn::Not"][0])
        raise template.TemplateError(f"the condition {value!r} is not known here")

    def _substitute(self, value: Any) -> str:
        text, own = (value, {}) if isinstance(value, str) else (value[0], self.resolve(value[1]))

        def replace(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            return str(
                own[name] if name in own else self.attributes[name, attribute] if attribute else self._reference(name)
            )

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", replace, text)

    def resolve(self, value: Any) -> Any:
        """`value` with all functions done; a property that is AWS::NoValue is left out."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, content),) = value.items()
            if name == "Ref" and content != "AWS::NoValue":
                return self._reference(content)
            if name == "Fn::GetAtt":
                return self.attributes[content[0], content[1]]
            if name == "Fn::Sub":
                return self._substitute(content)
            if name == "Fn::Join":
                return content[0].join(self.resolve(content[1]))
            if name == "Fn::If":
                return self.resolve(content[1 if self._condition(self._conditions[content[0]]) else 2])
            if name.startswith("Fn::"):
                raise template.TemplateError(f"{name} is not known here")
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item != {"Ref": "AWS::NoValue"}}

    # -- resources -----------------------------------------------------------------------------------------------

    def make(self, clients: dict[str, Any]) -> list[Function]:
        """Makes all resources that have a meaning here, by boto3's clients by service."""
        functions = []
        trust = {
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ]
        }
        role = clients["iam"].create_role(RoleName=self._name("role"), AssumeRolePolicyDocument=json.dumps(trust))[
            "Role"
        ]["Arn"]
        resources = {name: entry for name, entry in self.template["Resources"].items() if self._wanted(entry)}
        # What has no meaning here has a name all the same.
        for name, entry in resources.items():
            if _LEFT_OUT.fullmatch(entry["Type"]):
                self.attributes.setdefault((name, ""), self._name(name))
        order = [
            "AWS::S3::Bucket",
            "AWS::SecretsManager::Secret",
            "AWS::Lambda::Function",
            "AWS::StepFunctions::StateMachine",
            "AWS::ECS::Cluster",
            "AWS::ECS::TaskDefinition",
        ]
        for kind in order:
            waiting = [name for name, resource in resources.items() if resource["Type"] == kind]
            put_back = 0
            while waiting:
                # Functions name each other; the one whose names are all known comes first.
                name = waiting.pop(0)
                try:
                    given = {
                        "Role": role, "RoleArn": role, "LoggingConfig": {}, "LoggingConfiguration": {},
                        "ExecutionRoleArn": role, "TaskRoleArn": role,
                    }  # fmt: skip
                    properties = self.resolve({**resources[name].get("Properties", {}), **given})
                except KeyError as missing:
                    waiting.append(name)
                    put_back += 1
                    if put_back > len(waiting):
                        raise template.TemplateError(f"{name} names {missing}, which cannot be made here") from None
                    continue
                put_back = 0
                made = getattr(self, "_make_" + kind.rpartition("::")[2].lower())(clients, name, properties)
                functions += [made] if made else []
        left = {r["Type"] for r in resources.values() if r["Type"] not in order and not _LEFT_OUT.fullmatch(r["Type"])}
        if left:
            raise template.TemplateError(f"resources that cannot be made here: {', '.join(sorted(left))}")
        return functions

    def _wanted(self, entry: dict[str, Any]) -> bool:
        return "Condition" not in entry or self._condition(self._conditions[entry["Condition"]])

    def _name(self, name: str) -> str:
        """A resource's name: moto's servers of one process share what they hold."""
        return f"{self._pseudo['AWS::StackName']}-{name}"

    def _make_bucket(self, clients: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
        bucket = self._name(name).lower()
        clients["s3"].create_bucket(Bucket=bucket)
        self.attributes |= {(name, ""): bucket, (name, "Arn"): f"arn:aws:s3:::{bucket}"}

    def _make_secret(self, clients: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
        text = self.attributes.pop((name, "value"), None) or secrets.token_hex(32)
        made = clients["secretsmanager"].create_secret(Name=self._name(name), SecretString=text)
        self.attributes[name, ""] = made["ARN"]

    def _make_function(self, clients: dict[str, Any], name: str, properties: dict[str, Any]) -> Function:
        # CloudFormation makes texts of numbers.
        variables = {key: str(value) for key, value in properties["Environment"]["Variables"].items()}
        made = clients["lambda"].create_function(
            FunctionName=self._name(name),
            Role=properties["Role"],
            PackageType="Image",
            Code={"ImageUri": properties["Code"]["ImageUri"]},
            ImageConfig=properties["ImageConfig"],
            Timeout=properties["Timeout"],
            MemorySize=properties["MemorySize"],
            Environment={"Variables": variables},
        )
        self.attributes |= {(name, ""): made["FunctionName"], (name, "Arn"): made["FunctionArn"]}
        # That one names a directory of the image.
        variables.pop("WEFT_EPHEMERAL")
        handler = properties["ImageConfig"]["Command"][0]
        return Function(made["FunctionName"], handler, properties["Timeout"], properties["MemorySize"], variables)

    def _make_statemachine(self, clients: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
        definition = properties["DefinitionString"]
        for key, value in properties.get("DefinitionSubstitutions", {}).items():
            definition = definition.replace(f"${{{key}}}", value)
        made = clients["stepfunctions"].create_state_machine(
            name=self._name(name), definition=definition, roleArn=properties["RoleArn"]
        )
        self.attributes |= {(name, ""): made["stateMachineArn"], (name, "Name"): self._name(name)}

    def _make_cluster(self, clients: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
        made = clients["ecs"].create_cluster(clusterName=self._name(name))["cluster"]
        self.attributes |= {(name, ""): made["clusterName"], (name, "Arn"): made["clusterArn"]}

    def _make_taskdefinition(self, clients: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
        container = properties["ContainerDefinitions"][0]
        sizes = {key: str(properties[key.title()]) for key in ("cpu", "memory") if key.title() in properties}
        own = {key: int(container[key.title()]) for key in ("cpu", "memory") if key.title() in container}
        made = clients["ecs"].register_task_definition(
            family=self._name(name),
            requiresCompatibilities=properties["RequiresCompatibilities"],
            networkMode=properties["NetworkMode"],
            containerDefinitions=[
                {
                    **{"memory": int(properties.get("Memory", 0)), **own},
                    "name": container["Name"],
                    "image": container["Image"],
                    "command": container["Command"],
                    "essential": container["Essential"],
                }
            ],
            **sizes,
        )["taskDefinition"]
        self.attributes[name, ""] = made["taskDefinitionArn"]

    def outputs(self) -> dict[str, str]:
        wanted = {name: entry for name, entry in self.template["Outputs"].items() if self._wanted(entry)}
        return {name: str(self.resolve(entry["Value"])) for name, entry in wanted.items()}
