"""What the stand-in for Globus Compute remembers, and how it moves tasks and results."""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from typing import Any

import pika
from globus_compute_common import messagepack
from globus_compute_common.messagepack.message_types import (
    EPStatusReport,
    Result,
    ResultErrorDetails,
    Task,
)

NAMESPACE = uuid.UUID("6b3c9d0e-6f0f-4b57-9b55-0e5b7b0f2a11")
HEARTBEAT_PATIENCE_S = 90
EXCHANGES = ("results", "heartbeats", "tasks")


class Broker:
    """Endpoints, functions and tasks of one test session, in front of a real RabbitMQ.

    Code, arguments and results pass through unopened, as they do in the hosted service.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.RLock()
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.functions: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, list[str]] = {}

    def note(self, event: str, **values: Any) -> None:
        """Write a line that tests read."""
        line = json.dumps({"time": time.time(), "event": event, **values}, default=str)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def connect(self) -> pika.BlockingConnection:
        """Return a new connection to RabbitMQ."""
        return pika.BlockingConnection(pika.URLParameters(self.url))

    def declare(self) -> None:
        """Make the exchanges and queues that all endpoints share."""
        with self.connect() as connection:
            channel = connection.channel()
            for exchange in EXCHANGES:
                channel.exchange_declare(exchange, "topic", durable=True)
            for queue in EXCHANGES[:2]:
                channel.queue_declare(queue, durable=True)
                channel.queue_bind(queue, queue, f"*.{queue}")

    def register_endpoint(
        self, body: dict[str, Any], owner: str, endpoint: str | None = None
    ) -> dict[str, Any]:
        """Remember an endpoint and say where its commands come from."""
        endpoint = endpoint or str(uuid.uuid4())
        with self.connect() as connection:
            connection.channel().queue_declare(f"{endpoint}.commands", durable=True)
        with self.lock:
            self.endpoints[endpoint] = {
                **self.endpoints.get(endpoint, {}),
                "uuid": endpoint,
                "owner": owner,
                "name": body.get("endpoint_name"),
                "allowed_functions": body.get("allowed_functions"),
            }
        self.note("endpoint", endpoint=endpoint)
        return {
            "endpoint_id": endpoint,
            "command_queue_info": {"connection_url": self.url, "queue": f"{endpoint}.commands"},
            "heartbeat_queue_info": self._outgoing("heartbeats", endpoint),
        }

    def register_function(self, body: dict[str, Any], owner: str) -> dict[str, Any]:
        """Remember a function in the form that a worker reads."""
        function = str(uuid.uuid4())
        code = body["function_code"]
        if not body.get("serialized", True):
            text = f"st\n{body['function_name']}:{code}"
            code = f"{len(text)}\n{text}"
        name = body["function_name"]
        self.functions[function] = {"function_uuid": function, "code": code, "owner": owner}
        self.note("function", function=function, name=name)
        return {"function_uuid": function}

    def submit(self, endpoint: str, body: dict[str, Any], owner: str) -> dict[str, Any]:
        """Have the endpoint start a process for this user and template, and send it the tasks."""
        options, runtime = body.get("user_endpoint_config") or {}, body.get("user_runtime") or {}
        version = (runtime.get("python") or {}).get("version")
        key = json.dumps([endpoint, owner, options, version], sort_keys=True)
        user_endpoint = str(uuid.uuid5(NAMESPACE, key))
        group = body.get("task_group_id") or str(uuid.uuid4())
        with self.connect() as connection:
            channel = connection.channel()
            if body.get("create_queue"):
                channel.queue_declare(f"tg.{group}", durable=True)
            queue = f"{user_endpoint}.tasks"
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, "tasks", queue)
            self._publish(
                channel,
                "",
                f"{endpoint}.commands",
                json.dumps(self._start_command(endpoint, user_endpoint, owner, body)).encode(),
                content_type="application/json",
                content_encoding="utf-8",
            )
            tasks = {
                function: [
                    self._send(channel, user_endpoint, function, payload, group, body)
                    for payload in payloads
                ]
                for function, payloads in body["tasks"].items()
            }
        self.note("submit", endpoint=endpoint, tasks=tasks, options=options, group=group)
        request = str(uuid.uuid4())
        ids = {"task_group_id": group, "request_id": request, "endpoint_id": endpoint}
        return {"tasks": tasks, **ids}

    def status(self, endpoint: str) -> dict[str, Any]:
        """Return whether an endpoint has sent a heartbeat lately, and was not its last."""
        when, state = self.endpoints[endpoint].get("heartbeat", (0.0, {}))
        alive = time.time() - when < HEARTBEAT_PATIENCE_S and state.get("heartbeat_period")
        return {"status": "online" if alive else "offline", "details": state}

    def drop(self, task: str) -> None:
        """Forget a result, as the hosted service does after half an hour."""
        self.tasks[task].pop("result", None)

    def relay(self) -> None:
        """Bring results to those who wait; ends only with the connection."""
        channel = self.connect().channel()
        channel.basic_consume("results", self._on_result)
        channel.basic_consume("heartbeats", self._on_heartbeat)
        channel.start_consuming()

    def _outgoing(self, kind: str, endpoint: str) -> dict[str, Any]:
        """Describe a queue to an endpoint that writes to it."""
        publish = {
            "exchange": kind,
            "routing_key": f"{endpoint}.{kind}",
            "mandatory": True,
            "properties": {"delivery_mode": 2},
        }
        common = {"connection_url": self.url, "exchange": kind, "queue": kind}
        return {**common, "queue_publish_kwargs": publish}

    def _start_command(
        self, endpoint: str, user_endpoint: str, owner: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the command that makes an endpoint start a process for a user."""
        name = f"{owner}@clients.auth.globus.org"
        tasks = {"exchange": "tasks", "queue": f"{user_endpoint}.tasks"}
        queues = {
            "endpoint_id": user_endpoint,
            "task_queue_info": {"connection_url": self.url, **tasks},
            "result_queue_info": self._outgoing("results", user_endpoint),
            "heartbeat_queue_info": self._outgoing("heartbeats", user_endpoint),
        }
        return {
            "command": "cmd_start_endpoint",
            "args": [],
            "kwargs": {
                "name": f"uep.{endpoint}.{user_endpoint}",
                "user_opts": body.get("user_endpoint_config") or {},
                "user_runtime": body.get("user_runtime") or {},
                "amqp_creds": queues,
            },
            "globus_effective_identity": owner,
            "globus_username": name,
            "globus_identity_set": [{"sub": owner, "username": name}],
        }

    def _send(
        self,
        channel: Any,
        user_endpoint: str,
        function: str,
        payload: str,
        group: str,
        body: dict[str, Any],
    ) -> str:
        """Queue one task and return its id."""
        task = str(uuid.uuid4())
        with self.lock:
            self.tasks[task] = {
                "task_id": task,
                "status": "waiting-for-ep",
                "group": group,
                "user_endpoint": user_endpoint,
            }
            self.groups.setdefault(group, []).append(task)
        headers = {"function_uuid": function, "task_uuid": task}
        if body.get("resource_specification"):
            headers["resource_specification"] = json.dumps(body["resource_specification"])
        if body.get("result_serializers"):
            headers["result_serializers"] = body["result_serializers"]
        message = Task(task_id=task, task_buffer=self.functions[function]["code"] + payload)
        queue = f"{user_endpoint}.tasks"
        self._publish(channel, "tasks", queue, messagepack.pack(message), headers=headers)
        return task

    def _publish(self, channel: Any, exchange: str, key: str, body: bytes, **values: Any) -> None:
        """Publish a message that survives a restart of RabbitMQ."""
        now = round(time.time())
        properties = pika.BasicProperties(timestamp=now, delivery_mode=2, **values)
        channel.basic_publish(exchange, key, body, properties)

    def _on_result(self, channel: Any, method: Any, _: Any, body: bytes) -> None:
        """Take a result from an endpoint."""
        self._finish(channel, messagepack.unpack(body), body)
        channel.basic_ack(method.delivery_tag)

    def _on_heartbeat(self, channel: Any, method: Any, _: Any, body: bytes) -> None:
        """Note that an endpoint lives, or fail the tasks of one that could not start."""
        report = messagepack.unpack(body)
        if isinstance(report, EPStatusReport):
            endpoint, state = str(report.endpoint_id), report.global_state
            with self.lock:
                self.endpoints.setdefault(endpoint, {})["heartbeat"] = (time.time(), state)
                waiting = [
                    each["task_id"]
                    for each in self.tasks.values()
                    if each["user_endpoint"] == endpoint and "completion_t" not in each
                ]
            for task in waiting if state.get("error") else ():
                details = ResultErrorDetails(code="ENDPOINT_START_FAILED", user_message="")
                failed = Result(task_id=task, data=state["error"], error_details=details)
                self._finish(channel, failed, messagepack.pack(failed))
        channel.basic_ack(method.delivery_tag)

    def _finish(self, channel: Any, result: Any, body: bytes) -> None:
        """Keep a result, and send it to the queue of its task group as well."""
        task = self.tasks.get(str(result.task_id))
        if task is None or "completion_t" in task:
            return
        outcome = "exception" if result.is_error else "result"
        status = "failed" if result.is_error else "success"
        with self.lock:
            task |= {"status": status, "completion_t": str(time.time()), outcome: result.data}
        self._publish(channel, "", f"tg.{task['group']}", body)
        self.note("result", task=task["task_id"], status=status, size=len(body))
