"""moto's server as the local AWS, with its state machines executed for real.

Three things are put right: functions are invoked on our host, items are read from the S3 server that the ranks use, and
a distributed map whose child failed fails, as on AWS (moto lets it succeed).
"""

from __future__ import annotations

import json
import logging
from typing import Any

from weft.serverless.function_host import FunctionError, FunctionHost

__all__ = ["forget", "serve", "start"]

#: moto's state is one for all servers of a process: who serves a function or a bucket is looked up by its name.
_hosts: dict[str, FunctionHost] = {}
_buckets: dict[str, Any] = {}


class _Buckets:
    """The part of an S3 client that a map's item reader needs."""

    def get_object(self, **parameters: Any) -> Any:
        return _buckets[parameters["Bucket"]].get_object(**parameters)


def serve(host: FunctionHost, bucket: str, s3: Any) -> None:
    """From now on state machines invoke `host`'s functions, and read `bucket` by the client `s3`."""
    _hosts.update(dict.fromkeys(host.functions, host))
    _buckets[bucket] = s3


def forget(host: FunctionHost) -> None:
    for name in host.functions:
        _hosts.pop(name, None)


def _fail_maps(worker: Any, names: Any) -> None:
    """A child's failure ends the map run at once with States.ExceedToleratedFailureThreshold."""
    original = worker._eval_job
    if getattr(original, "fails_maps", False):
        return

    def eval_job(self: Any, env: Any, job: Any) -> None:
        original(self, env, job)
        # A child that ended well has an output; moto gives None to one that failed.
        if job.job_output is None:
            kind = names.StatesErrorNameType.StatesExceedToleratedFailureThreshold
            cause = "The specified tolerated failure threshold was exceeded"
            details = names.ExecutionFailedEventDetails(error=kind.to_name(), cause=cause)
            job.job_output = names.FailureEventException(
                names.FailureEvent(
                    env=env,
                    error_name=names.StatesErrorName(typ=kind),
                    event_type=names.HistoryEventType.MapRunFailed,
                    event_details=names.EventDetails(mapRunFailedEventDetails=details),
                )
            )

    eval_job.fails_maps = True  # type: ignore[attr-defined]
    worker._eval_job = eval_job


class _Names:
    """moto's classes that are needed here."""

    def __init__(self) -> None:
        from moto.stepfunctions.parser.api import ExecutionFailedEventDetails, HistoryEventType
        from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
            FailureEvent,
            FailureEventException,
        )
        from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
        from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
        from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

        self.ExecutionFailedEventDetails = ExecutionFailedEventDetails
        self.HistoryEventType = HistoryEventType
        self.FailureEvent = FailureEvent
        self.FailureEventException = FailureEventException
        self.StatesErrorName = StatesErrorName
        self.StatesErrorNameType = StatesErrorNameType
        self.EventDetails = EventDetails


def start(address: str) -> Any:
    """A moto server on `address` and a free port."""
    from moto.core.config import default_user_config
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
        distributed_item_processor_worker,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

    default_user_config["stepfunctions"] = {"execute_state_machine": True}

    def invoke(parameters: dict[str, Any], region: str, state_credentials: Any) -> dict[str, Any]:
        try:
            name = parameters["FunctionName"].rpartition(":")[2]
            payload = _hosts[name].invoke(name, json.loads(parameters["Payload"]))
        except FunctionError as error:
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": error.payload}
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": payload}

    setattr(lambda_eval_utils, "_invoke_lambda_function", invoke)  # noqa: B010
    setattr(resource_eval_s3.ResourceEvalS3, "_get_s3_client", staticmethod(lambda *_, **__: _Buckets()))  # noqa: B010
    _fail_maps(distributed_item_processor_worker.DistributedItemProcessorWorker, _Names())
    # One line a request on standard error says nothing.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # Nor do kilobytes of the machine's inside for each state that fails: an execution's cause is in its answer.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    return server
