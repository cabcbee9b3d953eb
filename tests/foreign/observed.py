"""Reads what a gate tells monitoring: Prometheus' own parser for metrics, OpenTelemetry's own messages for spans."""

import base64
import http.server
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families


def metrics():
    families = {}
    for family in text_string_to_metric_families(sys.stdin.read()):
        assert family.name not in families, f"{family.name} stands there twice"
        assert family.type != "unknown", f"{family.name} has no type"
        samples = [{"name": s.name, "labels": s.labels, "value": s.value} for s in family.samples]
        assert len({(s.name, tuple(sorted(s.labels.items()))) for s in family.samples}) == len(samples), family.name
        if family.type == "histogram":
            rising(family)
        families[family.name] = {"type": family.type, "help": family.documentation, "samples": samples}
    json.dump(families, sys.stdout)


def rising(family):
    """Buckets add up, and the last one is the count."""
    series = {}
    for sample in family.samples:
        labels = dict(sample.labels)
        bound = labels.pop("le", None)
        series.setdefault(tuple(sorted(labels.items())), {})[bound or sample.name] = sample.value
    for values in series.values():
        count = values.pop(family.name + "_count")
        assert values.pop(family.name + "_sum") >= 0
        buckets = [value for _, value in sorted(values.items(), key=lambda one: float(one[0]))]
        assert buckets == sorted(buckets) and buckets[-1] == count, family.name


def collector(batches):
    """Takes so many batches; refuses the first, as one that is busy would. Prints their spans."""
    spans = []
    told = {"posts": 0}

    class Takes(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told["posts"] += 1
            body = self.rfile.read(int(self.headers["content-length"]))
            if told["posts"] == 1:
                return self.answer(503)
            assert self.path == "/otlp/v1/traces", self.path
            assert self.headers["content-type"] == "application/json"
            request = ExportTraceServiceRequest()
            # OTLP writes identifiers in hex where protobuf's JSON has base64; all else must be as protobuf has it.
            json_format.Parse(json.dumps(in_base64(json.loads(body))), request)
            for resource in request.resource_spans:
                attributes = told_by(resource.resource.attributes)
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        spans.append({
                            "resource": attributes,
                            "scope": scope.scope.name,
                            "trace": span.trace_id.hex(),
                            "span": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "name": span.name,
                            "kind": span.kind,
                            "nanos": span.end_time_unix_nano - span.start_time_unix_nano,
                            "begun": span.start_time_unix_nano,
                            "attributes": told_by(span.attributes),
                            "status": span.status.code,
                        })
            self.answer(200)

        def answer(self, status):
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Takes)
    print(server.server_address[1], flush=True)
    while len(spans) < batches:
        server.handle_request()
    print(json.dumps(spans), flush=True)


def told_by(attributes):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


def in_base64(value):
    if isinstance(value, list):
        return [in_base64(one) for one in value]
    if not isinstance(value, dict):
        return value
    ids = ("traceId", "spanId", "parentSpanId")
    return {
        key: base64.b64encode(bytes.fromhex(one)).decode() if key in ids else in_base64(one)
        for key, one in value.items()
    }


if sys.argv[1] == "metrics":
    metrics()
else:
    collector(int(sys.argv[2]))
