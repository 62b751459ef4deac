#!/usr/bin/env python3
"""Makes docker/grafana/dashboards/millrace.json and docker/prometheus/rules.yml from the table of
metrics in docs/operations.md, which is equal to the code by a test.

usage: scripts/make-dashboards.py [--check]      --check: writes nothing, fails where they are old

Every metric must be on a panel, and no panel or rule may name one that is not in the table.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "operations.md"
DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "millrace.json"
RULES = ROOT / "docker" / "prometheus" / "rules.yml"

NAME = re.compile(r"\bmillrace_[a-z0-9_]+")
STEPS = ["queue_wait", "decode", "inference", "append", "delivery"]


def rate(name, by=""):
    """Events a second; `by` keeps labels apart."""
    return f"sum{f' by ({by})' if by else ''} (rate({name}[$__rate_interval]))"


def quantile(q, name):
    return (f"histogram_quantile({q}, sum by (le) (rate({name}_bucket[$__rate_interval])))")


def mean(name):
    return f"{rate(name + '_sum')} / {rate(name + '_count')}"


# Rows of panels: title, unit of Grafana, queries with their legends.
ROWS = [
    ("Now", [
        ("Ready", "bool_yes_no", [("min(millrace_ready)", "")]),
        ("Lag", "short", [("sum(millrace_partition_lag_records)", "")]),
        ("Records a second", "short", [(rate("millrace_records_scored_total"), "")]),
        ("Latency p99", "s", [(quantile(0.99, "millrace_end_to_end_latency_seconds"), "")]),
        ("Dead letters in an hour", "short",
         [("sum(increase(millrace_records_dead_total[1h]))", "")]),
        ("Workers", "table", [("millrace_info", ""), ("millrace_model_info", "")]),
    ]),
    ("Records", [
        ("Records a second", "short", [
            (rate("millrace_records_in_total"), "in"),
            (rate("millrace_records_scored_total"), "scored"),
            (rate("millrace_records_passed_total"), "passed"),
            (rate("millrace_records_discarded_total"), "discarded")]),
        ("Dead letters a second", "short",
         [(rate("millrace_records_dead_total", "reason") + " > 0", "{{reason}}")]),
        ("Bytes a second", "Bps", [
            (rate("millrace_input_bytes_total"), "in"),
            (rate("millrace_output_bytes_total"), "out")]),
        ("Failures", "short", [
            ("sum(increase(millrace_delivery_failures_total[$__rate_interval]))", "deliveries"),
            ("sum(increase(millrace_rewinds_total[$__rate_interval]))", "rewinds"),
            ("sum(increase(millrace_producer_restarts_total[$__rate_interval]))",
             "producer restarts")]),
        ("Transactions a second", "short",
         [(rate("millrace_transactions_total", "result"), "{{result}}")]),
    ]),
    ("Where the time goes", [
        ("End to end", "s", [
            (quantile(q, "millrace_end_to_end_latency_seconds"), f"p{100 * q:g}")
            for q in (0.5, 0.95, 0.99)]),
        ("Steps, p99", "s", [
            (quantile(0.99, f"millrace_{step}_seconds"), step.replace("_", " "))
            for step in STEPS]),
        ("Steps, mean", "s", [
            (mean(f"millrace_{step}_seconds"), step.replace("_", " ")) for step in STEPS]),
        ("Share of the lanes' time in the model", "percentunit", [
            (f"{rate('millrace_inference_seconds_sum')} / sum(millrace_lanes)", "inference")]),
    ]),
    ("Batches", [
        ("Records of a batch", "short", [
            (mean("millrace_batch_records"), "mean"),
            (quantile(0.99, "millrace_batch_records"), "p99"),
            ("max(millrace_batch_limit_records)", "limit")]),
        ("Batches a second", "short", [(rate("millrace_batches_total"), "batches")]),
        ("In flight", "bytes", [
            ("sum by (instance) (millrace_in_flight_bytes)", "{{instance}}"),
            ("max(millrace_in_flight_limit_bytes)", "limit")]),
        ("Paused by backpressure", "short", [
            ("sum by (instance) (millrace_paused)", "{{instance}}"),
            ("sum(increase(millrace_pauses_total[$__rate_interval]))", "pauses")]),
    ]),
    ("Partitions", [
        ("Lag", "short",
         [("max by (partition) (millrace_partition_lag_records)", "{{partition}}")]),
        ("Frontier, offsets a second", "short", [
            ("sum(rate(millrace_partition_frontier_offset[$__rate_interval]))", "frontier"),
            ("sum(rate(millrace_partition_end_offset[$__rate_interval]))", "end")]),
        ("Assigned", "short",
         [("sum by (instance) (millrace_assigned_partitions)", "{{instance}}")]),
        ("Rebalances", "short",
         [("sum by (instance) (increase(millrace_rebalances_total[$__rate_interval]))",
           "{{instance}}"),
          ("sum by (instance) (increase(millrace_offset_resets_total[$__rate_interval]))",
           "{{instance}}, records deleted unread")]),
    ]),
    ("Kafka clients", [
        ("Round trip to the brokers, mean", "s",
         [("max by (client, broker) (millrace_kafka_broker_rtt_seconds)",
           "{{client}} {{broker}}")]),
        ("Round trip to the brokers, p99", "s",
         [("max by (client, broker) (millrace_kafka_broker_rtt_p99_seconds)",
           "{{client}} {{broker}}")]),
        ("Throttling", "s",
         [("max by (client, broker) (millrace_kafka_broker_throttle_seconds)",
           "{{client}} {{broker}}")]),
        ("Connected", "short",
         [("min by (client, broker) (millrace_kafka_broker_up)", "{{client}} {{broker}}")]),
        ("Requests", "short", [
            ("sum by (client) (millrace_kafka_broker_waiting_requests)", "{{client}} waiting"),
            ("sum by (client) (millrace_kafka_broker_unanswered_requests)",
             "{{client}} unanswered")]),
        ("Queued records", "short",
         [("sum by (client) (millrace_kafka_queue_records)", "{{client}}")]),
        ("Queued bytes", "bytes",
         [("sum by (client) (millrace_kafka_queue_bytes)", "{{client}}")]),
    ]),
]

# Alerts: name, expression, for how long, severity, summary, what to do.
ALERTS = [
    ("MillraceNotReady", "millrace_ready == 0", "5m", "critical",
     "{{ $labels.instance }} processes no records",
     "GET /readyz of the worker says what is missing."),
    ("MillraceStuck",
     "delta(millrace_partition_frontier_offset[10m]) == 0 and millrace_partition_lag_records > 0",
     "5m", "critical", "partition {{ $labels.partition }} does not move although records wait",
     "Look at /readyz for a hold, at the log for rewinds, and at the brokers."),
    ("MillraceLagRises",
     "sum by (job) (deriv(millrace_partition_lag_records[15m])) > 0"
     " and sum by (job) (millrace_partition_lag_records) > 10000",
     "15m", "warning", "{{ $labels.job }} falls behind: {{ $value | humanize }} records a second",
     "Start more instances, up to the number of partitions, or give more processors."),
    ("MillraceDeadLetters",
     "sum by (job) (rate(millrace_records_dead_total[10m]))"
     " > 0.01 * sum by (job) (rate(millrace_records_in_total[10m]))",
     "5m", "warning", "more than 1 % of the records of {{ $labels.job }} are dead letters",
     "The label reason of millrace_records_dead_total and the letters' headers say why."),
    ("MillraceDeliveriesFail",
     "sum by (job, instance) (increase(millrace_delivery_failures_total[15m])) > 0", "0m",
     "warning", "a broker refuses records of {{ $labels.instance }}",
     "The log says why; nothing is lost, the records are read again."),
    ("MillraceProducerRestarts",
     "sum by (job, instance) (increase(millrace_producer_restarts_total[1h])) > 2", "0m",
     "warning", "the producer of {{ $labels.instance }} fails again and again",
     "The log has librdkafka's fatal error."),
    ("MillraceSlowOutput", "avg_over_time(millrace_paused[10m]) > 0.5", "10m", "warning",
     "{{ $labels.instance }} waits for its output",
     "The brokers acknowledge slower than records come; more memory only lengthens the queue."),
    ("MillraceRebalances",
     "sum by (job, instance) (increase(millrace_rebalances_total[30m])) > 10", "0m", "warning",
     "the group of {{ $labels.instance }} does not come to rest",
     "Look for instances that restart, and at session.timeout.ms."),
    ("MillraceRecordsDeleted",
     "sum by (job, instance) (increase(millrace_offset_resets_total[1h])) > 0", "0m", "critical",
     "records were deleted before {{ $labels.instance }} read them",
     "The topic's retention is shorter than the group's lag."),
    ("MillraceThrottled",
     "max by (job, client) (millrace_kafka_broker_throttle_seconds) > 0.1", "10m", "warning",
     "the brokers throttle the {{ $labels.client }} of {{ $labels.job }}",
     "The client's quota is used up."),
]


def table():
    """The metrics: name -> (type, meaning)."""
    rows = re.findall(r"^\| `(millrace_\w+)[^`]*` \| (\w+) \| (.*) \|$", TABLE.read_text(),
                      re.MULTILINE)
    return {name: (kind, meaning) for name, kind, meaning in rows}


def series(metrics):
    """Every name that may be asked for, with its metric."""
    names = {}
    for name, (kind, _) in metrics.items():
        for end in ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]:
            names[name + end] = name
    return names


def problems(metrics):
    """What the lists above say of metrics that are not there, or leave out."""
    known = series(metrics)
    shown, found = set(), []
    for _, panels in ROWS:
        for title, _, queries in panels:
            for name in NAME.findall(" ".join(query for query, _ in queries)):
                shown.add(known.get(name))
                if name not in known:
                    found.append(f"panel '{title}' asks for {name}")
    for alert, expression, *_ in ALERTS:
        found += [f"alert {alert} asks for {name}" for name in NAME.findall(expression)
                  if name not in known]
    return found + [f"no panel shows {name}" for name in metrics if name not in shown]


def selected(expression):
    """The expression for the chosen jobs and instances only."""
    return NAME.sub(r'\g<0>{job=~"$job",instance=~"$instance"}', expression)


def panel(number, place, title, unit, queries, metrics):
    known = series(metrics)
    names = dict.fromkeys(known[name] for query, _ in queries for name in NAME.findall(query))
    is_stat = place["h"] == 4
    is_table = unit == "table"
    targets = [
        {"refId": chr(ord("A") + index), "expr": selected(query), "legendFormat": legend}
        | ({"format": "table", "instant": True} if is_table else {})
        for index, (query, legend) in enumerate(queries)]
    return {
        "id": number, "title": title, "gridPos": place,
        "type": "table" if is_table else "stat" if is_stat else "timeseries",
        "description": "\n".join(f"{name}: {metrics[name][1]}" for name in names),
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "fieldConfig": {"defaults": {} if is_table else {"unit": unit, "min": 0},
                        "overrides": []},
        "options": {}, "targets": targets,
    } | ({"transformations": [{"id": "merge", "options": {}}]} if is_table else {})


def variable(name, query):
    return {"name": name, "type": "query", "query": query, "refresh": 2, "multi": True,
            "includeAll": True, "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
            "datasource": {"type": "prometheus", "uid": "${datasource}"}}


def dashboard(metrics):
    panels, top, number = [], 0, 1
    for row, contents in ROWS:
        panels.append({"id": number, "type": "row", "title": row, "collapsed": False,
                       "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "panels": []})
        number, top, left = number + 1, top + 1, 0
        height = 4 if row == "Now" else 8
        width = 4 if row == "Now" else 8 if len(contents) > 4 else 6
        for title, unit, queries in contents:
            place = {"x": left, "y": top, "w": width, "h": height}
            panels.append(panel(number, place, title, unit, queries, metrics))
            number, left = number + 1, left + width
            if left + width > 24:
                left, top = 0, top + height
        top += height if left else 0
    return {
        "uid": "millrace", "title": "Millrace", "tags": ["millrace"], "schemaVersion": 39,
        "editable": True, "refresh": "10s", "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            variable("job", "label_values(millrace_info, job)"),
            variable("instance", 'label_values(millrace_info{job=~"$job"}, instance)')]},
        "panels": panels,
    }


def rules():
    """YAML; a text of JSON is one of YAML too."""
    lines = ["# Made by scripts/make-dashboards.py; change it there.",
             "groups:", "  - name: millrace", "    rules:"]
    for alert, expression, wait, severity, summary, advice in ALERTS:
        lines += [f"      - alert: {alert}", f"        expr: {json.dumps(expression)}",
                  f"        for: {wait}", f"        labels: {{severity: {severity}}}",
                  "        annotations:", f"          summary: {json.dumps(summary)}",
                  f"          description: {json.dumps(advice)}"]
    return "\n".join(lines) + "\n"


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit("usage: scripts/make-dashboards.py [--check]")
    metrics = table()
    found = problems(metrics)
    made = {DASHBOARD: json.dumps(dashboard(metrics), indent=1) + "\n", RULES: rules()}
    for path, text in made.items():
        if arguments and (not path.exists() or path.read_text() != text):
            found.append(f"{path.relative_to(ROOT)} is old: run scripts/make-dashboards.py")
    if found:
        sys.exit("\n".join(found))
    if not arguments:
        for path, text in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
