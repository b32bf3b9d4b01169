"""The deployment on one machine, from the shipped template, with real parts.

S3 is versitygw, the functions run awslambdaric in processes of their own, the state machine is executed by moto's
server, and the rendezvous server is Weft's. Everything listens on one address; nothing is left when it is closed.

    python -m weft.serverless.local_stack -- weft submit script.py --launcher lambda --world-size 8
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from weft import _core
from weft.ecs.local_tasks import TaskHost
from weft.serverless import local_step_functions, template
from weft.serverless.function_host import FunctionHost, Invocation, Place
from weft.serverless.local_s3 import LocalS3, free_port
from weft.serverless.local_template import LocalTemplate

__all__ = ["LocalStack", "main", "run"]


class LocalStack:
    """Starts all when it is made, ends all by `close`.

    address
        Where everything listens. place: where a function's process runs (see `function_host.Place`).
    s3_front
        Given the S3 server's port, the port that everyone is to use instead: a proxy that makes trouble.
    rendezvous_up
        False: the address is there and nothing answers, until `start_rendezvous`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        place: Callable[[int], Place] = lambda number: Place(),
        deliver: Callable[[Invocation, Callable[[Invocation], Any]], Any] | None = None,
        s3_front: Callable[[int], int] | None = None,
        rendezvous_up: bool = True,
        concurrency: int = 128,
        variables: dict[str, str] | None = None,
        **parameters: Any,
    ) -> None:
        self.folder, self.address = folder, address
        self._s3: LocalS3 | None = None
        self._moto: Any = None
        self._rendezvous: _core.RendezvousServer | None = None
        self.host: FunctionHost | None = None
        self.task_host: TaskHost | None = None
        self._rendezvous_key = secrets.token_hex(32)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._s3 = LocalS3(folder, address)
            s3_port = self._s3.port
            self.s3_url = f"http://{address}:{s3_front(s3_port) if s3_front else s3_port}"
            functions = folder / "functions"
            functions.mkdir()
            self.host = FunctionHost(functions, {}, place, deliver)
            self._moto = local_step_functions.start(address)
            self.aws_url = "http://{}:{}".format(*self._moto.get_host_and_port())
            self.host.environment = {**self.environment, **(variables or {})}
            self.rendezvous_port = free_port(address)
            if rendezvous_up:
                self.start_rendezvous()
            self._deploy(concurrency, parameters)
        except BaseException:
            self.close()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use this stack in place of AWS."""
        assert self._s3 is not None
        return {
            **self._s3.credentials,
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ENDPOINT_URL_S3": self.s3_url,
            "WEFT_STACK": str(self.folder / "stack.json"),
        }

    def client(self, service: str) -> Any:
        import boto3

        assert self._s3 is not None
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.s3_url if service == "s3" else self.aws_url,
            aws_access_key_id=self._s3.access,
            aws_secret_access_key=self._s3.secret,
        )

    def start_rendezvous(self) -> None:
        self._rendezvous = _core.RendezvousServer.start(self.address, self.rendezvous_port, self._rendezvous_key, False)

    def stop_rendezvous(self) -> None:
        if self._rendezvous is not None:
            self._rendezvous.stop()
            self._rendezvous = None

    def _deploy(self, concurrency: int, parameters: dict[str, Any]) -> None:
        assert self.host is not None
        image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/weft:local"
        known = {
            ("RendezvousAddress", ""): self.address,
            ("RendezvousKey", "value"): self._rendezvous_key,
        }
        given = {"ImageUri": image, "RendezvousPort": self.rendezvous_port, "Memory": 1024}
        if "WorkerImageUri" in parameters:
            # Tasks on Fargate need a network that is there.
            subnet = self.client("ec2").describe_subnets()["Subnets"][0]
            group = self.client("ec2").describe_security_groups()["SecurityGroups"][0]
            known |= {("PublicSubnet", ""): subnet["SubnetId"], ("TaskGroup", "GroupId"): group["GroupId"]}
        made = LocalTemplate(template.find(), {**given, **parameters}, known)
        services = ("s3", "secretsmanager", "iam", "lambda", "stepfunctions", "ecs")
        clients = {name: self.client(name) for name in services}
        self.host.functions = {function.name: function for function in made.make(clients)}
        self.outputs = made.outputs()
        local_step_functions.serve(self.host, self.outputs["Bucket"], clients["s3"])
        clients["lambda"].put_function_concurrency(
            FunctionName=self.outputs["ExecutorFunction"], ReservedConcurrentExecutions=concurrency
        )
        if "Cluster" in self.outputs:
            tasks = {name: value for name, value in self.environment.items() if name != "WEFT_STACK"}
            self.task_host = TaskHost(self.folder / "tasks", self.outputs["Cluster"], tasks, self.address)
        (self.folder / "stack.json").write_text(json.dumps(self.outputs, indent=2))

    def close(self) -> None:
        if self.host is not None:
            local_step_functions.forget(self.host)
            self.host.close()
        if self.task_host is not None:
            self.task_host.close()
        if self._moto is not None:
            self._moto.stop()
        self.stop_rendezvous()
        if self._s3 is not None:
            self._s3.close()

    def __enter__(self) -> LocalStack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a command, which does not outlive this process' wish to end."""
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run(command: Sequence[str], **options: Any) -> int:
    """Runs a command with a stack of its own (`options` are the stack's); returns its exit code. Nothing is left after
    it, also where it is ended by SIGINT or SIGTERM. In the main thread alone."""

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    folder = Path(tempfile.mkdtemp(prefix="weft-local-stack-"))
    try:
        with LocalStack(folder, **options) as stack:
            print(f"local stack: S3 {stack.s3_url}, functions and state machine {stack.aws_url}", flush=True)
            process = subprocess.Popen(command, env={**os.environ, **stack.environment})
            # Ctrl-C reaches the command too, which then ends in good order.
            previous[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
            return _wait(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in previous.items():
            signal.signal(number, handler)


def main(arguments: list[str] | None = None) -> int:
    """Starts a stack, runs a command with it, and ends the stack; the command's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m weft.serverless.local_stack", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, after --")
    command = parser.parse_args(arguments).command
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        parser.error("name a command after --")
    return run(command)


if __name__ == "__main__":
    sys.exit(main())
